"""A source as an administrator asks it before anybody signs in, depending on its type.

The built-in directory is looked up as an administrator does; sources with passwords report their
own state, or are asked with a password; of another provider, only people who have signed in are
known.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from worksgate.administration.command_lines import command_line
from worksgate.catalogues import sentence_of
from worksgate.doctor import Finding, fail, ok, warn
from worksgate.doctor.ldap_advice import advice_on
from worksgate.doctor.sentences import said
from worksgate.settings.options import Settings
from worksgate.settings.sources import SourceSettings
from worksgate.sources import (
    ListedPerson,
    ListsPeople,
    PasswordExpired,
    Person,
    PersonDisabled,
    Source,
    SourceFinding,
    SourceUnavailable,
)

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.bootstrap.source_types import ByPassword, ByRedirect

Test = Callable[[str | None], Awaitable[list[SourceFinding]]]
"""A source that can be examined without a sign-in."""

ADVICE = said("check the [[source]] table in the settings, and whether the source is up")

_PAGE = 200


def part_of(source: SourceSettings) -> str:
    """What findings about a source are of."""
    return said("source %(name)s", name=source.name)


class CannotBeQueried(ValueError):
    """The source does not support this question; one sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """The subject of a question: nobody, a person, or a person with their password."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


class QueriedSource(ABC):
    """A source that an administrator asks. Every call may raise CannotBeQueried."""

    def __init__(self, settings: Settings, source: SourceSettings, stack: AsyncExitStack) -> None:
        """Opened resources are closed with ``stack``."""
        self._settings = settings
        self._source = source
        self._stack = stack
        self._part = part_of(source)

    @abstractmethod
    async def check(self, question: Question) -> list[Finding]:
        """What works, and the source's answer. Raises ValueError if its settings are wrong."""

    @abstractmethod
    def people(self, administration: "Administration") -> AsyncIterator[Sequence[ListedPerson]]:
        """All people of the source, a page at a time. Raises SourceUnavailable."""

    @abstractmethod
    async def look_up(self, username: str) -> ListedPerson | None:
        """The person who would sign in with this name, or None. Raises SourceUnavailable."""


class QueriedDirectory(QueriedSource):
    """The built-in directory."""

    async def check(self, question: Question) -> list[Finding]:
        if question.password is not None:
            raise CannotBeQueried(
                said("passwords of the built-in directory can be tried on the sign-in page")
            )
        return [await self._look_at(question.username)]

    async def _look_at(self, username: str | None) -> Finding:
        from worksgate.administration import NotFound
        from worksgate.bootstrap.administration import open_administration

        async with open_administration(self._settings) as administration:
            if username is None:
                return ok(self._part, said("the built-in directory is in the database"))
            try:
                account = await administration.users.get(username)
            except NotFound as error:
                return fail(
                    self._part, sentence_of(error), command_line("user", "add", name=username)
                )
        if not account.enabled:
            advice = command_line("user", "enable", name=account.username)
            return fail(
                self._part, said("%(username)s is disabled", username=account.username), advice
            )
        return _of_person(account.person, self._part)

    async def people(
        self, administration: "Administration"
    ) -> AsyncIterator[Sequence[ListedPerson]]:
        page: list[ListedPerson] = []
        async for account in administration.users.all():
            problems = () if account.enabled else ("the account is disabled",)
            page.append(ListedPerson(account.person, problems, not account.enabled))
            if len(page) == _PAGE:
                yield page
                page = []
        yield page

    async def look_up(self, username: str) -> ListedPerson | None:
        raise CannotBeQueried(
            said("people of the built-in directory are shown by worksgate user show")
        )


class QueriedByPassword(QueriedSource):
    """A source with passwords."""

    def __init__(
        self,
        settings: Settings,
        source: SourceSettings,
        stack: AsyncExitStack,
        kind: "ByPassword",
    ) -> None:
        super().__init__(settings, source, stack)
        self._kind = kind

    def _open(self) -> Source:
        return self._kind.open(self._source, self._stack, time.time)

    async def check(self, question: Question) -> list[Finding]:
        source = self._open()
        test: Test | None = getattr(source, "test", None)
        if test is not None:
            findings = _findings_of(self._part, await test(question.username), advice_on)
        elif question.username is not None and question.password is None:
            raise CannotBeQueried(
                said("%(source)s can only be asked with a password", source=source.name)
            )
        else:
            findings = [ok(self._part, said("its function exists"))]
        if question.username is not None and question.password is not None:
            findings.append(
                await _of_sign_in(source, question.username, question.password, self._part)
            )
        return findings

    async def people(
        self, administration: "Administration"
    ) -> AsyncIterator[Sequence[ListedPerson]]:
        async for page in self._listing().people():
            yield page

    async def look_up(self, username: str) -> ListedPerson | None:
        return await self._listing().look_up(username)

    def _listing(self) -> ListsPeople:
        """The source, if it lists people. Raises CannotBeQueried."""
        try:
            source = self._open()
        except ValueError as problem:
            raise CannotBeQueried(sentence_of(problem)) from None
        if not isinstance(source, ListsPeople):
            raise CannotBeQueried(
                said(
                    "%(source)s can only be asked with a password; worksgate user list --source "
                    "%(source)s lists who has signed in with it",
                    source=source.name,
                )
            )
        return source


class QueriedByRedirect(QueriedSource):
    """A source that redirects to another provider."""

    def __init__(
        self,
        settings: Settings,
        source: SourceSettings,
        stack: AsyncExitStack,
        kind: "ByRedirect",
    ) -> None:
        super().__init__(settings, source, stack)
        self._kind = kind

    async def check(self, question: Question) -> list[Finding]:
        if question.username is not None:
            raise self._only_there()
        provider = self._kind.open(self._source, self._stack, time.time)
        return _findings_of(self._part, await provider.test(self._return_url()))

    async def people(
        self, administration: "Administration"
    ) -> AsyncIterator[Sequence[ListedPerson]]:
        people = await administration.people.remembered(self._source.name)
        for start in range(0, len(people), _PAGE):
            yield [ListedPerson(each.person) for each in people[start : start + _PAGE]]

    async def look_up(self, username: str) -> ListedPerson | None:
        raise self._only_there()

    def _only_there(self) -> CannotBeQueried:
        return CannotBeQueried(
            said("%(source)s shows people only when they sign in there", source=self._source.name)
        )

    def _return_url(self) -> str:
        from worksgate.provider.sign_in.upstream import CALLBACK_PATH

        base = self._settings.public_url.rstrip("/")
        return f"{base}{self._settings.web_login_path}{CALLBACK_PATH}{self._source.name}"


def queried(settings: Settings, source: SourceSettings, stack: AsyncExitStack) -> QueriedSource:
    """The source, according to its type; opened resources are closed with ``stack``."""
    from worksgate.bootstrap.source_types import BuiltIn, ByPassword, ByRedirect, type_of

    match type_of(source):
        case BuiltIn():
            return QueriedDirectory(settings, source, stack)
        case ByPassword() as kind:
            return QueriedByPassword(settings, source, stack, kind)
        case ByRedirect() as kind:
            return QueriedByRedirect(settings, source, stack, kind)


async def _of_sign_in(source: Source, username: str, password: str, part: str) -> Finding:
    """The source's answer to a password. The attempt counts there, like a sign-in."""
    try:
        person = await source.authenticate(username, password)
    except PasswordExpired:
        return fail(
            part,
            said("the password is right, but has expired"),
            said("change it in the directory"),
        )
    except PersonDisabled as refusal:
        text = said("the password is right, but the person may not sign in")
        if str(refusal):
            why = sentence_of(refusal)
            text = said("the password is right, but %(problem)s", problem=why)
        return fail(part, text, said("check their account there"))
    except SourceUnavailable as error:
        return fail(part, sentence_of(error), ADVICE)
    if person is None:
        return fail(
            part,
            said("the password is wrong, or there is no such person"),
            said("try it again"),
        )
    return _of_person(person, part)


def _of_person(person: Person, part: str) -> Finding:
    """A person as a sign-in would see them."""
    facts = (
        said("id %(id)s", id=person.subject_id),
        person.name and said("name %(name)s", name=person.name),
        person.external_key and said("external key %(key)s", key=person.external_key),
        person.works_account and said("LINE WORKS account %(key)s", key=person.works_account),
        person.email and said("e-mail %(address)s", address=person.email),
        person.groups and said("groups %(groups)s", groups=", ".join(person.groups)),
    )
    text = said("%(username)s: %(facts)s", username=person.username, facts=_together(facts))
    if person.external_key is None and person.works_account is None:
        return warn(
            part,
            text,
            said("LINE WORKS cannot identify a person without an external key or an account"),
        )
    return ok(part, text)


def _together(facts: Iterable[str | tuple[str, ...] | None]) -> str:
    """Sentences as one; what is empty is left out."""
    known = (fact for fact in facts if isinstance(fact, str) and fact)
    return reduce(lambda one, other: said("%(one)s; %(other)s", one=one, other=other), known)


def _findings_of(
    part: str,
    findings: Iterable[SourceFinding],
    advice_on: Callable[[SourceFinding], str | None] = lambda _: None,
) -> list[Finding]:
    return [
        ok(part, each.text) if each.works else fail(part, each.text, advice_on(each) or ADVICE)
        for each in findings
    ]
