"""Administrators' sessions of the console: their beginning, use and end.

A session ends after half an hour without use, after eight hours, and with the role, the password,
the second factor or the account (R-152, R-156); a page that loads itself again is no use (R-225).
The source of an administrator vouches for them while a session is used (R-191), and for a role that
they have by a group there (R-226).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from worksgate.administration.console.browsers import ConsoleBrowser, KnownDevices, event_of
from worksgate.administration.console.places import places_of
from worksgate.administration.console.rights import right_of
from worksgate.administration.console.sources import AdministratorSources
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import digest, new_secret
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.audit.writer import log_events
from worksgate.directory.console_sessions import ConsoleSession
from worksgate.directory.credential_changes import coming_from
from worksgate.directory.database import Directory
from worksgate.sources import SourceUnavailable

IDLE: Final = 1_800.0
"""Seconds without use after which a session ends."""
ABSOLUTE: Final = 8 * 3_600.0
"""Seconds after which it ends in any case."""
TOUCHED: Final = 60.0
"""Seconds between two notes of its use."""
PROVED_FOR: Final = 300.0
"""Seconds for which a second factor counts for what needs a fresh one."""
SESSIONS: Final = 10
"""Open sessions of one administrator; a further one ends the least recently used."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session, by its secret; and what makes the browser known to this administrator."""

    secret: str = field(repr=False)
    device: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An administrator at one request."""

    session: ConsoleSession
    account: AdministratorAccount
    role: Role

    def is_proved(self, now: float) -> bool:
        """Whether the second factor was used a moment ago, as step-up requires."""
        proved_at = self.session.proved_at
        return proved_at is not None and 0 <= now - proved_at <= PROVED_FOR


class SignInOver(Exception):
    """A sign-in has to begin again: its first step is too old or of another browser.

    Or the role or the password of the administrator has changed since.
    """


class ConsoleSessions:
    """Open sessions, each found by the digest of its secret. Every method may raise an outage."""

    def __init__(
        self,
        directory: Directory,
        sources: AdministratorSources,
        devices: KnownDevices,
        clock: Callable[[], float],
    ) -> None:
        self._rows = directory.console_sessions
        self._people = directory.people
        self._sign_ins = directory.sign_ins
        self._groups = directory.console_groups
        self._sources = sources
        self._devices = devices
        self._clock = clock

    async def begin(
        self, account: AdministratorAccount, browser: ConsoleBrowser, how: str
    ) -> Opened:
        """A new session of an administrator who has just used a second factor.

        They get a mail if they have not signed in from there lately (R-246).
        Raises SignInOver if their role or password has changed since.
        """
        secret, now = new_secret(), self._clock()
        session = ConsoleSession(
            key=digest(secret),
            subject_id=account.subject_id,
            created_at=now,
            used_at=now,
            expires_at=now + IDLE,
            proved_at=now,
            assurance=how,
            address=browser.address or None,
            browser=browser.name or None,
            asked_at=now,
        )
        by = right_of(account, self._groups).described(account)
        places = await places_of(self._sign_ins, session.subject_id, now)
        where = "; from a new place" if places.is_new(session.address) else ""
        detail = f"{how}{by}{where}; session {session.name}"
        event = event_of(account, Event.CONSOLE_SIGNED_IN, browser, detail, now)
        for idle in (await self._rows.of(session.subject_id, now))[SESSIONS - 1 :]:
            await self._rows.end(session.subject_id, idle.key, self._ended(account, browser))
        is_told = places.is_worth_a_mail(session.address)
        with coming_from(browser.origin):
            if not await self._rows.begin(session, account, event, is_told=is_told):
                raise SignInOver
        log_events([event])
        return Opened(secret, self._devices.remember(account.person, browser))

    async def find(self, secret: str | None, *, is_used: bool = True) -> SignedIn | None:
        """The administrator of a session, as they are now; its use is noted, if it is one."""
        if secret is None:
            return None
        now = self._clock()
        found = await self._rows.find(digest(secret), now)
        if found is None:
            return None
        session, account = found
        role = right_of(account, self._groups).role
        if role is None or now >= session.created_at + ABSOLUTE:
            return None
        later = _used(session, now) if is_used else replace(session, asked_at=now)
        if _is_to_be_noted(session, later):
            kept = await self._still(session, later, account)
            if kept is None:
                return None
            session = kept
        if not self._sources.counts(account, session.asked_at, now):
            return None
        return SignedIn(session, account, role)

    async def note_proof(self, signed_in: SignedIn) -> None:
        """A second factor has just been used in a session."""
        await self._rows.prove(signed_in.session.key, self._clock())

    async def of(self, signed_in: SignedIn) -> list[ConsoleSession]:
        """The administrator's open sessions, the last used first."""
        return await self._rows.of(signed_in.session.subject_id, self._clock())

    async def end(self, signed_in: SignedIn, key: str | None, browser: ConsoleBrowser) -> int:
        """End one of the administrator's own sessions, or all with None; return how many."""
        event = self._ended(signed_in.account, browser)
        return await self._rows.end(signed_in.session.subject_id, key, event)

    async def _still(
        self, session: ConsoleSession, later: ConsoleSession, account: AdministratorAccount
    ) -> ConsoleSession | None:
        """The session from now on; it ends if its source no longer knows the administrator.

        While their source is down it is not extended: it ends half an hour after the source last
        vouched for them (R-191).
        """
        try:
            present = await self._sources.present(account)
        except SourceUnavailable:
            return session
        right = right_of(account, self._groups)
        if present is not None and right_of(present, self._groups).role == right.role:
            if present.person.groups != account.person.groups:
                await self._people.note_groups(account.source, present.person)
            await self._rows.use(later)
            return later
        nobody = ConsoleBrowser(session.address or "", "", "")
        event = partial(event_of, account, Event.CONSOLE_SIGNED_OUT, nobody, at=self._clock())
        if present is None:
            detail = f"{account.source} no longer knows them"
            await self._rows.end(account.subject_id, None, event(detail=detail))
        else:
            lost = event(detail=f"no longer in the group {right.group} of {account.source}")
            await self._people.note_groups(account.source, present.person, lost)
        return None

    def _ended(self, account: AdministratorAccount, browser: ConsoleBrowser) -> AuditEvent:
        return event_of(account, Event.CONSOLE_SIGNED_OUT, browser, "signed out", self._clock())


def _used(session: ConsoleSession, now: float) -> ConsoleSession:
    until = min(now + IDLE, session.created_at + ABSOLUTE)
    return replace(session, used_at=now, expires_at=until, asked_at=now)


def _is_to_be_noted(session: ConsoleSession, later: ConsoleSession) -> bool:
    """Whether the source is to be asked, or the use to be noted: once a minute is enough."""
    asked, now = session.asked_at or session.used_at, later.asked_at or later.used_at
    return now - asked >= TOUCHED or later.used_at - session.used_at >= TOUCHED
