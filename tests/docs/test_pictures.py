"""Every picture of the documentation is used, has an alternative text, and loads quickly."""

import re
from pathlib import Path

import pytest
from tools.links import pages

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "images").iterdir())
LARGEST = 120_000
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]*images/[^)]*)\)")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_picture_is_shown_with_words_for_it_and_is_small(picture: Path) -> None:
    shown = [
        words
        for page in pages(ROOT)
        for words, target in SHOWN.findall(page.read_text("utf-8"))
        if (page.parent / target).resolve() == picture
    ]
    assert shown
    assert all(len(words) > 10 for words in shown)
    assert picture.stat().st_size <= LARGEST
