"""The audit log of an installation, as an administrator reads it."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final, TypedDict, Unpack

from worksgate.administration.actor import Actor
from worksgate.administration.errors import NotFound, Refused, refusals
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.references import beginnings, is_reference
from worksgate.directory.audit.seal_form import Seal
from worksgate.directory.audit.seal_verification import Finding, Verified
from worksgate.directory.audit.sign_in_records import SignInRecords
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter

_AT_ONCE: Final = 1_000
"""Records that are read at once for an export."""


class Wanted(TypedDict, total=False):
    """Which records are searched for; what is left out, or None, matches all.

    ``login_id`` is the ID of a sign-in, or its reference: that of the newest one that has it.
    ``by`` is the account of who did it. ``client`` is a name or an ID, ``since`` and ``until`` are
    seconds since the epoch.
    """

    login_id: str | None
    username: str | None
    by: str | None
    client: str | None
    event: Event | str | None
    since: float | None
    until: float | None


class AuditLogAdministration:
    """Searches the audit log, finds the names of people in it, and compares it with its seals."""

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._directory = directory
        self._sign_ins = SignInRecords(directory)
        self._actor = actor

    async def search(self, *, limit: int = 100, **wanted: Unpack[Wanted]) -> list[AuditEvent]:
        """The newest matching audit records, at most ``limit``, the oldest of them first.

        Raises NotFound for a client that is neither registered nor in the records, or Refused.
        """
        return await self._directory.audit(await self._filter(max(0, limit), **wanted))

    async def pages(self, **wanted: Unpack[Wanted]) -> AsyncIterator[Sequence[AuditEvent]]:
        """All that ``search`` would find, the newest first, some at a time. Raises the same."""
        audit_filter = await self._filter(_AT_ONCE, **wanted)
        before: int | None = None
        while True:
            found = await self._directory.audit_before(audit_filter, before)
            if found:
                yield [event for _, event in found]
            if len(found) < _AT_ONCE:
                return
            before = found[-1][0]

    async def page(
        self, *, before: int | None, limit: int, **wanted: Unpack[Wanted]
    ) -> list[tuple[int, AuditEvent]]:
        """The newest matching records before an ID, the newest first, each with its ID.

        Raises like ``search``.
        """
        return await self._directory.audit_before(await self._filter(limit, **wanted), before)

    async def record_export(self, detail: str) -> None:
        """Record that somebody takes records away: before they get them, and after (R-159)."""
        await self._directory.record([self._actor.event(Event.SYSTEM, detail)])

    async def changes(self, limit: int) -> list[AuditEvent]:
        """The last changes by administrators, the newest first."""
        return await self._directory.changes(limit)

    async def own_actions(self, limit: int) -> list[AuditEvent]:
        """The last records of what the acting user has done, the newest first."""
        own = AuditFilter(actors=(self._actor.name,), limit=limit)
        return [event for _, event in await self._directory.audit_before(own, None)]

    async def changes_of_person(self, subject_id: str, limit: int) -> list[AuditEvent]:
        """The last records of what was done to a person, the oldest of them first."""
        return await self._sign_ins.changes_of(subject_id, limit)

    async def last_seal(self) -> Seal | None:
        """The newest seal, if there is one."""
        return await self._directory.seals.last()

    async def usernames(self, subject_ids: Iterable[str]) -> dict[str, str]:
        """Current usernames of these subjects; unknown ones are left out."""
        return await self._directory.usernames(set(subject_ids))

    async def last_usernames(self, subject_ids: Iterable[str]) -> dict[str, str]:
        """Like ``usernames``, plus the last known names of removed people."""
        return await self._directory.last_usernames(set(subject_ids))

    async def verify(
        self,
        expected: Mapping[int, str],
        found: Callable[[Finding], None],
        progress: Callable[[int], None],
    ) -> Verified:
        """Compare all records with their seals (R-149); ``found`` gets each finding at once.

        ``expected`` are digests by number of the seal, from the log stream. ``progress`` gets the
        number of records done so far.
        """
        return await self._directory.seals.verify(expected, found, progress)

    async def _filter(
        self,
        limit: int,
        *,
        login_id: str | None = None,
        username: str | None = None,
        by: str | None = None,
        client: str | None = None,
        event: Event | str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> AuditFilter:
        account = await self._directory.account_by_username(username) if username else None
        client_id = await self._recorded_client_id(client) if client else None
        with refusals():
            return AuditFilter(
                login_id=await self._login_id(login_id),
                username=account.username if account else username,
                subject_id=account.person.subject_id if account else None,
                actors=actors_named(by) if by else None,
                client_id=client_id,
                event=None if event is None else _read_event(event),
                since=since,
                until=until,
                limit=limit,
            )

    async def _login_id(self, text: str | None) -> str | None:
        if text is None or not is_reference(text):
            return text
        found = await self._sign_ins.beginning_with(beginnings(text, self._actor.now()))
        return found[0] if found else text

    async def _recorded_client_id(self, name_or_id: str) -> str:
        known = await self._directory.client(name_or_id)
        if known is not None:
            return known.client_id
        if await self._directory.audit(AuditFilter(client_id=name_or_id, limit=1)):
            return name_or_id
        raise NotFound(f"there is no client {name_or_id!r}; a removed one is found by its ID")


def actors_named(account: str) -> frozenset[str]:
    """How records call whoever does something: in the console, by a command, or with a token."""
    return frozenset((account, f"console:{account}", f"cli:{account}", f"deployer:{account}"))


def _read_event(name: str) -> Event:
    if name not in [event.value for event in Event]:
        raise Refused(f"there is no event {name!r}; known are {', '.join(Event)}")
    return Event(name)
