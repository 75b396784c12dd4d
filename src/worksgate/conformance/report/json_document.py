"""A report as a JSON document. Keys and ids never change with the language; texts do."""

from datetime import UTC, datetime
from typing import Any

from worksgate.conformance.checks.examination import Result
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.report.summary import Report
from worksgate.conformance.report.texts import Texts


def document(report: Report, texts: Texts) -> dict[str, Any]:
    """Return the whole report, ready for ``json.dumps``."""
    return {
        "ok": report.exit_code == 0,
        "name": report.name,
        "at": iso(report.at),
        "seconds": round(report.took, 1),
        "requests": report.requests,
        "version": report.version,
        "client_id": report.client_id,
        "addresses": dict(report.addresses),
        "counts": {str(outcome): report.count(outcome) for outcome in Outcome},
        "checks": [_result(result, texts) for result in report.results],
    }


def _result(result: Result, texts: Texts) -> dict[str, Any]:
    return {
        "id": result.check.id,
        "title": texts.title(result.check),
        "reason": texts.reason(result.check),
        "page": f"docs/{result.check.page}",
        "outcome": str(result.outcome),
        "finding": None if result.message is None else result.message.key,
        "text": None if result.message is None else texts.message(result.message),
        "requests": [
            {
                "method": sent.method,
                "path": sent.path,
                "body": sent.body,
                "answer": sent.answer,
                "seconds": None if sent.seconds is None else round(sent.seconds, 3),
            }
            for sent in result.sent
        ],
    }


def iso(seconds: float) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
