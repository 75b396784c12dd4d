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
from typing import TYPE_CHECKING

from worksgate import log
from worksgate.administration import Administration
from worksgate.clients import ClientRegistry
from worksgate.config import checked, load
from worksgate.credentials import PasswordHashing
from worksgate.directory.audit_log import AuditWriter
from worksgate.directory.database import Directory
from worksgate.directory.migrations import migrate
from worksgate.directory.own_history import OwnHistory
from worksgate.factors import FACTOR_POLICY
from worksgate.factors.app_passwords import AppPasswords
from worksgate.factors.book import Factors
from worksgate.factors.passkeys import RelyingParty
from worksgate.imap_login import PURPOSE as IMAP
from worksgate.imap_login import ImapLogin, imap_policy
from worksgate.login_transaction import TransactionSigner
from worksgate.measures import GathersRequests, Meter, PurgeFigures, Traffic
from worksgate.password_check import PasswordCheck
from worksgate.password_meter import PasswordMeter
from worksgate.password_reset import PasswordReset
from worksgate.provider import IdentityProvider
from worksgate.purging import purge_forever
from worksgate.records import Records
from worksgate.self_service import MailNotices, SelfService
from worksgate.session_keys import SessionKeys
from worksgate.settings import Settings
from worksgate.source_settings import (
    DirectorySettings,
    LdapSettings,
    OidcSettings,
    PythonSettings,
    SourceSettings,
)
from worksgate.sources import Authenticate, RedirectSource, Source
from worksgate.sources.directory import DirectorySource
from worksgate.sources.function import FunctionSource, imported
from worksgate.sources.remembered import (
    RememberedPeople,
    RememberedRedirect,
    RememberedSource,
)
from worksgate.sources_in_use import PasswordChanger, SourcesInUse
from worksgate.store import Store
from worksgate.throttle import Throttle, ThrottlePolicy
from worksgate.watching.figures import Figures
from worksgate.watching.sources import SourcesSeen, no_span
from worksgate.watching.traced_store import TracedStore
from worksgate.watching.tracing import open_tracing
from worksgate.web.application import Application, Opened, Watcher

if TYPE_CHECKING:
    from worksgate.mail import Mailer
    from worksgate.sources.oidc import OidcSource
    from worksgate.web.mails import Mails

Clock = Callable[[], float]

FUNCTION_TIMEOUT = 2.0
"""Seconds that a company's own function may take: the page is due in 2.5."""


def create_app(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    sources: Sequence[Source] | None = None,
    clock: Clock = time.time,
    watch: Watcher | None = None,
) -> Application:
    """Worksgate as an ASGI application.

    Run it by itself, or mount it under any path of a Starlette or FastAPI application;
    ``settings.public_url`` then ends with that path. Without ``settings``, worksgate.toml and the
    environment are read. ``authenticate(username, password)`` is a function of your own, plain or
    async, that returns a ``Person`` or None; it takes the place of the built-in directory and of
    the ``[[source]]`` tables, as ``sources`` do, which are asked in their order. ``watch``
    tells the numbers of this application to who watches.
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
    return Application(settings, opening, watch)


@asynccontextmanager
async def open_installation(
    settings: Settings,
    *,
    authenticate: Authenticate | None = None,
    sources: Mapping[str, Source] | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[Opened]:
    """Everything that serves requests, opened in order and closed in the reverse one."""
    async with AsyncExitStack() as stack:
        # A worker ends by a signal as soon as all is closed: what it had to say must be out.
        stack.callback(log.flush)
        directory, store = await _open_databases(settings, stack)
        gathers = store if isinstance(store, GathersRequests) else None
        tracing = open_tracing(os.environ)
        if tracing is not None:
            stack.push_async_callback(tracing.close)
            store = TracedStore(store, tracing.span)
        sources_seen = SourcesSeen(tracing.span if tracing is not None else no_span)
        if authenticate is not None:
            function = FunctionSource("function", authenticate, timeout=FUNCTION_TIMEOUT)
            stack.callback(function.close)
            sources = {function.name: function}
        hashing = _open_hashing(settings, stack) if _is_built_in(settings, sources) else None
        in_use = (
            _open_sources(settings, directory, hashing, stack, clock, sources_seen)
            if sources is None
            else _in_use(sources, directory, clock, sources_seen)
        )
        writer = AuditWriter(directory, clock)
        stack.push_async_callback(writer.close)
        audit = tracing.audit(writer) if tracing is not None else writer
        session_keys = SessionKeys(settings.session_key_check_url, store)
        stack.push_async_callback(session_keys.close)
        party = RelyingParty.of(settings.public_url, settings.company_name or "Worksgate")
        factors = Factors(directory.factors, audit, party)
        stack.callback(factors.close)
        clients = ClientRegistry(directory.clients)
        policy = throttle_policy(settings)
        throttle = Throttle(store, policy)
        signing_key = await directory.signing_key()
        signer = TransactionSigner(signing_key)
        app_passwords = AppPasswords(directory.app_passwords)
        mail_clients = ImapLogin(
            clients=clients,
            store=store,
            sources=in_use,
            app_passwords=app_passwords,
            second_factors=factors,
            throttle=Throttle(store, imap_policy(policy), IMAP),
            audit=audit,
            deadline=settings.answer_deadline,
            clock=clock,
        )
        stack.push_async_callback(mail_clients.close)
        provider = IdentityProvider(
            settings,
            clients=clients,
            store=store,
            sources=in_use,
            throttle=throttle,
            factors=factors,
            factor_throttle=Throttle(store, FACTOR_POLICY, "factor"),
            audit=audit,
            signer=signer,
            session_keys=session_keys,
            mail_clients=mail_clients,
            clock=clock,
        )
        purge_figures = None
        if settings.purge_interval:
            purge_figures = PurgeFigures()
            purging = purge_forever(
                store,
                directory,
                clock,
                interval=settings.purge_interval,
                audit_retention=settings.audit_retention,
                figures=purge_figures,
            )
            stack.push_async_callback(_stop, asyncio.create_task(purging))
        mailer, mails = _open_mail(settings, stack)
        reset = meter = None
        if hashing is not None:
            reset = PasswordReset(
                settings,
                directory,
                store,
                hashing,
                audit,
                mail=mailer,
                texts=mails,
            )
            stack.push_async_callback(reset.close)
            meter = PasswordMeter(hashing, settings.company_name)
        self_service = SelfService(
            settings,
            store=store,
            sources=in_use,
            passwords=PasswordCheck(in_use, factors, throttle, signer, Records(audit)),
            factors=factors,
            app_passwords=app_passwords,
            clients=clients,
            history=OwnHistory(directory),
            audit=audit,
            notices=MailNotices(mailer, mails) if mailer and mails else None,
            clock=clock,
        )
        stack.push_async_callback(self_service.close)
        yield Opened(
            provider=provider,
            self_service=self_service,
            password_reset=reset,
            password_meter=meter,
            form_key=signing_key,
            clock=clock,
            checks={
                "store": store.ping,
                "directory": directory.ping,
                "clients": clients.snapshot,
            },
            figures=Figures(
                traffic=Traffic(tracing.meter if tracing is not None else Meter),
                hashing=hashing.pool if hashing is not None else None,
                store=gathers,
                clients=clients,
                purge=purge_figures,
                audit=writer,
                sources=sources_seen.figures,
            ),
        )


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


def _is_built_in(settings: Settings, sources: Mapping[str, Source] | None) -> bool:
    """Whether people of the built-in directory can sign in."""
    return sources is None and any(
        isinstance(each, DirectorySettings) for each in settings.all_sources
    )


def _open_mail(
    settings: Settings, stack: AsyncExitStack
) -> "tuple[Mailer, Mails] | tuple[None, None]":
    """Who sends mail and who writes it, where mail can be sent; nothing is imported otherwise."""
    if not settings.smtp_url:
        return None, None
    from worksgate.mail import Mailer
    from worksgate.web.mails import Mails

    mailer = Mailer(settings.smtp_url, settings.mail_from, name=settings.company_name)
    stack.push_async_callback(mailer.close)
    return mailer, Mails(settings)


def _open_sources(
    settings: Settings,
    directory: Directory,
    hashing: PasswordHashing | None,
    stack: AsyncExitStack,
    clock: Clock,
    seen: SourcesSeen,
) -> SourcesInUse:
    """The sources that the settings name; nothing is imported that none of them needs."""
    passwords: dict[str, Source] = {}
    redirects: dict[str, RedirectSource] = {}
    changer: PasswordChanger | None = None
    for each in settings.all_sources:
        if isinstance(each, DirectorySettings):
            if hashing is None:
                raise ValueError("the built-in directory needs a way to check passwords")
            built_in = _built_in(settings, directory, hashing, clock)
            changer = built_in
            passwords[each.name] = seen.source(built_in)
        elif isinstance(each, OidcSettings):
            elsewhere = seen.redirect(open_redirect_source(each, stack, clock))
            redirects[each.name] = RememberedRedirect(elsewhere, directory.people, clock)
        else:
            source = seen.source(open_password_source(each, stack, clock))
            passwords[each.name] = RememberedSource(source, directory.people, clock)
    domains = {each.name: each.domains for each in settings.all_sources}
    people = RememberedPeople(directory.people, clock)
    return SourcesInUse(passwords, redirects, domains, people, changer)


def _built_in(
    settings: Settings, directory: Directory, hashing: PasswordHashing, clock: Clock
) -> DirectorySource:
    return DirectorySource(
        directory,
        hashing,
        company=settings.company_name,
        temporary_lifetime=settings.temporary_password_lifetime,
        clock=clock,
    )


def open_password_source(
    settings: SourceSettings, stack: AsyncExitStack, clock: Clock = time.time
) -> Source:
    """A source that takes passwords, closed with the stack. Raises ValueError."""
    if isinstance(settings, LdapSettings):
        from worksgate.sources.ldap import LdapSource

        ldap = LdapSource(settings, clock=clock)
        stack.callback(ldap.close)
        return ldap
    if isinstance(settings, PythonSettings):
        authenticate, find = imported(settings.function)
        function = FunctionSource(
            settings.name,
            authenticate,
            find=find,
            threads=settings.threads,
            timeout=settings.timeout,
        )
        stack.callback(function.close)
        return function
    raise ValueError(f"{settings.name} takes no passwords")


def open_redirect_source(
    settings: OidcSettings, stack: AsyncExitStack, clock: Clock = time.time
) -> "OidcSource":
    """A source that asks another provider, closed with the stack. Raises ValueError."""
    from worksgate.sources.oidc import OidcSource

    source = OidcSource(settings.name, settings, now=clock)
    stack.push_async_callback(source.close)
    return source


def _in_use(
    sources: Mapping[str, Source], directory: Directory, clock: Clock, seen: SourcesSeen
) -> SourcesInUse:
    """A company's own sources, which are given as objects; their people are remembered too."""
    people = directory.people
    remembered = {
        name: RememberedSource(seen.source(each), people, clock) for name, each in sources.items()
    }
    return SourcesInUse(remembered, people=RememberedPeople(people, clock))


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
    """Where the short-lived artifacts are kept; only that is imported."""
    if settings.store_url == "memory:":
        from worksgate.store.memory import MemoryStore

        return MemoryStore()
    if settings.store_url:
        from worksgate.store.valkey import ValkeyStore

        return await ValkeyStore.open(settings.store_url)
    if settings.database_file is None:
        from worksgate.store.postgres import PostgresStore

        return await PostgresStore.open(
            settings.database_url, connections=settings.database_connections
        )
    from worksgate.store.sqlite import SqliteStore

    return await SqliteStore.open(settings.database_file)


def _open_hashing(settings: Settings, stack: AsyncExitStack) -> PasswordHashing:
    hashing = PasswordHashing(settings.hashing_threads or None, settings.hashing_queue)
    stack.callback(hashing.close)
    return hashing


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
