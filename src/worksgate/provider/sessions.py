"""Sessions: a browser that has signed in need not do so again.

A session is in the store; the browser holds a secret that means nothing elsewhere (R-27). It gets a
new secret at each sign-in (R-28), has an idle and an absolute limit (R-29), and each use checks
that its person may still sign in (R-30).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from worksgate.audit import AuditEvent
from worksgate.credentials.secrets import new_ordered_id, storage_key
from worksgate.directory.read_ahead import ReadAhead
from worksgate.limits.outages import Unavailable
from worksgate.oauth.model import Session
from worksgate.provider.assurance import Assurance
from worksgate.provider.sources import SourcesInUse
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import ArtifactKey, NewExpiry, Store

TOUCH_AFTER = 60.0
"""Seconds between two updates of a session's last use: not every read needs a write."""


@dataclass(slots=True)
class SessionUse:
    """A live session that is used, and its person's current state.

    ``extended`` moves its idle limit; it is empty if that was done a moment ago.
    """

    session: Session
    person: Person
    extended: Sequence[NewExpiry]
    is_noted: bool = False


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        sources: SourcesInUse,
        read_ahead: ReadAhead | None = None,
    ) -> None:
        self._idle = settings.session_idle_limit
        self._absolute = settings.session_absolute_limit
        self._store = store
        self._sources = sources
        self._read_ahead = read_ahead or ReadAhead()

    def opened(
        self,
        secret: str,
        source: str,
        person: Person,
        now: float,
        *,
        assurance: Assurance,
        authenticated_at: float | None = None,
    ) -> Session:
        """A new session, not saved yet; ``authenticated_at`` is that of the session it replaces."""
        began = now if authenticated_at is None else authenticated_at
        return Session(
            key=storage_key(secret),
            grant_id=new_ordered_id(),
            subject_id=person.subject_id,
            client_id="",
            expires_at=min(now + self._idle, began + self._absolute),
            source=source,
            username=person.username,
            name=person.name,
            external_key=person.external_key,
            works_account=person.works_account,
            authenticated_at=began,
            email=person.email,
            person_groups=written_groups(person.groups),
            second_factor_at=assurance.second_factor_at,
            revision=person.revision,
            assurance=str(assurance),
        )

    async def find(self, secret: str | None, now: float) -> tuple[Session, Person] | None:
        """A live session and its person's current state, or None.

        Raises StoreUnavailable, DatabaseUnavailable or SourceUnavailable.
        """
        async with self.using(secret, now) as use:
            return None if use is None else (use.session, use.person)

    @asynccontextmanager
    async def using(self, secret: str | None, now: float) -> AsyncIterator[SessionUse | None]:
        """Like ``find``; that it is used is written after the block, unless the block has."""
        use = await self._use(secret, now)
        try:
            yield use
        except (Unavailable, asyncio.CancelledError):
            raise
        except BaseException:
            await self._note(use)
            raise
        await self._note(use)

    async def _note(self, use: SessionUse | None) -> None:
        if use is not None and not use.is_noted:
            for each in use.extended:
                await self._store.extend(each.kind, each.key, each.expires_at)

    async def _use(self, secret: str | None, now: float) -> SessionUse | None:
        if not secret:
            return None
        key = storage_key(secret)
        await self._read_ahead.session(key)
        session = await self._store.find(Session, key)
        if session is None or not session.is_live(now):
            return None
        await self._read_ahead.person(session.subject_id)
        person = await self.person(session.source, _last_seen(session))
        if person is None:
            await self._store.forget(session.subject_id)
            return None
        return SessionUse(session, person, self._extended(session, now))

    def replaced_by_next(self, secret: str | None) -> Sequence[ArtifactKey]:
        """What a new session of the browser with this secret replaces, in its commit (R-28)."""
        return (ArtifactKey(Session, storage_key(secret)),) if secret else ()

    async def end(
        self, secret: str | None, record: Callable[[Session], AuditEvent]
    ) -> Session | None:
        """End a session permanently, with its audit record; return it, or None for none."""
        if not secret:
            return None
        key = storage_key(secret)
        session = await self._store.find(Session, key)
        if session is None:
            return None
        return await self._store.take(Session, key, records=(record(session),))

    async def person(self, source_name: str, last_seen: Person) -> Person | None:
        """The person's current state, or None if they may not sign in any more."""
        return await self._sources.find(source_name, last_seen)

    def note_login(self, person: Person) -> None:
        """Note that a person has signed in; nobody waits for it."""
        self._sources.note_login(person.subject_id)

    def _extended(self, session: Session, now: float) -> Sequence[NewExpiry]:
        expires_at = min(now + self._idle, session.authenticated_at + self._absolute)
        if expires_at - session.expires_at < TOUCH_AFTER:
            return ()
        return (NewExpiry(Session, session.key, expires_at),)


def written_groups(groups: Sequence[str]) -> str:
    """The names of groups as one text, from which ``read_groups`` restores the same names.

    One name per line, as in the previous release. A name with a line feed would become two: then
    the text begins with an empty line, and such names are JSON strings. Servers of the previous
    release skip the empty line, read the other names as they are, and take such a name for one that
    no rule has.
    """
    if not any("\n" in name for name in groups):
        return "\n".join(groups)
    lines = (json.dumps(name) if "\n" in name or name.startswith('"') else name for name in groups)
    return "\n".join(("", *lines))


def read_groups(text: str) -> tuple[str, ...]:
    """Parse the text of ``written_groups``, or of the previous release."""
    first, *others = text.split("\n")
    names = (first, *others) if first else map(_read_group, others)
    return tuple(filter(None, names))


def _read_group(line: str) -> str:
    if not line.startswith('"'):
        return line
    try:
        name: str = json.loads(line)
    except ValueError:
        return line
    return name


def _last_seen(session: Session) -> Person:
    return Person(
        subject_id=session.subject_id,
        username=session.username,
        name=session.name,
        external_key=session.external_key,
        works_account=session.works_account,
        email=session.email,
        revision=session.revision,
        groups=read_groups(session.person_groups),
    )
