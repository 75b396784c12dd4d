"""LDAP and Active Directory as an identity source.

A sign-in is a bind as the person; the rest is read from their entry. ldap3 blocks, so it runs in
threads of this source's own, never more than ``pool_size``. Each call ends within ``timeout``,
whatever the servers do; a directory that is down for longer is not called for a while
(``circuit_breaker``), so that nobody waits for it.

The settings are one ``[[source]]`` table and are read once, at the start. Servers and the service
account's password belong together there: a running program cannot be pointed at another server and
made to send it a stored password (R-89).
"""

import asyncio
import ssl
import time
import unicodedata
import warnings
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from worksgate.catalogues import sentence_of
from worksgate.credentials.password_hashing import normalise_password
from worksgate.credentials.usernames import username_key
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.settings.sources.common import common_problems
from worksgate.settings.sources.ldap import LdapSettings
from worksgate.sources import (
    Identified,
    ListedPerson,
    NoAnswer,
    Person,
    SourceFault,
    SourceFinding,
    SourceUnavailable,
)
from worksgate.sources.circuit_breaker import Circuit
from worksgate.sources.sentences import said

if TYPE_CHECKING:
    from worksgate.sources.ldap.connection import Budget, Entry
    from worksgate.sources.ldap.lookup import LdapLookup

__all__ = ["LdapSettings", "LdapSource"]

R = TypeVar("R")
_MAX_USERNAME = 256
_MAX_REMEMBERED = 4096
_EXAMINATION_TIME = 10.0
"""Seconds per server when an administrator examines them."""


class LdapSource:
    """Checks passwords against a directory. Raises ValueError for unusable settings.

    ``clock`` is the time of day, for account expiry, and ``monotonic`` measures.
    """

    def __init__(
        self,
        settings: LdapSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if problems := [*common_problems(settings), *settings.problems()]:
            raise ValueError("; ".join(problems))
        self.name = settings.name
        self.domains = settings.domains
        self._settings = settings
        self._lookup = _lookup(settings, clock)
        self._pool = ThreadPool(
            settings.pool_size, settings.pool_waiting, name=f"ldap-{settings.name}"
        )
        self._circuit = Circuit(
            settings.name,
            failures=settings.circuit_failures,
            seconds=settings.circuit_seconds,
            clock=monotonic,
        )
        self._found = _Found(settings.found_lifetime, monotonic)

    @property
    def circuits(self) -> Sequence[Circuit]:
        """Spares the directory while it is down."""
        return (self._circuit,)

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None.

        An unknown name costs as many binds as a known one (R-77). Raises PersonDisabled or
        PasswordExpired, only after the password was right, or SourceUnavailable.
        """
        if not _is_worth_asking(_tidy(username), password):
            return None
        return await self.verify(await self.identify(username), password, admitted=True)

    async def identify(self, username: str) -> Identified:
        """The entry of a name; for a direct bind, which has none yet, the name for the bind.

        Raises SourceUnavailable.
        """
        from worksgate.sources.ldap.connection import Budget

        name = _tidy(username)
        budget = Budget(self._settings.timeout)  # of both steps, including the wait for threads
        entry, account, subject_id = None, f"{self.name} has no {name}", None
        if _is_name(name):
            if self._settings.direct_bind:
                account = f"{self.name} binds {self._lookup.guess_key(name)}"
            elif entry := await self._ask(partial(self._lookup.seek, name), budget):
                account = subject_id = f"{self.name}:{self._lookup.id_of(entry)}"
        sought = _Sought(name, entry, budget)
        return Identified(
            username, account, sought, is_found=entry is not None, subject_id=subject_id
        )

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        """The second step of ``authenticate``; at least one bind in any case."""
        sought: _Sought = identified.kept
        if not _is_worth_asking(sought.name, password):
            return None
        check = partial(self._lookup.check, sought.name, sought.entry, password, admitted)
        person = await self._ask(check, sought.budget)
        if person is not None:
            self._found.put(person.subject_id, person)
        return person

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """The person's current state, or None if they are gone or disabled.

        At most ``found_lifetime`` seconds old; without a service account, as of the sign-in. Raises
        SourceUnavailable.
        """
        from worksgate.sources.ldap.connection import Budget

        prefix = f"{self.name}:"
        if not subject_id.startswith(prefix):
            return None
        if not self._settings.bind_dn:
            return last_seen
        known = self._found.get(subject_id)
        if known is None:
            question = partial(self._lookup.find, subject_id.removeprefix(prefix))
            answer = await self._ask(question, Budget(self._settings.timeout))
            known = self._found.put(subject_id, answer)
        person = known.person
        if person is None or _has_another_password(person, last_seen):
            return None
        return person

    async def test(self, username: str | None = None) -> list[SourceFinding]:
        """Report what works, and a person's data, for an administrator.

        Nobody signs in, and neither the circuit nor the time limit of sign-ins applies.
        """
        name = None if username is None else _tidy(username)
        try:
            return await self._pool.run(partial(self._lookup.examine, name, _EXAMINATION_TIME))
        except PoolFull:
            return [SourceFinding(works=False, text=said("too many calls are waiting"))]

    async def people(self) -> AsyncIterator[Sequence[ListedPerson]]:
        """All people of the directory, a page at a time, for an administrator.

        Neither the circuit nor the time limit of sign-ins applies. Raises SourceUnavailable.
        """
        self._require_service_account()
        pages = self._lookup.people(_EXAMINATION_TIME)
        try:
            while (page := await self._in_turn(lambda: next(pages, None))) is not None:
                yield page
        finally:
            await self._in_turn(pages.close)

    async def look_up(self, username: str) -> ListedPerson | None:
        """The person who would sign in with this name, or None, for an administrator."""
        self._require_service_account()
        question = partial(self._lookup.look_up, _tidy(username), _EXAMINATION_TIME)
        return await self._in_turn(question)

    def _require_service_account(self) -> None:
        if not self._settings.bind_dn:
            raise SourceUnavailable(
                said(
                    "%(source)s has no service account (bind_dn): people are only visible when "
                    "they sign in",
                    source=self.name,
                )
            )

    async def _in_turn(self, question: Callable[[], R]) -> R:
        from worksgate.sources.ldap.connection import ServerDown

        try:
            return await self._pool.run(question)
        except PoolFull:
            raise SourceUnavailable(
                said("%(source)s has too many calls waiting", source=self.name)
            ) from None
        except ServerDown as error:
            raise SourceUnavailable(
                said("%(source)s: %(problem)s", source=self.name, problem=sentence_of(error))
            ) from None

    def close(self) -> None:
        """Take no more calls; a running call is not awaited, and ends by its time limit."""
        self._pool.close()
        self._lookup.close()

    async def _ask(self, question: Callable[["Budget"], R], budget: "Budget") -> R:
        try:
            with self._circuit.attempt():
                return await self._in_time(question, budget)
        except PoolFull:
            raise SourceUnavailable(
                said("%(source)s has too many calls waiting", source=self.name)
            ) from None

    async def _in_time(self, question: Callable[["Budget"], R], budget: "Budget") -> R:
        """Call in a thread. The thread ends in time by itself; if not, the response still does."""
        from worksgate.sources.ldap.connection import ServerDown

        try:
            async with asyncio.timeout(budget.left()):
                return await self._pool.run(lambda: question(budget))
        except TimeoutError:
            raise NoAnswer(said("%(source)s did not respond in time", source=self.name)) from None
        except ServerDown as error:
            outage = NoAnswer if error.fault is SourceFault.SILENT else SourceUnavailable
            raise outage(
                said("%(source)s: %(problem)s", source=self.name, problem=sentence_of(error))
            ) from None


@dataclass(frozen=True, slots=True)
class _Sought:
    """State between the two steps of a sign-in: the entry of a name, if it has one."""

    name: str
    entry: "Entry | None"
    budget: "Budget"


@dataclass(frozen=True, slots=True)
class _Known:
    """The result of a lookup, None for a person who is gone."""

    person: Person | None
    until: float


class _Found:
    """A cache of lookups, since a session asks again with every request."""

    def __init__(self, lifetime: float, clock: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def get(self, subject_id: str) -> _Known | None:
        """The cached result, if it is recent enough."""
        known = self._known.get(subject_id)
        return known if known is not None and self._clock() < known.until else None

    def put(self, subject_id: str, person: Person | None) -> _Known:
        known = _Known(person, self._clock() + self._lifetime)
        self._known[subject_id] = known
        self._known.move_to_end(subject_id)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return known


def _lookup(settings: LdapSettings, clock: Callable[[], float]) -> "LdapLookup":
    """Connects to the servers. Raises ValueError if ca_file is unusable."""
    with warnings.catch_warnings():
        # ldap3 uses names that pyasn1 has renamed; both versions are pinned.
        warnings.simplefilter("ignore", DeprecationWarning)
        from worksgate.sources.ldap.connection import Terms
        from worksgate.sources.ldap.lookup import LdapLookup

    terms = Terms(
        tls=_tls(settings),
        start_tls=settings.start_tls,
        connect_timeout=settings.connect_timeout,
        answer_limit=settings.answer_limit,
    )
    return LdapLookup(settings, terms, clock)


def _tls(settings: LdapSettings) -> ssl.SSLContext:
    """Certificates and host names are always verified (R-88)."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise ValueError(f"ca_file: cannot be used: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # From 3.13 on, Python requires of certificates what those of many company CAs, and Samba's,
    # lack: an Authority Key Identifier. The result must not depend on the version of Python. Chain,
    # validity and name are always verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _tidy(username: str) -> str:
    """One form of each character, without surrounding blanks, as people type them in Japan."""
    return unicodedata.normalize("NFKC", username).strip()


def _is_name(username: str) -> bool:
    if not username_key(username) or len(username) > _MAX_USERNAME:
        return False
    return username.isprintable()


def _is_worth_asking(username: str, password: str) -> bool:
    """Whether a directory may be asked at all.

    A bind with an empty password succeeds as anonymous on many servers, and some read only up to
    the first NUL (R-61).
    """
    if not _is_name(username):
        return False
    try:
        normalise_password(password)
    except ValueError:
        return False
    return "\0" not in password


def _has_another_password(person: Person, last_seen: Person) -> bool:
    revisions = (person.revision, last_seen.revision)
    return None not in revisions and person.revision != last_seen.revision
