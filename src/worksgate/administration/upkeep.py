"""The installation itself: its audit log, and what has expired in it."""

from collections.abc import AsyncIterator, Callable, Iterable

from worksgate.administration.base import AdministrationBase
from worksgate.administration.errors import NotFound, Refused, refusals
from worksgate.administration.purging import remove_expired
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import Keyring
from worksgate.database.secrets_at_rest import Counted
from worksgate.directory.queries import AuditFilter


class UpkeepAdministration(AdministrationBase):
    """The audit log of an installation, and the removal of what has expired."""

    async def purge(self, progress: Callable[[int], None] | None = None) -> int:
        """Remove what has expired: artifacts, old secrets, and audit records past their time.

        ``progress`` is told how many are gone so far; the number of all is returned.
        Raises StoreUnavailable.
        """
        removed = 0
        async for step in remove_expired(
            await self._store(),
            self._directory,
            self._actor.now(),
            audit_retention=self._settings.audit_retention,
            actor=self._actor.name,
        ):
            removed += step
            if progress is not None:
                progress(removed)
        return removed

    async def secrets_at_rest(self) -> Counted:
        """How many secrets the database holds, in clear and under which master keys."""
        return await self._directory.secrets.count()

    async def encrypt_secrets(self, progress: Callable[[int], None] | None = None) -> int:
        """Encrypt all secrets under the current master key, which is in force from now on.

        Servers go on meanwhile, and must know the key before. What was interrupted is taken up by
        the next call; ``progress`` gets the number done so far, and the total is returned. Raises
        MasterKeyMissing, before anything is changed, where one is needed that is not at hand.
        """
        secrets = self._directory.secrets
        await secrets.check()
        (key_id,) = Keyring.of(self._settings.master_key).ids or ("",)
        detail = f"secrets are encrypted under master key {key_id}"
        await secrets.put_in_force(self._actor.event(Event.SYSTEM, detail))
        done = await secrets.encrypt_keys()
        before = -1
        while done != before:  # who wrote when the key came into force may have been passed over
            before = done
            async for changed in self._encrypt_pages():
                done += changed
                if progress is not None:
                    progress(done)
        return done

    async def _encrypt_pages(self) -> AsyncIterator[int]:
        """One round over everybody; yields how many were encrypted, a page at a time."""
        last: str | None = ""
        while last is not None:
            last, changed = await self._directory.secrets.encrypt_page(last)
            yield changed

    async def audit(
        self,
        *,
        login_id: str | None = None,
        username: str | None = None,
        client: str | None = None,
        event: Event | str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> list[AuditEvent]:
        """The newest audit records that fit, at most ``limit``, the oldest of them first.

        ``client`` is a name or an id, ``since`` and ``until`` are seconds since the epoch. Raises
        NotFound for a client that neither the clients nor the records know, or Refused.
        """
        account = await self._directory.account_by_username(username) if username else None
        client_id = await self._recorded_client_id(client) if client else None
        with refusals():
            wanted = AuditFilter(
                login_id=login_id,
                username=account.username if account else username,
                subject_id=account.person.subject_id if account else None,
                client_id=client_id,
                event=None if event is None else _read_event(event),
                since=since,
                until=until,
                limit=max(0, limit),
            )
        return await self._directory.audit(wanted)

    async def usernames(self, subject_ids: Iterable[str]) -> dict[str, str]:
        """Today's usernames of these subjects; those who are not known are left out."""
        return await self._directory.usernames(set(subject_ids))

    async def last_usernames(self, subject_ids: Iterable[str]) -> dict[str, str]:
        """As ``usernames``, and the last known names of people who were removed."""
        return await self._directory.last_usernames(set(subject_ids))

    async def _recorded_client_id(self, name_or_id: str) -> str:
        known = await self._directory.client(name_or_id)
        if known is not None:
            return known.client_id
        if await self._directory.audit(AuditFilter(client_id=name_or_id, limit=1)):
            return name_or_id
        raise NotFound(f"there is no client {name_or_id!r}; a removed one is found by its ID")


def _read_event(name: str) -> Event:
    if name not in [event.value for event in Event]:
        raise Refused(f"there is no event {name!r}; known are {', '.join(Event)}")
    return Event(name)
