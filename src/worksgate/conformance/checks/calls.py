"""What holds for both calls of LINE WORKS' servers: their parameters, and the client that calls."""

from worksgate.conformance.checks.expectations import (
    expect_error,
    expect_nothing_granted,
    outcome_of,
)
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import FORM
from worksgate.conformance.line_works import Credentials, Parameters, with_parameters


async def expect_all_required(run: Run, url: str, form: Parameters) -> None:
    """Expect error 201 without any one parameter of the form, and without all of them."""
    for name, _ in form:
        rest = [pair for pair in form if pair[0] != name]
        expect_error(await run.post(url, rest), "201")
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


def stranger(run: Run) -> Credentials:
    """Return a client that does not exist."""
    return Credentials("worksgate-check-unknown", run.target.credentials.client_secret)


def wrong_secret_of(run: Run) -> Credentials:
    """Return the client with a wrong secret."""
    return Credentials(run.target.credentials.client_id, made_up())


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
