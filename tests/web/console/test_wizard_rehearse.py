"""Step 7 of the wizard: a sign-in that the built-in player tries, and what the page says of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conformance.runs import PATIENT
from tests.installation import EXTERNAL_KEY, PASSWORD, USERNAME, prepared
from tests.served import listening, served
from tests.unhurried import answer_deadline
from tests.web.console.console import (
    AdminBrowser,
    ConsoleUnderTest,
    console_of,
)

from worksgate.administration.roles import Role
from worksgate.administration.set_up import ConsoleField, Tick, Trial, Tried
from worksgate.audit import AuditEvent, Event
from worksgate.doctor import sign_in_trial
from worksgate.doctor.console_examiner import ConsoleExaminer
from worksgate.web.console import wizard_rehearse
from worksgate.web.console.sign_in_trial import SignInTrial

PAGE, FORM = "/wizard/rehearse", "/wizard/rehearse/sign-in"
SECRET, TYPED = "the-secret-of-the-client", "the-password-of-somebody"
WHO = {"client_secret": SECRET, "username": "tested", "password": TYPED}
"""What is typed."""


async def owner_of(console: ConsoleUnderTest) -> AdminBrowser:
    await console.make("owner", Role.OWNER)
    await console.administration.clients.add("Works")
    owner = await console.signed_in("owner")
    await owner.get(PAGE)
    return owner


async def say(*found: Tried) -> AsyncIterator[Tried]:
    for each in found:
        yield each


async def test_the_form_asks_for_what_it_needs_and_nothing_is_remembered(
    console: ConsoleUnderTest,
) -> None:
    owner = await owner_of(console)
    page = owner.page.text
    assert "from inside, from this server" in page
    assert "Nothing reaches LINE WORKS" in page
    form = page[page.index(f'action="{FORM}"') :]
    assert form[: form.index("</form>")].count('autocomplete="off"') == 4
    await owner.post(FORM, **(WHO | {"password": ""}))
    assert owner.page.status_code == 400
    assert SECRET not in owner.page.text


async def test_r227_a_trial_is_recorded_before_it_begins_and_its_rows_are_shown(
    console: ConsoleUnderTest,
) -> None:
    owner = await owner_of(console)
    await owner.post(FORM, **WHO)
    assert (owner.page.status_code, owner.page.headers["location"]) == (303, PAGE)
    found = await console.administration.audit_log.search(username="tested")
    assert [each.detail for each in found] == [
        "set-up: tries a sign-in at Works as LINE WORKS would",
        "set-up: the sign-in that was tried at Works has ended; values that work: 1",
    ]
    assert {each.actor for each in found} == {"console:owner"}
    page = (await owner.get(PAGE)).text
    assert "tested at Works, tried by owner" in page
    assert "12 ms" in page
    assert page.count("Not tried") == 4


@pytest.mark.parametrize("tick", Tick)
async def test_every_tick_is_said_with_what_to_do(console: ConsoleUnderTest, tick: Tick) -> None:
    owner = await owner_of(console)
    running = (await console.inside()).sign_in_trial
    row = Tried(field=ConsoleField.ACCESS_TOKEN, tick=tick, said="HTTP 404")
    running._try = lambda _: say(row)
    await owner.post(FORM, **WHO)
    page = (await owner.get(PAGE)).text
    assert wizard_rehearse.TICKS[tick][0] % {"said": "HTTP 404"} in page
    assert (f'href="{console.settings.account_url}"' in page) is (tick in wizard_rehearse.BY_HAND)
    assert ('href="/trace?q=tested"' in page) is (tick in wizard_rehearse.TRACED)


async def test_one_runs_at_a_time_and_its_page_loads_itself_again(
    console: ConsoleUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wizard_rehearse, "WAIT", 0.01)
    owner = await owner_of(console)
    running, goes_on = (await console.inside()).sign_in_trial, asyncio.Event()

    async def wait(_: Trial) -> AsyncIterator[Tried]:
        await goes_on.wait()
        yield Tried(field=ConsoleField.LOGIN_URL, tick=Tick.WORKS)

    running._try = wait
    await owner.post(FORM, **WHO)
    page = (await owner.get(PAGE)).text
    assert 'url=/wizard/rehearse?auto=1"></noscript>' in page
    assert 'hx-get="/wizard/rehearse?auto=1"' in page
    assert "tested is being signed in to Works." in page
    assert f'action="{FORM}"' not in page
    other = await console.signed_in("owner")
    await other.get("/me")
    await other.post(FORM, **(WHO | {"username": "second"}))
    assert other.page.status_code == 409
    goes_on.set()
    await running.finished(5)
    page = (await owner.get(PAGE)).text
    assert "hx-get" not in page
    assert "tested at Works" in page


@pytest.mark.parametrize("is_slow", [True, False])
async def test_r227_a_trial_that_fails_or_takes_too_long_tells_no_secret(
    console: ConsoleUnderTest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_slow: bool,
) -> None:
    monkeypatch.setattr("worksgate.web.console.sign_in_trial.PATIENCE", 0.02)
    owner = await owner_of(console)
    running = (await console.inside()).sign_in_trial

    async def fail(trial: Trial) -> AsyncIterator[Tried]:
        if is_slow:
            await asyncio.Event().wait()
        raise ValueError(trial.client_secret + trial.password)
        yield

    running._try = fail
    await owner.post(FORM, **WHO)
    page = (await owner.get(PAGE)).text
    assert "It ended early" in page
    said = capsys.readouterr()
    assert_no_secret(page, repr(running.latest), said.out, said.err)


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert SECRET not in text
        assert TYPED not in text


async def test_r227_closing_the_console_ends_a_trial() -> None:
    async def wait(_: Trial) -> AsyncIterator[Tried]:
        await asyncio.Event().wait()
        yield Tried(field=ConsoleField.LOGIN_URL, tick=Tick.WORKS)

    running = SignInTrial(wait, lambda: 0.0)
    trial = Trial(
        client_id="id",
        client_name="Works",
        client_secret=SECRET,
        username="tested",
        password=TYPED,
        redirect_uri="https://auth.worksmobile.com/",
        urls={},
        began=0.0,
    )
    told: list[int] = []

    async def ended(_: Trial, works: int) -> None:
        told.append(works)

    assert running.begin(trial, "owner", ended)
    assert not running.begin(trial, "owner", ended)
    await asyncio.sleep(0)
    await running.close()
    assert not running.is_running
    assert told == [0]
    assert_no_secret(repr(trial), repr(running.latest), repr(vars(running)))


async def test_r227_a_real_sign_in_is_a_normal_one_and_leaves_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server and the console on one database: all rows, and what the audit log has of it."""
    monkeypatch.setattr(sign_in_trial, "LIMITS", PATIENT)
    with listening() as listener:
        url = "http://{}:{}".format(*listener.getsockname())
        settings, new = await prepared(tmp_path, public_url=url, answer_deadline=answer_deadline())
        async with console_of(tmp_path, public_url=url, examiner=ConsoleExaminer) as console:
            await console.make("owner", Role.OWNER)
            owner = await console.signed_in("owner")
            await owner.get(PAGE)
            typed = {"client_secret": new.client_secret, "username": USERNAME}
            running = (await console.inside()).sign_in_trial
            with served(listener, settings):
                await owner.post(FORM, **typed, password=PASSWORD)
                await running.finished(30)
            page = (await owner.get(PAGE)).text
            records = await console.administration.audit_log.search()
    assert page.count("It works.") == 4
    assert f'<code translate="no">{EXTERNAL_KEY}</code>' in page
    assert {Event.LOGIN_SUCCEEDED, Event.CODE_REDEEMED, Event.USER_INFO_RETURNED, Event.LOGOUT} <= {
        each.event for each in records
    }
    assert any(each.detail and "tries a sign-in" in each.detail for each in records)
    for secret in (new.client_secret, PASSWORD):
        assert secret not in page
        assert secret not in repr((records, running.latest))


async def test_what_the_player_has_used_is_not_what_line_works_has_used(
    console: ConsoleUnderTest,
) -> None:
    """Step 6 says what LINE WORKS was seen to use: the player has its addresses from here."""
    owner = await owner_of(console)
    (client,) = await console.administration.clients.all()
    running = (await console.inside()).sign_in_trial

    async def record() -> None:
        at = console.clock()
        event = AuditEvent(event=Event.CODE_REDEEMED, at=at, client_id=client.client_id)
        await console.administration.audit_log._directory.record([event])

    async def redeem(_: Trial) -> AsyncIterator[Tried]:
        console.clock.advance(3)
        await record()
        yield Tried(field=ConsoleField.ACCESS_TOKEN, tick=Tick.WORKS)

    async def seen() -> set[ConsoleField]:
        fields = (await console.administration.set_up.overview()).fields
        return {each.field for each in fields if each.seen_at is not None}

    running._try = redeem
    for _ in range(2):
        await owner.get(PAGE)
        await owner.post(FORM, **WHO)
    assert await seen() == set()
    console.clock.advance(3)
    await record()
    assert ConsoleField.ACCESS_TOKEN in await seen()
