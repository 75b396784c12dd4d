"""What holds for both calls of LINE WORKS' servers: their parameters, and the client that calls."""

import json
from typing import Final
from urllib.parse import urlencode

from worksgate.conformance.checks.expectations import (
    expect_error,
    expect_nothing_granted,
    outcome_of,
)
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import FORM, Exchange
from worksgate.conformance.line_works import Credentials, Parameters, with_parameters

UNKNOWN_CLIENT: Final = "worksgate-check-unknown"
_MALFORMED: Final = (b"%ZZ", b"%ff%fe", b"%00")
"""A broken escape, no UTF-8, and a NUL, which some databases do not take."""


async def expect_all_required(run: Run, url: str, form: Parameters) -> None:
    """Expect error 201 without any one parameter of the form, and without all of them.

    What is secret is missing, too, where its name has an operator in brackets: some parsers make an
    object of it, which a database takes for a question.
    """
    for name, _ in form:
        rest = [pair for pair in form if pair[0] != name]
        expect_error(await run.post(url, rest), "201")
        if name not in ("grant_type", "client_id"):
            expect_error(await run.post(url, [*rest, (f"{name}[$ne]", "1")]), "201")
    expect_error(await run.post(url, []), "201")


async def expect_none_empty(run: Run, url: str, form: Parameters) -> None:
    """Expect error 201 where a parameter of the form is empty."""
    for name, _ in form:
        emptied = [(each, "" if each == name else value) for each, value in form]
        expect_error(await run.post(url, emptied), "201")


async def expect_none_repeated(run: Run, url: str, form: Parameters) -> None:
    """Expect error 201 where a parameter of the form comes again, with another value."""
    for name, _ in form:
        expect_error(await run.post(url, [*form, (name, made_up())]), "201")


async def expect_no_query(run: Run, url: str, form: Parameters, *, read: str) -> None:
    """Expect that parameters in the address count for nothing; `read` is the error if they do."""
    address = with_parameters(url, form)
    for method, content_type in (("POST", FORM), ("GET", None)):
        answer = await run.send(method, address, content_type=content_type)
        expect_nothing_granted(answer)
        if outcome_of(answer) == read:
            raise Finding("parameters_in_query", exchange=answer)


async def expect_no_json(run: Run, url: str, form: Parameters) -> None:
    """Expect error 201 where the form comes as JSON."""
    body = json.dumps(dict(form)).encode()
    expect_error(await run.send("POST", url, body=body, content_type="application/json"), "201")


async def expect_no_crash(run: Run, url: str, form: Parameters, number: str) -> None:
    """Expect error 201 or this one where the last value of the form is no text."""
    *others, (name, _) = form
    before = f"{urlencode(others)}&{name}=".encode()
    for value in _MALFORMED:
        answer = await run.send("POST", url, body=before + value, content_type=FORM)
        expect_error(answer, "201", number)


def expect_one_answer(one: Exchange, other: Exchange) -> None:
    """Expect that the two errors cannot be told apart."""
    if _told(one) != _told(other):
        raise Finding("tells_clients_apart")


def _told(answer: Exchange) -> tuple[int | None, object, str]:
    """Return what an error says, without words with digits: a number of the request, or a time."""
    document = answer.json or {}
    words = str(document.get("error_description")).split()
    lasting = " ".join(word for word in words if not any(map(str.isdigit, word)))
    return answer.status, document.get("error"), lasting


def nearly(secret: str) -> list[str]:
    """Return values that are almost the secret: longer, shorter, in letters of the other case.

    One ends with what is a wildcard to a database (`LIKE`). Where all letters are of one case it
    carries nothing, as in a UUID, and may be ignored.
    """
    found = [f"{secret}x", secret[:-1], f"{secret[:-1]}%"]
    has_case = secret not in (secret.lower(), secret.upper())
    return [each for each in [*found, *([secret.swapcase()] if has_case else [])] if each]


def stranger(run: Run) -> Credentials:
    """Return a client that does not exist."""
    return Credentials(UNKNOWN_CLIENT, run.target.credentials.client_secret)


def wrong_secret_of(run: Run) -> Credentials:
    """Return the client with a wrong secret."""
    return Credentials(run.target.credentials.client_id, made_up())


def wrong_clients_of(run: Run) -> list[Credentials]:
    """Return the client with several wrong secrets, some of which are nearly right."""
    client_id, secret = run.target.credentials.client_id, run.target.credentials.client_secret
    return [wrong_secret_of(run), *(Credentials(client_id, each) for each in nearly(secret))]


def disabled_client_of(run: Run) -> Credentials:
    """Return the client that is disabled. Raises Untested."""
    if run.target.disabled is None:
        raise Untested("no_disabled_client")
    return run.target.disabled


def other_client_of(run: Run) -> Credentials:
    """Return the second client. Raises Untested."""
    if run.target.other is None:
        raise Untested("no_other_client")
    return run.target.other


def barred_client_of(run: Run) -> Credentials:
    """Return the client that may not call from here. Raises Untested."""
    if run.target.barred is None:
        raise Untested("no_barred_client")
    return run.target.barred
