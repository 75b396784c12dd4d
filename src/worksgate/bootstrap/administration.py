"""The administration of an installation, on its databases."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from worksgate.administration import Administration
from worksgate.bootstrap.identity_sources import open_hashing
from worksgate.bootstrap.notices import open_mail, open_notices
from worksgate.bootstrap.sign_in_parts import SignInPartsOnDemand
from worksgate.bootstrap.stores import Clock, StoreOnDemand, open_directory
from worksgate.database.identity import place_of
from worksgate.database.migrations import migrate, require_migrated
from worksgate.database.older_copies import carry_on_note
from worksgate.directory.credential_changes import CredentialChange
from worksgate.provider.account.disavowal import DisavowalLinks
from worksgate.provider.account.notices import Report, ignore_outcome
from worksgate.settings.options import Settings


@asynccontextmanager
async def open_administration(
    settings: Settings,
    *,
    actor: str = "cli",
    clock: Clock = time.time,
    report: Report = ignore_outcome,
) -> AsyncIterator[Administration]:
    """Open the administration of this installation.

    A missing SQLite database is created; one of another revision is not migrated, since its server
    may be of the previous release. What is recorded is noted for servers that run. Raises
    DatabaseUnavailable, with the command to run. ``report`` receives the outcome of each notice to
    a person whose credentials have changed.
    """
    async with AsyncExitStack() as stack:
        file = settings.database_file
        is_new = file is not None and place_of(file) is None
        if file is not None:
            stack.callback(carry_on_note, file)
        await (migrate if is_new else require_migrated)(settings.database_url)
        directory = open_directory(settings, stack)
        hashing = open_hashing(settings, stack)
        store = StoreOnDemand(settings, directory, stack, clock)
        # The server would not know a link that a command keeps in its own memory.
        links = None if settings.store_url == "memory:" else _LinksOnDemand(settings, store)
        open_notices(directory, open_mail(settings, stack), links, report, stack)
        parts = SignInPartsOnDemand(settings, directory, store, hashing, stack, clock)
        yield Administration(
            settings, directory, store, hashing, actor=actor, clock=clock, sign_in_parts=parts
        )


class _LinksOnDemand:
    """Makes links in a store that is opened for the first of them."""

    def __init__(self, settings: Settings, store: "StoreOnDemand") -> None:
        self._settings = settings
        self._store = store

    async def make(self, change: CredentialChange) -> str:
        return await DisavowalLinks(self._settings, await self._store()).make(change)
