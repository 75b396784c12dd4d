"""The console of an installation, opened in order and closed in reverse order.

It has connections of its own to the same database and store as the servers, and runs in a process
of its own.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from worksgate.administration import Actor, Administration
from worksgate.administration.console.sign_in import ConsoleSignIn
from worksgate.administration.deployers import DeployerAccess
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.going_live.live_view import LiveWatch
from worksgate.administration.jobs.kinds import Operations, SendLink
from worksgate.administration.jobs.reset_mails import ResetMails
from worksgate.administration.jobs.runner import JobRunner, OperationsOf
from worksgate.bootstrap.alerts import alert_test_of
from worksgate.bootstrap.background_tasks import run_while_open
from worksgate.bootstrap.identity_sources import open_hashing, throttle_policy
from worksgate.bootstrap.notices import companies_of, open_mail, open_notices
from worksgate.bootstrap.sign_in_parts import SignInPartsOnDemand
from worksgate.bootstrap.stores import (
    Clock,
    already_open,
    open_directory,
    open_guard,
    open_own_store,
)
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database.identity import DatabaseIdentity
from worksgate.directory.audit.writer import AuditWriter
from worksgate.directory.database import Directory
from worksgate.directory.source import DirectorySource
from worksgate.observability import log
from worksgate.provider.account.disavowal import DisavowalLinks
from worksgate.provider.account.notices import ignore_outcome
from worksgate.provider.factors import FACTOR_POLICY, RelyingParty
from worksgate.provider.factors.pending_secrets import PendingSecrets
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Source
from worksgate.store import Store
from worksgate.web.console.application import ConsoleApplication
from worksgate.web.console.examination import Examination
from worksgate.web.console.examiner import OpenExaminer, Unexamined
from worksgate.web.console.pages import ConsolePages
from worksgate.web.console.sign_in_trial import SignInTrial
from worksgate.web.console.verification import Verification
from worksgate.web.console.visit import Console
from worksgate.web.pages.anti_forgery import AntiForgery
from worksgate.web.pages.previews import Previews

if TYPE_CHECKING:
    from worksgate.bootstrap.notices import Mail

_log = structlog.get_logger("worksgate.console")


def create_console(
    settings: Settings,
    *,
    examiner: OpenExaminer = Unexamined,
    clock: Clock = time.time,
    database: DatabaseIdentity | None = None,
) -> ConsoleApplication:
    """The console as an ASGI application of its own; ``database`` as for ``create_app``.

    ``examiner`` is handed in, since what examines an installation builds on this room.
    """
    opening = partial(
        open_console,
        settings,
        examiner=examiner,
        clock=clock,
        database=database,
    )
    return ConsoleApplication(settings, opening)


@asynccontextmanager
async def open_console(
    settings: Settings,
    *,
    examiner: OpenExaminer = Unexamined,
    clock: Clock = time.time,
    database: DatabaseIdentity | None = None,
) -> AsyncIterator[Console]:
    """Everything that the console works with."""
    async with AsyncExitStack() as stack:
        base = await _open_base(settings, database, clock, stack)
        parts = _sign_in_parts(base, stack)
        strangers = StrangerRecords(base.audit, base.store.bump)
        stack.push_async_callback(strangers.close)
        sign_in, factors = _open_sign_in(base, parts, strangers, stack)
        administration = _administrations(base, parts)
        asked = examiner(settings)
        examination = Examination(asked.installation, clock)
        stack.push_async_callback(examination.close)
        verification = Verification(clock)
        stack.push_async_callback(verification.close)
        sign_in_trial = SignInTrial(asked.sign_in, clock)
        stack.push_async_callback(sign_in_trial.close)
        send_link = _reset_mails(base)
        operations = _operations(administration, send_link)
        jobs = JobRunner(base.directory, operations, clock, sign_in.sources.ask)
        run_while_open(jobs.run_forever(), stack)
        yield Console(
            settings=settings,
            sign_in=sign_in,
            administration=administration,
            examiner=asked,
            first_owner=FirstOwner(
                settings, base.directory, base.hashing, Actor("console", clock), sign_in.sources.ask
            ),
            send_reset_link=send_link,
            mailer=base.mail[0],
            alert_test=alert_test_of(settings, base.directory, clock, stack),
            factors=factors,
            deployers=DeployerAccess(base.directory, strangers, clock, sign_in.sources.ask),
            watch=LiveWatch(base.directory, clock),
            pages=ConsolePages(settings),
            previews=Previews(settings),
            anti_forgery=AntiForgery(base.signing_key),
            store=base.store,
            examination=examination,
            verification=verification,
            sign_in_trial=sign_in_trial,
            clock=clock,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What the parts of the console build on."""

    settings: Settings
    clock: Clock
    directory: Directory
    store: Store
    audit: AuditWriter
    hashing: PasswordHashing
    mail: "Mail"
    signing_key: bytes


async def _open_base(
    settings: Settings, database: DatabaseIdentity | None, clock: Clock, stack: AsyncExitStack
) -> _Base:
    """The database, the store and e-mail; notices of changes are sent from here on."""
    stack.callback(log.flush)
    guard = await open_guard(settings, database, stack)
    directory = open_directory(settings, stack, guard)
    store, audit = await open_own_store(settings, directory, stack, clock, guard)
    hashing = open_hashing(settings, stack)
    mail = open_mail(settings, stack)
    open_notices(directory, mail, DisavowalLinks(settings, store), ignore_outcome, stack)
    return _Base(
        settings=settings,
        clock=clock,
        directory=directory,
        store=store,
        audit=audit,
        hashing=hashing,
        mail=mail,
        signing_key=await directory.signing_key(),
    )


def _sign_in_parts(base: _Base, stack: AsyncExitStack) -> SignInPartsOnDemand:
    """What a trace asks, and sources whose people are administrators."""
    give_store = already_open(base.store)
    return SignInPartsOnDemand(
        base.settings, base.directory, give_store, base.hashing, stack, base.clock
    )


def _open_sign_in(
    base: _Base, parts: SignInPartsOnDemand, strangers: StrangerRecords, stack: AsyncExitStack
) -> tuple[ConsoleSignIn, Factors]:
    """The sign-in of administrators, and their second factors."""
    settings, directory, key = base.settings, base.directory, base.signing_key
    party = RelyingParty.of(
        settings.console_address, settings.company_name or "Worksgate", is_console=True
    )
    rows = directory.factors.in_console(party.id)
    factors = Factors(rows, base.audit, party, PendingSecrets.under(key), strangers)
    stack.callback(factors.close)
    sign_in = ConsoleSignIn(
        directory,
        partial(
            _sources_of_administrators,
            _built_in(base),
            parts,
            is_part=not all(each.is_built_in for each in settings.all_sources),
        ),
        throttle=Throttle(base.store, throttle_policy(settings), key=key),
        factor_throttle=Throttle(base.store, FACTOR_POLICY, "factor", key=key),
        factors=factors,
        audit=base.audit,
        strangers=strangers,
        address=settings.console_address,
        store=base.store,
        signing_key=key,
        clock=base.clock,
    )
    return sign_in, factors


def _built_in(base: _Base) -> DirectorySource:
    return DirectorySource(
        base.directory,
        base.hashing,
        company=base.settings.company_name,
        temporary_lifetime=base.settings.temporary_password_lifetime,
        clock=base.clock,
    )


async def _sources_of_administrators(
    built_in: DirectorySource,
    parts: SignInPartsOnDemand,
    names: frozenset[str],
    *,
    is_part: bool,
) -> SourcesInUse:
    """The built-in directory, which is asked first, and the named sources.

    Each is asked for every name: a domain that one of them owns keeps no owner out.
    """
    passwords: dict[str, Source] = {BUILT_IN: built_in}
    if not names:
        return SourcesInUse(passwords, is_part=is_part)
    try:
        opened = await parts.sources()
    except ValueError as error:  # those of the built-in directory get in all the same
        _log.warning("console.unavailable", reason=f"the settings of a source: {error}")
        return SourcesInUse(passwords, is_part=is_part)
    passwords |= {
        name: source
        for name, source in opened.passwords.items()
        if name in names and name != BUILT_IN
    }
    redirects = {name: source for name, source in opened.redirects.items() if name in names}
    return replace(
        opened,
        passwords=passwords,
        redirects=redirects,
        domains={},
        changer=None,
        is_part=is_part,
    )


def _administrations(base: _Base, parts: SignInPartsOnDemand) -> Callable[[Actor], Administration]:
    """What makes the administration of each administrator."""
    give_store = already_open(base.store)

    def administration(actor: Actor) -> Administration:
        return Administration(
            base.settings,
            base.directory,
            give_store,
            base.hashing,
            actor=actor,
            clock=base.clock,
            sign_in_parts=parts,
        )

    return administration


def _reset_mails(base: _Base) -> SendLink | None:
    """What sends people links for a new password, if e-mail is set up."""
    mailer, mails = base.mail
    if mailer is None or mails is None:
        return None
    language, lifetime = base.settings.mail_language, base.settings.reset_link_lifetime
    companies, languages = companies_of(base.directory), base.directory.preferences
    return ResetMails(mailer, mails, companies, languages, language, lifetime).send


def _operations(
    administration: Callable[[Actor], Administration], send_link: SendLink | None
) -> OperationsOf:
    """What makes the operations of a job, in the name of its administrator."""

    def operations(actor: Actor) -> Operations:
        made = administration(actor)
        return Operations(
            users=made.users,
            people=made.people,
            people_import=made.people_import,
            send_link=send_link,
        )

    return operations
