"""Builds the documentation site, to be read without a network: ``make site``.

    .venv/bin/python -m tools.site [FOLDER]

The pages are those of the repository, by reader (``tools/site.toml``), with what they link to: a
program or a file of ``deploy/`` is there as text. The site is made in ``build/site``, and then read
through: every link leads somewhere, and nothing is loaded from another host.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.links import heading_names, is_elsewhere

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = Path(__file__).with_suffix(".toml")
STYLE = Path(__file__).with_suffix(".css")
WORKER = Path(__file__).with_suffix(".js")
IMAGES = {".png", ".webp", ".svg"}
START = ("README.md", "README.ja.md", "README.ko.md")

_FENCE = re.compile(r"(^(```|~~~).*?^\2[^\n]*$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(`[^`\n]*`)|\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6} .*?)[ \t]*$", re.MULTILINE)


# Pages


def assemble(root: Path, target: Path) -> list[Path]:
    """Write the pages of a repository, and what they link to, into a folder; returns the pages.

    Raises ValueError for a link to nothing.
    """
    begin = [root / name for name in START] + sorted((root / "docs").rglob("*.md"))
    waiting, seen = [page for page in begin if page.exists()], set[Path]()
    written = []
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        place = target / _place(file.relative_to(root))
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix != ".md":
            shutil.copyfile(file, place)
            continue
        text, linked = _for_site(file, root)
        place.write_text(text, "utf-8")
        written.append(place)
        waiting += linked
    return written


def _place(name: Path) -> Path:
    """Where a file of the repository is on the site; what no browser shows becomes a text."""
    if name == Path("README.md"):
        return Path("index.md")
    if name.suffix == ".md" or name.suffix in IMAGES:
        return name
    return name.with_name(f"{name.name}.txt")


def _for_site(page: Path, root: Path) -> tuple[str, list[Path]]:
    """A page with its links and headings as the site needs them, and the files it links to."""
    linked: list[Path] = []
    names = iter(heading_names(page))

    def link(found: re.Match[str]) -> str:
        if found[1] or is_elsewhere(found[2]):
            return found[0]
        name, _, anchor = found[2].partition("#")
        if not name:
            return found[0]
        file = (page.parent / unquote(name)).resolve()
        if file.is_dir():
            file = file / "README.md"
        if not (file.is_relative_to(root) and file.is_file()):
            raise ValueError(f"{page.relative_to(root)} links to {found[2]}, which is no file")
        linked.append(file)
        place = _place(file.relative_to(root))
        steps = Path(*[".."] * len(page.parent.relative_to(root).parts), place)
        return f"]({steps}{'#' if anchor else ''}{anchor})"

    def heading(found: re.Match[str]) -> str:
        return f"{found[1]} {{ #{next(names)} }}"

    parts = _FENCE.split(page.read_text("utf-8"))
    # The pattern has two groups: text, fence, its mark, text, …
    parts[::3] = [_HEADING.sub(heading, _LINK.sub(link, part)) for part in parts[::3]]
    del parts[2::3]
    return "".join(parts), linked


# The finished site


class _Reader(HTMLParser):
    """What a page loads, where it leads, and the names by which it can be linked to."""

    LOADING = frozenset({"script", "img", "iframe", "source", "video", "audio", "embed", "object"})

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.names |= {values[name] for name in ("id", "name") if name in values}
        if tag in self.LOADING:
            self.loaded += [values[name] for name in ("src", "data") if name in values]
        elif tag == "link" and "href" in values:
            self.loaded.append(values["href"])
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])


_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a finished site: links to nothing, and what other hosts would be asked."""
    readers = {page: _read(page) for page in sorted(site.rglob("*.html"))}
    for page, reader in readers.items():
        name = page.relative_to(site)
        for url in reader.loaded:
            if urlsplit(url).netloc:
                yield f"{name} loads {url}"
            elif not _found(page, url, readers):
                yield f"{name} loads {url}, which is not there"
        for url in reader.links:
            if not is_elsewhere(url) and not _found(page, url, readers):
                yield f"{name} leads to {url}, which is not there"
    for style in sorted(site.rglob("*.css")):
        for url in _IN_STYLE.findall(style.read_text("utf-8")):
            yield f"{style.relative_to(site)} loads {url}"


def _read(page: Path) -> _Reader:
    reader = _Reader()
    reader.feed(page.read_text("utf-8"))
    return reader


def _found(page: Path, url: str, readers: dict[Path, _Reader]) -> bool:
    """Whether a link within the site leads to a file, and to a name in it."""
    if is_elsewhere(url):
        return True  # data:
    name, _, anchor = url.partition("#")
    target = (page.parent / unquote(name.partition("?")[0])).resolve() if name else page
    if target.is_dir():
        target = target / "index.html"
    if target not in readers:
        return target.is_file()
    return not anchor or unquote(anchor) in readers[target].names


_SHIM = re.compile(r'(<script[^>]*src=")https://unpkg\.com/iframe-worker/shim(")')
"""A script of another host, for the search of pages that are files; ours is in its place."""


def build(folder: Path) -> Path:
    """Make the site in a folder; returns where its pages are. Raises CalledProcessError."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    assemble(ROOT, folder / "pages")
    shutil.copyfile(CONFIGURATION, folder / "zensical.toml")
    for file in (STYLE, WORKER):
        shutil.copyfile(file, folder / "pages" / file.name)
    program = str(Path(sys.executable).with_name("zensical"))
    subprocess.run([program, "build", "--clean"], cwd=folder, check=True)  # noqa: S603  # of .venv
    site = folder / "html"
    (site / "404.html").unlink(missing_ok=True)  # a server's page, with links from its root
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        page.write_text(_SHIM.sub(rf"\1{up}{WORKER.name}\2", page.read_text("utf-8")), "utf-8")
    return site


def main() -> int:
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "site"
    site = build(folder)
    found = list(problems(site))
    for line in found:
        print(line, file=sys.stderr)
    count = len(list(site.rglob("*.html")))
    print(f"{site / 'index.html'}: {count} pages, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
