"""A report as JUnit XML, as CI systems read it: a suite per family, a test case per check."""

from xml.etree import ElementTree as ET

from worksgate.conformance.checks.examination import Result
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.report.json_document import iso
from worksgate.conformance.report.plain_text import request_line
from worksgate.conformance.report.summary import Report
from worksgate.conformance.report.texts import Texts


def junit(report: Report, texts: Texts) -> bytes:
    """Return the document; what was not tested is *skipped*."""
    root = ET.Element("testsuites", {"name": f"worksgate check {report.name}"})
    for family, results in report.by_family():
        suite = ET.SubElement(root, "testsuite", _counts(results))
        suite.set("name", texts(f"family.{family.name}"))
        suite.set("timestamp", iso(report.at))
        for result in results:
            _add_case(suite, result, texts)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(results: list[Result]) -> dict[str, str]:
    outcomes = [result.outcome for result in results]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count(Outcome.FAIL)),
        "skipped": str(outcomes.count(Outcome.NOT_TESTED)),
        "errors": "0",
    }


def _add_case(suite: ET.Element, result: Result, texts: Texts) -> None:
    check = result.check
    name = f"{check.id}: {texts.title(check)}"
    seconds = sum(sent.seconds or 0.0 for sent in result.sent)
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": f"worksgate.{check.family}", "name": name, "time": f"{seconds:.3f}"},
    )
    if result.message is None:
        return
    text = texts.message(result.message)
    if result.outcome is Outcome.NOT_TESTED:
        ET.SubElement(case, "skipped", {"message": text})
        return
    failure = ET.SubElement(case, "failure", {"message": text, "type": result.message.key})
    lines = [texts.reason(check), *map(request_line, result.sent), f"docs/{check.page}"]
    failure.text = "\n".join(lines)
