"""From settings to a running system: the only file that names concrete adapters.

create_app            the ASGI application, for a server or to mount in another application
open_administration   what the command line works with
serve                 the ready server
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from worksgate import log
from worksgate.administration import Administration
from worksgate.clients import ClientRegistry
from worksgate.credentials import PasswordHashing
from worksgate.directory import DirectoryUnavailable
from worksgate.directory.audit_log import AuditWriter
from worksgate.directory.database import Directory
from worksgate.directory.migrations import migrate
from worksgate.login_transaction import TransactionSigner
from worksgate.provider import IdentityProvider
from worksgate.serving import server_config
from worksgate.session_keys import SessionKeys
from worksgate.settings import Settings
from worksgate.sources import Source
from worksgate.sources.directory import DirectorySource
from worksgate.sources.function import Authenticate, FunctionSource
from worksgate.store import Store, StoreUnavailable
from worksgate.throttle import Throttle, ThrottlePolicy
from worksgate.web.application import Application, with_trusted_proxies

logger = structlog.get_logger("worksgate")

Clock = Callable[[], float]

PURGE_STEP = 500
PURGE_PAUSE = 0.02
"""Seconds between two steps of a purge, in which requests have the store to themselves."""


def create_app(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    sources: Mapping[str, Source] | None = None,
    clock: Clock = time.time,
) -> Application:
    """Worksgate as an ASGI application.

    Run it by itself, or mount it under any path of a Starlette or FastAPI application;
    ``settings.public_url`` then ends with that path. Without ``settings``, worksgate.toml and the
    environment are read. ``authenticate(username, password)`` is a function of your own, plain or
    async, that returns a ``Person`` or None; it takes the place of the built-in directory, as
    ``sources`` (by name, asked in their order) do.
    Raises ConfigurationError.
    """
    if settings is None:
        import os

        from worksgate.config import load

        settings = load(None, os.environ, {})
    opening = partial(
        open_installation, settings, authenticate=authenticate, sources=sources, clock=clock
    )
    return Application(settings, opening)


@asynccontextmanager
async def open_installation(
    settings: Settings,
    *,
    authenticate: Authenticate | None = None,
    sources: Mapping[str, Source] | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[IdentityProvider]:
    """Everything that serves requests, opened in order and closed in the reverse one."""
    async with AsyncExitStack() as stack:
        # A worker ends by a signal as soon as all is closed: what it had to say must be out.
        stack.callback(log.flush)
        directory, store = await _open_databases(settings, stack)
        if authenticate is not None:
            function = FunctionSource("function", authenticate)
            stack.callback(function.close)
            sources = {function.name: function}
        elif sources is None:
            hashing = _open_hashing(settings, stack)
            sources = {"directory": DirectorySource(directory, hashing, clock=clock)}
        audit = AuditWriter(directory)
        stack.push_async_callback(audit.close)
        session_keys = SessionKeys(settings.session_key_check_url, store)
        stack.push_async_callback(session_keys.close)
        provider = IdentityProvider(
            settings,
            clients=ClientRegistry(directory.clients),
            store=store,
            sources=sources,
            throttle=Throttle(store, throttle_policy(settings)),
            audit=audit,
            signer=TransactionSigner(await directory.signing_key()),
            session_keys=session_keys,
            clock=clock,
        )
        if settings.purge_interval:
            purging = asyncio.create_task(_purge_forever(settings, directory, store, clock))
            stack.push_async_callback(_stop, purging)
        yield provider


@asynccontextmanager
async def open_administration(
    settings: Settings, *, actor: str = "cli", clock: Clock = time.time
) -> AsyncIterator[Administration]:
    """What an administrator can do, on this installation's databases."""
    async with AsyncExitStack() as stack:
        directory, store = await _open_databases(settings, stack)
        hashing = _open_hashing(settings, stack)
        yield Administration(settings, directory, store, hashing, actor=actor, clock=clock)


def serve(
    settings: Settings,
    *,
    workers: int = 1,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, SIGINT)."""
    config = server_config(
        ApplicationFactory(settings),
        settings.host,
        settings.port,
        workers=workers,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    log.configure(settings)
    listening = config.bind_socket()
    if workers == 1:
        uvicorn.Server(config).run([listening])
    else:
        Multiprocess(config, [listening]).run()
    log.close()


@dataclass(frozen=True, slots=True)
class ApplicationFactory:
    """Makes the application in the process that serves it; the settings travel there with it."""

    settings: Settings

    def __call__(self) -> ASGIApp:
        log.configure(self.settings)
        return with_trusted_proxies(create_app(self.settings), self.settings.trusted_proxies)


def throttle_policy(settings: Settings) -> ThrottlePolicy:
    """How failed logins slow the next one, by the settings."""
    return ThrottlePolicy(
        free=settings.login_free_failures,
        longest_delay=settings.login_longest_delay,
        per_address=settings.login_failures_per_address,
    )


async def _open_databases(settings: Settings, stack: AsyncExitStack) -> tuple[Directory, Store]:
    if settings.database_url.startswith("sqlite:"):
        await migrate(settings.database_url)
    directory = Directory.open(settings.database_url)
    stack.push_async_callback(directory.close)
    store = await _open_store(settings)
    stack.push_async_callback(store.close)
    return directory, store


async def _open_store(settings: Settings) -> Store:
    if settings.store_url == "memory:":
        from worksgate.store.memory import MemoryStore

        return MemoryStore()
    from sqlalchemy import make_url

    from worksgate.store.sqlite import SqliteStore

    return await SqliteStore.open(make_url(settings.database_url).database or "")


def _open_hashing(settings: Settings, stack: AsyncExitStack) -> PasswordHashing:
    hashing = PasswordHashing(settings.hashing_threads or None, settings.hashing_queue)
    stack.callback(hashing.close)
    return hashing


async def _purge_forever(
    settings: Settings, directory: Directory, store: Store, clock: Clock
) -> None:
    """Remove what has expired, in small steps, as long as the server runs (R-110)."""
    while True:
        await asyncio.sleep(settings.purge_interval)
        try:
            now = clock()
            await _in_steps(partial(store.purge, now, PURGE_STEP))
            await directory.purge_secrets(now)
            if settings.audit_retention:
                before = now - settings.audit_retention
                await _in_steps(partial(directory.purge_audit, before, PURGE_STEP))
        except (StoreUnavailable, DirectoryUnavailable) as outage:
            logger.warning("purge.postponed", detail=str(outage))


async def _in_steps(purge: Callable[[], Awaitable[int]]) -> None:
    while await purge():  # noqa: ASYNC110  # this waits for nothing, it makes room for others
        await asyncio.sleep(PURGE_PAUSE)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
