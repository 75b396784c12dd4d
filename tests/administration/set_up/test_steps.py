"""How far each step of the set-up is."""

from collections.abc import Mapping
from typing import Any

import pytest

from worksgate.administration.set_up.console_values import (
    ConsoleField,
    answer_name,
    console_fields,
    suspicious,
)
from worksgate.administration.set_up.steps import SetUp, State, Step
from worksgate.directory.wizard_answers import Answer
from worksgate.oauth.model import Client, Profile, UserKey

URL = "https://sso.example.com"
URLS = {
    "web_login": f"{URL}/login",
    "access_token": f"{URL}/accessToken",
    "user_info": f"{URL}/userInfo",
    "imap_login": f"{URL}/apiLogin/works",
    "logout": f"{URL}/logout",
}
CLIENT = Client(client_id="works", name="Works")
GOOD = {"url": URL, "outcome": "reached", "connect": 0.1, "total": 0.2}


def state(step: Step, answers: Mapping[str, Any], **known: Any) -> State:
    kept = {name: Answer(value, 1.0) for name, value in answers.items()}
    values: dict[str, Any] = {"clients": (), "client": None, "people": 1, **known}
    set_up = SetUp(public_url=URL, answers=kept, **values)
    return next(each.state for each in set_up.progress() if each.step is step)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, State.OPEN),
        ({"address.inside": {"url": URL, "worst": "ok", "findings": []}}, State.MIND),
        ({"address.outside": GOOD}, State.DONE),
        ({"address.outside": {**GOOD, "outcome": "slow"}}, State.MIND),
        ({"address.outside": {**GOOD, "url": "https://old.example.com"}}, State.OPEN),
    ],
)
def test_r166_only_an_answer_from_outside_of_this_very_address_completes_its_step(
    answers: Mapping[str, Any], expected: State
) -> None:
    assert state(Step.ADDRESS, answers) is expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, State.OPEN),
        ({"keys": {"kind": "external_key", "people": 3, "ready": 3}}, State.DONE),
        ({"keys": {"kind": "external_key", "people": 3, "ready": 2}}, State.MIND),
        ({"keys": {"kind": "external_key", "people": 0, "ready": 0}}, State.MIND),
        ({"keys": {"kind": "works_account", "people": 3, "ready": 3}}, State.OPEN),
    ],
)
def test_keys_are_done_when_everybody_has_one_of_the_kind(
    answers: Mapping[str, Any], expected: State
) -> None:
    assert state(Step.KEYS, answers) is expected


def test_external_keys_have_to_be_told_and_accounts_do_not() -> None:
    assert state(Step.TELL, {}) is State.OPEN
    assert state(Step.TELL, {"told": {"way": "file"}}) is State.DONE
    assert state(Step.TELL, {"key_kind": {"kind": "works_account"}}) is State.DONE
    assert state(Step.TELL, {"where": {"profile": "workbox"}}) is State.DONE


def test_a_failed_source_needs_attention_and_people_alone_are_enough() -> None:
    assert state(Step.PEOPLE, {}) is State.OPEN
    assert state(Step.PEOPLE, {}, people=2) is State.DONE
    assert state(Step.PEOPLE, {"source.company": {"worst": "ok"}}) is State.DONE
    assert state(Step.PEOPLE, {"source.company": {"worst": "fail"}}, people=2) is State.MIND


@pytest.mark.parametrize(
    ("step", "answers", "expected"),
    [
        (Step.REHEARSE, {}, State.OPEN),
        (Step.REHEARSE, {"go_live.rehearsal": {"ready": 2, "total": 3}}, State.MIND),
        (Step.REHEARSE, {"go_live.rehearsal": {"ready": 3, "total": 3}}, State.DONE),
        (Step.PLAN, {"go_live.plan": {}}, State.DONE),
        (Step.APPLY, {"go_live.start": {"at": 1.0}}, State.DONE),
    ],
)
def test_the_last_steps_are_as_going_live_has_noted(
    step: Step, answers: Mapping[str, Any], expected: State
) -> None:
    assert state(step, answers) is expected


def test_what_a_client_says_is_not_asked() -> None:
    answers = {"where": Answer({"profile": "workbox", "domain": "a.example"}, 1.0)}
    client = Client(client_id="works", name="Works", domain="b.example")
    known = SetUp(public_url=URL, answers=answers, clients=(), client=None, people=0)
    assert (known.profile, known.domain) == (Profile.WORKBOX, "a.example")
    assert known.user_key is UserKey.WORKS_ACCOUNT
    known = SetUp(public_url=URL, answers=answers, clients=(client,), client=client, people=0)
    assert (known.profile, known.domain) == (Profile.LINE_WORKS, "b.example")
    assert known.user_key is UserKey.EXTERNAL_KEY


def test_values_are_done_when_each_was_used_or_confirmed() -> None:
    seen = {"login.requested": 5.0, "code.redeemed": 6.0, "user_info.returned": 7.0}
    asked = (
        *(ConsoleField.SSO_TYPE, ConsoleField.USER_KEY),
        *(ConsoleField.EXPIRE_TIME, ConsoleField.EXTERNAL_BROWSER),
    )
    confirmed = {
        answer_name(each): Answer({"client": "works", "is_so": True}, 8.0) for each in asked
    }
    fields = console_fields(CLIENT, URLS, seen, confirmed)
    assert [each.field for each in fields] == list(ConsoleField)
    assert state(Step.VALUES, {}, client=CLIENT, fields=fields) is State.DONE
    unconfirmed = console_fields(CLIENT, URLS, seen, {})
    assert state(Step.VALUES, {}, client=CLIENT, fields=unconfirmed) is State.OPEN
    of_another = {
        answer_name(each): Answer({"client": "other", "is_so": True}, 8.0) for each in asked
    }
    fields = console_fields(CLIENT, URLS, seen, of_another)
    assert state(Step.VALUES, {}, client=CLIENT, fields=fields) is State.OPEN
    denied = {**confirmed, "field.sso_type": Answer({"client": "works", "is_so": False}, 9.0)}
    fields = console_fields(CLIENT, URLS, seen, denied)
    assert state(Step.VALUES, {}, client=CLIENT, fields=fields) is State.MIND


@pytest.mark.parametrize(
    ("seen", "field"),
    [
        ({}, None),
        ({"code.issued": 10.0}, ConsoleField.ACCESS_TOKEN),
        ({"code.issued": 95.0}, None),
        ({"code.issued": 10.0, "code.redeemed": 11.0}, ConsoleField.USER_INFO),
        ({"code.issued": 10.0, "code.redeemed": 11.0, "user_info.returned": 12.0}, None),
        ({"client.refused wrong_secret": 12.0, "code.issued": 10.0}, ConsoleField.CLIENT_SECRET),
        ({"client.refused wrong_secret": 12.0, "code.redeemed": 99.0}, None),
    ],
)
def test_a_call_that_does_not_come_points_at_its_value(
    seen: Mapping[str, float], field: ConsoleField | None
) -> None:
    assert suspicious(seen, 100.0) is field
