"""The next step of a trace leads to the page on which it is done."""

import html
import re
from dataclasses import replace

import pytest
from msgspec import structs
from tests.administration.sign_in_trace.known import IN_ORDER, after, record
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Permission, Role, roles_with
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.secrets import new_ordered_id
from worksgate.web.console.next_pages import next_page
from worksgate.web.console.routes import BY_PATH

WITHOUT_CLIENT = replace(IN_ORDER, client=None)
AT_A_STRANGER = after(record(Event.LOGIN_REFUSED, Reason.UNKNOWN_CLIENT, client_id="another"))
ELSEWHERE = {
    *(Action.ASK_NAME, Action.ASK_DOMAIN, Action.CHOOSE_OAUTH, Action.START_AGAIN),
    *(Action.ALLOW_COOKIES, Action.TRY_AGAIN, Action.FINISH_STEP, Action.USE_NEXT_CODE),
    *(Action.CORRECT_CLOCK, Action.USE_PASSWORD, Action.CREATE_APP_PASSWORD),
    *(Action.SIGN_IN_ONCE, Action.OPEN_LINE_WORKS, Action.COMPARE_AT_LINE_WORKS),
    *(Action.ENABLE_AT_SOURCE, Action.CHANGE_AT_SOURCE),
}
"""Done by the person, at LINE WORKS or at a source."""
OF_THE_PERSON = {
    *(Action.SEND_RESET_LINK, Action.SET_PASSWORD, Action.ENABLE, Action.WAIT, Action.SET_KEY),
    *(Action.RESET_FACTORS, Action.TREAT_AS_COPIED, Action.RELEASE_KEY),
}
"""Done on the page that shows the trace."""


@pytest.mark.parametrize("facts", [IN_ORDER, WITHOUT_CLIENT, AT_A_STRANGER])
def test_each_next_step_has_a_page_or_is_done_elsewhere(facts: Facts) -> None:
    for action in Action:
        page = next_page(action, facts)
        assert (page is None) == (action in ELSEWHERE | OF_THE_PERSON), action
        if page is not None:
            assert BY_PATH[page.path]["GET"].permission is page.permission, action


def test_a_client_that_is_unknown_here_is_no_other_one() -> None:
    page = next_page(Action.COMPARE_LOGIN_URL, AT_A_STRANGER)
    assert page is not None
    assert page.link == "/clients"


def test_the_roles_with_a_permission() -> None:
    assert roles_with(Permission.CHANGE_CLIENTS) == [Role.OWNER, Role.ADMIN]
    assert roles_with(Permission.APPLY) == [Role.OWNER]


async def _refused(console: ConsoleUnderTest, subject: str | None = None, **about: object) -> str:
    """A sign-in that ended, for a reason; its ID."""
    login_id = new_ordered_id()
    usual = AuditEvent(
        event=Event.LOGIN_REFUSED,
        at=console.clock() - 5,
        login_id=login_id,
        address="203.0.113.24",
        subject_id=subject,
    )
    directory = console.administration.audit_log._directory
    await directory.record([structs.replace(usual, **about)])
    return login_id


async def test_the_link_opens_the_form_for_those_who_may_change_it(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("helper", Role.HELP_DESK)
    client = (await console.administration.clients.add("Acme")).client
    login_id = await _refused(
        console, client_id=client.client_id, reason=Reason.REDIRECT_NOT_LISTED
    )
    owner, helper = await console.signed_in("owner"), await console.signed_in("helper")
    page = (await owner.get(f"/trace?q={login_id}")).text
    link = re.search(
        r'<a class="button large" href="([^"]+)">Change the addresses of Acme</a>', page
    )
    assert link is not None
    form = await owner.get(html.unescape(link[1]))
    assert (form.status_code, "redirect_uris" in form.text) == (200, True)
    page = (await helper.get(f"/trace?q={login_id}")).text
    assert "/client/edit" not in page
    assert "Roles that can do this: Owner, Administrator" in page


async def test_what_the_page_of_a_person_can_do_is_a_button_beside_the_sentence(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.make("looker", Role.AUDITOR)
    subject = await console.make("tanaka", None)
    await console.administration.users.disable("tanaka")
    await _refused(
        console, subject, username="tanaka", event=Event.LOGIN_FAILED, reason=Reason.DISABLED
    )
    owner, looker = await console.signed_in("owner"), await console.signed_in("looker")
    button = '<button class="button large">Enable</button>'
    await owner.get(f"/person?id={subject}")
    assert button in owner.page.text
    assert button not in (await looker.get(f"/person?id={subject}")).text
    enabled = await owner.post("/person/enable", id=subject)
    assert enabled.headers["location"].endswith("done=enabled")
    assert button not in (await owner.get(enabled.headers["location"])).text


async def test_what_line_works_made_of_it_is_said_to_be_unknown(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("tanaka", None)
    login_id = await _refused(console, subject, event=Event.LOGIN_SUCCEEDED)
    await _refused(console, subject, login_id=login_id, event=Event.CODE_ISSUED)
    owner = await console.signed_in("owner")
    assert "never known here" not in (await owner.get(f"/person?id={subject}")).text
    for number, event in enumerate((Event.CODE_REDEEMED, Event.USER_INFO_RETURNED)):
        at = console.clock() - 4 + number
        await _refused(console, subject, login_id=login_id, event=event, at=at)
    assert "never known here" in (await owner.get(f"/person?id={subject}")).text
