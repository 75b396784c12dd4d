"""The page about the check lists the checks of today, and its numbers are those of the code."""

from pathlib import Path

from worksgate.conformance.checks.meter import MOST_REQUESTS, MOST_SECONDS
from worksgate.conformance.checks.sign_in import MOST_PASSWORDS
from worksgate.conformance.report.reference import reference, rewrite_reference

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


def test_the_page_has_every_check_with_its_reason() -> None:
    assert reference() in PAGE.read_text("utf-8"), (
        "run: python -m worksgate.conformance.report.reference docs/check.md"
    )


def test_the_page_states_the_bounds_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert f"At most {MOST_REQUESTS} requests in {MOST_SECONDS / 60:.0f} minutes" in text
    assert f"at most {MOST_PASSWORDS} times" in text


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "check.md"
    page.write_text("a\n<!-- checks: begin -->\na stale row\n<!-- checks: end -->\nz\n", "utf-8")
    rewrite_reference(page)
    text = page.read_text("utf-8")
    assert text.startswith("a\n<!-- checks: begin -->\n### Reaching")
    assert text.endswith("<!-- checks: end -->\nz\n")
    assert "stale" not in text
