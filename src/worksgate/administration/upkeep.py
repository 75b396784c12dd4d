"""The installation itself: the removal of expired data, and the encryption of secrets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from worksgate.administration.actor import Actor
from worksgate.administration.arrivals import Arrivals, arrivals
from worksgate.administration.purging import remove_expired
from worksgate.audit import Event
from worksgate.credentials.master_key import Keyring
from worksgate.database.secrets_at_rest import Counted
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyState:
    """The master key, by its ID: never its value.

    ``current`` and ``previous`` are configured; ``in_force`` encrypts new secrets, ``since`` when,
    in seconds since the epoch. ``older`` is the number of secrets under another key, ``in_clear``
    of those in plain text.
    """

    current: str | None
    previous: str | None
    in_force: str | None
    since: float | None
    older: int
    in_clear: int


class UpkeepAdministration:
    """The removal of expired data, and the encryption of secrets.

    ``store`` opens the store on first use.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._actor = actor

    async def arrivals(self) -> Arrivals:
        """Whether audit records and alerts arrive."""
        return await arrivals(self._directory, self._settings, self._actor.now())

    async def purge(self, progress: Callable[[int], None] | None = None) -> int:
        """Remove expired data: artifacts, old secrets, and audit records past their retention.

        ``progress`` gets the number removed so far; the total is returned. Raises StoreUnavailable.
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
        """How many secrets are in the database, in plain text and per master key."""
        return await self._directory.secrets.count()

    async def master_key(self) -> MasterKeyState:
        """Which master key is configured and in force, and how much is not under it."""
        settings = self._settings
        keyring = Keyring.of(settings.master_key, settings.previous_master_key)
        counted = await self.secrets_at_rest()
        return MasterKeyState(
            current=None if keyring.current is None else keyring.current.id,
            previous=None if keyring.previous is None else keyring.previous.id,
            in_force=counted.in_force,
            since=counted.in_force_since,
            older=sum(n for each, n in counted.by_key.items() if each != counted.in_force),
            in_clear=counted.in_clear,
        )

    async def encrypt_secrets(self, progress: Callable[[int], None] | None = None) -> int:
        """Encrypt all secrets under the current master key, which is in force from now on.

        Servers keep running, and must have the key before. An interrupted call is continued by the
        next; ``progress`` gets the number done so far, and the total is returned. Raises
        MasterKeyMissing, before anything is changed, if a required key is not configured.
        """
        secrets = self._directory.secrets
        await secrets.check()
        (key_id,) = Keyring.of(self._settings.master_key).ids or ("",)
        detail = f"secrets are encrypted under master key {key_id}"
        await secrets.put_in_force(self._actor.event(Event.SYSTEM, detail))
        done = await secrets.encrypt_keys()
        before = -1
        while done != before:  # rows written when the key came into force may have been passed over
            before = done
            async for changed in self._encrypt_pages():
                done += changed
                if progress is not None:
                    progress(done)
        return done

    async def _encrypt_pages(self) -> AsyncIterator[int]:
        """One round over everybody; yields the number encrypted, a page at a time."""
        last: str | None = ""
        while last is not None:
            last, changed = await self._directory.secrets.encrypt_page(last)
            yield changed
