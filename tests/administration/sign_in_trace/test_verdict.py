"""From facts to the one sentence, the next step, and the text to hand on."""

import re
import shlex
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from tests.administration.sign_in_trace.known import (
    ADDRESS,
    AT,
    IN_ORDER,
    LOGIN_ID,
    NOW,
    after,
    record,
    speaker,
)

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.facts import (
    Facts,
    KeyState,
    KnownPerson,
    PresentKey,
    SourceAnswer,
    SourceState,
    Waiting,
)
from worksgate.administration.sign_in_trace.gates import GateName, GateState, gates_of
from worksgate.administration.sign_in_trace.localized import (
    LANGUAGES,
    Speaker,
    texts_in,
    without_addresses,
)
from worksgate.administration.sign_in_trace.next_steps import Action, next_step
from worksgate.administration.sign_in_trace.question import Kind, Question
from worksgate.administration.sign_in_trace.verdict import Verdict, verdict_of
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.clients.access_rules import Situation, decide, parse_rules
from worksgate.credentials.references import reference_of
from worksgate.oauth.model import LoginKind, SecondFactor

TIME = "07:50"

CALLS = (Event.CLIENT_REFUSED, Event.CODE_REFUSED, Event.USER_INFO_REFUSED)
ENDS = [
    (event, reason)
    for event, known in sentences.SAYINGS.items()
    for reason in known
    if event not in CALLS
]
"""Each row of the table of reasons; calls have no ID of a sign-in, and are joined below."""


def verdict(facts: Facts) -> Verdict:
    return verdict_of(facts)


def said(facts: Facts, language: str = "en") -> str:
    return speaker(language).say(verdict_of(facts).sentence)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("event", "reason"), ENDS)
def test_each_reason_has_its_sentence_and_its_next_step(
    event: Event, reason: Reason, language: str
) -> None:
    issued = [record(Event.CODE_ISSUED)] if event is Event.CODE_REPLAYED else []
    facts = after(*issued, record(event, reason, subject_id="directory:1"))
    saying = sentences.SAYINGS[event][reason]
    texts = texts_in(language)
    kind = texts.gettext("External Key")
    expected = texts.gettext(saying.sentence) % {"time": TIME, "kind": kind}
    assert said(facts, language) == expected
    is_done = reason in (Reason.DISABLED, Reason.NO_USER_KEY, Reason.KEY_OF_ANOTHER)
    assert verdict(facts).next.action is (Action.TRY_AGAIN if is_done else saying.action)
    assert texts.gettext(sentences.ACTIONS[saying.action])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", CALLS)
def test_a_call_that_was_found_by_client_and_time_is_said_to_be_probable(
    event: Event, language: str
) -> None:
    texts = texts_in(language)
    for reason, saying in sentences.SAYINGS[event].items():
        call = record(event, reason, login_id=None, username=None)
        facts = after(record(Event.CODE_ISSUED, subject_id="directory:1"), calls=(call,))
        sentence = texts.gettext(saying.sentence) % {"time": TIME}
        assert said(facts, language) == texts.gettext(sentences.PROBABLY) % {"sentence": sentence}
        assert verdict(facts).next.action is saying.action


@pytest.mark.parametrize(
    ("records", "sentence", "action", "command"),
    [
        (
            [record(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD)],
            "At 07:50 the password was wrong.",
            Action.SEND_RESET_LINK,
            "worksgate user reset-link tanaka.misaki",
        ),
        (
            [record(Event.LOGIN_REFUSED, Reason.NO_USER_KEY, subject_id="directory:1")],
            "At 07:50 the sign-in was right, but there is no External Key to give to LINE WORKS.",
            Action.TRY_AGAIN,
            None,
        ),
        (
            [record(Event.LOGIN_REFUSED, Reason.RULE, subject_id="directory:1")],
            "At 07:50 a rule of the client refused the sign-in.",
            Action.EXPLAIN_RULES,
            f"worksgate rules explain tanaka.misaki --client Hikari --from {ADDRESS}",
        ),
        (
            [record(Event.CODE_ISSUED, subject_id="directory:1")],
            "At 07:50 the code was issued, but LINE WORKS did not come for it.",
            Action.CHECK_FROM_OUTSIDE,
            "worksgate doctor",
        ),
        (
            [
                record(Event.CODE_ISSUED, subject_id="directory:1"),
                record(Event.CODE_REDEEMED, subject_id="directory:1"),
            ],
            "At 07:50 LINE WORKS redeemed the code, but did not ask whose it was.",
            Action.COMPARE_USER_INFO_URL,
            "worksgate client show Hikari",
        ),
        (
            [
                record(Event.CODE_ISSUED, subject_id="directory:1"),
                record(Event.USER_INFO_RETURNED, subject_id="directory:1"),
            ],
            "At 07:50 everything was right here: LINE WORKS has fetched the user key.",
            Action.COMPARE_AT_LINE_WORKS,
            None,
        ),
        (
            [record(Event.LOGIN_REFUSED, None, detail="the moon is full")],
            "At 07:50 the sign-in ended: the moon is full",
            Action.LOOK_UP,
            None,
        ),
    ],
)
def test_the_sentence_the_next_step_and_its_command(
    records: list[AuditEvent], sentence: str, action: Action, command: str | None
) -> None:
    facts = after(*records)
    assert said(facts) == sentence
    assert (verdict(facts).next.action, verdict(facts).next.command) == (action, command)


def test_a_name_that_nobody_has_is_said_to_be_unknown() -> None:
    nobody = replace(
        IN_ORDER,
        person=None,
        question=Question("tanaka", Kind.NAME),
        unknown_names=frozenset({"tanaka.misaki"}),
    )
    facts = after(record(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD), facts=nobody)
    assert said(facts) == "At 07:50 a name was typed that nobody has here."
    assert verdict(facts).next.action is Action.ASK_NAME


def test_a_time_of_another_day_has_its_date_and_is_local() -> None:
    facts = after(record(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD))
    later = Speaker("en", timezone(timedelta(hours=9)), NOW + 86_400)
    sentence = later.say(verdict(facts).sentence)
    assert sentence == "At Jan 15, 16:50 the password was wrong."


# Without a sign-in


def test_without_a_sign_in_the_first_shut_gate_is_said() -> None:
    facts = replace(IN_ORDER, key=PresentKey(KeyState.MISSING))
    assert said(facts) == (
        "There was no sign-in lately. One would be stopped now: User key: no External Key"
    )
    assert verdict(facts).next.action is Action.SET_KEY


def test_a_person_without_any_key_is_stopped_whatever_the_client() -> None:
    facts = replace(IN_ORDER, client=None, key=PresentKey(KeyState.MISSING))
    (gate,) = [each for each in verdict(facts).gates if each.name is GateName.USER_KEY]
    assert gate.state is GateState.SHUT


def test_without_a_sign_in_and_with_all_gates_open_line_works_is_asked() -> None:
    expected = "There was no sign-in lately, and nothing here would stop one now."
    assert said(IN_ORDER) == expected
    assert verdict(IN_ORDER).next.action is Action.ASK_DOMAIN


@pytest.mark.parametrize(
    ("changes", "sentence", "action"),
    [
        (
            {},
            "Nothing is recorded: LINE WORKS has sent nobody here at that time.",
            Action.ASK_DOMAIN,
        ),
        (
            {"were_pages_opened": True},
            "Nothing is recorded of them, but sign-in pages were opened: perhaps nothing was "
            "typed.",
            Action.ASK_NAME,
        ),
        (
            {"others": ("tanaka-misaki", "tanaka")},
            "Nothing is recorded of them, but other names failed at that address: "
            "tanaka-misaki, tanaka",
            Action.ASK_NAME,
        ),
    ],
)
def test_nobody_known_and_no_sign_in(changes: Any, sentence: str, action: Action) -> None:
    nobody = replace(IN_ORDER, person=None, question=Question("09:12", Kind.TIME), **changes)
    assert said(nobody) == sentence
    assert verdict(nobody).next.action is action


def test_a_similar_name_that_failed_is_named_and_a_shut_gate_besides() -> None:
    facts = replace(IN_ORDER, others=("tanaka-misaki",), key=PresentKey(KeyState.MISSING))
    assert said(facts) == (
        "Nothing is recorded of them, but a similar name failed a moment ago: tanaka-misaki"
    )
    assert verdict(facts).next.action is Action.ASK_NAME
    now = verdict(facts).now
    assert now is not None
    assert speaker().say(now) == (
        "Besides, a new try would be stopped now: User key: no External Key"
    )
    assert verdict(replace(facts, key=IN_ORDER.key)).now is None


# What has been put right, and what is wrong besides


def test_what_has_been_put_right_since_is_said() -> None:
    facts = after(record(Event.LOGIN_REFUSED, Reason.NO_USER_KEY, subject_id="directory:1"))
    now = verdict(facts).now
    assert now is not None
    assert speaker().say(now) == "That has been put right since: a new try should succeed."
    assert verdict(facts).next.action is Action.TRY_AGAIN
    assert "cannot get in" not in verdict(facts).to_hand_on(speaker())


@pytest.mark.parametrize(
    "last",
    [
        record(Event.LOGIN_REFUSED, Reason.DISABLED, subject_id="directory:1"),
        record(Event.USER_INFO_RETURNED, subject_id="directory:1"),
    ],
)
def test_if_the_last_try_is_no_reason_any_more_the_shut_gate_decides(last: AuditEvent) -> None:
    facts = replace(after(last), key=PresentKey(KeyState.MISSING))
    assert verdict(facts).next.action is Action.SET_KEY


def test_what_is_still_wrong_is_not_repeated() -> None:
    facts = after(record(Event.LOGIN_REFUSED, Reason.NO_USER_KEY, subject_id="directory:1"))
    still = verdict(replace(facts, key=PresentKey(KeyState.MISSING)))
    assert still.now is None
    assert still.next.action is Action.SET_KEY
    assert still.next.command == "worksgate user set tanaka.misaki --external-key KEY"


def test_what_would_stop_them_besides_is_said() -> None:
    facts = after(record(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD))
    now = verdict(replace(facts, key=PresentKey(KeyState.MISSING))).now
    assert now is not None
    assert speaker().say(now) == (
        "Besides, a new try would be stopped now: User key: no External Key"
    )


# People of another source


def at_a_source(**changes: Any) -> Facts:
    return replace(IN_ORDER, person=person(source="ad", has_password=None, **changes))


def test_what_another_source_decides_is_done_there() -> None:
    wrong = record(Event.LOGIN_FAILED, Reason.WRONG_PASSWORD)
    assert verdict(after(wrong, facts=at_a_source())).next.action is Action.CHANGE_AT_SOURCE
    disabled = record(Event.LOGIN_FAILED, Reason.DISABLED)
    there = verdict(after(disabled, facts=at_a_source())).next
    here = verdict(after(disabled, facts=at_a_source(enabled=False))).next
    assert there.action is Action.ENABLE_AT_SOURCE
    assert (here.action, here.command) == (
        Action.ENABLE,
        "worksgate user enable directory:1 --source ad",
    )


# Gates


DENIED = decide(
    parse_rules(("deny network!=192.0.2.0/24",)),
    SecondFactor.ALLOWED,
    Situation(kind=LoginKind.WEB, address=ADDRESS, at=NOW, groups=(), source="directory"),
)
REQUIRED = replace(DENIED, action=DENIED.action.REQUIRE, rule=None)
PASSKEY = replace(DENIED, action=DENIED.action.REQUIRE_PASSKEY, rule=None)


def person(**changes: Any) -> KnownPerson:
    assert IN_ORDER.person is not None
    return replace(IN_ORDER.person, **changes)


DISABLED_BY = AuditEvent(event=Event.USER_CHANGED, at=AT, actor="cli:kobayashi")


@pytest.mark.parametrize(
    ("changes", "name", "state", "note"),
    [
        ({}, GateName.CLIENT, GateState.OPEN, "Hikari"),
        ({"client": None}, GateName.CLIENT, GateState.UNKNOWN, "no client; name one"),
        (
            {"client": replace(IN_ORDER.client, enabled=False)},  # type: ignore[type-var]  # there is one
            GateName.CLIENT,
            GateState.SHUT,
            "Hikari is disabled",
        ),
        (
            {"client": replace(IN_ORDER.client, sources=("ad",))},  # type: ignore[type-var]  # there is one
            GateName.CLIENT,
            GateState.SHUT,
            "Hikari does not use the source directory",
        ),
        ({}, GateName.SOURCE, GateState.OPEN, "12 ms"),
        (
            {"source": SourceAnswer(SourceState.DOWN)},
            GateName.SOURCE,
            GateState.SHUT,
            "directory does not respond",
        ),
        (
            {"source": SourceAnswer(SourceState.CANNOT_BE_ASKED)},
            GateName.SOURCE,
            GateState.UNKNOWN,
            "knows people only when they sign in",
        ),
        ({}, GateName.KNOWN, GateState.OPEN, "since Oct 17, 2026, 08:00"),
        ({"person": None}, GateName.KNOWN, GateState.SHUT, "nobody here has this name"),
        (
            {"person": None, "elsewhere": ("tokyo", "seoul")},
            GateName.KNOWN,
            GateState.UNKNOWN,
            "nobody known here has this name; people of tokyo, seoul are known from their first "
            "sign-in",
        ),
        ({}, GateName.ENABLED, GateState.OPEN, "not disabled here"),
        (
            {"person": person(enabled=False)},
            GateName.ENABLED,
            GateState.SHUT,
            "disabled here",
        ),
        (
            {"person": person(enabled=False, changed_by=DISABLED_BY)},
            GateName.ENABLED,
            GateState.SHUT,
            "disabled by cli:kobayashi, 07:50",
        ),
        (
            {"source": SourceAnswer(SourceState.GONE, 3.0)},
            GateName.ENABLED,
            GateState.SHUT,
            "directory has no such person any more, or has disabled them",
        ),
        ({}, GateName.NOT_WAITING, GateState.OPEN, "no delay"),
        (
            {"waiting": Waiting(Reason.WAITING, NOW + 60)},
            GateName.NOT_WAITING,
            GateState.SHUT,
            "free again by 08:01",
        ),
        ({"is_waiting_known": False}, GateName.NOT_WAITING, GateState.UNKNOWN, "not known"),
        ({}, GateName.PASSWORD, GateState.OPEN, "set"),
        (
            {"person": person(has_password=False)},
            GateName.PASSWORD,
            GateState.SHUT,
            "there is none",
        ),
        (
            {"person": person(has_password=None)},
            GateName.PASSWORD,
            GateState.UNKNOWN,
            "kept by the source",
        ),
        (
            {"person": person(password_expires_at=NOW + 60)},
            GateName.PASSWORD,
            GateState.OPEN,
            "temporary, until 08:01",
        ),
        (
            {"person": person(password_expires_at=NOW - 60)},
            GateName.PASSWORD,
            GateState.SHUT,
            "temporary, and over since 07:59",
        ),
        ({}, GateName.FACTOR, GateState.OPEN, "none is required"),
        (
            {"decision": REQUIRED},
            GateName.FACTOR,
            GateState.OPEN,
            "will be set up at the next sign-in",
        ),
        (
            {"decision": PASSKEY},
            GateName.FACTOR,
            GateState.SHUT,
            "a passkey is required, and none can be set up",
        ),
        (
            {"decision": PASSKEY, "can_add_passkey": True},
            GateName.FACTOR,
            GateState.OPEN,
            "will be set up at the next sign-in",
        ),
        ({}, GateName.RULES, GateState.OPEN, "none refuses"),
        (
            {"decision": DENIED},
            GateName.RULES,
            GateState.SHUT,
            "refused by: deny network!=192.0.2.0/24",
        ),
        (
            {"decision": DENIED, "address": None},
            GateName.RULES,
            GateState.UNKNOWN,
            "depends on the address, which is not known",
        ),
        ({}, GateName.USER_KEY, GateState.OPEN, "H-0231"),
        (
            {"key": PresentKey(KeyState.ANOTHERS)},
            GateName.USER_KEY,
            GateState.SHUT,
            "the External Key belongs to somebody else",
        ),
        (
            {"key": PresentKey(KeyState.MALFORMED, "a/b")},
            GateName.USER_KEY,
            GateState.SHUT,
            "LINE WORKS does not accept the characters of the External Key",
        ),
        (
            {},
            GateName.SAME_KEY,
            GateState.UNKNOWN,
            "not known: look in the LINE WORKS console",
        ),
    ],
)
def test_a_gate_is_open_shut_or_unknown_and_says_why(
    changes: Any, name: GateName, state: GateState, note: str
) -> None:
    gates = {gate.name: gate for gate in gates_of(replace(IN_ORDER, **changes))}
    assert list(gates) == list(GateName)
    assert (gates[name].state, speaker().say(gates[name].note)) == (state, note)


# The text to hand on


def test_the_text_to_hand_on_has_who_why_what_next_and_the_reference() -> None:
    refused = after(record(Event.LOGIN_REFUSED, Reason.NO_USER_KEY, subject_id="directory:1"))
    facts = replace(refused, key=PresentKey(KeyState.MISSING))
    assert verdict(facts).to_hand_on(speaker()).split("\n") == [
        "tanaka.misaki cannot get in to LINE WORKS.",
        "At 07:50 the sign-in was right, but there is no External Key to give to LINE WORKS.",
        "Set the user key, here or in the mapping of the source.",
        f"Reference {reference_of(LOGIN_ID)}",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_r147_the_text_to_hand_on_contains_no_address(language: str) -> None:
    detail = f"seen from {ADDRESS}, fe80::1%eth0, 2001:db8::/32 and 192.0.2.0/24"
    for facts in (
        after(record(Event.LOGIN_REFUSED, None, detail=detail)),
        replace(IN_ORDER, decision=DENIED),
        replace(IN_ORDER, person=None, others=(ADDRESS,)),
    ):
        text = verdict(facts).to_hand_on(speaker(language))
        for part in ("203.0.113", "192.0.2", "2001:db8", "fe80"):
            assert part not in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ldaps://192.0.2.10:636: refused", "ldaps://…:636: refused"),
        ("[2001:db8::1]:443 and ::ffff:192.0.2.1", "[…]:443 and …"),
        ("1:2:192.0.2.1, 64:ff9b::192.0.2.1.", "1:2:…, …."),
        ("x192.0.2.1x at 09:12:33", "x…x at 09:12:33"),
        ("192.0.2.1/32,192.0.2.2", "…,…"),
        (":" * 5_000, ":" * 5_000),  # in one pass, since anybody may type it as a name
    ],
)
def test_r147_an_address_is_left_out_whatever_stands_beside_it(text: str, left: str) -> None:
    assert without_addresses(text) == left


def test_r147_what_only_resembles_an_address_stays() -> None:
    for text in (
        "At 07:50 version 1.2.3",
        "tanaka.misaki",
        "10.5 ms",
        "http://",
        "deadbeef",
        "a:b",
    ):
        assert without_addresses(text) == text


@pytest.mark.parametrize("action", list(Action))
def test_r243_a_command_can_be_pasted_as_it_is(action: Action) -> None:
    """Real names, quoted for the shell; of what is unknown, the command that lists it."""
    client = replace(IN_ORDER.client, name="Hikari & Co; rm -rf '*'") if IN_ORDER.client else None
    known = next_step(action, replace(IN_ORDER, client=client)).command or "worksgate"
    assert not {"SOURCE", "CLIENT", "NAME"} & set(shlex.split(known))
    if "Hikari" in known:
        assert "Hikari & Co; rm -rf '*'" in shlex.split(known)
    unknown = next_step(action, replace(IN_ORDER, client=None, person=None)).command or ""
    assert not re.search("[A-Z]", unknown), unknown


@pytest.mark.parametrize("action", list(Action))
def test_r243_no_name_is_taken_for_an_option(action: Action) -> None:
    assert IN_ORDER.client is not None
    assert IN_ORDER.person is not None
    person = replace(IN_ORDER.person.person, username="--config=x")
    facts = replace(
        IN_ORDER,
        client=replace(IN_ORDER.client, name="--config=x"),
        person=replace(IN_ORDER.person, person=person),
    )
    words = shlex.split(next_step(action, facts).command or "")
    for place, word in enumerate(words):
        if word == "--config=x":
            assert words[place - 1] in ("--", "--client"), words


def test_the_source_of_somebody_unknown_is_that_of_the_client() -> None:
    nobody = replace(IN_ORDER, person=None)
    assert IN_ORDER.client is not None
    for sources, command in ((("ad one",), "test 'ad one'"), (("a", "b"), "list"), ((), "list")):
        facts = replace(nobody, client=replace(IN_ORDER.client, sources=sources))
        assert next_step(Action.TEST_SOURCE, facts).command == f"worksgate source {command}"
