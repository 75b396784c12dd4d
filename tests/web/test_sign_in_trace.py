"""“Why can’t they get in?”: what a trace finds in the records and the present state.

Each way in which a sign-in ends is made to happen in ``tests/browser/test_every_reason.py``; what
is said about it is a table of ``tests/administration/sign_in_trace``.
"""

import asyncio
import html
import json
import re
from dataclasses import asdict
from datetime import UTC
from pathlib import Path

import httpx2
import pytest
from tests.installation import (
    BROWSER_COOKIE,
    CALLBACK,
    PASSWORD,
    SESSION_COOKIE,
    USERNAME,
    Installation,
    installed,
)
from tests.web.test_sign_in_steps import begin, enrolled, step_of

from worksgate.administration.sign_in_trace import Ambiguous, Speaker, Trace
from worksgate.administration.sign_in_trace.localized import LANGUAGES, texts_in
from worksgate.administration.sign_in_trace.next_steps import Action
from worksgate.administration.sign_in_trace.tries import Stage
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import A_DAY, DEFAULT_PER_MINUTE
from worksgate.sources import SourceUnavailable
from worksgate.store import StoreUnavailable

HOUR = 3_600


async def trace(
    installation: Installation, who: str = USERNAME, client: str | None = None
) -> Trace:
    await installation.provider.audit.flush()
    return await installation.administration.sign_in_trace.of(who, client=client, zone=UTC)


def said(installation: Installation, found: Trace, language: str = "en") -> str:
    return Speaker(language, UTC, installation.clock()).say(found.verdict.sentence)


async def recorded(installation: Installation, event: Event) -> list[AuditEvent]:
    """The records of an event, as soon as there are any."""
    async with asyncio.timeout(60):
        while True:
            if found := await installation.audit(event=event):
                return found
            await asyncio.sleep(0.02)


async def assert_said(
    installation: Installation, english: str, action: Action, who: str = USERNAME
) -> Trace:
    """The sentence about the last sign-in, without its time, in each language."""
    found = await trace(installation, who)
    sentence = said(installation, found)
    assert re.sub(r"(?:\d{4}-\d\d-\d\d )?\d\d:\d\d", "TIME", sentence, count=1) == english
    assert found.verdict.next.action is action
    template = found.verdict.sentence.english
    for language in LANGUAGES[1:]:
        translated = texts_in(language).gettext(template)
        assert translated != template
        assert said(installation, found, language).endswith(translated.rpartition(")s")[2])
    return found


# The password


async def test_a_wrong_password(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    for _ in range(2):
        await browser.submit(page, username=USERNAME, password="wrong horse battery")
    found = await assert_said(
        installation, "At TIME the password was wrong.", Action.SEND_RESET_LINK
    )
    (one,) = found.facts.tries
    password = one.steps[list(Stage).index(Stage.PASSWORD)]
    assert password.failures == 2
    assert password.elapsed_ms is not None
    assert password.elapsed_ms > 0


async def test_a_disabled_person_and_who_disabled_them(installation: Installation) -> None:
    await installation.administration.users.disable(USERNAME)
    await installation.browser().sign_in()
    found = await assert_said(
        installation, "At TIME the password was right, but the person is disabled.", Action.ENABLE
    )
    enabled = next(gate for gate in found.verdict.gates if gate.name == "enabled")
    assert enabled.note.values["actor"] == "test"


async def test_a_temporary_password_whose_time_is_over(installation: Installation) -> None:
    given = await installation.administration.users.set_password(USERNAME, temporary=True)
    assert given.password is not None
    installation.clock.advance(8 * 24 * HOUR)
    response = await installation.browser().sign_in(password=given.password)
    wrong = await installation.browser().sign_in(password="wrong horse battery")
    assert response.status_code == wrong.status_code == 403
    records = await installation.audit(event=Event.LOGIN_FAILED)
    assert [each.reason for each in records] == [Reason.TEMPORARY_EXPIRED, Reason.WRONG_PASSWORD]
    found = await trace(installation, records[0].login_id or "")
    assert said(installation, found).endswith(
        "the password was right, but it was temporary and its time is over."
    )


async def test_too_many_wrong_passwords_and_until_when(installation: Installation) -> None:
    installation.clock.stop()
    browser = installation.browser()
    page = await browser.login_page()
    for _ in range(12):
        response = await browser.submit(page, username=USERNAME, password="wrong horse battery")
    assert response.status_code == 429
    found = await assert_said(
        installation, "At TIME no password was checked: too many had been wrong.", Action.WAIT
    )
    waiting = found.facts.waiting
    assert waiting is not None
    assert waiting.reason is Reason.WAITING
    assert 0 < waiting.until - installation.clock() <= 2
    before = installation.rows("SELECT count(*) FROM counters")
    await trace(installation)
    assert installation.rows("SELECT count(*) FROM counters") == before
    installation.clock.advance(HOUR)
    again = await trace(installation)
    assert again.facts.is_waiting_known
    assert again.facts.waiting is None
    assert again.verdict.now is not None


# What the client requires


async def test_no_user_key(installation: Installation) -> None:
    await installation.administration.users.change(USERNAME, external_key=None)
    await installation.browser().sign_in()
    found = await assert_said(
        installation,
        "At TIME the sign-in was right, but there is no External Key to give to LINE WORKS.",
        Action.SET_KEY,
    )
    assert found.verdict.next.command == f"worksgate user set {USERNAME} --external-key KEY"
    await installation.administration.users.change(USERNAME, external_key="user2")
    now = (await trace(installation)).verdict.now
    assert now is not None
    assert now.english == "That has been put right since: a new try should succeed."


async def test_a_rule_by_group_and_the_rule_in_its_gate(installation: Installation) -> None:
    await installation.change_client(rules=["deny group!=staff network=203.0.113.0/24"])
    await installation.browser().sign_in()
    found = await assert_said(
        installation, "At TIME a rule of the client refused the sign-in.", Action.EXPLAIN_RULES
    )
    rules = next(gate for gate in found.verdict.gates if gate.name == "rules")
    assert "203.0.113.0/24" in str(rules.note.values["rule"])
    assert found.verdict.next.command is not None
    assert "--from 203.0.113.7" in found.verdict.next.command
    text = found.verdict.to_hand_on(Speaker("en", UTC, installation.clock()))
    assert "203.0.113" not in text


# The second factor


async def test_too_many_wrong_codes_are_recorded_and_not_without_end(
    installation: Installation,
) -> None:
    await enrolled(installation)
    installation.clock.stop()
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")
    for _ in range(5):
        await browser.submit(page, step="prove", otp="000000")
    browser, response = await begin(installation)
    page = step_of(response, "Confirm that it is you")
    for _ in range(DEFAULT_PER_MINUTE + 5):
        response = await browser.submit(page, step="prove", otp="000000")
    await assert_said(
        installation, "At TIME no code was checked: too many had been wrong.", Action.WAIT
    )
    records = await installation.audit(event=Event.FACTOR_FAILED, limit=1_000)
    unseen = [each for each in records if each.reason is Reason.TOO_MANY_TRIES]
    assert 0 < len(unseen) <= DEFAULT_PER_MINUTE


# The link of LINE WORKS, and the form


async def test_a_wrong_link_is_found_by_the_reference_on_its_page(
    installation: Installation,
) -> None:
    response = await installation.browser().arrive(None, redirect_uri="https://evil.example/cb")
    assert response.status_code == 400
    for who in (reference_on(response), "203.0.113.7"):
        await assert_said(
            installation,
            "At TIME the return address of LINE WORKS was not on the client's list.",
            Action.ADD_REDIRECT,
            who,
        )


def reference_on(response: httpx2.Response) -> str:
    """The reference that a page shows to a person."""
    found = re.search(r'class="reference">.*?<code[^>]*>([^<]+)</code>', response.text)
    assert found is not None, response.text
    assert re.fullmatch(r"[0-9A-Z]{3}-[0-9A-Z]{3}", found[1])
    return html.unescape(found[1])


async def test_the_reference_on_a_page_finds_the_sign_in_however_it_is_typed(
    installation: Installation,
) -> None:
    await installation.administration.users.change(USERNAME, external_key=None)
    reference = reference_on(await installation.browser().sign_in())
    for typed in (reference, reference.lower(), f" {reference.replace('-', '')} "):
        found = await trace(installation, typed)
        assert found.facts.person is not None
        assert found.facts.person.person.username == USERNAME
        assert [each.reference for each in found.facts.tries] == [reference]


async def test_a_forged_form_is_recorded_within_the_limits_of_strangers(
    installation: Installation,
) -> None:
    installation.clock.stop()
    browser = installation.browser()
    page = await browser.login_page()
    page.txn = "forged"
    for _ in range(DEFAULT_PER_MINUTE + 5):
        await browser.submit(page, username=USERNAME, password=PASSWORD)
    records = await installation.audit(event=Event.LOGIN_REFUSED, limit=1_000)
    assert [each.reason for each in records] == [Reason.FORM_FORGED] * DEFAULT_PER_MINUTE


# Outages


class Away:
    """Something that is down."""

    def __init__(self, outage: Exception) -> None:
        self._outage = outage

    async def __call__(self, *_: object, **__: object) -> None:
        raise self._outage


async def test_r148_an_outage_in_a_sign_in_is_a_record_with_its_name(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(SourcesInUse, "check_password", Away(StoreUnavailable("away")))
        response = await installation.browser().sign_in()
    assert response.status_code == 503
    await assert_said(installation, "At TIME the store did not respond.", Action.RUN_DOCTOR)
    (record,) = await installation.audit(event=Event.LOGIN_INTERRUPTED)
    assert (record.username, record.login_id is None) == (USERNAME, False)


async def test_r148_an_outage_of_the_database_is_recorded_when_it_responds_again(
    tmp_path: Path,
) -> None:
    async with installed(tmp_path, answer_deadline=0.5) as installation:
        browser = installation.browser()
        page = await browser.login_page()
        with installation.locked():
            response = await browser.submit(page, username=USERNAME, password=PASSWORD)
            assert response.status_code == 503
        assert [
            each.username for each in await recorded(installation, Event.LOGIN_INTERRUPTED)
        ] == [USERNAME]
        assert (await trace(installation)).facts.tries[0].stop in {
            (Event.LOGIN_INTERRUPTED, Reason.TOO_SLOW),
            (Event.LOGIN_INTERRUPTED, Reason.STORE_UNAVAILABLE),
            (Event.LOGIN_INTERRUPTED, Reason.DATABASE_UNAVAILABLE),
        }


async def test_r148_outages_are_recorded_within_the_limits_of_strangers(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.clock.stop()
    monkeypatch.setattr(SourcesInUse, "check_password", Away(SourceUnavailable("away")))
    browser = installation.browser()
    page = await browser.login_page()
    for number in range(DEFAULT_PER_MINUTE + 5):
        await browser.submit(page, username=f"user{number}", password=PASSWORD)
    records = await installation.audit(event=Event.LOGIN_INTERRUPTED, limit=1_000)
    assert len(records) == DEFAULT_PER_MINUTE
    assert A_DAY[Event.LOGIN_INTERRUPTED] <= A_DAY[Event.LOGIN_FAILED]
    found = await trace(installation, "user1")
    assert not found.facts.tries[0].may_lack
    installation.clock.advance(60)  # in the next flood the rest of this one is counted
    for number in range(DEFAULT_PER_MINUTE + 1):
        await browser.submit(page, username=f"later{number}", password=PASSWORD)
    assert (await trace(installation, "user1")).facts.tries[0].may_lack


# The calls of LINE WORKS


async def test_everything_was_right_here(installation: Installation) -> None:
    await installation.user_info(await installation.access_token())
    found = await assert_said(
        installation,
        "At TIME everything was right here: LINE WORKS has fetched the user key.",
        Action.COMPARE_AT_LINE_WORKS,
    )
    (one,) = found.facts.tries
    assert [step.at is not None for step in one.steps] == [True, True, False, True, True, True]
    assert all(step.elapsed_ms is not None for step in one.steps[:2]), (
        "the page and the password have their milliseconds"
    )


async def test_a_refused_call_near_several_sign_ins_is_counted_once(
    installation: Installation,
) -> None:
    for _ in range(3):
        await installation.exchange(await installation.browser().code(), client_secret="wrong")
    found = await trace(installation)
    assert [one.steps[list(Stage).index(Stage.TOKEN)].failures for one in found.facts.tries] == [
        3
    ] * 3


# Whom it finds


@pytest.mark.parametrize(
    "who", [USERNAME, USERNAME.upper(), "User One", "user one", "user1", "ser On"]
)
async def test_a_person_is_found_by_name_key_and_account(
    installation: Installation, who: str
) -> None:
    found = await trace(installation, who)
    assert found.facts.person is not None
    assert found.facts.person.person.username == USERNAME


async def test_several_people_are_not_guessed_between(installation: Installation) -> None:
    for number in (1, 2):
        await installation.administration.users.add(
            f"tanaka{number}", name="田中", password=PASSWORD
        )
    with pytest.raises(Ambiguous) as refused:
        await trace(installation, "田中")
    assert [each.username for each in refused.value.people] == ["tanaka1", "tanaka2"]


async def test_the_trace_does_without_what_is_down(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await installation.browser().sign_in(password="wrong horse battery")
    monkeypatch.setattr(SourcesInUse, "find", Away(SourceUnavailable("away")))
    found = await trace(installation)
    source = next(gate for gate in found.verdict.gates if gate.name == "source")
    assert (source.state, source.note.english) == ("shut", "%(source)s does not respond")


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


async def test_nothing_is_changed_by_a_trace(installation: Installation) -> None:
    await installation.user_info(await installation.access_token())
    await installation.application.close()
    ask = installation.administration.sign_in_trace.of
    await ask(USERNAME)  # opens the store, which is written to once
    tables = [row[0] for row in installation.rows(_TABLES)]
    before = [installation.rows(f"SELECT * FROM {table}") for table in tables]
    await ask(USERNAME)
    assert [installation.rows(f"SELECT * FROM {table}") for table in tables] == before


async def test_r146_a_trace_shows_no_secret(installation: Installation) -> None:
    browser = installation.browser()
    code = await browser.code()
    token = (await installation.exchange(code)).json()["access_token"]
    await installation.user_info(token)
    await installation.browser().sign_in(password="wrong horse battery")
    found = await trace(installation)
    (stored,) = installation.rows("SELECT password_hash FROM accounts")
    digests = [row[0] for row in installation.rows("SELECT digest FROM client_secrets")]
    text = repr(found) + json.dumps(asdict(found.facts), default=repr)
    secrets = [
        *(code, token, PASSWORD, "wrong horse battery", installation.client.client_secret),
        *(browser.cookie(SESSION_COOKIE), browser.cookie(BROWSER_COOKIE)),
        *(stored[0], *digests),
    ]
    for secret in secrets:
        assert str(secret) not in text


async def test_one_client_alone_can_be_asked_about(installation: Installation) -> None:
    await installation.administration.clients.add("Other", redirect_uris=(CALLBACK,))
    await installation.settle()
    await installation.browser().sign_in(password="wrong horse battery")
    assert (await trace(installation, client="Other")).facts.tries == ()
    own = installation.client.client.name
    assert len((await trace(installation, client=own)).facts.tries) == 1
