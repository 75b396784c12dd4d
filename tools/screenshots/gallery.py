"""docs/pictures.md in three languages: every page, by reader, each with a sentence."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tools.screenshots.camera import file_name

FOLDER: Final = "images/pages"
"""Of the pictures, in docs."""
PLACES: Final[Mapping[str, str]] = {
    "en": "pictures.md",
    "ja": "ja/pictures.md",
    "ko": "ko/pictures.md",
}
"""The pages, in docs."""
LINKS: Final[Mapping[str, str]] = {"en": "English", "ja": "日本語", "ko": "한국어"}


@cache
def texts() -> Mapping[str, Any]:
    read: Mapping[str, Any] = tomllib.loads(
        Path(__file__).with_name("texts.toml").read_text("utf-8")
    )
    return read


def names() -> Sequence[str]:
    """The pictures, in the order of the page."""
    return [name for reader in texts()["reader"] for name in reader["pages"]]


def gallery(language: str) -> str:
    """The page with the pictures of one language, in Markdown."""
    return "\n\n".join(_parts(language)) + "\n"


def _parts(language: str) -> Iterator[str]:
    up, page = "" if language == "en" else "../", texts()["page"]
    title, lead = page[language]
    others = [each for each in PLACES if each != language]
    yield f"# {title}"
    yield " · ".join(f"[{LINKS[each]}]({up}{PLACES[each]})" for each in others)
    yield lead
    comma = "、" if language == "ja" else ", "
    for reader in texts()["reader"]:
        yield f"## {reader[language]}"
        for name, about in reader["pages"].items():
            heading, sentence = about[language]
            words = f"{heading}{comma}{page['both'][language]}"
            yield f"### {heading}"
            yield sentence
            yield f"![{words}]({up}{FOLDER}/{file_name(name, language)})"


def write(docs: Path) -> None:
    for language, place in PLACES.items():
        (docs / place).write_text(gallery(language), "utf-8")
