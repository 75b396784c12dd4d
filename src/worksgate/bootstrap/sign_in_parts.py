"""The parts of the sign-in that a trace asks, for the command line and the console."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from worksgate.bootstrap.identity_sources import open_sources, throttle_policy
from worksgate.bootstrap.stores import Clock
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import Throttle
from worksgate.settings.options import Settings
from worksgate.sources.metrics import SourceMetrics
from worksgate.store import Store


class SignInPartsOnDemand:
    """Opens the parts of the sign-in that a trace asks, on first use: most commands need none."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        stack: AsyncExitStack,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._hashing = hashing
        self._stack = stack
        self._clock = clock
        self._sources: SourcesInUse | None = None
        self._throttle: Throttle | None = None

    async def sources(self) -> SourcesInUse:
        """Raises ValueError if the settings of a source are wrong."""
        if self._sources is None:
            self._sources = open_sources(
                self._settings,
                self._directory,
                self._hashing,
                self._stack,
                self._clock,
                SourceMetrics(),
            )
        return self._sources

    async def throttle(self) -> Throttle:
        """The same counters as the sign-in page's. Raises StoreUnavailable."""
        if self._throttle is None:
            self._throttle = Throttle(
                await self._store(),
                throttle_policy(self._settings),
                key=await self._directory.signing_key(),
            )
        return self._throttle
