"""The trace on the console's pages: the same sentence as on the command line."""

from urllib.parse import quote

import pytest
from msgspec import structs
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.references import reference_of
from worksgate.credentials.secrets import new_ordered_id

ADDRESS = "203.0.113.24"


async def with_a_failed_try(console: ConsoleUnderTest) -> tuple[str, str]:
    """A person whose password was wrong a moment ago; their subject, and the sign-in's ID."""
    subject, login_id = await console.make("tanaka", None), new_ordered_id()
    now = console.clock()
    asked = AuditEvent(event=Event.LOGIN_REQUESTED, at=now - 9, login_id=login_id, address=ADDRESS)
    failed = structs.replace(
        asked,
        event=Event.LOGIN_FAILED,
        at=now - 5,
        username="tanaka",
        detail="wrong name or password",
        reason=Reason.WRONG_PASSWORD,
    )
    await console.administration.audit_log._directory.record([asked, failed])
    return subject, login_id


async def test_the_page_of_a_person_begins_with_the_sentence(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject, login_id = await with_a_failed_try(console)
    trace = await console.administration.sign_in_trace.of("tanaka")
    assert len(trace.facts.tries) == 1
    browser = await console.signed_in("owner")
    page = (await browser.get(f"/person?id={subject}")).text
    assert "the password was wrong" in page
    assert page.count('class="arch"') == 11
    assert ADDRESS in page
    assert (reference_of(login_id) or "") in page


async def test_the_browser_of_a_sign_in_is_named_in_the_language_of_the_page(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("tanaka", None)
    let_in = AuditEvent(
        event=Event.LOGIN_SUCCEEDED,
        at=console.clock() - 5,
        login_id=new_ordered_id(),
        subject_id=subject,
        username="tanaka",
        address=ADDRESS,
        detail="Chrome on Linux",
    )
    await console.administration.audit_log._directory.record([let_in])
    browser = await console.signed_in("owner")
    page = (await browser.get(f"/person?id={subject}&lang=ja")).text
    assert f"Chrome（Linux） · {ADDRESS}" in page
    assert "Chrome on Linux" not in page


async def test_a_sign_in_that_the_wizard_tries_is_called_one(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("tanaka", None)
    added = await console.administration.clients.add("Hikari")
    client_id = added.client.client_id
    trial = await console.administration.set_up.trial("secret", "Tanaka", "wrong")

    async def fails(seconds: float, username: str = "tanaka", client: str = client_id) -> None:
        failed = AuditEvent(
            event=Event.LOGIN_FAILED,
            at=console.clock() + seconds,
            login_id=new_ordered_id(),
            client_id=client,
            username=username,
            reason=Reason.WRONG_PASSWORD,
        )
        await console.administration.audit_log._directory.record([failed])

    await fails(1)
    await fails(2, client="another")
    await fails(3, username="tanaka2")
    await fails(30)
    console.clock.advance(10)
    await console.administration.set_up.end_trial(trial, 1)
    console.clock.advance(30)
    trace = await console.administration.sign_in_trace.of("tanaka")
    assert [each.is_trial for each in trace.facts.tries] == [False, False, True]
    browser = await console.signed_in("owner")
    page = (await browser.get(f"/person?id={subject}")).text
    assert page.count("a trial from the set-up steps, not LINE WORKS") == 1


async def test_a_link_to_send_begins_a_sign_in_of_the_tenant(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject, _ = await with_a_failed_try(console)
    browser = await console.signed_in("owner")
    assert "try-link" not in (await browser.get(f"/person?id={subject}")).text
    await console.administration.clients.add("Hikari", domain="hikari.example")
    page = (await browser.get(f"/person?id={subject}")).text
    link = "https://auth.worksmobile.com/d/login/hikari.example?accessUrl=https%3A%2F%2Ftalk."
    assert link in page


@pytest.mark.parametrize("how", ["reference", "login ID", "address"])
async def test_whatever_staff_have_leads_to_it(console: ConsoleUnderTest, how: str) -> None:
    await console.make("owner", Role.OWNER)
    _, login_id = await with_a_failed_try(console)
    asked = {"reference": reference_of(login_id), "login ID": login_id, "address": ADDRESS}[how]
    browser = await console.signed_in("owner")
    found = await browser.get(f"/find?q={asked}")
    assert (found.status_code, found.headers["location"]) == (303, f"/trace?q={asked}")
    answer = await browser.get(found.headers["location"])
    if answer.status_code == 303:
        answer = await browser.get(answer.headers["location"])
    assert "the password was wrong" in answer.text


async def test_r147_the_help_desk_sees_the_network_and_not_the_address(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    subject, _ = await with_a_failed_try(console)
    browser = await console.signed_in("helper")
    page = (await browser.get(f"/person?id={subject}")).text
    assert ADDRESS not in page
    assert "203.0.113.0/24" in page


@pytest.mark.parametrize("asked", [ADDRESS, "::ffff:203.0.113.24", "2001:db8::1"])
async def test_r261_the_help_desk_cannot_try_the_addresses_of_a_network(
    console: ConsoleUnderTest, asked: str
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    await with_a_failed_try(console)
    browser = await console.signed_in("helper")
    found = await browser.get(f"/find?q={quote(asked)}")
    answer = await browser.get(found.headers["location"])
    assert answer.status_code == 403
    assert "cannot ask for an address" in answer.text
    assert "an address, or a time" not in (await browser.get("/trace")).text


async def test_what_was_typed_is_escaped(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    for path in ("/trace?q=", "/people?q=", "/audit?user="):
        page = (await browser.get(f"{path}%3Cb%3Ex%3C/b%3E%22%00%25_")).text
        assert "<b>x</b>" not in page


async def test_what_somebody_has_exactly_comes_before_what_contains_it(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    for key in ("E-1", "E-10", "E-11"):
        await console.administration.users.add(f"person{key}", external_key=key)
    exact = await console.administration.users.get("personE-1")
    browser = await console.signed_in("owner")
    found = await browser.get("/find?q=E-1")
    assert found.headers["location"] == f"/person?id={quote(exact.person.subject_id, safe='')}"
    assert (await browser.get("/find?q=person")).headers["location"] == "/people?q=person"


async def test_a_page_is_of_its_person_whatever_else_has_their_name(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("first", None)
    await console.administration.users.add("second", external_key=subject)
    browser = await console.signed_in("owner")
    page = await browser.get(f"/person?id={subject}")
    assert page.status_code == 200
    assert "first cannot get in" in page.text


async def test_a_sign_in_that_needed_no_second_step_is_shown(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    succeeded = AuditEvent(
        at=console.clock() - 5,
        event=Event.LOGIN_SUCCEEDED,
        username="somebody",
        login_id=new_ordered_id(),
    )
    await console.administration.audit_log._directory.record([succeeded])
    browser = await console.signed_in("owner")
    page = await browser.get("/trace?q=somebody")
    assert page.status_code == 200
    assert "not needed" in page.text
