"""The identity sources: whether each one answers, and what it would say of somebody.

Nothing is asked by opening a page. The settings of a source stay in the settings file: a page shows
the table to paste, without secrets.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.responses import Response

from worksgate.administration import NotFound, Refused
from worksgate.catalogues import sentence_of
from worksgate.credentials.secrets import digest, new_id
from worksgate.credentials.usernames import username_key
from worksgate.directory.people_list import COUNTED, PeopleFilter
from worksgate.provider.throttle import TooManyAttempts
from worksgate.settings.reference import example_table, source_table
from worksgate.settings.sources import SOURCE_TYPES, SourceSettings
from worksgate.web.console.examiner import Finding
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

LONGEST = 256
"""Characters of a name."""
LONGEST_PASSWORD = 1_024
LONGEST_TEST = 30.0
"""Seconds."""
PASSWORD_TESTS = 3
"""With a password, for one name, within ``WINDOW`` seconds: fewer than a directory locks after."""
TESTS_OF_ONE = 10
"""The same, by one administrator, for all names together: nobody tries out a list of people."""
WINDOW = 900.0
FORM_LIFETIME = 3_600.0

TYPE_NAMES: Final = {
    "directory": text("Built-in directory"),
    "ldap": text("LDAP or Active Directory"),
    "oidc": text("OpenID provider"),
    "python": text("Your own function"),
}

_log = structlog.get_logger("worksgate.console")


@dataclass(frozen=True, slots=True)
class _Tested:
    """What a test has shown; ``problem`` is why it could not be made, or nothing."""

    findings: list[Finding]
    username: str
    problem: str = ""


async def show_list(visit: Visit) -> Response:
    """All sources, and how each one answered when it was asked last."""
    known = await visit.administration.set_up.overview()
    people = visit.administration.people_list
    sources = visit.console.settings.all_sources
    counts = {each.name: await people.count(PeopleFilter(source=each.name)) for each in sources}
    return visit.page(
        "sources.html",
        sources=sources,
        answers=known.answers,
        counts=counts,
        counted=COUNTED,
        type_names=TYPE_NAMES,
        examples={name: example_table(kind) for name, kind in SOURCE_TYPES.items() if kind.example},
    )


async def show(visit: Visit) -> Response:
    """One source: its settings, and the form to test it."""
    return await _page(visit, _source(visit, visit.query.get("name", "")), None)


async def test(visit: Visit) -> Response:
    """Ask a source whether it works, and about a person; a given password is tried once (R-168)."""
    form = visit.form
    source = _source(visit, form.get("name", ""))
    username = "".join(filter(str.isprintable, form.get("username", "").strip()[:LONGEST]))
    password = form.get("password", "")[:LONGEST_PASSWORD] or None
    if password is not None:
        if not username:
            return await _page(visit, source, _Tested([], "", "no_name"), 409)
        if await _was_sent(visit):
            return await _page(visit, source, _Tested([], username, "sent_before"), 409)
        await _count_password(visit, source.name, username)
    tested = await _tested(visit, source.name, username, password)
    severities = [each.severity for each in tested.findings] or ["fail"]
    await visit.administration.set_up.record_source(
        source.name, severities, username, by_password=password is not None
    )
    return await _page(visit, source, tested)


async def _tested(visit: Visit, name: str, username: str, password: str | None) -> _Tested:
    findings: list[Finding] = []
    asking = visit.console.examiner.source(name, username or None, password)
    try:
        async with asyncio.timeout(LONGEST_TEST):
            async for each in asking:
                findings.append(each)
    except Refused as refusal:
        return _Tested(findings, username, sentence_of(refusal))
    except TimeoutError:
        return _Tested(findings, username, "too_long")
    return _Tested(findings, username)


async def _was_sent(visit: Visit) -> bool:
    """Whether this very form was sent before: a page that is reloaded tries no password again."""
    form = visit.form.get("form", "")[:LONGEST]
    count = await visit.console.store.bump(f"source form {digest(form)}", FORM_LIFETIME, visit.now)
    return not form or count > 1


async def _count_password(visit: Visit, source: str, username: str) -> None:
    """Neither lock somebody out of their directory, nor let their password be guessed here.

    Raises TooManyAttempts.
    """
    limits = {
        f"source tests of {visit.administrator.account.subject_id}": TESTS_OF_ONE,
        f"source test {source} {digest(username_key(username))}": PASSWORD_TESTS,
    }
    for counter, most in limits.items():
        if await visit.console.store.bump(counter, WINDOW, visit.now) > most:
            _log.warning("console.too_many_tests", source=source)
            raise TooManyAttempts(WINDOW)


def _source(visit: Visit, name: str) -> SourceSettings:
    for each in visit.console.settings.all_sources:
        if each.name == name:
            return each
    raise NotFound("there is no such source in the settings")


async def _page(
    visit: Visit, source: SourceSettings, tested: _Tested | None, status: int = 200
) -> Response:
    known = await visit.administration.set_up.overview()
    return visit.page(
        "source.html",
        status,
        source=source,
        tested=tested,
        answer=known.answers.get(f"source.{source.name}"),
        table=source_table(source),
        type_names=TYPE_NAMES,
        form=new_id(),
        takes_password=not source.is_built_in and source.type != "oidc",
        takes_name=source.type != "oidc",
        window=round(WINDOW / 60),
        most=PASSWORD_TESTS,
        from_wizard=visit.form.get("from") == "wizard",
    )
