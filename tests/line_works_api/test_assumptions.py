"""Whatever LINE WORKS' pages leave open, the client does what it should: no reading stops it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.administration.external_keys.line_works import api_app, registered
from tests.line_works_api.fake_api import Watch
from tests.line_works_api.simulated import HOSTS, InProcess, opened

from worksgate.conformance.directory_api import (
    DirectoryApiSimulator,
    Member,
    Rules,
    alternatives,
    with_new_key,
)
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.errors import ApiRefused, TokenRefused
from worksgate.settings.assumptions import RANGES, Assumptions
from worksgate.settings.options import Settings

REN = Member(user_id="u-ren", email="ren@example.com", last_name="Ren", external_key="R")
MIO = Member(user_id="u-mio", email="mio@example.com", last_name="Mio", is_awaiting=True)
READINGS = dict(alternatives(Rules()))
OTHERS_TOO = ("people_change_between_pages=True", "lists_every_domain=True")
"""Under which others are listed, too."""


@pytest.mark.parametrize("reading", READINGS)
async def test_no_reading_stops_the_client(reading: str) -> None:
    watch = Watch()
    there = DirectoryApiSimulator(
        [REN, MIO], rules=READINGS[reading], registered=registered(), clock=watch.now
    )
    async with opened(there, watch, "directory") as api:
        keys = {each.account: each.external_key async for each in api.members()}
        assert keys == {REN.email: "R", MIO.email: None} or reading in OTHERS_TOO
        await api.set_keys({MIO.user_id: "M"})
        mio = await api.person(MIO.user_id)
        assert (mio.external_key, mio.is_awaiting, mio.is_in_use) == ("M", True, False)
        await api.force_logout(REN.user_id)
        await api.suspend(REN.user_id)
        assert (await api.person(REN.email)).is_suspended
        with pytest.raises(ApiRefused) as nobody:
            await api.person("u-nobody")
        assert nobody.value.status == 404
    assert there.state().keys() == {REN.email: "R", MIO.email: "M"}


async def test_a_list_without_a_domain_may_have_everybody() -> None:
    watch = Watch()
    far = Member(user_id="u-far", email="far@example.com", last_name="Far", domain_id=2)
    for every, accounts in ((False, {REN.email}), (True, {REN.email, far.email})):
        there = DirectoryApiSimulator(
            [REN, far],
            rules=Rules(lists_every_domain=every),
            registered=registered(),
            clock=watch.now,
        )
        async with opened(there, watch, "directory") as api:
            assert {each.account async for each in api.people()} == accounts


async def test_a_key_that_another_one_has_replaced_is_refused_or_works() -> None:
    watch, new = Watch(), with_new_key(registered())
    for takes_old in (False, True):
        there = DirectoryApiSimulator(
            [REN], rules=Rules(takes_old_keys=takes_old), registered=new, clock=watch.now
        )
        async with opened(there, watch, "directory") as api:
            if takes_old:
                assert (await api.person(REN.user_id)).account == REN.email
            else:
                with pytest.raises(TokenRefused, match="private key"):
                    await api.person(REN.user_id)


async def test_what_the_plan_lacks_is_told() -> None:
    watch = Watch()
    there = DirectoryApiSimulator(
        [REN], rules=Rules(plan_lacks=("directory",)), registered=registered(), clock=watch.now
    )
    async with opened(there, watch, "directory") as api:
        with pytest.raises(TokenRefused, match="tick the scope"):
            await api.person(REN.user_id)


# What the client can be told


@pytest.mark.parametrize(
    ("assumed", "rules", "works"),
    [
        ({}, {}, True),
        ({"assertion_backdated": 0}, {}, True),
        ({"assertion_lifetime": 300}, {"takes_shorter_assertions": True}, True),
        ({"assertion_lifetime": 300}, {}, False),
    ],
)
async def test_an_assertion_is_as_the_settings_have_it(
    assumed: dict[str, int],
    rules: dict[str, Any],
    works: bool,  # noqa: FBT001  # of the table
) -> None:
    watch = Watch()
    there = DirectoryApiSimulator(
        [REN], rules=Rules(**rules), registered=registered(), clock=watch.now
    )
    timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep, timeout=5.0)
    async with DirectoryApi.opened(
        api_app("directory"),
        HOSTS,
        timing=timing,
        transport=InProcess(there),
        assumed=Assumptions(**assumed),
    ) as api:
        if works:
            await api.person(REN.user_id)
        else:
            with pytest.raises(TokenRefused):
                await api.person(REN.user_id)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_a_small_key_is_taken_if_both_sides_allow_it() -> None:
    watch, small = Watch(), with_new_key(registered(), bits=1_024)
    values: dict[str, Any] = {
        "client_id": small.app.client_id,
        "client_secret": small.app.client_secret,
        "service_account": small.app.service_account,
        "private_key": small.private_key,
        "scopes": ("directory",),
    }
    with pytest.raises(ValueError, match="2048 is the least"):
        ApiApp.checked(**values)
    app = ApiApp.checked(**values, fewest_key_bits=1_024)
    for least, works in ((2_048, False), (1_024, True)):
        there = DirectoryApiSimulator(
            [REN], rules=Rules(fewest_key_bits=least), registered=small, clock=watch.now
        )
        timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep, timeout=5.0)
        async with DirectoryApi.opened(
            app, HOSTS, timing=timing, transport=InProcess(there)
        ) as api:
            if works:
                await api.person(REN.user_id)
            else:
                with pytest.raises(TokenRefused):
                    await api.person(REN.user_id)


def test_what_is_assumed_is_read_from_the_settings() -> None:
    assert Assumptions.of(()) == Assumptions()
    settings = Settings(line_works_assumptions=("calls_at_once=2", "audit_log_days=90"))
    read = Assumptions.of(settings.line_works_assumptions)
    assert read == replace(Assumptions(), calls_at_once=2, audit_log_days=90)
    for name, (least, most) in RANGES.items():
        default = getattr(Assumptions(), name)
        assert least <= default <= most
        for number in (least, most):
            assert getattr(Assumptions.of([f"{name}={number}"]), name) == number
        for wrong in (str(least - 1), str(most + 1), "x", "", "1.5"):
            with pytest.raises(ValueError, match=name):
                Assumptions.of([f"{name}={wrong}"])
    for entries in (["backdated=1"], ["calls_at_once=1", "calls_at_once=1"], ["calls_at_once"]):
        with pytest.raises(ValueError, match=r"name|twice|whole"):
            Assumptions.of(entries)
