"""What an answer must be, whatever else is in it: each function returns, or raises Finding.

An error is known by its number or by its word, at any status below 500: the official pages leave
the form and the status open. Other members, their order and other words in a description are the
implementation's own.
"""

from collections.abc import Mapping
from typing import Final

from worksgate.conformance.checks.recording import json_type
from worksgate.conformance.checks.verdicts import Finding
from worksgate.conformance.exchange import ERROR_NUMBERS, Exchange, Failure

_GRANTED: Final = ("access_token", "user_id", "code")


def outcome_of(exchange: Exchange) -> str:
    """Return what came in a few words: a number of an error, or a key of the catalogue."""
    if exchange.failure is not None and exchange.failure is not Failure.NOT_JSON:
        return f"value.{exchange.failure}"
    document = exchange.json
    if document is None:
        return f"HTTP {exchange.status}"
    if _is_error(document):
        error = str(document["error"])
        return ERROR_NUMBERS.get(error, error)
    return "value.success" if _grants(exchange) else f"HTTP {exchange.status}"


def expect_error(exchange: Exchange, *numbers: str) -> None:
    """Expect one of these errors, and nothing granted beside it."""
    expect_answer(exchange)
    got = outcome_of(exchange)
    if got not in numbers:
        raise Finding("wrong_error", exchange=exchange, expected=" / ".join(numbers), got=got)
    expect_nothing_granted(exchange)
    _expect_ordinary_status(exchange)


def expect_refusal(exchange: Exchange) -> None:
    """Expect any error in JSON, and nothing granted beside it."""
    expect_answer(exchange)
    if exchange.json is None or not _is_error(exchange.json) or _grants(exchange):
        raise Finding("no_error", exchange=exchange, got=outcome_of(exchange))
    _expect_ordinary_status(exchange)


def expect_nothing_granted(exchange: Exchange) -> None:
    """Expect anything but a code, a token or a user key."""
    if _grants(exchange):
        raise Finding("granted", exchange=exchange)


def expect_success(exchange: Exchange, member: str) -> str:
    """Expect HTTP 200 and a JSON object with this member as a text that is not empty; return it."""
    expect_answer(exchange)
    if exchange.status != 200 or exchange.json is None or _is_error(exchange.json):
        raise Finding("no_success", exchange=exchange, got=outcome_of(exchange))
    return expect_text(exchange, member)


def expect_text(exchange: Exchange, member: str) -> str:
    """Expect a member that is a JSON string and not empty; return it."""
    value = (exchange.json or {}).get(member)
    if not isinstance(value, str) or not value:
        got = "value.empty" if value == "" else json_type(value)
        if member not in (exchange.json or {}):
            got = "value.missing"
        raise Finding("wrong_type", exchange=exchange, member=member, wanted="string", got=got)
    return value


def expect_answer(exchange: Exchange) -> None:
    """Expect that there was an answer at all."""
    if exchange.failure is not None and exchange.failure is not Failure.NOT_JSON:
        raise Finding("no_answer", exchange=exchange, got=f"value.{exchange.failure}")


def expect_json_type(exchange: Exchange) -> None:
    """Expect a content type of JSON."""
    found = header(exchange, "content-type")
    if found.partition(";")[0].strip().lower() != "application/json":
        raise Finding(
            "wrong_header",
            exchange=exchange,
            name="Content-Type",
            wanted="application/json",
            got=found or "value.missing",
        )


def expect_no_store(exchange: Exchange) -> None:
    """Expect that no cache may keep the answer."""
    found = header(exchange, "cache-control")
    if "no-store" not in {part.strip().lower() for part in found.split(",")}:
        raise Finding(
            "wrong_header",
            exchange=exchange,
            name="Cache-Control",
            wanted="no-store",
            got=found or "value.missing",
        )


def header(exchange: Exchange, name: str) -> str:
    """Return a header of the answer, or nothing; of several lines, the list that they are."""
    headers = () if exchange.answer is None else exchange.answer.headers
    return ", ".join(value for key, value in headers if key.lower() == name.lower())


def _is_error(document: Mapping[str, object]) -> bool:
    """Whether there is an error; a member that is null or empty is none."""
    return document.get("error") not in (None, "")


def _grants(exchange: Exchange) -> bool:
    document = exchange.json or {}
    granted = [name for name in _GRANTED if document.get(name)]
    # An error may carry its number as "code".
    return granted not in ([], ["code"]) or (granted == ["code"] and not _is_error(document))


def _expect_ordinary_status(exchange: Exchange) -> None:
    status = exchange.status or 0
    if status != 200 and not 400 <= status < 500:
        got = outcome_of(exchange)
        raise Finding("error_status", exchange=exchange, status=status, got=got)
