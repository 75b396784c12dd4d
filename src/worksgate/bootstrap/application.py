"""The ASGI application of an installation, for a server or to mount in another application.

Resources are opened in order, and closed in reverse order.
"""

import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from worksgate.audit import AuditLog
from worksgate.bootstrap.background_tasks import run_while_open
from worksgate.bootstrap.base import Base
from worksgate.bootstrap.identity_sources import (
    by_name,
    function_source_of,
    is_built_in,
    open_hashing,
    open_sources,
    sources_in_use,
    throttle_policy,
)
from worksgate.bootstrap.notices import open_mail, open_notices
from worksgate.bootstrap.observability import Observability, open_observability
from worksgate.bootstrap.server_tasks import (
    start_alerts,
    start_departures,
    start_purging,
    start_sealing,
)
from worksgate.bootstrap.stores import (
    Clock,
    already_open,
    open_directory,
    open_guard,
    open_own_store,
    remove_abandoned_copies,
    warn_of_master_key,
)
from worksgate.clients.companies import Companies
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database.identity import DatabaseIdentity
from worksgate.directory.audit.own_history import OwnHistory
from worksgate.directory.client_list import ClientList
from worksgate.directory.database import Directory
from worksgate.limits.egress import Egress
from worksgate.observability import log
from worksgate.observability.figures import Figures
from worksgate.observability.instruments import HasCommits, OnServer
from worksgate.provider.account.disavowal import Disavowal, DisavowalLinks
from worksgate.provider.account.notices import ignore_outcome
from worksgate.provider.account.password_reset import PasswordReset
from worksgate.provider.account.password_strength import PasswordMeter
from worksgate.provider.account.reset_requests import ResetRequests
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.calls.audit_trail import CallAuditTrail
from worksgate.provider.calls.imap_login import PURPOSE as IMAP
from worksgate.provider.calls.imap_login import ImapLogin, imap_policy
from worksgate.provider.calls.tokens import LineWorksCalls
from worksgate.provider.factors import FACTOR_POLICY
from worksgate.provider.factors.app_password_lapse import LapseNotices
from worksgate.provider.factors.app_passwords import AppPasswords
from worksgate.provider.factors.passkeys import RelyingParty
from worksgate.provider.factors.pending_secrets import PendingSecrets
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.revocation import Revocation
from worksgate.provider.sign_in.audit_trail import AuditTrail
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.session_key import SessionKeys
from worksgate.provider.sign_in.transaction import TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle
from worksgate.settings.loading import checked, load
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Authenticate, Source
from worksgate.store import Store
from worksgate.web.application import Application
from worksgate.web.installation import Installation
from worksgate.web.operations.readiness import Check

if TYPE_CHECKING:
    from worksgate.observability.prometheus import Watch


def create_app(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    sources: Sequence[Source] | None = None,
    clock: Clock = time.time,
    watch: "Watch | None" = None,
    database: DatabaseIdentity | None = None,
) -> Application:
    """Worksgate as an ASGI application.

    Run it by itself, or mount it under any path of a Starlette or FastAPI application;
    ``settings.public_url`` then ends with that path. Without ``settings``, worksgate.toml and the
    environment are read. ``authenticate(username, password)`` is a function of your own, plain or
    async, that returns a ``Person`` or None; it replaces the built-in directory and the
    ``[[source]]`` tables, as do ``sources``, which are asked in order. ``watch`` reports the
    metrics of this application. ``database`` is the database that must be found; by default the one
    found at the start. Raises ConfigurationError, ValueError if both are given or two sources have
    the same name, or TypeError if ``authenticate`` is not a function.
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
        sources=None if sources is None else by_name(sources),
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
    """Everything that serves requests, opened in order and closed in reverse order."""
    async with AsyncExitStack() as stack:
        # A worker ends by signal as soon as everything is closed: its logs must be flushed by then.
        stack.callback(log.flush)
        guard = await open_guard(settings, database, stack, clock)
        directory = open_directory(settings, stack, guard)
        remove_abandoned_copies(settings)
        await warn_of_master_key(settings, directory)
        store, writer = await open_own_store(settings, directory, stack, clock, guard, serves=True)
        observability = open_observability(stack)
        observability.trace_reads_of(directory)
        base = Base(settings, directory, observability.traced(store), writer, clock)
        if authenticate is not None:
            sources = function_source_of(authenticate, stack)
        identity = await _open_identity(base, sources, observability, stack)
        provider = _open_provider(base, identity, stack)
        trail = CallAuditTrail(identity.audit, identity.strangers)
        calls = LineWorksCalls(identity.clients, base.store, trail, clock)
        purge = start_purging(base, stack)
        seals = start_sealing(base, stack)
        start_departures(base, stack)
        start_alerts(base, stack)
        accounts = _open_accounts(base, identity, stack)
        _start_lapse_notices(base, identity, stack)
        hashing = identity.hashing
        yield Installation(
            provider=provider,
            calls=calls,
            mail_clients=_open_mail_clients(base, identity, stack),
            self_service=accounts.self_service,
            password_reset=accounts.reset,
            disavowal=accounts.disavowal,
            password_meter=PasswordMeter(hashing, settings.company_name) if hashing else None,
            read_logo=directory.brandings.logo,
            form_key=identity.signing_key,
            clock=clock,
            checks={
                "store": base.store.ping,
                "directory": directory.ping,
                "clients": identity.clients.snapshot,
            },
            impairing_checks=_impairing_checks(settings, directory, store),
            figures=Figures(
                traffic=observability.traffic,
                hashing=hashing.pool if hashing else None,
                store=base.store,
                commits=store.commits if isinstance(store, HasCommits) else None,
                clients=identity.clients,
                purge=purge,
                seals=seals,
                audit=writer,
                sources=observability.sources.figures,
            ),
        )


def _impairing_checks(
    settings: Settings, directory: Directory, store: Store
) -> Mapping[str, Check]:
    checks: dict[str, Check] = {"master_key": directory.secrets.check_in_force}
    if settings.database_file is None:
        checks["connections"] = partial(_check_connections, directory, store)
        checks["disk"] = partial(_check_disk, directory, store)
    return checks


async def _check_connections(directory: Directory, store: Store) -> None:
    """Report degraded operation: requests are served, over fewer connections than configured."""
    await directory.check_connections()
    if isinstance(store, OnServer):
        await store.check_connections()


async def _check_disk(directory: Directory, store: Store) -> None:
    """Report a full disk of PostgreSQL: it refuses some writes, so that few can sign in."""
    await directory.check_disk()
    if isinstance(store, OnServer):
        await store.check_disk()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What identifies people, and throttles them. ``hashing`` is for passwords in the directory."""

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
    base: Base,
    sources: Mapping[str, Source] | None,
    observability: Observability,
    stack: AsyncExitStack,
) -> _Identity:
    """Sources (the given ones, or those of the settings), second factors and the throttle."""
    settings, directory, clock = base.settings, base.directory, base.clock
    hashing = open_hashing(settings, stack) if is_built_in(settings, sources) else None
    in_use = (
        open_sources(settings, directory, hashing, stack, clock, observability.sources)
        if sources is None
        else sources_in_use(sources, directory, stack, clock, observability.sources)
    )
    directory.read_ahead.has_others = {*in_use.passwords, *in_use.redirects} != {BUILT_IN}
    audit = observability.traced_audit(base.audit_writer)
    party = RelyingParty.of(settings.public_url, settings.company_name or "Worksgate")
    strangers = StrangerRecords(audit, base.store.bump)
    client_list = ClientList(directory)
    stack.push_async_callback(strangers.close)
    signing_key = await directory.signing_key()
    pending_secrets = PendingSecrets.under(signing_key)
    factors = Factors(directory.factors, audit, party, pending_secrets, strangers)
    stack.callback(factors.close)
    return _Identity(
        hashing=hashing,
        sources=in_use,
        audit=audit,
        strangers=strangers,
        factors=factors,
        app_passwords=AppPasswords(directory.app_passwords),
        clients=ClientRegistry(client_list.read, brandings=client_list.brandings),
        throttle=Throttle(base.store, throttle_policy(settings), key=signing_key),
        factor_throttle=Throttle(base.store, FACTOR_POLICY, "factor", key=signing_key),
        signing_key=signing_key,
        signer=TransactionSigner(signing_key),
    )


def _open_provider(base: Base, identity: _Identity, stack: AsyncExitStack) -> IdentityProvider:
    """Everything that the sign-in page uses."""
    settings, store = base.settings, base.store
    egress = Egress(settings.outgoing_proxy, settings.outgoing_ca_file)
    session_keys = SessionKeys(settings.session_key_check_url, store, egress)
    stack.push_async_callback(session_keys.close)
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
        read_ahead=base.directory.read_ahead,
        clock=base.clock,
    )


def _open_mail_clients(base: Base, identity: _Identity, stack: AsyncExitStack) -> ImapLogin:
    """Everything that the IMAP login call uses."""
    settings, store = base.settings, base.store
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
    return mail_clients


def _start_lapse_notices(base: Base, identity: _Identity, stack: AsyncExitStack) -> None:
    """Notify people before their app passwords lapse, as long as the application is open."""
    lapse = base.settings.app_password_lapse
    if lapse:
        notices = LapseNotices(base.directory.people, identity.sources, lapse, base.clock)
        run_while_open(notices.notify_forever(), stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accounts:
    """What people can do about their own accounts."""

    self_service: SelfService
    reset: PasswordReset | None
    disavowal: Disavowal


def _open_accounts(base: Base, identity: _Identity, stack: AsyncExitStack) -> _Accounts:
    """What people can do about their own accounts; only passwords kept here can be reset."""
    settings, audit = base.settings, identity.audit
    mailer, mails = mail = open_mail(settings, stack)
    links = DisavowalLinks(settings, base.store)
    open_notices(base.directory, mail, links, ignore_outcome, stack, Companies(identity.clients))
    revocation = Revocation(base.directory.endings, base.directory, already_open(base.store))
    disavowal = Disavowal(base.directory, base.store, revocation)
    stack.push_async_callback(disavowal.close)
    reset = None
    if identity.hashing is not None:
        requests = ResetRequests(
            settings,
            base.directory,
            base.store,
            audit,
            identity.strangers,
            mail=mailer,
            texts=mails,
            languages=base.directory.preferences,
            knows_device=identity.signer.knows_device,
        )
        reset = PasswordReset(settings, base.directory, base.store, identity.hashing, requests)
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
