"""The table of all checks, for ``docs/check.md``.

``python -m worksgate.conformance.report.reference docs/check.md`` writes it into the page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from worksgate.conformance.checks.examination import FAMILIES
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.report.texts import Texts

_BEGIN = "<!-- checks: begin -->"
_END = "<!-- checks: end -->"


def reference() -> str:
    """Return a section for each family, with a row for each check."""
    texts = Texts("en")
    return "\n\n".join("\n".join(_section(family, texts)) for family in FAMILIES) + "\n"


def _section(family: Family, texts: Texts) -> Iterator[str]:
    yield f"### {texts(f'family.{family.name}')}"
    yield ""
    yield f"[Explained here]({family.page}), and by LINE WORKS at <{texts.official_page(family)}>."
    yield ""
    yield "| Check | Rule | Why |"
    yield "|---|---|---|"
    for check in family.checks:
        yield f"| `{check.id}` | {_cell(check.title)} | {_cell(check.reason)} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def rewrite_reference(page: Path) -> None:
    """Replace the table between the two marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{reference()}\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    rewrite_reference(Path(sys.argv[1]))
