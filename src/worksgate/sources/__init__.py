"""Identity sources: what authenticates people and looks them up.

A source owns one way to identify people, and returns a ``Person``. It does not know sessions, codes
or pages. Some take a username and a password (``Source``): LDAP and Active Directory (``ldap``), a
company's own function (``function``), the built-in directory (``directory.source``). Others send
the browser to another provider and read its response (``RedirectSource``): OpenID Connect
(``openid``).

``circuit_breaker`` spares a source that is down, ``metrics`` measures the results of each one and
how long it takes; ``sentences`` makes what a source says of itself, with translations.

An unknown name or a wrong password is None. An outage is an exception: a directory that is down is
not a wrong password.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from worksgate.limits.outages import Unavailable
from worksgate.oauth.user_key import KeyProblem


class SourceUnavailable(Unavailable):
    """The source cannot authenticate anybody: it is down, slow or overloaded."""


class NoAnswer(SourceUnavailable):
    """The source may have got a password, and has not said in time whether it is right.

    Some delay a no, so that silence is one for whoever guesses (R-282).
    """


class SourceFault(StrEnum):
    """A problem that a source has detected, as far as it can tell."""

    SILENT = "silent"
    """No response in time."""
    NO_TLS = "no_tls"
    NOT_LISTENING = "not_listening"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    OTHER_NAME = "other_name"
    """The certificate is for another host."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    UNTRUSTED = "untrusted"
    OTHER_PROTOCOL = "other_protocol"
    SERVICE_NAME_MALFORMED = "service_name_malformed"
    SERVICE_REFUSED = "service_refused"
    BASE_NOT_FOUND = "base_not_found"
    MAY_NOT_READ = "may_not_read"
    PERSON_NOT_FOUND = "person_not_found"
    PERSON_NOT_IN_GROUP = "person_not_in_group"
    ACCOUNT_UNUSABLE = "account_unusable"
    ATTRIBUTE_MISSING = "attribute_missing"
    ATTRIBUTE_UNUSABLE = "attribute_unusable"
    """It has a value, which LINE WORKS would not accept."""


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """Whether a part of a source works, in a sentence for the administrator."""

    works: bool
    text: str
    fault: SourceFault | None = None


class PersonDisabled(Exception):
    """The password is right, but the person may not sign in."""


class PasswordExpired(PersonDisabled):
    """The password is right but must be changed, in the company's directory and not here."""


class PersonNotAllowed(PersonDisabled):
    """The account is valid, but the source's settings do not admit it."""


class TemporaryPasswordExpired(Exception):
    """The password is right, but was temporary, and its time is over.

    The person is told no more than that it is wrong; this is for the administrator.
    """


class RefusedUpstream(Exception):
    """The other provider refused, or its response is not trustworthy; the text is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person who may sign in.

    ``subject_id`` is stable, never reused, and begins with the source's name and a colon; a
    function may omit that prefix. ``external_key`` and ``works_account`` follow the rules of
    ``oauth.user_info``. ``revision`` changes with the password, if the source can tell. ``email``
    is only set if the source vouches that it is the person's; nobody is ever identified by it.
    ``groups`` are names, as the source spells them. ``must_change_password`` is true for a
    temporary password that can be changed here (R-85). ``refused_keys`` are about keys from the
    source that belong to another person here. ``reading`` is how the name is read (furigana).
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
    refused_keys: tuple[KeyProblem, ...] = ()
    reading: str = ""


Answer = Person | Mapping[str, Any] | None
Authenticate = Callable[[str, str], Answer | Awaitable[Answer]]
"""A company's own function: takes a username and a password, and returns the person."""


class Source(Protocol):
    """The contract of every source that takes passwords."""

    @property
    def name(self) -> str:
        """Unique among the sources of an installation."""
        ...

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None.

        Costs the same whether the username exists or not (R-77).
        Raises PersonDisabled or TemporaryPasswordExpired (only after the password was right), or
        SourceUnavailable.
        """
        ...

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """Return the person's current state, or None if they are gone or disabled.

        ``last_seen`` is the state at the sign-in; a source that cannot look people up without a
        password returns it. A person whose password has changed since ``last_seen.revision``, if
        that is known, counts as gone. Raises SourceUnavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Identified:
    """The person of a typed name, as a source has found out without a password.

    ``account`` is the same for all names of a person, and the name's own if it means nobody; None
    if only the password tells. ``is_found`` is whether it is known to be a person's, and
    ``subject_id`` whose, if the source can tell. ``kept`` is the source's own. ``is_busy`` is
    whether a refusal may say no more than HashingBusy (R-145).
    ``took`` is how many seconds of a sign-in this has taken, if somebody counts them.
    """

    username: str
    account: str | None = None
    kept: Any = field(default=None, repr=False)
    is_found: bool = False
    is_busy: bool = False
    took: float = 0.0
    subject_id: str | None = None


@runtime_checkable
class IdentifiesFirst(Protocol):
    """A ``Source`` that finds a person before it checks their password, in two steps.

    Between them wrong passwords are counted for that person, whatever the name (R-119).
    ``authenticate`` does both.
    """

    async def identify(self, username: str) -> Identified:
        """The person of a name. Raises SourceUnavailable."""
        ...

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        """Like ``Source.authenticate``; if not ``admitted`` it costs the same and returns None."""
        ...


async def identify(source: Source, username: str) -> Identified:
    """The person of a name, if the source can tell. Raises SourceUnavailable."""
    if isinstance(source, IdentifiesFirst):
        return await source.identify(username)
    return Identified(username)


async def verify(
    source: Source, identified: Identified, password: str, *, admitted: bool = True
) -> Person | None:
    """The second step, or the only one. Like ``Source.authenticate``."""
    if isinstance(source, IdentifiesFirst):
        return await source.verify(identified, password, admitted=admitted)
    return await source.authenticate(identified.username, password) if admitted else None


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person of a source as an administrator sees them; nobody has signed in.

    ``problems`` are sentences, without a full stop: why they could not sign in. ``is_out`` is
    whether they could not, whatever their password.
    """

    person: Person
    problems: tuple[str, ...] = ()
    is_out: bool = False
    key_problems: tuple[KeyProblem, ...] = ()


@runtime_checkable
class ListsPeople(Protocol):
    """A source that can look people up without their passwords."""

    def people(self) -> AsyncIterator[Sequence[ListedPerson]]:
        """All people of the source, a page at a time. Raises SourceUnavailable."""
        ...

    async def look_up(self, username: str) -> ListedPerson | None:
        """The person who would sign in with this name, or None. Raises SourceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorizationRedirect:
    """Where to send the browser, and what must be kept here until it comes back.

    ``state`` is the value that comes back in the query. ``kept`` is the source's own text, secret
    until then.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    kept: str = field(repr=False)


@runtime_checkable
class HasCapacity(Protocol):
    """A source that can tell beforehand that it could not check a password now."""

    def check_capacity(self, *, is_known: bool = True) -> None:
        """Raises HashingBusy if no password could be checked at this moment.

        Some capacity is reserved for known callers.
        """
        ...


@runtime_checkable
class SlowToRefuse(Protocol):
    """A source where the time of a wrong password could reveal which source it is not."""

    async def refusal_time(self) -> float:
        """Seconds after which a refusal reveals nothing. Raises SourceUnavailable."""
        ...


class RedirectSource(Protocol):
    """The contract of a source that redirects to another provider.

    The caller binds ``state`` to the browser and accepts each only once (R-91).
    """

    @property
    def name(self) -> str:
        """Unique among the sources of an installation."""
        ...

    @property
    def label(self) -> str:
        """The label of its button on the sign-in page."""
        ...

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        """Begin a sign-in that returns to ``return_url``. Raises SourceUnavailable.

        ``reauthenticate`` requires a new sign-in of people who are already signed in there.
        """
        ...

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        """Return the person of the response ``query``; ``return_url`` is as for ``begin``.

        Raises RefusedUpstream, PersonDisabled or SourceUnavailable.
        """
        ...

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """As for ``Source``: ``last_seen`` if the person is this source's, else None."""
        ...

    async def logout_url(self, return_url: str) -> str | None:
        """Where to sign the person out upstream too, or None if that is not wanted."""
        ...
