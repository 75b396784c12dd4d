"""Every picture of the documentation is used, has an alternative text, and loads quickly; every
page has one."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from tools.links import pages
from tools.screenshots import console, people
from tools.screenshots.camera import LANGUAGES, LARGEST, MOST, file_name
from tools.screenshots.gallery import FOLDER, PLACES, gallery, names

import worksgate.web.console
from worksgate.web.console.routes import ROUTES

ROOT = Path(__file__).parents[2]
PICTURES = sorted(each for each in (ROOT / "docs" / "images").rglob("*") if each.is_file())
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]*images/[^)]*)\)")
LEADS_ELSEWHERE = {"/find", "/wizard", "/go-live", "/sign-in/return", "/health/bundle"}
"""Routes without a page: they redirect, or are a file."""
IN_ANOTHER = {"/client/branding/preview"}
"""A page in a frame of another."""
FRAMES = {"page.html", "console.html", "gate.html", "wizard.html"}
"""Templates that others are made of."""
BY_A_PROVIDER = {"onward.html"}
"""A page that leads on by itself."""


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
def test_the_page_with_all_pictures_is_the_one_that_their_tool_writes(language: str) -> None:
    assert (ROOT / "docs" / PLACES[language]).read_text("utf-8") == gallery(language)


def test_all_pictures_together_are_small() -> None:
    assert sum(each.stat().st_size for each in PICTURES) <= MOST


def test_every_picture_is_there_in_every_language_and_no_other() -> None:
    assert len(set(names())) == len(names())
    assert sorted(names()) == sorted([*(each.name for each in console.SCENES), *people.NAMES])
    wanted = {file_name(name, language) for name in names() for language in LANGUAGES}
    assert {each.name for each in PICTURES if each.parent == ROOT / "docs" / FOLDER} == wanted


def test_every_page_of_the_console_has_a_picture() -> None:
    ways = [scene.way for scene in console.SCENES]
    taken = {way.partition("?")[0] for way in ways if isinstance(way, str)} | console.BY_DEEDS
    missing = {each.path for each in ROUTES if each.method == "GET"} - taken
    assert missing <= LEADS_ELSEWHERE | IN_ANOTHER


def test_every_template_of_the_console_has_a_picture() -> None:
    folder = Path(worksgate.web.console.__file__).parent / "templates"
    whole = {each.name for each in folder.glob("*.html") if "{% extends" in each.read_text("utf-8")}
    taken = {scene.template for scene in console.SCENES}
    assert taken <= whole
    assert whole - taken <= FRAMES | BY_A_PROVIDER
