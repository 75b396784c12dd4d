"""The documentation site: its pages by reader, and what the check of a finished one finds."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tools.site import CONFIGURATION, assemble, problems

ROOT = Path(__file__).parents[2]
START = str(Path("index").with_suffix(".md"))
"""The first page of the site."""


def nav_pages(entry: Any) -> list[str]:
    """The pages of the navigation, in its order."""
    match entry:
        case str():
            return [entry]
        case dict():
            return [page for value in entry.values() for page in nav_pages(value)]
        case _:
            return [page for each in entry for page in nav_pages(each)]


def test_every_page_has_one_place_in_the_navigation(tmp_path: Path) -> None:
    shown = nav_pages(tomllib.loads(CONFIGURATION.read_text("utf-8"))["project"]["nav"])
    assert len(shown) == len(set(shown))
    written = {str(page.relative_to(tmp_path)) for page in assemble(ROOT, tmp_path)}
    assert set(shown) <= written
    # Decisions are reached by their list.
    left = {page for page in written - set(shown) if not page.startswith("docs/decisions/")}
    assert left == set()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, text in {
        "README.md": "# A b\n\n[Page](docs/mail.md#c--d), [again](https://sso.example.com)\n",
        "docs/mail.md": "## C & d\n\n[`run`](../src/run.py) `](no/link)` ![p](p.png)\n\n"
        "```sh\n# no heading\n[x](nowhere.txt)\n```\n\n[Start](../README.md) [here](#c--d)\n",
        "docs/p.png": "",
        "src/run.py": "print()\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_links_and_headings_of_the_repository_are_those_of_the_site(
    repository: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    assemble(repository, site)
    assert (site / START).read_text() == (
        "# A b { #a-b }\n\n[Page](docs/mail.md#c--d), [again](https://sso.example.com)\n"
    )
    assert (site / "docs/mail.md").read_text() == (
        "## C & d { #c--d }\n\n[`run`](../src/run.py.txt) `](no/link)` ![p](../docs/p.png)\n\n"
        "```sh\n# no heading\n[x](nowhere.txt)\n```\n\n"
        f"[Start](../{START}) [here](#c--d)\n"
    )
    assert (site / "src/run.py.txt").read_text() == "print()\n"
    assert (site / "docs/p.png").exists()


def test_a_link_to_nothing_ends_the_building(repository: Path, tmp_path: Path) -> None:
    (repository / "docs" / "mail.md").write_text("[x](nowhere.txt)\n")
    with pytest.raises(ValueError, match=r"links to nowhere\.txt"):
        assemble(repository, tmp_path / "site")


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<script src="https://cdn.example.com/a.js"></script>', "loads https://cdn.example.com"),
        ('<link rel=preconnect href="//fonts.example.com">', "loads //fonts.example.com"),
        ('<img src="no.png">', "loads no.png, which is not there"),
        ('<a href="no.html">x</a>', "leads to no.html, which is not there"),
        ('<a href="#no">x</a>', "leads to #no, which is not there"),
        ('<a href="other.html#no">x</a>', "leads to other.html#no, which is not there"),
    ],
)
def test_what_is_wrong_with_a_finished_site_is_found(
    tmp_path: Path, html: str, problem: str
) -> None:
    (tmp_path / "index.html").write_text(html)
    (tmp_path / "other.html").write_text("<h1 id=yes>Yes</h1>")
    [found] = problems(tmp_path)
    assert problem in found


def test_a_style_sheet_that_loads_a_font_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@import 'https://fonts.example.com/a.css'; b { color: red }")
    [found] = problems(tmp_path)
    assert found == "a.css loads https://fonts.example.com/a.css"


def test_a_good_site_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<link href="data:,"><a href="https://sso.example.com">x</a> <a href="b%20c.html#d">y</a>'
    )
    (tmp_path / "b c.html").write_text("<h1 id=d>D</h1>")
    assert list(problems(tmp_path)) == []


# The README in other languages

_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_commands_of_the_other_languages_are_those_of_the_readme(language: str) -> None:
    english = _COMMANDS.findall((ROOT / "README.md").read_text("utf-8"))
    other = _COMMANDS.findall((ROOT / f"README.{language}.md").read_text("utf-8"))
    assert other == english[: len(other)]
    assert len(other) == 2


@pytest.mark.parametrize("page", ["quick-start", "setting-up", "going-live"])
@pytest.mark.parametrize("language", ["ja", "ko"])
def test_a_translated_page_has_the_parts_and_commands_of_the_english_one(
    page: str, language: str
) -> None:
    texts = [
        (ROOT / "docs" / folder / f"{page}.md").read_text("utf-8") for folder in ("", language)
    ]
    for pattern in (_COMMANDS, re.compile(r"^#+ ", re.M), re.compile(r"^\| |^\d\. ", re.M)):
        english, other = (pattern.findall(text) for text in texts)
        assert other == english
