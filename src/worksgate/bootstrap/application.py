"""From settings to a running system: the only file that names concrete adapters.

create_app            the ASGI application, for a server or to mount in another application
open_administration   what the command line works with
"""

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from worksgate.administration import Administration
from worksgate.administration.purging import hold_lease, purge_forever
from worksgate.audit import AuditLog
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.master_key import Keyring
from worksgate.credentials.secrets import PasswordHashing
from worksgate.database.engines import outages
from worksgate.database.identity import (
    DatabaseGuard,
    DatabaseIdentity,
    SqliteGuard,
    place_of,
)
from worksgate.database.installation_id import identify
from worksgate.database.migrations import migrate, require_migrated
from worksgate.database.temporary_files import remove_abandoned
from worksgate.directory.audit.own_history import OwnHistory
from worksgate.directory.audit.writer import AuditLines, AuditWriter
from worksgate.directory.client_list import ClientList
from worksgate.directory.credential_changes import CredentialChange
from worksgate.directory.database import Directory
from worksgate.directory.remembered import RememberedPeople, RememberedRedirect, RememberedSource
from worksgate.directory.source import DirectorySource
from worksgate.observability import log
from worksgate.observability.figures import Figures
from worksgate.observability.instruments import (
    HasCommits,
    PurgeFigures,
    SharesConnections,
    Traffic,
)
from worksgate.observability.tracing import Tracing, open_tracing
from worksgate.provider.account.disavowal import Disavowal, DisavowalLinks
from worksgate.provider.account.notices import (
    SILENT,
    Links,
    Notices,
    Outcome,
    Report,
    unreported,
)
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.password_strength import PasswordMeter
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.calls.imap_login import PURPOSE as IMAP
from worksgate.provider.calls.imap_login import ImapLogin, imap_policy
from worksgate.provider.factors import FACTOR_POLICY
from worksgate.provider.factors.app_password_lapse import LapseNotices
from worksgate.provider.factors.app_passwords import AppPasswords
from worksgate.provider.factors.on_its_way import SecretsOnTheirWay
from worksgate.provider.factors.passkeys import RelyingParty
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.revocation import Revocation
from worksgate.provider.sign_in.audit_trail import AuditTrail
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.session_key import SessionKeys
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.sources import PasswordChanger, SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle, ThrottlePolicy
from worksgate.settings.loading import checked, load
from worksgate.settings.options import Settings
from worksgate.settings.sources import (
    DirectorySettings,
    LdapSettings,
    OidcSettings,
    PythonSettings,
    SourceSettings,
)
from worksgate.sources import Authenticate, RedirectSource, Source
from worksgate.sources.counted import SourcesSeen
from worksgate.sources.function.source import FunctionSource, ListedFunctionSource, imported
from worksgate.store import Recorded, RecordKeeper, Store, unheard
from worksgate.store.traced import TracedStore
from worksgate.web.application import Application, Watcher
from worksgate.web.installation import Installation
from worksgate.web.operations.readiness import Check

if TYPE_CHECKING:
    from worksgate.mail import Mailer
    from worksgate.sources.openid.source import OidcSource
    from worksgate.web.pages.mails import Mails

    _Mail = tuple[Mailer, Mails] | tuple[None, None]

Clock = Callable[[], float]

_log = structlog.get_logger(__name__)

FUNCTION_TIMEOUT = 2.0
"""Seconds that a company's own function may take: the page is due in 2.5."""


def create_app(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    sources: Sequence[Source] | None = None,
    clock: Clock = time.time,
    watch: Watcher | None = None,
    database: DatabaseIdentity | None = None,
) -> Application:
    """Worksgate as an ASGI application.

    Run it by itself, or mount it under any path of a Starlette or FastAPI application;
    ``settings.public_url`` then ends with that path. Without ``settings``, worksgate.toml and the
    environment are read. ``authenticate(username, password)`` is a function of your own, plain or
    async, that returns a ``Person`` or None; it takes the place of the built-in directory and of
    the ``[[source]]`` tables, as ``sources`` do, which are asked in their order. ``watch``
    reports the metrics of this application. ``database`` is the one that must be there; without
    it the one that is found at the start is.
    Raises ConfigurationError, ValueError where both are given or two sources have one name, or
    TypeError where ``authenticate`` is no function.
    """
    settings = load(None, os.environ, {}) if settings is None else checked(settings)
    if authenticate is not None and not callable(authenticate):
        raise TypeError("authenticate must be a function of a username and a password")
    if authenticate is not None and sources is not None:
        raise ValueError("give authenticate or sources, not both")
    opening = partial(
        open_installation,
        settings,
        authenticate=authenticate,
        sources=None if sources is None else _by_name(sources),
        clock=clock,
        database=database,
    )
    return Application(settings, opening, watch)


@asynccontextmanager
async def open_installation(
    settings: Settings,
    *,
    authenticate: Authenticate | None = None,
    sources: Mapping[str, Source] | None = None,
    clock: Clock = time.time,
    database: DatabaseIdentity | None = None,
) -> AsyncIterator[Installation]:
    """Everything that serves requests, opened in order and closed in the reverse one."""
    async with AsyncExitStack() as stack:
        # A worker ends by a signal as soon as all is closed: what it had to say must be out.
        stack.callback(log.flush)
        guard = await _open_guard(settings, database, stack)
        directory = _open_directory(settings, stack, guard)
        _remove_what_was_abandoned(settings)
        await _check_master_key(settings, directory)
        store, writer = await _open_own_store(settings, directory, stack, clock, guard)
        watching = _open_watching(stack)
        base = _Base(settings, directory, watching.traced(store), writer, clock)
        if authenticate is not None:
            sources = _function_of(authenticate, stack)
        identity = await _open_identity(base, sources, watching, stack)
        provider = _open_provider(base, identity, stack)
        purge = _start_purging(base, stack)
        accounts = _open_accounts(base, identity, stack)
        _start_lapse_notices(base, identity, stack)
        hashing = identity.hashing
        yield Installation(
            provider=provider,
            self_service=accounts.self_service,
            password_reset=accounts.reset,
            disavowal=accounts.disavowal,
            password_meter=PasswordMeter(hashing, settings.company_name) if hashing else None,
            form_key=identity.signing_key,
            clock=clock,
            checks={
                "store": base.store.ping,
                "directory": directory.ping,
                "clients": identity.clients.snapshot,
            },
            impairing_checks=_impairing_checks(settings, directory, store),
            figures=Figures(
                traffic=watching.traffic,
                hashing=hashing.pool if hashing else None,
                store=base.store,
                commits=store.commits if isinstance(store, HasCommits) else None,
                clients=identity.clients,
                purge=purge,
                audit=writer,
                sources=watching.sources.figures,
            ),
        )


def _impairing_checks(
    settings: Settings, directory: Directory, store: Store
) -> Mapping[str, Check]:
    checks: dict[str, Check] = {"master_key": directory.secrets.check_in_force}
    if settings.database_file is None:
        checks["connections"] = partial(_check_connections, directory, store)
    return checks


async def _check_connections(directory: Directory, store: Store) -> None:
    """Raise an outage that is none yet: all are served, over fewer connections than wanted."""
    await directory.check_connections()
    if isinstance(store, SharesConnections):
        await store.check_connections()


@dataclass(frozen=True, slots=True)
class _Base:
    """What everything else stands on."""

    settings: Settings
    directory: Directory
    store: Store
    audit_writer: AuditWriter
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Watching:
    """What counts, and what writes traces where that is wanted."""

    tracing: Tracing | None
    sources: SourcesSeen
    traffic: Traffic

    def traced(self, store: Store) -> Store:
        if self.tracing is None:
            return store
        return TracedStore(store, self.tracing.span, self.tracing.note_login)

    def traced_audit(self, audit: AuditLog) -> AuditLog:
        return self.tracing.audit(audit) if self.tracing is not None else audit


def _open_watching(stack: AsyncExitStack) -> _Watching:
    tracing = open_tracing(os.environ)
    if tracing is None:
        return _Watching(None, SourcesSeen(), Traffic())
    stack.push_async_callback(tracing.close)
    return _Watching(tracing, SourcesSeen(tracing.span), Traffic(tracing.meter))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What tells who somebody is, and whether they may try. ``hashing`` is for passwords here."""

    hashing: PasswordHashing | None
    sources: SourcesInUse
    audit: AuditLog
    strangers: StrangerRecords
    factors: Factors
    app_passwords: AppPasswords
    clients: ClientRegistry
    throttle: Throttle
    factor_throttle: Throttle
    signing_key: bytes = field(repr=False)
    signer: TransactionSigner


async def _open_identity(
    base: _Base, sources: Mapping[str, Source] | None, watching: _Watching, stack: AsyncExitStack
) -> _Identity:
    """Sources (those given, or those of the settings), second factors and the throttle."""
    settings, directory, clock = base.settings, base.directory, base.clock
    hashing = _open_hashing(settings, stack) if _is_built_in(settings, sources) else None
    in_use = (
        _open_sources(settings, directory, hashing, stack, clock, watching.sources)
        if sources is None
        else _in_use(sources, directory, clock, watching.sources)
    )
    audit = watching.traced_audit(base.audit_writer)
    party = RelyingParty.of(settings.public_url, settings.company_name or "Worksgate")
    strangers = StrangerRecords(audit, base.store.bump)
    stack.push_async_callback(strangers.close)
    signing_key = await directory.signing_key()
    on_its_way = SecretsOnTheirWay.under(signing_key)
    factors = Factors(directory.factors, audit, party, on_its_way, strangers)
    stack.callback(factors.close)
    return _Identity(
        hashing=hashing,
        sources=in_use,
        audit=audit,
        strangers=strangers,
        factors=factors,
        app_passwords=AppPasswords(directory.app_passwords),
        clients=ClientRegistry(ClientList(directory).read),
        throttle=Throttle(base.store, throttle_policy(settings), key=signing_key),
        factor_throttle=Throttle(base.store, FACTOR_POLICY, "factor", key=signing_key),
        signing_key=signing_key,
        signer=TransactionSigner(signing_key),
    )


def _open_provider(base: _Base, identity: _Identity, stack: AsyncExitStack) -> IdentityProvider:
    """What LINE WORKS and the sign-in page ask."""
    settings, store = base.settings, base.store
    session_keys = SessionKeys(settings.session_key_check_url, store)
    stack.push_async_callback(session_keys.close)
    mail_clients = ImapLogin(
        clients=identity.clients,
        store=store,
        sources=identity.sources,
        app_passwords=identity.app_passwords,
        second_factors=identity.factors,
        throttle=Throttle(
            store, imap_policy(throttle_policy(settings)), IMAP, key=identity.signing_key
        ),
        audit=identity.audit,
        strangers=identity.strangers,
        deadline=settings.answer_deadline,
        app_password_lapse=settings.app_password_lapse,
        clock=base.clock,
    )
    stack.push_async_callback(mail_clients.close)
    return IdentityProvider(
        settings,
        clients=identity.clients,
        store=store,
        sources=identity.sources,
        throttle=identity.throttle,
        factors=identity.factors,
        factor_throttle=identity.factor_throttle,
        audit=identity.audit,
        strangers=identity.strangers,
        signer=identity.signer,
        session_keys=session_keys,
        mail_clients=mail_clients,
        clock=base.clock,
    )


def _start_lapse_notices(base: _Base, identity: _Identity, stack: AsyncExitStack) -> None:
    """Tell people before their app passwords lapse, as long as all is open."""
    lapse = base.settings.app_password_lapse
    if lapse:
        notices = LapseNotices(base.directory.people, identity.sources, lapse, base.clock)
        stack.push_async_callback(_stop, asyncio.create_task(notices.tell_forever()))


def _start_purging(base: _Base, stack: AsyncExitStack) -> PurgeFigures | None:
    """Remove what expires, as long as all is open, where the settings want it.

    Where they do not, a server on PostgreSQL shows by a lease of its own that it runs.
    """
    settings = base.settings
    if not settings.purge_interval:
        if settings.database_file is None:  # a file that is open tells by itself that it is in use
            stack.push_async_callback(_stop, asyncio.create_task(hold_lease(base.directory)))
        return None
    figures = PurgeFigures()
    purging = purge_forever(
        base.store,
        base.directory,
        base.clock,
        interval=settings.purge_interval,
        audit_retention=settings.audit_retention,
        figures=figures,
    )
    stack.push_async_callback(_stop, asyncio.create_task(purging))
    return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accounts:
    """What people do about their own accounts."""

    self_service: SelfService
    reset: PasswordReset | None
    disavowal: Disavowal


def _open_accounts(base: _Base, identity: _Identity, stack: AsyncExitStack) -> _Accounts:
    """What people do about their own accounts; only a password that is kept here can be reset."""
    settings, audit = base.settings, identity.audit
    mailer, mails = mail = _open_mail(settings, stack)
    links = DisavowalLinks(settings, base.store)
    _open_notices(base.directory, mail, links, unreported, stack)
    revocation = Revocation(base.directory, _given(base.store))
    disavowal = Disavowal(base.directory, base.store, revocation)
    stack.push_async_callback(disavowal.close)
    reset = None
    if identity.hashing is not None:
        reset = PasswordReset(
            settings,
            base.directory,
            base.store,
            identity.hashing,
            audit,
            identity.strangers,
            mail=mailer,
            texts=mails,
            knows_device=identity.signer.knows_device,
        )
        stack.push_async_callback(reset.close)
    self_service = SelfService(
        settings,
        store=base.store,
        sources=identity.sources,
        passwords=PasswordCheck(
            identity.sources,
            identity.factors,
            identity.throttle,
            identity.signer,
            AuditTrail(audit, identity.strangers),
        ),
        factors=identity.factors,
        app_passwords=identity.app_passwords,
        clients=identity.clients,
        history=OwnHistory(base.directory),
        audit=audit,
        revocation=revocation,
        factor_throttle=identity.factor_throttle,
        clock=base.clock,
    )
    stack.push_async_callback(self_service.close)
    return _Accounts(self_service=self_service, reset=reset, disavowal=disavowal)


@asynccontextmanager
async def open_administration(
    settings: Settings,
    *,
    actor: str = "cli",
    clock: Clock = time.time,
    report: Report = unreported,
) -> AsyncIterator[Administration]:
    """What an administrator can do, on this installation's databases.

    A SQLite database that is not there is made; one of another revision is left as it is, for its
    server may be of the release before. Raises DatabaseUnavailable, with what to type.
    ``report`` gets the outcome of each notice to a person whose credentials have changed.
    """
    async with AsyncExitStack() as stack:
        file = settings.database_file
        is_new = file is not None and place_of(file) is None
        await (migrate if is_new else require_migrated)(settings.database_url)
        directory = _open_directory(settings, stack)
        hashing = _open_hashing(settings, stack)
        store = _StoreOnDemand(settings, directory, stack, clock)
        # The server knows no link that a command has kept in its own memory.
        links = None if settings.store_url == "memory:" else _LinksOnDemand(settings, store)
        _open_notices(directory, _open_mail(settings, stack), links, report, stack)
        yield Administration(settings, directory, store, hashing, actor=actor, clock=clock)


def _open_notices(
    directory: Directory,
    mail: "_Mail",
    links: Links | None,
    report: Report,
    stack: AsyncExitStack,
) -> None:
    """Send notices of what the directory announces, or ``report`` that none is sent."""
    mailer, mails = mail
    if mailer is None or mails is None:
        directory.announce = partial(_report_no_mail, report)
        return
    notices = Notices(directory, mailer, mails, links, report)
    stack.push_async_callback(notices.close)
    directory.announce = notices.tell


def _report_no_mail(report: Report, change: CredentialChange) -> None:
    if change.change not in SILENT:
        report(Outcome.NO_MAIL)


class _LinksOnDemand:
    """Makes links in a store that is opened for the first of them."""

    def __init__(self, settings: Settings, store: "_StoreOnDemand") -> None:
        self._settings = settings
        self._store = store

    async def make(self, change: CredentialChange) -> str:
        return await DisavowalLinks(self._settings, await self._store()).make(change)


def _given(store: Store) -> Callable[[], Awaitable[Store]]:
    """What gives a store that is open already."""

    async def give() -> Store:
        return store

    return give


def throttle_policy(settings: Settings) -> ThrottlePolicy:
    """How failed logins slow the next one, by the settings."""
    return ThrottlePolicy(
        free=settings.login_free_failures,
        longest_delay=settings.login_longest_delay,
        per_address=settings.login_failures_per_address,
    )


def _function_of(authenticate: Authenticate, stack: AsyncExitStack) -> Mapping[str, Source]:
    """A company's own function, as the one source."""
    function = FunctionSource("function", authenticate, timeout=FUNCTION_TIMEOUT)
    stack.callback(function.close)
    return {function.name: function}


def _is_built_in(settings: Settings, sources: Mapping[str, Source] | None) -> bool:
    """Whether people of the built-in directory can sign in."""
    return sources is None and any(
        isinstance(each, DirectorySettings) for each in settings.all_sources
    )


def _open_mail(settings: Settings, stack: AsyncExitStack) -> "_Mail":
    """Who sends mail and who writes it, where mail can be sent; nothing is imported otherwise."""
    if not settings.smtp_url:
        return None, None
    from worksgate.mail import Mailer
    from worksgate.web.pages.mails import Mails

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
            upstream = seen.redirect(open_redirect_source(each, stack, clock))
            redirects[each.name] = RememberedRedirect(upstream, directory.people, clock)
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
        from worksgate.sources.ldap.source import LdapSource

        ldap = LdapSource(settings, clock=clock)
        stack.callback(ldap.close)
        return ldap
    if isinstance(settings, PythonSettings):
        function = _function_source(settings)
        stack.callback(function.close)
        return function
    raise ValueError(f"{settings.name} takes no passwords")


def _function_source(settings: PythonSettings) -> FunctionSource:
    """A company's own function or class, which may list its people. Raises ValueError."""
    made = imported(settings.function)
    limits: dict[str, Any] = {"threads": settings.threads, "timeout": settings.timeout}
    if made.people is None:
        return FunctionSource(settings.name, made.authenticate, find=made.find, **limits)
    return ListedFunctionSource(
        settings.name, made.authenticate, made.people, find=made.find, **limits
    )


def can_be_asked(source: SourceSettings) -> bool:
    """Whether a source says of somebody who is not there whether they are still with it.

    One whose settings are wrong counts as one that can: what is wrong is said elsewhere.
    """
    if not isinstance(source, PythonSettings):
        return not isinstance(source, OidcSettings)
    try:
        return imported(source.function).find is not None
    except ValueError:
        return True


def open_redirect_source(
    settings: OidcSettings, stack: AsyncExitStack, clock: Clock = time.time
) -> "OidcSource":
    """A source that asks another provider, closed with the stack. Raises ValueError."""
    from worksgate.sources.openid.source import OidcSource

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


async def _open_guard(
    settings: Settings, database: DatabaseIdentity | None, stack: AsyncExitStack
) -> DatabaseGuard:
    """What knows which database all that is opened here must be on.

    Only where none is given may a file be made or migrated: it is the first start then. Raises
    DatabaseUnavailable.
    """
    file = settings.database_file
    if database is None and file is not None:
        await migrate(settings.database_url)
    if database is None:
        database = await identify(settings.database_url)
    if file is None:
        return DatabaseGuard(database)
    with outages():
        guard = SqliteGuard.open(file, database)
    stack.callback(guard.close)
    return guard


def _open_directory(
    settings: Settings, stack: AsyncExitStack, guard: DatabaseGuard | None = None
) -> Directory:
    directory = Directory.open(
        settings.database_url,
        guard,
        keyring=Keyring.of(settings.master_key, settings.previous_master_key),
        allow_similar_keys=settings.allow_similar_keys,
    )
    stack.push_async_callback(directory.close)
    return directory


def _remove_what_was_abandoned(settings: Settings) -> None:
    """Remove copies of the database that a killed restore or backup has left beside it."""
    database = settings.database_file
    if database is not None and (files := remove_abandoned(database.parent, database.name)):
        _log.warning("directory.leftovers_removed", files=files)


async def _check_master_key(settings: Settings, directory: Directory) -> None:
    """Say what is not encrypted yet. Raises MasterKeyMissing where the keys at hand do not fit."""
    counted = await directory.secrets.check()
    if not settings.master_key:
        _log.warning("master_key.missing")
    elif left := counted.left_for(Keyring.of(settings.master_key).ids[0]):
        _log.warning("master_key.not_in_use", secrets=left)


async def check_master_key(settings: Settings) -> None:
    """Raise MasterKeyMissing where a server with these settings could not read its secrets."""
    async with AsyncExitStack() as stack:
        await _open_directory(settings, stack).secrets.check()


async def _open_own_store(
    settings: Settings,
    directory: Directory,
    stack: AsyncExitStack,
    clock: Clock,
    guard: DatabaseGuard | None = None,
) -> tuple[Store, AuditWriter]:
    """The store of this installation, and what writes the records that are in no commit of it.

    A store in the database writes them too, so that nobody competes with it for the file.
    """
    lines = AuditLines()
    if settings.store_url:
        generation = generation_of(await directory.signing_key())
        writer = AuditWriter(directory, clock, lines=lines)
        stack.push_async_callback(writer.close)
        store = await open_store(settings, generation, keeper=writer)
        stack.push_async_callback(store.close)
        return store, writer
    store = await open_store(settings, recorded=lines.recorded, guard=guard)
    stack.push_async_callback(store.close)
    writer = AuditWriter(store, clock, lines=lines)
    stack.push_async_callback(writer.close)
    return store, writer


class _StoreOnDemand:
    """Opens the store at the first call: most of what an administrator does needs none.

    So somebody can be disabled while a store outside the database is away.
    """

    def __init__(
        self, settings: Settings, directory: Directory, stack: AsyncExitStack, clock: Clock
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._stack = stack
        self._clock = clock
        self._lock = asyncio.Lock()
        self._store: Store | None = None

    async def __call__(self) -> Store:
        async with self._lock:
            if self._store is None:
                self._store, _ = await _open_own_store(
                    self._settings, self._directory, self._stack, self._clock
                )
            return self._store


def generation_of(signing_key: bytes) -> str:
    """What a store outside the database marks its artifacts with.

    A restored database makes a new key: what such a store held before does not count then (F-31).
    """
    return hmac.digest(signing_key, b"generation of the store", "sha256").hex()[:16]


async def open_store(
    settings: Settings,
    generation: str = "",
    *,
    recorded: Recorded = unheard,
    keeper: RecordKeeper | None = None,
    guard: DatabaseGuard | None = None,
) -> Store:
    """Where the short-lived artifacts are kept; only that is imported.

    A store in the database must be where ``guard`` says, and hands its audit records to
    ``recorded``; one outside has them kept by ``keeper``, and treats what another ``generation``
    saved as void. Raises StoreUnavailable where it cannot be used as it is, in a sentence that says
    why.
    """
    if settings.store_url == "memory:":
        from worksgate.store.memory import MemoryStore

        return MemoryStore(keeper)
    if settings.store_url:
        from worksgate.store.valkey.store import ValkeyStore

        return await ValkeyStore.open(settings.store_url, generation=generation, keeper=keeper)
    if settings.database_file is None:
        from worksgate.store.postgres.store import PostgresStore

        return await PostgresStore.open(
            settings.database_url,
            connections=settings.database_connections,
            recorded=recorded,
            guard=guard,
        )
    from worksgate.store.sqlite.store import SqliteStore

    return await SqliteStore.open(settings.database_file, recorded=recorded, guard=guard)


def _open_hashing(settings: Settings, stack: AsyncExitStack) -> PasswordHashing:
    hashing = PasswordHashing(settings.hashing_threads or None, settings.hashing_queue)
    stack.callback(hashing.close)
    return hashing


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
