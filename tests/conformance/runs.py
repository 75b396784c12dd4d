"""Runs of the check against implementations of the tests."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.conformance.implementation import (
    ACCOUNT,
    BARRED,
    CLIENT,
    DISABLED,
    KEY,
    OTHER,
    PASSWORD,
    REDIRECT_URI,
    USERNAME,
    WAYS,
    Way,
    url_of,
)

from worksgate.conformance.checks.examination import CHECKS, Result, chosen, examine
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.sign_in import FormSignIn
from worksgate.conformance.checks.target import Mailbox, Person, Target, endpoints_of
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.exchange import TimeLimits

PATIENT = TimeLimits(connect=20.0, answer=60.0)
"""On a busy machine nothing is wrong with an answer that comes late."""
AT_ONCE = 24
"""Runs at the same time: most of one is waiting."""


NEEDS_MORE = {
    *("token.expired", "userinfo.expired", "userinfo.account_form"),
    *(each for each in CHECKS if each.startswith("refresh.") and each != "refresh.off"),
}
"""What is tested only of an implementation with other settings than those of ``target_at``."""


@dataclass(frozen=True)
class Done:
    """What a run found, and how many requests it made."""

    results: Mapping[str, Result]
    requests: int

    def ids(self, outcome: Outcome) -> set[str]:
        return {name for name, result in self.results.items() if result.outcome is outcome}


def target_at(origin: str, name: str, **changes: Any) -> Target:
    """Everything that is known of an implementation of the tests."""
    way = WAYS.get(name, Way())
    target = Target(
        endpoints=endpoints_of(
            url_of(origin, name),
            CLIENT.client_id,
            web_login=way.login,
            access_token=way.access_token,
            user_info=way.user_info,
            logout=way.logout,
            imap_login=way.imap_login,
        ),
        credentials=CLIENT,
        redirect_uri=REDIRECT_URI,
        person=Person(USERNAME, PASSWORD),
        user_key=ACCOUNT if way.user_key == "account" else KEY,
        key_is_account=way.user_key == "account",
        mailbox=Mailbox(USERNAME, PASSWORD),
        disabled=DISABLED,
        barred=BARRED,
        wrong_mail_passwords=4,
        other=OTHER,
        limits=PATIENT,
    )
    return replace(target, **changes)


async def run_checks(
    target: Target, only: Collection[str] = (), without: Collection[str] = ()
) -> Done:
    """Run these checks, signing in by the form."""
    meter = Meter(Redactor(target.secrets))
    sign_in = None if target.person is None else FormSignIn(target, target.person, meter)
    results = {}
    async for result in examine(target, chosen(only, without), sign_in, meter):
        results[result.check.id] = result
    return Done(results, meter.requests)


async def run_all(runs: Mapping[str, tuple[Target, Collection[str]]]) -> dict[str, Done]:
    """Run many at once, each with the checks that it is for."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target, only: Collection[str]) -> Done:
        async with turns:
            return await run_checks(target, only)

    done = await asyncio.gather(*(one(*run) for run in runs.values()))
    return dict(zip(runs, done, strict=True))
