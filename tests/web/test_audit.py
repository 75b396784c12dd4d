"""The audit records of each sign-in, and that external text cannot forge one."""

from pathlib import Path

from tests.installation import PASSWORD, USERNAME, Installation, code_of, installed

from worksgate.audit import AuditEvent, Event


async def kinds(installation: Installation) -> list[Event]:
    return [event.event for event in await installation.audit(limit=1_000)]


async def only(installation: Installation, event: Event) -> AuditEvent:
    (found,) = await installation.audit(event=event)
    return found


async def test_r105_one_login_leaves_one_record_of_each_step(installation: Installation) -> None:
    before = len(await kinds(installation))
    token = await installation.access_token()
    await installation.user_info(token)
    events = (await installation.audit(limit=1_000))[before:]
    assert {event.event for event in events} == {
        Event.LOGIN_REQUESTED,
        Event.LOGIN_SUCCEEDED,
        Event.CODE_ISSUED,
        Event.CODE_REDEEMED,
        Event.USER_INFO_RETURNED,
    }
    assert len(events) == 5
    # All of one login have its id in common, so that they can be found together.
    (login_id,) = {event.login_id for event in events}
    assert login_id
    assert {event.client_id for event in events} == {installation.client.client.client_id}
    assert {event.address for event in events} == {"203.0.113.7"}


async def test_r105_who_signed_in_when_and_from_where(installation: Installation) -> None:
    began = installation.clock()
    await installation.browser(address="198.51.100.9").code()
    event = await only(installation, Event.LOGIN_SUCCEEDED)
    assert event.username == USERNAME
    assert event.subject_id
    assert event.subject_id.startswith("directory:")
    assert event.address == "198.51.100.9"
    assert began <= event.at <= installation.clock()


async def test_r105_a_failure_and_a_lock_are_recorded(tmp_path: Path) -> None:
    async with installed(tmp_path, login_free_failures=1) as installation:
        installation.clock.stop()  # the first wait is short: a busy machine might sit it out
        browser = installation.browser()
        await browser.sign_in(password="wrong horse battery")
        await browser.sign_in(password="wrong horse battery")
        failed = await only(installation, Event.LOGIN_FAILED)
        throttled = await only(installation, Event.LOGIN_THROTTLED)
        assert failed.username == throttled.username == USERNAME
        assert failed.detail == "wrong name or password"
        assert Event.LOGIN_SUCCEEDED not in await kinds(installation)


async def test_r105_a_disabled_person_s_attempt_is_recorded(installation: Installation) -> None:
    await installation.administration.users.disable(USERNAME)
    await installation.browser().sign_in()
    assert (await only(installation, Event.LOGIN_FAILED)).detail == "the person is disabled"


async def test_r105_exchange_replay_and_refusal_are_recorded(installation: Installation) -> None:
    code = await installation.browser().code()
    await installation.exchange(code)
    await installation.exchange(code)
    await installation.exchange("unknown")
    await installation.exchange("x", client_secret="wrong")
    await installation.user_info("unknown")
    await installation.browser().arrive(client_id="nobody")
    replayed = await only(installation, Event.CODE_REPLAYED)
    issued = await only(installation, Event.CODE_ISSUED)
    assert replayed.login_id == issued.login_id
    for event, number in (
        (Event.CLIENT_REFUSED, "301"),
        (Event.USER_INFO_REFUSED, "303"),
    ):
        detail = (await only(installation, event)).detail
        assert detail
        assert detail.startswith(number)
    refused = await installation.audit(event=Event.CODE_REFUSED)
    assert [str(event.detail)[:3] for event in refused] == ["302", "302"]
    assert [str(event.detail).partition(": ")[2] for event in refused] == [
        "the code was used before",
        "the code is unknown",
    ]
    assert (await only(installation, Event.LOGIN_REFUSED)).detail


async def test_r105_an_administrator_s_change_is_recorded_with_its_author(
    installation: Installation,
) -> None:
    await installation.administration.users.disable(USERNAME)
    await installation.administration.clients.rotate_secret("Acme", overlap=0)
    user = (await installation.audit(event=Event.USER_CHANGED))[-1]
    client = (await installation.audit(event=Event.CLIENT_CHANGED))[-1]
    assert (user.actor, client.actor) == ("test", "test")
    assert user.username == USERNAME
    assert client.detail == "Acme: secret rotated"


HOSTILE_NAMES = {
    "a line of its own": "user1\r\nlogin.succeeded username=admin",
    "a field of its own": 'user1","event":"login.succeeded',
    "a command to the terminal": "user1\x1b[2J\x00",
    "text that runs backwards": "user1\u202emoc.elpmaxe",
}


async def test_r105_a_hostile_name_is_one_record(installation: Installation) -> None:
    browser = installation.browser()
    for name in HOSTILE_NAMES.values():
        assert (await browser.sign_in(name, "wrong horse battery")).status_code == 403
    failed = await installation.audit(event=Event.LOGIN_FAILED)
    assert len(failed) == len(HOSTILE_NAMES)
    for event in failed:
        assert event.username
        assert event.username.startswith("user1")
        assert event.username.isprintable()
    assert Event.LOGIN_SUCCEEDED not in await kinds(installation)


async def test_i5_what_was_recorded_before_a_stop_is_kept(installation: Installation) -> None:
    await installation.browser().code()
    await installation.application.close()
    found = await installation.administration.audit_log.search(event=Event.LOGIN_SUCCEEDED)
    assert len(found) == 1


async def test_a_session_is_recorded_as_a_code_and_not_as_a_sign_in(
    installation: Installation,
) -> None:
    browser = installation.browser()
    await browser.sign_in(USERNAME, PASSWORD)
    code_of(await browser.arrive())
    assert len(await installation.audit(event=Event.CODE_ISSUED)) == 2
    assert len(await installation.audit(event=Event.LOGIN_SUCCEEDED)) == 1
