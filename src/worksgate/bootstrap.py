"""From settings to a running system: the only file that names concrete adapters.

create_app            the ASGI application, for a server or to mount in another application
open_administration   what the command line works with
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from worksgate import log
from worksgate.administration import Administration
from worksgate.clients import ClientRegistry
from worksgate.config import checked, load
from worksgate.credentials import PasswordHashing
from worksgate.directory.audit_log import AuditWriter
from worksgate.directory.database import Directory
from worksgate.directory.migrations import migrate
from worksgate.login_transaction import TransactionSigner
from worksgate.provider import IdentityProvider
from worksgate.purging import purge_forever
from worksgate.session_keys import SessionKeys
from worksgate.settings import Settings
from worksgate.sources import Authenticate, Source
from worksgate.sources.directory import DirectorySource
from worksgate.sources.function import FunctionSource
from worksgate.store import Store
from worksgate.throttle import Throttle, ThrottlePolicy
from worksgate.web.application import Application

Clock = Callable[[], float]

FUNCTION_TIMEOUT = 2.0
"""Seconds that a company's own function may take: the page is due in 2.5."""


def create_app(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    sources: Sequence[Source] | None = None,
    clock: Clock = time.time,
) -> Application:
    """Worksgate as an ASGI application.

    Run it by itself, or mount it under any path of a Starlette or FastAPI application;
    ``settings.public_url`` then ends with that path. Without ``settings``, worksgate.toml and the
    environment are read. ``authenticate(username, password)`` is a function of your own, plain or
    async, that returns a ``Person`` or None; it takes the place of the built-in directory, as
    ``sources`` do, which are asked in their order.
    Raises ConfigurationError, or ValueError where both are given or two sources have one name.
    """
    settings = load(None, os.environ, {}) if settings is None else checked(settings)
    if authenticate is not None and sources is not None:
        raise ValueError("give authenticate or sources, not both")
    opening = partial(
        open_installation,
        settings,
        authenticate=authenticate,
        sources=None if sources is None else _by_name(sources),
        clock=clock,
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
            function = FunctionSource("function", authenticate, timeout=FUNCTION_TIMEOUT)
            stack.callback(function.close)
            sources = {function.name: function}
        elif sources is None:
            hashing = _open_hashing(settings, stack)
            sources = {"directory": DirectorySource(directory, hashing, clock=clock)}
        audit = AuditWriter(directory, clock)
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
            purging = purge_forever(
                store,
                directory,
                clock,
                interval=settings.purge_interval,
                audit_retention=settings.audit_retention,
            )
            stack.push_async_callback(_stop, asyncio.create_task(purging))
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


def throttle_policy(settings: Settings) -> ThrottlePolicy:
    """How failed logins slow the next one, by the settings."""
    return ThrottlePolicy(
        free=settings.login_free_failures,
        longest_delay=settings.login_longest_delay,
        per_address=settings.login_failures_per_address,
    )


def _by_name(sources: Sequence[Source]) -> Mapping[str, Source]:
    found = {source.name: source for source in sources}
    if len(found) < len(sources):
        raise ValueError("two sources have the same name")
    return found


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


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
