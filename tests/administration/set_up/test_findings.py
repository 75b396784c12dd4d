"""What is kept of an examination: its worst finding, and no more of the others than fits a page."""

import pytest
from tests.administration.installation import Office

from worksgate.administration.set_up.operations import LONGEST, MOST_FINDINGS, SEVERITIES
from worksgate.directory.wizard_answers import Answer
from worksgate.doctor import Severity


async def kept(at_work: Office, name: str) -> Answer:
    return (await at_work.directory.set_up.answers())[name]


def test_severities_are_those_of_doctor() -> None:
    assert list(SEVERITIES) == [each.value for each in Severity]


@pytest.mark.parametrize(
    ("severities", "worst"),
    [
        ([], "ok"),
        ([Severity.OK, Severity.OK], "ok"),
        ([Severity.WARN, Severity.OK], "warn"),
        ([Severity.WARN, Severity.FAIL, Severity.OK], "fail"),
    ],
)
async def test_the_worst_finding_counts(
    at_work: Office, severities: list[Severity], worst: str
) -> None:
    set_up = at_work.administration.set_up
    await set_up.record_source("company", severities)
    await set_up.record_inside([(each, "text", "advice") for each in severities])
    assert (await kept(at_work, "source.company")).value == {"worst": worst}
    assert (await kept(at_work, "address.inside")).value["worst"] == worst


async def test_of_many_long_findings_some_are_kept(at_work: Office) -> None:
    found = ("warn", "t" * (LONGEST + 1), "a" * (LONGEST + 1))
    await at_work.administration.set_up.record_inside([found] * (MOST_FINDINGS + 1))
    findings = (await kept(at_work, "address.inside")).value["findings"]
    assert findings == [["warn", "t" * LONGEST, "a" * LONGEST]] * MOST_FINDINGS
