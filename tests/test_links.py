"""The link check finds broken links, and only those."""

from pathlib import Path

import pytest
from tools.links import anchors, broken_links, broken_names, pages

PAGE = """# Worksgate & co.

## What it is
## What it is

[a](docs/other.md) [b](docs/other.md#the-log-rule) [c](#what-it-is-1) ![d](docs/a%20picture.png)
<img src="docs/a picture.png"> [e](https://elsewhere.example/none) [f](mailto:a@elsewhere.example)
`[g](none.md)` and a [reference].

```
[h](none.md)
```

[reference]: docs/other.md
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text("# Other\n\n## The `log` rule #\n", "utf-8")
    (tmp_path / "docs" / "a picture.png").touch()
    (tmp_path / "README.md").write_text(PAGE, "utf-8")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.md").write_text("[x](none.md)", "utf-8")
    return tmp_path


def test_links_that_lead_somewhere_are_fine(root: Path) -> None:
    assert [page.name for page in pages(root)] == ["README.md", "other.md"]
    assert not list(broken_links(root / "README.md", root))


@pytest.mark.parametrize(
    "link",
    [
        "[x](none.md)",
        "![x](docs/none.png)",
        '<a href="none.md">x</a>',
        "[x]: none.md",
        "[x](docs/other.md#none)",
        "[x](#what-it-is-2)",
        "[x](../outside.md)",
        "[x](/README.md)",
        '[x](none.md "title")',
    ],
)
def test_link_that_leads_nowhere_is_found(root: Path, link: str) -> None:
    page = root / "README.md"
    (root.parent / "outside.md").touch()
    page.write_text(f"{PAGE}\n\n{link}\n", "utf-8")
    assert len(list(broken_links(page, root))) == 1


def test_pages_that_other_files_name_from_the_root_are_followed(root: Path) -> None:
    file = root / "deploy" / "site.conf"
    file.parent.mkdir()
    file.write_text("# docs/other.md, docs/other.md#the-log-rule; docs/none.md.\n", "utf-8")
    assert list(broken_names(file, root)) == ["docs/none.md"]
    file.write_text("# docs/other.md#none\n", "utf-8")
    assert list(broken_names(file, root)) == ["docs/other.md#none"]


def test_headings_are_named_as_on_github(root: Path) -> None:
    assert anchors(root / "README.md") == {"worksgate--co", "what-it-is", "what-it-is-1"}
