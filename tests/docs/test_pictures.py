"""Every picture of the documentation is used, has an alternative text, and loads quickly."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from tools.console_pictures import LANGUAGES, PLACES, pictures_page
from tools.links import pages

ROOT = Path(__file__).parents[2]
PICTURES = sorted(each for each in (ROOT / "docs" / "images").rglob("*") if each.is_file())
LARGEST = 120_000
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]*images/[^)]*)\)")


@cache
def shown() -> Mapping[Path, Sequence[str]]:
    """The words for each picture that a page shows, by its file."""
    found = defaultdict(list)
    for page in pages(ROOT):
        for words, target in SHOWN.findall(page.read_text("utf-8")):
            found[(page.parent / target).resolve()].append(words)
    return found


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_picture_is_shown_with_words_for_it_and_is_small(picture: Path) -> None:
    assert picture in shown()
    assert all(len(words) > 10 for words in shown()[picture])
    assert picture.stat().st_size <= LARGEST


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_with_the_console_s_pictures_is_the_one_that_their_tool_writes(
    language: str,
) -> None:
    page = ROOT / "docs" / PLACES[language]
    assert page.read_text("utf-8") == pictures_page(language)


def test_all_pictures_of_the_console_together_are_small() -> None:
    sizes = [each.stat().st_size for each in PICTURES if each.parent.name == "console"]
    assert sum(sizes) < 3_000_000
