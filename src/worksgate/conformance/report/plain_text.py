"""A report as lines of text: the plan before a run, each result as it comes, and the sum."""

from collections.abc import Collection, Iterator

from worksgate.conformance.checks.examination import Result
from worksgate.conformance.checks.meter import MOST_REQUESTS, MOST_SECONDS
from worksgate.conformance.checks.operator import Deed
from worksgate.conformance.checks.recording import Sent
from worksgate.conformance.checks.registry import Check
from worksgate.conformance.checks.sign_in import MOST_PASSWORDS
from worksgate.conformance.checks.target import Target
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.report.summary import Report
from worksgate.conformance.report.texts import Texts

MOST_SHOWN = 4
"""Requests of one finding that are shown, the last ones."""


def plan(
    target: Target,
    checks: Collection[Check],
    way: str,
    texts: Texts,
    deeds: Collection[Deed] = (),
) -> Iterator[str]:
    """Say what a run will do at most, before it does it; `meter` and `sign_in` keep the bounds.

    `way` is ``form``, ``hand``, ``browser`` or ``none``; `deeds` are what the operator does.
    """
    minutes = round((MOST_SECONDS + target.waits) / 60)
    yield texts("plan.scope", count=len(checks), requests=MOST_REQUESTS, minutes=minutes)
    for url in target.urls:
        yield f"  {url}"
    if target.person is not None:
        name = target.person.username
        yield texts(f"plan.{way}", name=name, count=MOST_PASSWORDS)
    elif way == "hand":
        yield texts("plan.hand", name="", count="")
    else:
        yield texts("plan.none")
    if target.mailbox is not None:
        yield texts("plan.imap", name=target.mailbox.email)
        if target.wrong_mail_passwords:
            count = target.wrong_mail_passwords
            yield texts("plan.wrong_mail_passwords", name=target.mailbox.email, count=count)
    if target.overload:
        yield texts("plan.overload", calls=target.overload)
    if target.late_after is not None:
        yield texts("plan.late", minutes=round(target.late_after / 60))
    for deed in deeds:
        yield texts(f"plan.{deed}")
    yield texts("plan.harmless")


def result_lines(result: Result, texts: Texts) -> Iterator[str]:
    """Return one line for a check that passes, and for another why not, and what was sent."""
    outcome = texts(f"outcome.{result.outcome}")
    yield f"{outcome}  {result.check.id}: {texts.title(result.check)}"
    if result.message is not None:
        yield f"      {texts.message(result.message)}"
    if result.outcome is not Outcome.FAIL:
        return
    yield f"      {texts('report.why')}: {texts.reason(result.check)}"
    for sent in result.sent[-MOST_SHOWN:]:
        yield f"      {request_line(sent)}"
    yield f"      {texts('report.page')}: docs/{result.check.page}"


def request_line(sent: Sent) -> str:
    """Return a request and its answer on one line."""
    body = f" {sent.body}" if sent.body else ""
    seconds = "" if sent.seconds is None else f" ({sent.seconds:.2f} s)"
    return f"{sent.method} {sent.path}{body} → {sent.answer}{seconds}"


def sum_line(report: Report, texts: Texts) -> str:
    """Return the numbers of a run in a sentence."""
    return texts(
        "report.sum",
        passed=report.count(Outcome.PASS),
        failed=report.count(Outcome.FAIL),
        untested=report.count(Outcome.NOT_TESTED),
        requests=report.requests,
        seconds=f"{report.took:.0f}",
    )
