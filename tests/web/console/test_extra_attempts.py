"""“Allow one more try”, on the page of a person who has to wait, and by the command."""

import pytest
from msgspec import structs
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration import Refused
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.secrets import new_ordered_id
from worksgate.provider.throttle import Attempt, Throttle
from worksgate.web.console.help_limit import HELPED

NAME, ADDRESS = "tanaka", "203.0.113.24"
GUESS = Attempt(NAME, ADDRESS)
ASKED = "Allow one more try"


async def who_has_to_wait(console: ConsoleUnderTest) -> tuple[str, Throttle]:
    """The subject of a person who has to wait for some minutes, and what counts them."""
    subject = await console.make(NAME, None)
    parts = console.administration.extra_attempts._parts
    assert parts is not None
    throttle = await parts.throttle()
    await fail_often(console, throttle, GUESS)
    return subject, throttle


async def fail_often(console: ConsoleUnderTest, throttle: Throttle, *guesses: Attempt) -> None:
    """Fail until one has to wait for some minutes there, with the records of the last tries."""
    for guess in guesses * (throttle.policy.free + 9):
        if refusal := await throttle.refusal_of(guess, console.clock()):
            console.clock.advance(refusal.retry_after + 1)
        async with throttle.attempt(guess, console.clock()) as admission:
            admission.refused()
    for guess in guesses:
        console.clock.advance(1)
        at, login_id = console.clock(), new_ordered_id()
        asked = AuditEvent(
            event=Event.LOGIN_REQUESTED, at=at - 9, login_id=login_id, address=guess.address
        )
        throttled = structs.replace(
            asked, event=Event.LOGIN_THROTTLED, at=at, username=NAME, reason=Reason.WAITING
        )
        await console.administration.audit_log._directory.record([asked, throttled])


async def is_refused(console: ConsoleUnderTest, throttle: Throttle) -> bool:
    return await throttle.refusal_of(GUESS, console.clock()) is not None


async def test_r194_the_help_desk_allows_one_more_try_with_a_record(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    subject, throttle = await who_has_to_wait(console)
    browser = await console.signed_in("helper")
    assert ASKED in (await browser.get(f"/person?id={subject}")).text
    await browser.post("/person/allow-attempt", id=subject)
    page = (await browser.get(browser.page.headers["location"])).text
    assert "They can try once more" in page
    assert ASKED not in page
    assert not await is_refused(console, throttle)
    (record,) = await console.administration.audit_log.search(
        username=NAME, event=Event.USER_CHANGED, limit=1
    )
    assert (record.actor, record.detail) == ("console:helper", "one more attempt allowed")


async def test_r194_nobody_is_allowed_more_who_does_not_wait(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None)
    browser = await console.signed_in("owner")
    assert ASKED not in (await browser.get(f"/person?id={subject}")).text
    await browser.post("/person/allow-attempt", id=subject)
    assert browser.page.status_code == 409
    with pytest.raises(Refused, match="does not have to wait"):
        await console.administration.extra_attempts.allow_one("mika")


async def test_r194_strangers_who_tried_the_name_are_allowed_nothing(
    console: ConsoleUnderTest,
) -> None:
    """Only where the name was tried last, and where the person has signed in before."""
    await console.make("owner", Role.OWNER)
    await console.make(NAME, None)
    parts = console.administration.extra_attempts._parts
    assert parts is not None
    throttle = await parts.throttle()
    own, stranger, newest = "192.0.2.7", "198.51.100.8", "203.0.113.9"
    async with throttle.attempt(Attempt(NAME, own), console.clock()) as admission:
        admission.succeeded()
    places = [Attempt(NAME, each) for each in (own, stranger, newest)]
    await fail_often(console, throttle, *places)

    async def refused() -> list[bool]:
        now = console.clock()
        return [await throttle.refusal_of(each, now) is not None for each in places]

    assert await refused() == [True, True, True]
    await console.administration.extra_attempts.allow_one(NAME)
    assert await refused() == [False, True, False]


async def test_r194_no_administrator_is_helped_by_the_help_desk(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    subject, throttle = await who_has_to_wait(console)
    await console.administration.administrators.set_role(NAME, Role.AUDITOR)
    browser = await console.signed_in("helper")
    await browser.get("/me")
    await browser.post("/person/allow-attempt", id=subject)
    assert browser.page.status_code == 403
    assert "is an administrator" in browser.page.text
    assert await is_refused(console, throttle)


async def test_r194_it_is_among_what_a_help_desk_may_do_so_often_in_an_hour(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    helper = await console.make("helper", Role.HELP_DESK)
    subject, throttle = await who_has_to_wait(console)
    browser = await console.signed_in("helper")
    store = (await console.inside()).store
    for _ in range(HELPED):
        await store.bump(f"help {helper}", 3_600.0, console.clock())
    await browser.get("/me")
    await browser.post("/person/allow-attempt", id=subject)
    assert browser.page.status_code == 429
    assert await is_refused(console, throttle)
