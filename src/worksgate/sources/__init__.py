"""Identity sources: who can say who a person is.

A source owns one way to find out who somebody is, and says it as a ``Person``. It does not know
sessions, codes or pages. Some take a name and a password (``Source``): LDAP and Active Directory
(``ldap``), a company's own function (``function``), the built-in directory (``directory.source``).
Others send the browser to another provider and read what it comes back with (``RedirectSource``):
OpenID Connect (``openid``).

``circuit_breaker`` spares a source that is down, ``counted`` counts what each one says.

"Not mine or wrong" is None. An outage is an exception: a directory that is down is not a wrong
password.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from worksgate.limits.outages import Unavailable


class SourceUnavailable(Unavailable):
    """The source cannot say who this is: it is down, slow or overloaded."""


class SourceFault(StrEnum):
    """What a source has found to be wrong with itself, as far as it can tell."""

    SILENT = "silent"
    """No answer in time."""
    NO_TLS = "no_tls"
    SERVICE_NAME_MALFORMED = "service_name_malformed"
    SERVICE_REFUSED = "service_refused"
    BASE_NOT_FOUND = "base_not_found"
    MAY_NOT_READ = "may_not_read"
    PERSON_NOT_FOUND = "person_not_found"
    PERSON_NOT_IN_GROUP = "person_not_in_group"
    ACCOUNT_UNUSABLE = "account_unusable"
    ATTRIBUTE_MISSING = "attribute_missing"
    ATTRIBUTE_UNUSABLE = "attribute_unusable"
    """It has a value, and LINE WORKS would not accept that."""


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """Whether a part of a source works, in a sentence for the administrator."""

    works: bool
    text: str
    fault: SourceFault | None = None


class PersonDisabled(Exception):
    """The password is right, but the person may not sign in."""


class PasswordExpired(PersonDisabled):
    """The password is right but must be changed, and not here: in the company's directory."""


class PersonNotAllowed(PersonDisabled):
    """The account is good, but not among those that the source's settings let in."""


class RefusedUpstream(Exception):
    """The other provider said no, or what it said cannot be believed; the text is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in.

    ``subject_id`` is stable, never given to another person, and begins with the source's name
    and a colon; a function may leave the beginning out. ``external_key`` and ``works_account``
    obey the rules of ``oauth.user_info``. ``revision`` changes with the password, where the
    source can tell. ``email`` is only there where the source vouches that it is the person's;
    nobody is ever recognised by it. ``groups`` are names, as the source spells them.
    ``must_change_password`` says that the password is temporary, and can be changed here (R-85).
    ``refused_keys`` are sentences: which keys the source gave that are another person's here.
    """

    subject_id: str
    username: str
    name: str
    external_key: str | None = None
    works_account: str | None = None
    revision: str | None = None
    email: str | None = None
    groups: tuple[str, ...] = ()
    must_change_password: bool = False
    refused_keys: tuple[str, ...] = ()


Answer = Person | Mapping[str, Any] | None
Authenticate = Callable[[str, str], Answer | Awaitable[Answer]]
"""A company's own function: it is given a username and a password, and says whose they are."""


class Source(Protocol):
    """The contract of every source that takes passwords."""

    @property
    def name(self) -> str:
        """Unique among the sources of an installation."""
        ...

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None.

        Costs the same whether the username exists or not (R-77).
        Raises PersonDisabled (only after the password was right) or SourceUnavailable.
        """
        ...

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """Return a person as they are now, or None where they are gone or disabled.

        ``last_seen`` is what was known at the sign-in; a source that cannot look people up
        without a password returns it. Somebody whose password is no longer the one of
        ``last_seen.revision``, if that is known, is gone too. Raises SourceUnavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identified:
    """Whom a typed name means, as a source has found out without a password.

    ``account`` is one for all names of a person, and a name's own where it means nobody; None
    where only the password tells. ``is_found`` is whether it is known to be a person's. ``kept`` is
    the source's own. ``is_busy`` is whether a refusal may say no more than HashingBusy (R-145).
    ``took`` is how many seconds of a sign-in have passed by it, where somebody counts them.
    """

    username: str
    account: str | None = None
    kept: Any = field(default=None, repr=False)
    is_found: bool = False
    is_busy: bool = False
    took: float = 0.0


@runtime_checkable
class IdentifiesFirst(Protocol):
    """A ``Source`` that finds a person before it checks their password, in two steps.

    Between them wrong passwords are counted for that person, whatever the name (R-119). To
    ``authenticate`` is to do both.
    """

    async def identify(self, username: str) -> Identified:
        """Whom a name means. Raises SourceUnavailable."""
        ...

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        """As ``Source.authenticate``; who is not ``admitted`` costs the same and gets None."""
        ...


async def identify(source: Source, username: str) -> Identified:
    """Whom a name means, where the source can tell. Raises SourceUnavailable."""
    if isinstance(source, IdentifiesFirst):
        return await source.identify(username)
    return Identified(username)


async def verify(
    source: Source, identified: Identified, password: str, *, admitted: bool = True
) -> Person | None:
    """The second step, or the only one. As ``Source.authenticate``."""
    if isinstance(source, IdentifiesFirst):
        return await source.verify(identified, password, admitted=admitted)
    return await source.authenticate(identified.username, password) if admitted else None


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """Somebody in a source as an administrator sees them; nobody has signed in.

    ``problems`` are sentences, without a full stop: why they could not sign in, and what is wrong
    with their user keys.
    """

    person: Person
    problems: tuple[str, ...] = ()


@runtime_checkable
class ListsPeople(Protocol):
    """A source that can be asked about people without their passwords."""

    def people(self) -> AsyncIterator[Sequence[ListedPerson]]:
        """All people of the source, a page at a time. Raises SourceUnavailable."""
        ...

    async def look_up(self, username: str) -> ListedPerson | None:
        """The person who would sign in by this name, or None. Raises SourceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorizationRedirect:
    """Where to send the browser, and what must be kept here until it comes back.

    ``state`` is the value that comes back in the query. ``kept`` is text of the source's own,
    secret until then.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    kept: str = field(repr=False)


@runtime_checkable
class HasCapacity(Protocol):
    """A source that can tell, before it is asked, that it could check no password now."""

    def check_capacity(self, *, is_known: bool = True) -> None:
        """Raises HashingBusy where no password could be checked at this moment.

        Some room is kept for callers who are known.
        """
        ...


@runtime_checkable
class SlowToRefuse(Protocol):
    """A source where the time of a wrong password could tell whose it is not."""

    async def refusal_time(self) -> float:
        """Seconds after which a refusal tells nothing. Raises SourceUnavailable."""
        ...


class RedirectSource(Protocol):
    """The contract of a source that asks another provider.

    The caller binds ``state`` to the browser and believes each once only (R-91).
    """

    @property
    def name(self) -> str:
        """Unique among the sources of an installation."""
        ...

    @property
    def label(self) -> str:
        """What the button on the login page calls it."""
        ...

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, anew: bool = False
    ) -> AuthorizationRedirect:
        """Begin a sign-in that comes back to ``return_url``. Raises SourceUnavailable.

        ``anew`` asks that whoever is signed in there already must sign in again.
        """
        ...

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        """Say who came back with ``query``; ``return_url`` is as it was for ``begin``.

        Raises RefusedUpstream, PersonDisabled or SourceUnavailable.
        """
        ...

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """As for ``Source``: ``last_seen`` where the person is this source's, else None."""
        ...

    async def logout_url(self, return_url: str) -> str | None:
        """Where the person is signed out upstream too, or None where that is not wanted."""
        ...
