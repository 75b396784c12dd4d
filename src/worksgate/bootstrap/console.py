"""The console of an installation, opened in order and closed in reverse order.

It has connections of its own to the same database and store as the servers, and runs in a process
of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from worksgate.administration import Actor, Administration
from worksgate.administration.console_sign_in import ConsoleSignIn
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.going_live.live_view import LiveWatch
from worksgate.administration.jobs.kinds import Operations, SendLink
from worksgate.administration.jobs.reset_mails import ResetMails
from worksgate.administration.jobs.runner import JobRunner
from worksgate.bootstrap.identity_sources import open_hashing, throttle_policy
from worksgate.bootstrap.notices import open_mail, open_notices
from worksgate.bootstrap.sign_in_parts import SignInPartsOnDemand
from worksgate.bootstrap.stores import Clock, open_directory, open_guard, open_own_store
from worksgate.database.identity import DatabaseIdentity
from worksgate.directory.source import DirectorySource
from worksgate.observability import log
from worksgate.provider.account.disavowal import DisavowalLinks
from worksgate.provider.account.notices import ignore_outcome
from worksgate.provider.factors import FACTOR_POLICY, RelyingParty
from worksgate.provider.factors.pending_secrets import PendingSecrets
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle
from worksgate.settings.options import Settings
from worksgate.store import Store
from worksgate.web.console.application import ConsoleApplication
from worksgate.web.console.examination import Examination
from worksgate.web.console.examiner import OpenExaminer, Unexamined
from worksgate.web.console.pages import ConsolePages
from worksgate.web.console.verifying import Verification
from worksgate.web.console.visit import Console
from worksgate.web.pages.anti_forgery import AntiForgery
from worksgate.web.pages.previews import Previews


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
        stack.callback(log.flush)
        guard = await open_guard(settings, database, stack)
        directory = open_directory(settings, stack, guard)
        store, audit = await open_own_store(settings, directory, stack, clock, guard)
        hashing = open_hashing(settings, stack)
        links = DisavowalLinks(settings, store)
        mailer, mails = mail = open_mail(settings, stack)
        open_notices(directory, mail, links, ignore_outcome, stack)
        signing_key = await directory.signing_key()
        party = RelyingParty.of(settings.console_address, settings.company_name or "Worksgate")
        strangers = StrangerRecords(audit, store.bump)
        stack.push_async_callback(strangers.close)
        pending_secrets = PendingSecrets.under(signing_key)
        factors = Factors(directory.factors, audit, party, pending_secrets, strangers)
        stack.callback(factors.close)
        source = DirectorySource(
            directory,
            hashing,
            company=settings.company_name,
            temporary_lifetime=settings.temporary_password_lifetime,
            clock=clock,
        )
        sign_in = ConsoleSignIn(
            directory,
            source,
            throttle=Throttle(store, throttle_policy(settings), key=signing_key),
            factor_throttle=Throttle(store, FACTOR_POLICY, "factor", key=signing_key),
            factors=factors,
            audit=audit,
            strangers=strangers,
            signing_key=signing_key,
            clock=clock,
        )

        async def give_store() -> Store:
            return store

        parts = SignInPartsOnDemand(settings, directory, give_store, hashing, stack, clock)
        asked = examiner(settings)
        examination = Examination(asked.installation, clock)
        stack.push_async_callback(examination.close)
        verification = Verification(clock)
        stack.push_async_callback(verification.close)

        def administration(actor: Actor) -> Administration:
            return Administration(
                settings,
                directory,
                give_store,
                hashing,
                actor=actor,
                clock=clock,
                sign_in_parts=parts,
            )

        send_link: SendLink | None = None
        if mailer is not None and mails is not None:
            language, lifetime = settings.mail_language, settings.reset_link_lifetime
            send_link = ResetMails(mailer, mails, language, lifetime).send

        def operations(actor: Actor) -> Operations:
            made = administration(actor)
            return Operations(
                users=made.users,
                people=made.people,
                people_import=made.people_import,
                send_link=send_link,
            )

        running = asyncio.create_task(JobRunner(directory, operations, clock).run_forever())
        stack.push_async_callback(_stop, running)
        yield Console(
            settings=settings,
            sign_in=sign_in,
            administration=administration,
            examiner=asked,
            first_owner=FirstOwner(settings, directory, hashing, Actor("console", clock)),
            factors=factors,
            watch=LiveWatch(directory, clock),
            pages=ConsolePages(settings),
            previews=Previews(settings),
            anti_forgery=AntiForgery(signing_key),
            store=store,
            examination=examination,
            verification=verification,
            clock=clock,
        )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
