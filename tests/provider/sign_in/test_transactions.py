"""A login transaction in its form: binding to a browser, lifetime, and the way back."""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn
from unittest.mock import patch

import pytest
from tests.provider.sign_in.world import ACME, CALLBACK, EMMA, HANA, Visit, World

from worksgate.audit import Reason
from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import BadAuthorizationRequest, BadRedirectUri, UnknownClient
from worksgate.oauth.model import CLOCK_SKEW, Interim, Session
from worksgate.provider.sign_in.attempt import is_meant
from worksgate.provider.sign_in.errors import UpstreamSignInFailed
from worksgate.provider.sign_in.outcomes import SignedIn
from worksgate.provider.sign_in.transaction import (
    ExpiredTransaction,
    ForgedTransaction,
    SignInTransaction,
)
from worksgate.provider.sign_in.upstream import name_of
from worksgate.sources import Person, RefusedUpstream
from worksgate.store import StoreUnavailable

THIRTY_MINUTES = 1_800.0


async def read(visit: Visit, text: str, token: str) -> SignInTransaction:
    return await visit.provider.read_transaction(text, token, visit.browser)


async def form(visit: Visit) -> tuple[SignInTransaction, str, str]:
    """A transaction, and the two fields in which its form has it."""
    transaction, signer = await visit.login_form(), visit.provider.signer
    token = signer.anti_forgery_token(transaction, visit.browser.secret)
    return transaction, signer.sign(transaction), token


async def test_r19_a_form_without_its_own_anti_forgery_token_is_refused() -> None:
    visit = World().visit()
    _, text, token = await form(visit)
    _, _, of_another_login = await form(visit)
    for wrong in ("", token[:-1], token.upper(), of_another_login, "\ud800"):
        with pytest.raises(ForgedTransaction) as refused:
            await read(visit, text, wrong)
        assert refused.value.transaction is None


@pytest.mark.parametrize("change", ["", "x", ".", "\ud800"])
async def test_r19_a_form_that_was_not_signed_here_is_refused(change: str) -> None:
    visit = World().visit()
    _, text, token = await form(visit)
    with pytest.raises(ForgedTransaction):
        await read(visit, text + change if change else "", token)
    other = World().provider.signer
    assert other.sign(await visit.login_form()) != text


@pytest.mark.parametrize(
    ("later", "good"),
    [
        (-CLOCK_SKEW - 0.01, False),
        (-CLOCK_SKEW, True),
        (0.0, True),
        (THIRTY_MINUTES - 0.01, True),
        (THIRTY_MINUTES, False),
    ],
)
async def test_r18_a_form_is_good_for_thirty_minutes_and_on_nodes_whose_clocks_differ(
    later: float,
    good: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    visit = World().visit()
    transaction, text, token = await form(visit)
    visit.world.now += later
    if good:
        assert await read(visit, text, token) == transaction
        return
    with pytest.raises(ExpiredTransaction) as expired:
        await read(visit, text, token)
    assert expired.value.transaction == transaction


@pytest.mark.parametrize("later", [0.0, THIRTY_MINUTES])
async def test_r19_in_another_browser_a_live_form_may_only_begin_again(later: float) -> None:
    visit = World().visit()
    transaction, text, token = await form(visit)
    visit.world.now += later
    visit.browser = replace(visit.browser, secret="another")
    with pytest.raises(ForgedTransaction) as refused:
        await read(visit, text, token)
    assert refused.value.transaction == (None if later else transaction)


async def test_a_form_whose_client_has_changed_its_address_buys_no_code() -> None:
    visit = World().visit()
    _, text, token = await form(visit)
    visit.world.change_client(redirect_uris=("https://auth.worksmobile.com/other",))
    with pytest.raises(BadRedirectUri):
        await read(visit, text, token)
    visit.world.change_client(redirect_uris=(CALLBACK,), enabled=False)
    with pytest.raises(UnknownClient):
        await read(visit, text, token)


async def test_the_form_of_an_own_account_needs_no_client() -> None:
    visit = World().visit()
    signer = visit.provider.signer
    transaction = visit.provider.begin_for_account(visit.browser)
    token = signer.anti_forgery_token(transaction, visit.browser.secret)
    assert await read(visit, signer.sign(transaction), token) == transaction
    assert transaction.redirect_uri == "https://sso.example.com/account"


# Back from another provider


async def test_r91_what_one_provider_got_is_not_taken_from_another() -> None:
    visit = World().visit()
    await visit.leave_for_partner(await visit.login_form())
    with pytest.raises(ForgedTransaction):
        await visit.provider.finish_upstream_login("another", {"state": "state"}, visit.browser)
    assert not visit.world.partner.answers


async def test_r91_of_two_who_are_back_at_once_one_goes_on() -> None:
    visit = World().visit()
    await visit.leave_for_partner(await visit.login_form())
    partner = visit.world.partner
    finish = partner.finish

    async def with_another(return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        partner.finish = finish  # type: ignore[method-assign]  # once
        assert isinstance(await visit.back_from_partner(), SignedIn)
        return await finish(return_url, kept, query)

    partner.finish = with_another  # type: ignore[method-assign]  # once
    with pytest.raises(ForgedTransaction):
        await visit.back_from_partner()
    assert len(await visit.world.store.held(Session, EMMA.subject_id)) == 1


async def test_r142_whoever_leaves_for_another_provider_leaves_nothing_here() -> None:
    visit = World().visit()
    for _ in range(20):
        await visit.leave_for_partner(await visit.login_form())
    assert not await visit.world.store.held(Interim, "")


async def test_r142_who_comes_back_refused_leaves_nothing_either() -> None:
    visit = World().visit()

    async def refuse(*_: object) -> None:
        raise RefusedUpstream("access_denied")

    visit.world.partner.finish = refuse  # type: ignore[assignment,method-assign]  # it refuses
    await visit.leave_for_partner(await visit.login_form())
    for _ in range(20):
        with pytest.raises(UpstreamSignInFailed):
            await visit.back_from_partner()
    assert not await visit.world.store.held(Interim, "")


async def test_r91_what_a_browser_takes_along_is_for_its_state_alone() -> None:
    visit = World().visit()
    await visit.leave_for_partner(await visit.login_form())
    ((_, sealed),) = visit.browser.upstream
    for name, text in (
        (name_of("state"), ""),
        (name_of("state"), "A" * 80),
        (name_of("state"), sealed[:-8] + "AAAAAAAA"),
        (name_of("another"), sealed),
    ):
        with pytest.raises(ForgedTransaction):
            await visit.back_from_partner(upstream=((name, text),))
    other = replace(visit.browser, upstream=((name_of("another"), sealed),))
    with pytest.raises(ForgedTransaction):
        await visit.provider.finish_upstream_login("partner", {"state": "another"}, other)
    assert not visit.world.partner.answers
    assert isinstance(await visit.back_from_partner(), SignedIn)


async def test_r32_what_a_browser_takes_along_reveals_nothing() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    await visit.leave_for_partner(transaction)
    ((name, sealed),) = visit.browser.upstream
    opened = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for told in ("state", "kept", "partner", "acme", transaction.id, "worksmobile"):
        assert told not in name
        assert told.encode() not in opened


@pytest.mark.parametrize("more", ["", "x", "xx", "xxx"])
async def test_what_a_browser_takes_along_needs_no_quotes_in_a_cookie(more: str) -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    long = replace(transaction, redirect_uri=f"{transaction.redirect_uri}{more}")
    await visit.leave_for_partner(long)
    ((_, sealed),) = visit.browser.upstream
    assert re.fullmatch(r"[A-Za-z0-9_-]+", sealed)
    assert isinstance(await visit.back_from_partner(), SignedIn)


async def test_what_is_too_long_for_a_cookie_does_not_leave() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    long = replace(
        transaction, redirect_uri=f"{transaction.redirect_uri}{secrets.token_urlsafe(2_500)}"
    )
    with pytest.raises(BadAuthorizationRequest):
        await visit.leave_for_partner(long)


# What the pages ask


@pytest.mark.parametrize(
    ("hint", "works_account", "meant"),
    [
        (None, None, True),
        ("hana", None, True),
        ("hana@acme.example", None, True),  # of no account is it known to be another's
        ("HANA@ACME.example", "hana@acme.example", True),
        ("hana@other.example", "hana@acme.example", False),
        ("hana", "hana@acme.example", True),
        ("hana@acme.example", "hana", True),
        ("taro", "hana@acme.example", False),
        ("hana", "h.yamada@acme.example", False),  # the username does not count then
    ],
)
def test_a_hint_means_the_account_or_its_local_part(
    hint: str | None,
    works_account: str | None,
    meant: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    assert is_meant(hint, replace(HANA, works_account=works_account)) is meant


@pytest.mark.parametrize("redirects", [True, False])
async def test_who_gives_up_is_sent_back_where_the_client_wants_to_know(
    redirects: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    world = World(client=replace(ACME, redirect_denials=redirects, domain="acme.example"))
    transaction = await world.visit().login_form()
    assert transaction.may_cancel is redirects
    location = await world.provider.denial(transaction)
    assert (location is not None) is redirects
    assert location is None or "error=access_denied" in location
    assert await world.provider.domain_of("acme") == "acme.example"
    assert await world.provider.domain_of("unknown") is None


async def test_a_sign_in_at_another_provider_is_on_the_way_to_it_by_name() -> None:
    world = World()
    assert world.provider.callback_names == ("partner",)
    visit = world.visit()
    ways = await world.provider.ways_in(await visit.login_form())
    assert ways.passwords
    assert ways.buttons == [("partner", "Partner")]
    assert not await world.provider.is_upstream(await visit.login_form(), "hana")
    assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)


# What only the pages see


async def test_a_form_without_a_cookie_is_recorded_with_its_sign_in_if_it_is_one_of_ours() -> None:
    visit = World().visit()
    transaction, record = await visit.login_form(), visit.provider.without_cookie
    assert record(visit.provider.signer.sign(transaction), visit.browser) == transaction.login_id
    last = visit.world.audit.events[-1]
    assert (last.reason, last.login_id) == (Reason.COOKIES_OFF, transaction.login_id)
    assert record("none of ours", visit.browser) != transaction.login_id


async def test_an_outage_is_recorded_with_what_was_typed_and_a_refusal_is_not() -> None:
    visit = World().visit()
    transaction = await visit.login_form()
    for outage, typed in (
        (StoreUnavailable("away"), "hana"),
        (StoreUnavailable("away"), ""),
        (BusyRefusal(), "hana"),
    ):
        visit.provider.interrupted(visit.browser, outage, transaction, typed)
    recorded = [each.username for each in visit.world.audit.events]
    assert recorded == ["hana", None]


async def test_a_ping_asks_the_store_and_for_the_clients() -> None:
    world = World()
    await world.provider.ping()

    async def away() -> NoReturn:
        raise Unavailable("away")

    for asked, name in ((world.store, "ping"), (world.provider.clients, "snapshot")):
        with patch.object(asked, name, away), pytest.raises(Unavailable):
            await world.provider.ping()
