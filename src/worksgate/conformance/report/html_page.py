"""A report as one HTML file, to hand over or to print: no script, nothing from elsewhere."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.report.json_document import iso
from worksgate.conformance.report.plain_text import MOST_SHOWN, sum_line
from worksgate.conformance.report.summary import Report
from worksgate.conformance.report.texts import Texts


def html_page(report: Report, texts: Texts) -> str:
    """Return the page. What came from the server is escaped."""
    findings = [each for each in report.results if each.outcome is Outcome.FAIL]
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            t=texts,
            most_shown=MOST_SHOWN,
            at=iso(report.at).replace("T", " ").removesuffix("Z"),
            findings=findings,
            verdict=_verdict(report, texts),
            sum=sum_line(report, texts),
            counts={str(outcome): report.count(outcome) for outcome in Outcome},
            official={family.name: texts.official_page(family) for family, _ in report.by_family()},
        )
    )


def _verdict(report: Report, texts: Texts) -> str:
    if count := report.count(Outcome.FAIL):
        return texts("report.bad", count=count)
    return texts("report.incomplete" if report.is_incomplete else "report.good")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
