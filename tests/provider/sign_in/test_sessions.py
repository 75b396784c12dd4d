"""Browser sessions: how long they last, and how they end."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn
from unittest.mock import patch

import pytest
from tests.provider.sign_in.world import ACME, EMMA, HANA, NOW, Visit, World

from worksgate.audit import Event
from worksgate.oauth.model import CLOCK_SKEW, Session, UserKey
from worksgate.provider.account.values import NotSignedIn
from worksgate.provider.sessions import TOUCH_AFTER
from worksgate.provider.sign_in.errors import NoUserKey
from worksgate.provider.sign_in.outcomes import PasswordNeeded, SignedIn
from worksgate.sources import Person
from worksgate.store import StoreUnavailable

IDLE, ABSOLUTE = 12 * 3_600.0, 7 * 86_400.0
WANTED = "https://mail.worksmobile.com/acme"
QUERY = f"redirect_uri={WANTED}"


async def signed_in(world: World, by: str = "password") -> Visit:
    visit = world.visit(EMMA if by == "partner" else HANA)
    transaction = await visit.login_form()
    step = visit.come_from_partner(transaction) if by == "partner" else visit.log_in(transaction)
    assert isinstance(await step, SignedIn)
    return visit


async def test_r29_a_session_ends_when_it_is_not_used_for_twelve_hours() -> None:
    visit = await signed_in(World())
    visit.world.now += IDLE - 1
    assert (await visit.session()).expires_at == NOW + IDLE
    visit.world.now += IDLE - 1
    assert await visit.session()
    visit.world.now += IDLE
    with pytest.raises(NotSignedIn):
        await visit.session()


async def test_r29_a_session_ends_after_seven_days_however_much_it_is_used() -> None:
    visit = await signed_in(World())
    while visit.world.now + IDLE / 2 < NOW + ABSOLUTE:
        visit.world.now += IDLE / 2
        assert await visit.session()
    visit.world.now = NOW + ABSOLUTE - 1
    assert await visit.session()
    visit.world.now = NOW + ABSOLUTE
    with pytest.raises(NotSignedIn):
        await visit.session()


async def test_r269_a_session_is_live_at_once_on_a_node_whose_clock_is_behind() -> None:
    visit = await signed_in(World())
    visit.world.now = NOW - CLOCK_SKEW
    assert await visit.session()
    visit.world.now = NOW - CLOCK_SKEW - 1
    with pytest.raises(NotSignedIn):
        await visit.session()


@pytest.mark.parametrize(("later", "written"), [(TOUCH_AFTER - 1, False), (TOUCH_AFTER, True)])
async def test_that_a_session_is_used_is_written_once_a_minute(
    later: float,
    written: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    visit = await signed_in(World())
    visit.world.now += later
    await visit.session()
    (kept,) = await visit.world.store.held(Session, HANA.subject_id)
    assert (kept.expires_at > NOW + IDLE) is written


async def test_a_source_is_asked_with_all_that_it_said_at_the_sign_in() -> None:
    """One that cannot look people up says the same again."""
    world = World()
    world.people.change(
        HANA,
        works_account="hana@acme.example",
        revision="7",
        email="hana@example.com",
        groups=("staff", "two\nlines"),
    )
    visit = await signed_in(world)
    find, asked = world.people.find, list[Person]()

    async def listening(subject_id: str, last_seen: Person) -> Person | None:
        asked.append(last_seen)
        return await find(subject_id, last_seen)

    world.people.find = listening  # type: ignore[method-assign]  # for this test
    await visit.session()
    assert asked == [world.people.here[HANA.subject_id]]


async def test_r30_all_that_a_person_holds_ends_when_they_may_not_sign_in() -> None:
    visit = await signed_in(World())
    del visit.world.people.here[HANA.subject_id]
    assert isinstance(await visit.arrive(), PasswordNeeded)
    assert not await visit.world.store.held(Session, HANA.subject_id)


# A browser leaves

LEAVES = replace(ACME, logout_redirect_uris=(WANTED,))


async def test_r66_a_browser_that_leaves_has_no_session_and_goes_where_it_may() -> None:
    world = World(client=LEAVES)
    visit = await signed_in(world)
    elsewhere = await signed_in(world)
    assert await world.provider.log_out(QUERY, visit.browser) == WANTED
    with pytest.raises(NotSignedIn):
        await visit.session()
    assert await elsewhere.session()
    (left,) = [each for each in world.audit.events if each.event is Event.LOGOUT]
    assert left.subject_id == HANA.subject_id
    assert await world.provider.log_out(QUERY, visit.browser) == WANTED
    assert world.audit.count(Event.LOGOUT) == 1
    assert await world.provider.log_out("redirect_uri=https://evil.example", visit.browser) is None


async def leaving(world: World, query: str = QUERY) -> Visit:
    """A browser on its way out of another provider."""

    async def logout_url(return_url: str) -> str:
        assert return_url == "https://sso.example.com/logout"
        return "https://partner.example/logout"

    world.partner.logout_url = logout_url  # type: ignore[method-assign]  # it signs out, too
    visit = await signed_in(world, "partner")
    left = await world.provider.log_out(query, visit.browser)
    assert left == "https://partner.example/logout"
    return visit


async def test_r69_who_came_by_another_provider_leaves_by_it_and_goes_on_once() -> None:
    visit = await leaving(World(client=LEAVES))
    assert await visit.provider.log_out("", replace(visit.browser, secret="another")) is None
    assert await visit.provider.log_out("", visit.browser) == WANTED
    assert await visit.provider.log_out("", visit.browser) is None


@pytest.mark.parametrize(("later", "wanted"), [(599.0, WANTED), (600.0, None)])
async def test_r69_who_is_away_for_ten_minutes_goes_nowhere(
    later: float, wanted: str | None
) -> None:
    visit = await leaving(World(client=LEAVES))
    visit.world.now += later
    assert await visit.provider.log_out("", visit.browser) == wanted


async def test_r69_who_wants_to_go_nowhere_does_not() -> None:
    visit = await leaving(World(client=LEAVES), query="")
    assert await visit.provider.log_out("", visit.browser) is None


async def test_a_provider_that_cannot_sign_out_is_not_waited_for() -> None:
    visit = await signed_in(World(client=LEAVES), "partner")
    assert await visit.provider.log_out(QUERY, visit.browser) == WANTED


@pytest.mark.parametrize(
    "arrival",
    [
        lambda visit: visit.arrive(),
        lambda visit: visit.arrive(worksId="somebody else"),
        lambda visit: visit.visitor(),
    ],
)
async def test_r29_each_use_moves_the_idle_limit_whatever_comes_of_it(
    arrival: Callable[[Visit], Awaitable[object]],
) -> None:
    visit = await signed_in(World())
    visit.world.now += IDLE - 1
    await arrival(visit)
    (session,) = await visit.world.store.held(Session, HANA.subject_id)
    assert session.expires_at == visit.world.now + IDLE


async def test_a_use_that_is_refused_moves_the_idle_limit_too() -> None:
    visit = await signed_in(World())
    visit.world.change_client(user_key=UserKey.WORKS_ACCOUNT)
    visit.world.now += IDLE - 1
    with pytest.raises(NoUserKey):
        await visit.arrive()
    (session,) = await visit.world.store.held(Session, HANA.subject_id)
    assert session.expires_at == visit.world.now + IDLE


async def test_an_outage_in_a_use_is_reported_and_nothing_more_is_written() -> None:
    visit = await signed_in(World())
    visit.world.now += IDLE - 1

    async def away(*_: object, **__: object) -> NoReturn:
        raise StoreUnavailable("away")

    with patch.object(visit.world.store, "add", away), pytest.raises(StoreUnavailable):
        await visit.arrive()
    (session,) = await visit.world.store.held(Session, HANA.subject_id)
    assert session.expires_at == NOW + IDLE
