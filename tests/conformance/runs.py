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
    Implementation,
    Implementations,
    Way,
    url_of,
)

from worksgate.conformance.checks.examination import CHECKS, Result, chosen, examine
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.operator import Act, Deed, Operator
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
    *(each for each in CHECKS if each.startswith("operation.")),
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


def acts_on(implementation: Implementation) -> dict[Deed, Act]:
    """What an operator does to an implementation of the tests."""

    def setting(name: str, *, value: bool) -> Act:
        async def act() -> None:
            setattr(implementation, name, value)

        return act

    return {
        Deed.OUTAGE: setting("is_out", value=True),
        Deed.RECOVERY: setting("is_out", value=False),
        Deed.DISABLE_PERSON: setting("has_left", value=True),
        Deed.DISABLE_CLIENT: setting("is_disabled", value=True),
    }


async def run_checks(
    target: Target,
    only: Collection[str] = (),
    without: Collection[str] = (),
    acts: Mapping[Deed, Act] | None = None,
) -> Done:
    """Run these checks, signing in by the form."""
    meter = Meter(Redactor(target.secrets))
    sign_in = None if target.person is None else FormSignIn(target, target.person, meter)
    results = {}
    operator = Operator(acts or {}, meter)
    async for result in examine(target, chosen(only, without), sign_in, meter, operator):
        results[result.check.id] = result
    return Done(results, meter.requests)


async def run_all(
    runs: Mapping[str, tuple[Target, Collection[str]]], implementations: Implementations
) -> dict[str, Done]:
    """Run many at once, each with the checks that it is for.

    An operator is there for those of ``operation`` alone: they leave the implementation disabled.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, target: Target, only: Collection[str]) -> Done:
        is_operated = any(each.startswith("operation") for each in only)
        acts = acts_on(implementations.named(name)) if is_operated else {}
        async with turns:
            return await run_checks(target, only, acts=acts)

    done = await asyncio.gather(*(one(name, *run) for name, run in runs.items()))
    return dict(zip(runs, done, strict=True))
