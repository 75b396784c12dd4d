"""Checks that every relative link and image of the pages leads somewhere.

It reads all Markdown files of the project, follows links to files and to headings, and prints each
that is broken; the exit code is 1 if there is one. Links to other sites are not asked for. The
files of deploy/ name pages from the root of the project, such as docs/install.md#backups; those
are followed too.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
IGNORED = {"node_modules", "dist", "build"}

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)|(?:src|href)=\"([^\"]+)\"", re.M
)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_NAMED_PAGE = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+)?")


def pages(root: Path) -> Iterator[Path]:
    """All Markdown files, except in folders that are not part of the project."""
    for path in sorted(root.rglob("*.md")):
        parts = path.relative_to(root).parts
        if not any(part in IGNORED or part.startswith(".") for part in parts):
            yield path


def heading_names(page: Path) -> list[str]:
    """The names under which the headings of a page can be linked to, as GitHub makes them."""
    names: list[str] = []
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text("utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (numbered := f"{name}-{number}" if number else name) in names:
            number += 1
        names.append(numbered)
    return names


def anchors(page: Path) -> set[str]:
    """The same names as a set."""
    return set(heading_names(page))


def is_elsewhere(link: str) -> bool:
    """Whether a link leads out of the project."""
    return _ELSEWHERE.match(link) is not None


def broken_links(page: Path, root: Path) -> Iterator[str]:
    """The links of a page that lead nowhere, or out of the project."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    for found in _LINK.findall(text):
        link = next(filter(None, found))
        if not is_elsewhere(link) and not _leads_somewhere(link, page, page.parent, root):
            yield link


def broken_names(file: Path, root: Path) -> Iterator[str]:
    """The pages that a file of another kind names from the root, and that are not there."""
    for link in _NAMED_PAGE.findall(file.read_text("utf-8")):
        if not _leads_somewhere(link, file, root, root):
            yield link


def _leads_somewhere(link: str, file: Path, base: Path, root: Path) -> bool:
    """Whether what a file names, as seen from ``base``, is a file or a heading within ``root``."""
    name, _, anchor = link.partition("#")
    target = (base / unquote(name)).resolve() if name else file
    if not (target.is_relative_to(root) and target.exists()):
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def main() -> int:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages(ROOT)
        for link in broken_links(page, ROOT)
    ]
    broken += [
        f"{file.relative_to(ROOT)}: {link}"
        for file in sorted((ROOT / "deploy").rglob("*"))
        if file.is_file()
        for link in broken_names(file, ROOT)
    ]
    for line in broken:
        print(line, file=sys.stderr)
    print(f"{len(list(pages(ROOT)))} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
