"""Access rules: parsing, decisions, and error messages for invalid rules."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worksgate.clients.access_rules import (
    MAX_RULES,
    Action,
    Condition,
    Decision,
    Rule,
    Situation,
    decide,
    decide_by_texts,
    decide_without_person,
    decide_without_person_by_texts,
    explain,
    parse_rule,
    parse_rules,
)
from worksgate.oauth.model import LoginKind, SecondFactor

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def situation(
    kind: LoginKind = LoginKind.WEB,
    address: str = "192.0.2.7",
    groups: tuple[str, ...] = ("staff",),
    source: str = "company",
    moment: float = at("2026-01-30T12:00"),
) -> Situation:
    return Situation(kind=kind, address=address, groups=groups, source=source, at=moment)


def fits(text: str, here: Situation) -> bool | None:
    (explanation,) = explain((parse_rule(text),), here)
    return explanation.fits


# Deciding


@pytest.mark.parametrize(
    ("second_factor", "action"),
    [
        (SecondFactor.OFF, Action.ALLOW),
        (SecondFactor.ALLOWED, Action.ASK),
        (SecondFactor.REQUIRED, Action.REQUIRE),
    ],
)
def test_without_a_rule_that_fits_the_second_factor_of_the_client_holds(
    second_factor: SecondFactor, action: Action
) -> None:
    reason = f"no rule matches, and the client's second_factor is {second_factor}"
    expected = Decision(action, None, (reason,))
    assert decide((), second_factor, situation()) == expected
    assert decide((parse_rule("deny kind=app"),), second_factor, situation()) == expected


@pytest.mark.parametrize("second_factor", SecondFactor)
@pytest.mark.parametrize("word", ["allow", "second_factor", "require passkey", "deny"])
def test_first_rule_that_fits_wins_over_the_later_ones_and_over_the_client(
    word: str, second_factor: SecondFactor
) -> None:
    rules = parse_rules(("deny kind=app", f"{word} group=staff", "deny", "allow"))
    decision = decide(rules, second_factor, situation())
    assert (decision.action, decision.rule) == (Action(word), rules[1])


def test_every_kind_of_action_is_reached_by_a_rule_or_by_the_client() -> None:
    words = ("allow", "require factor", "require passkey", "deny")
    assert {parse_rule(word).action for word in words} | {Action.ASK} == set(Action)


def test_r122_requiring_a_passkey_is_stricter_than_a_factor_and_milder_than_no() -> None:
    order = sorted(Action, key=lambda each: each.strictness)
    assert order == ["allow", "ask", "second_factor", "require passkey", "deny"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("deny", True),
        ("deny kind=web", True),
        ("deny kind=app,imap", False),
        ("deny kind=app,web", True),
        ("deny kind!=app", True),
        ("deny kind!=app,web", False),
        ("deny network=192.0.2.0/24", True),
        ("deny network=192.0.2.7", True),
        ("deny network=192.0.2.8", False),
        ("deny network=2001:db8::/32,192.0.2.0/28", True),
        ("deny network!=192.0.2.0/24", False),
        ("deny network=192.0.2.0/24 network!=192.0.2.7", False),
        ("deny network=192.0.2.0/24 network!=192.0.2.8", True),
        ("deny network=::ffff:192.0.2.0/120", True),
        ("deny network=::/0", False),
        ("deny network=0.0.0.0/0", True),
        ("deny group=staff", True),
        ("deny group=STAFF", True),
        ("deny group=sales,staff", True),
        ("deny group!=sales", True),
        ("deny group!=sales,staff", False),
        ("deny source=company", True),
        ("deny source=directory", False),
        ("deny source!=directory", True),
        ("deny days=fri", True),
        ("deny days=mon-thu", False),
        ("deny days=thu-mon", True),
        ("deny days=sat-thu", False),
        ("deny days!=sat-sun", True),
        ("deny hours=12:00-13:00", True),
        ("deny hours=12:30-13:00", False),
        ("deny hours=11:00-12:00", False),
        ("deny hours=08:00-09:00,11:59-12:01", True),
        ("deny hours!=08:00-18:00", False),
        ("deny kind=web group=staff source=company", True),
        ("deny kind=web group=sales source=company", False),
    ],
)
def test_rule_fits_when_one_value_of_each_of_its_conditions_does(text: str, holds: bool) -> None:  # noqa: FBT001  # pytest calls it
    assert fits(text, situation()) is holds


def test_address_that_came_wrapped_in_ipv6_counts_as_the_ipv4_one() -> None:
    wrapped = situation(address="::ffff:192.0.2.7")
    assert fits("deny network=192.0.2.0/24", wrapped)
    assert fits("deny network=::ffff:192.0.2.0/120", wrapped)
    assert not fits("deny network=::/0", wrapped)


@pytest.mark.parametrize("address", ["", "unix:", "192.0.2", "192.0.2.7:443", "192.0.2.7 "])
@pytest.mark.parametrize("condition", ["network=0.0.0.0/0", "network!=192.0.2.0/24"])
def test_address_that_is_not_known_opens_no_door_and_closes_each(
    address: str, condition: str
) -> None:
    nowhere = situation(address=address)
    assert not fits(f"allow {condition}", nowhere)
    assert fits(f"second_factor {condition}", nowhere)
    assert fits(f"require passkey {condition}", nowhere)
    assert fits(f"deny {condition}", nowhere)
    assert fits("allow kind=web", nowhere)


def test_group_is_found_in_any_case_and_composition() -> None:
    decomposed = situation(groups=("Cafe\u0301 Team", "営業部"))
    assert fits('deny group="CAFÉ TEAM"', decomposed)
    assert fits("deny group=営業部", decomposed)
    assert not fits("deny group=営業", decomposed)


def test_person_without_groups_is_in_none() -> None:
    nobody = situation(groups=())
    assert not fits("deny group=staff", nobody)
    assert fits("deny group!=staff", nobody)


def test_rule_that_cannot_be_read_grants_no_access() -> None:
    decision = decide_by_texts(("allow kind=web", "dney"), SecondFactor.OFF, situation())
    assert decision.action is Action.DENY
    assert "rule 2: 'dney' is not an action" in decision.reasons[0]
    assert decide_by_texts(("allow",), SecondFactor.REQUIRED, situation()).action is Action.ALLOW


# Before anybody has said who they are


def before_the_password(
    kind: LoginKind = LoginKind.WEB,
    address: str = "192.0.2.7",
    moment: float = at("2026-01-30T12:00"),
) -> Situation:
    return Situation(kind=kind, address=address, at=moment)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("deny network=192.0.2.0/24", True),
        ("deny network=198.51.100.0/24", False),
        ("deny kind=web days=fri hours=08:00-18:00", True),
        ("deny group=staff", None),
        ("deny group!=staff", None),
        ("deny source=company", None),
        ("deny source!=company", None),
        ("deny group=staff network=192.0.2.0/24", None),
        ("deny group=staff network=198.51.100.0/24", False),
        ("deny source=company days=sat", False),
    ],
)
def test_r125_a_rule_about_the_person_is_undecided_unless_the_rest_does_not_hold(
    text: str,
    holds: bool | None,  # noqa: FBT001  # pytest calls it
) -> None:
    assert fits(text, before_the_password()) is holds


@pytest.mark.parametrize(
    ("rules", "action"),
    [
        (("deny network=192.0.2.0/24",), Action.DENY),
        (("allow network=198.51.100.0/24", "deny"), Action.DENY),
        (("deny group=staff", "deny"), Action.DENY),
        (("allow group=staff", "deny"), None),
        (("allow source=company", "deny network=192.0.2.0/24"), None),
        (("allow group=staff network=198.51.100.0/24", "deny"), Action.DENY),
        (("deny group=staff",), None),
        ((), Action.ASK),
        (("nonsense",), Action.DENY),
    ],
)
def test_r125_it_is_decided_for_anybody_only_where_nobody_could_change_it(
    rules: tuple[str, ...], action: Action | None
) -> None:
    here = before_the_password()
    decision = decide_without_person_by_texts(rules, SecondFactor.ALLOWED, here)
    assert (decision and decision.action) == action


def test_what_depends_on_the_person_is_not_decided_without_them() -> None:
    with pytest.raises(ValueError, match="depends on the person"):
        decide(parse_rules(("deny group=staff",)), SecondFactor.OFF, before_the_password())


# Time

NIGHT = "deny hours=22:00-06:00"


@pytest.mark.parametrize(
    ("rule", "moment", "holds"),
    [
        (NIGHT, at("2026-01-30T21:59:59"), False),
        (NIGHT, at("2026-01-30T22:00"), True),
        (NIGHT, at("2026-01-30T23:59:59"), True),
        (NIGHT, at("2026-01-31T00:00"), True),
        (NIGHT, at("2026-01-31T05:59:59"), True),
        (NIGHT, at("2026-01-31T06:00"), False),
        ("deny hours=00:00-24:00", at("2026-01-31T00:00"), True),
        ("deny hours=00:00-24:00", at("2026-01-31T23:59:59"), True),
        ("deny hours=18:00-24:00", at("2026-01-31T00:00"), False),
        ("deny hours=18:00-00:00", at("2026-01-31T23:59:59"), True),
        ("deny hours=18:00-00:00", at("2026-01-31T00:00"), False),
        # The night from Friday to Saturday: after midnight it is Saturday.
        ("deny days=fri hours=22:00-06:00", at("2026-01-30T23:00"), True),
        ("deny days=fri hours=22:00-06:00", at("2026-01-31T02:00"), False),
        ("deny days=fri hours=22:00-06:00", at("2026-01-30T02:00"), True),
        # Friday 15:00 in UTC is Saturday in Tokyo.
        ("deny days=sat timezone=Asia/Tokyo", at("2026-01-30T14:59:59"), False),
        ("deny days=sat timezone=Asia/Tokyo", at("2026-01-30T15:00"), True),
        ("deny hours=08:00-18:00 timezone=Asia/Tokyo", at("2026-01-30T08:59:59"), True),
        ("deny hours=08:00-18:00 timezone=Asia/Tokyo", at("2026-01-30T09:00"), False),
        ("deny hours=08:00-18:00 timezone=Asia/Tokyo", at("2026-01-29T23:00"), True),
    ],
)
def test_days_and_hours_at_midnight(rule: str, moment: float, holds: bool) -> None:  # noqa: FBT001  # pytest calls it
    assert fits(rule, situation(moment=moment)) is holds


@pytest.mark.parametrize("first", WEEK)
def test_a_range_of_days_goes_from_its_first_to_its_last_also_over_sunday(first: str) -> None:
    begin, inside = WEEK.index(first), set[str]()
    for last in (*WEEK[begin:], *WEEK[:begin]):
        inside.add(last)
        rule = f"deny days={first}-{last}"
        moments = {day: at(f"2026-01-{19 + number}T12:00") for number, day in enumerate(WEEK)}
        found = {day for day, moment in moments.items() if fits(rule, situation(moment=moment))}
        assert found == inside, rule


BERLIN = "deny hours=02:00-03:00 timezone=Europe/Berlin"
MORNING = "deny hours=08:00-18:00 timezone=Europe/Berlin"


@pytest.mark.parametrize(
    ("rule", "moment", "holds"),
    [
        # On 29 March 2026 the clock goes from 02:00 to 03:00: the hour does not exist.
        (BERLIN, at("2026-03-29T00:59:59"), False),
        (BERLIN, at("2026-03-29T01:00"), False),
        # On 25 October 2026 it goes from 03:00 back to 02:00: the hour is there twice.
        (BERLIN, at("2026-10-24T23:59:59"), False),
        (BERLIN, at("2026-10-25T00:00"), True),
        (BERLIN, at("2026-10-25T01:00"), True),
        (BERLIN, at("2026-10-25T01:59:59"), True),
        (BERLIN, at("2026-10-25T02:00"), False),
        # The morning begins by the clock on the wall, summer and winter.
        (MORNING, at("2026-01-30T06:59:59"), False),
        (MORNING, at("2026-01-30T07:00"), True),
        (MORNING, at("2026-07-30T05:59:59"), False),
        (MORNING, at("2026-07-30T06:00"), True),
    ],
)
def test_hours_where_the_clock_is_put_forward_and_back(
    rule: str,
    moment: float,
    holds: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    assert fits(rule, situation(moment=moment)) is holds


def test_time_zone_is_utc_unless_the_rule_or_the_caller_says_another() -> None:
    noon_in_utc = situation(moment=at("2026-01-30T12:00"))
    assert fits("deny hours=12:00-12:01", noon_in_utc)
    rule = parse_rule("deny hours=21:00-21:01", timezone="Asia/Tokyo")
    assert str(rule) == "deny hours=21:00-21:01 timezone=Asia/Tokyo"
    assert explain((rule,), noon_in_utc)[0].fits


# Explaining


def test_explanation_has_a_line_for_each_rule_and_says_why() -> None:
    texts = (
        "deny kind=app group=contractors",
        "second_factor network!=192.0.2.0/24",
        "allow kind=web days=mon-fri hours=08:00-18:00",
        "deny",
    )
    told = explain(parse_rules(texts), situation())
    assert [(each.fits, each.reasons) for each in told] == [
        (
            False,
            (
                "the kind (web) is not app",
                "the person (groups: staff) is not in contractors",
            ),
        ),
        (False, ("the address (192.0.2.7) is in 192.0.2.0/24",)),
        (
            True,
            (
                "the kind (web) is web",
                "the day (fri, UTC) is in mon-fri",
                "the time (12:00, UTC) is in 08:00-18:00",
            ),
        ),
        (True, ("it has no conditions",)),
    ]


# Reading


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("allow", "allow"),
        ("  deny   kind=app  ", "deny kind=app"),
        ("deny group=a kind=web", "deny kind=web group=a"),
        (
            "deny network!=10.1.0.0/16 network=10.0.0.0/8",
            "deny network=10.0.0.0/8 network!=10.1.0.0/16",
        ),
        ("deny network=192.0.2.7", "deny network=192.0.2.7/32"),
        ("deny network=2001:DB8::/32", "deny network=2001:db8::/32"),
        ("deny network=::ffff:192.0.2.0/120", "deny network=192.0.2.0/24"),
        ("deny network=::ffff:0.0.0.0/96", "deny network=0.0.0.0/0"),
        ("deny kind=web,app,web", "deny kind=web,app"),
        ('deny group="staff"', "deny group=staff"),
        ("require factor group=staff", "second_factor group=staff"),
        ("require  passkey  group=staff", "require passkey group=staff"),
        (r'deny group="CN=Sales\\, Asia,DC=x"', r'deny group="CN=Sales\\, Asia,DC=x"'),
        (r'deny group="the \"A\" team"', None),
        ("deny days=MON-Fri", "deny days=mon-fri timezone=UTC"),
        ("deny days=sun-sun", "deny days=sun timezone=UTC"),
        ("deny hours=08:00-18:00 timezone=Asia/Tokyo", None),
    ],
)
def test_text_of_a_rule_is_canonical(text: str, canonical: str | None) -> None:
    rule = parse_rule(text)
    assert str(rule) == (canonical or text)
    assert parse_rule(str(rule)) == rule


def test_rule_is_shown_as_an_administrator_writes_it() -> None:
    for text in ("require factor group=staff", "require passkey", "allow", "deny kind=imap"):
        assert parse_rule(text).shown == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not an action: begin with allow, require or deny"),
        ("ask", "'ask' is not an action: begin with allow, require or deny"),
        ("require", "'require ' is not an action: require factor or passkey"),
        ("require kind=web", "'require kind=web' is not an action"),
        ("require passkeys", "did you mean passkey?"),
        ("requires passkey", "did you mean require?"),
        ("passkey", "'passkey' is not an action"),
        ("denny", "did you mean deny?"),
        ("Deny", "did you mean deny?"),
        ("kind=web", "'kind=web' is not an action"),
        ("deny web", "'web' is not a condition such as network=192.0.2.0/24"),
        ("deny networc=10.0.0.0/8", "'networc' is not a condition: there are kind, network"),
        ("deny networc=10.0.0.0/8", "did you mean network?"),
        ("deny kind==web", "'kind==web': '=web' is not one of web, app, imap"),
        ("deny kind=Web", "'kind=Web': 'Web' is not one of web, app, imap"),
        ("deny kind=", "'kind=': a value is missing"),
        ("deny kind=web,", "'kind=web,': a value is missing"),
        ("deny kind=,web", "'kind=,web': a value is missing"),
        ('deny group=""', "a value must not be empty"),
        ('deny group=" "', "a value must not be empty"),
        ('deny group="a"b', "quotation marks enclose a whole value"),
        ('deny group=a"b"', "quotation marks enclose a whole value"),
        ('deny group="a', "is not closed"),
        ('deny group="' + 50 * "a", "mark in 'group=\"" + 33 * "a" + "' is not closed"),
        (r'deny group="a\b"', 'neither before " nor before'),
        ("deny network=office", "'office' is not a network such as 192.0.2.0/24"),
        ("deny network=10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("deny kind=web kind=app", "'kind=web': there is another kind condition"),
        ("deny kind!=web kind!=app", "there is another kind condition"),
        ("deny source=a:b", "'a:b' is not a valid name of a source"),
        ("deny days=monday", "'monday' is neither a day such as mon nor a range"),
        ("deny days=mon-", "'mon-' is neither"),
        ("deny days=mon-fri-sun", "is neither"),
        ("deny hours=8-18", "'8-18' is not a range of hours such as 08:00-18:00"),
        ("deny hours=08:00-25:00", "is not a range of hours"),
        ("deny hours=08:00-24:01", "is not a range of hours"),
        ("deny hours=08:60-18:00", "is not a range of hours"),
        ("deny hours=08:00-08:00", "lacks a beginning or an end"),
        ("deny hours=24:00-08:00", "lacks a beginning or an end"),
        ("deny timezone=Asia/Tokyo", "has no effect without days or hours"),
        ("deny days=mon timezone!=UTC", "'timezone!=' is not a condition"),
        ("deny days=mon timezone=UTC timezone=UTC", "a rule has only one time zone"),
        ("deny days=mon timezone=Asia", "there is no time zone of that name"),
        ("deny days=mon timezone=../UTC", "there is no time zone of that name"),
        ("deny days=mon timezone=", "there is no time zone of that name"),
        ("deny\nallow", "one line of printable characters"),
        ("deny group=\x1b[2J", "one line of printable characters"),
        (f"deny group={'x' * 1_000}", "at most 1000 characters"),
    ],
)
def test_refusal_points_at_the_wrong_word(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        parse_rule(text)
    assert problem in str(caught.value)


def test_more_rules_than_anybody_can_read_are_refused() -> None:
    assert len(parse_rules(("deny",) * MAX_RULES)) == MAX_RULES
    with pytest.raises(ValueError, match="at most 50"):
        parse_rules(("deny",) * (MAX_RULES + 1))


# For every rule

PRINTABLE = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
GROUPS = st.text(PRINTABLE, min_size=1, max_size=20).filter(str.strip)
DAYS = st.sampled_from(("mon", "wed", "sat", "mon-fri", "sat-mon"))
HOURS = st.sampled_from(("08:00-18:00", "22:00-06:00", "00:00-24:00", "18:00-00:00"))
NETWORKS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
VALUES = {
    "kind": st.sampled_from(("web", "app", "imap")),
    "network": NETWORKS,
    "group": GROUPS,
    "source": st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    "days": DAYS,
    "hours": HOURS,
}
QUOTED = {"group"}


def _word(name: str, sign: str, values: list[str]) -> str:
    escaped = (each.replace("\\", "\\\\").replace('"', '\\"') for each in values)
    shown = [f'"{each}"' if name in QUOTED else each for each in escaped]
    return f"{name}{sign}{','.join(shown)}"


CONDITIONS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.builds(
        _word,
        st.just(name),
        st.sampled_from(("=", "!=")),
        st.lists(VALUES[name], min_size=1, max_size=4),
    )
)
TEXTS = st.builds(
    lambda action, conditions: " ".join((action, *conditions)),
    st.sampled_from(("allow", "second_factor", "require passkey", "deny")),
    st.lists(CONDITIONS, max_size=6, unique_by=lambda word: word.partition("=")[0]),
)
SITUATIONS = st.builds(
    Situation,
    kind=st.sampled_from(LoginKind),
    address=st.one_of(NETWORKS, st.text()),
    groups=st.lists(st.text()).map(tuple),
    source=st.text(),
    at=st.floats(0, 4e9),
)


@given(TEXTS, st.sampled_from(("UTC", "Asia/Tokyo", "Europe/Berlin")))
def test_text_of_every_rule_reads_back_as_the_same_rule(text: str, timezone: str) -> None:
    rule = parse_rule(text, timezone=timezone)
    assert parse_rule(str(rule)) == rule
    assert str(parse_rule(str(rule))) == str(rule)


@given(st.one_of(st.text(), st.from_regex(r"(allow|deny)( [a-z!=,\"\\:/.-]{0,12}){0,4}")))
def test_every_text_is_a_rule_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        rule = parse_rule(text)
    except ValueError as refusal:
        problem = str(refusal)
    else:
        problem = "" if parse_rule(str(rule)) != rule else "none"
    assert problem


@given(st.lists(TEXTS, max_size=5), st.sampled_from(SecondFactor), SITUATIONS)
def test_decision_is_that_of_the_first_explanation_that_fits(
    texts: list[str], second_factor: SecondFactor, here: Situation
) -> None:
    rules = parse_rules(tuple(texts))
    decision = decide(rules, second_factor, here)
    first = next((each for each in explain(rules, here) if each.fits), None)
    assert decision.rule == (first.rule if first else None)
    assert decision.reasons


@given(st.lists(TEXTS, max_size=5), st.sampled_from(SecondFactor), SITUATIONS)
def test_r125_what_is_decided_for_anybody_is_decided_so_for_each(
    texts: list[str], second_factor: SecondFactor, here: Situation
) -> None:
    rules = parse_rules(tuple(texts))
    unknown = replace(here, groups=None, source=None)
    for_anybody = decide_without_person(rules, second_factor, unknown)
    if for_anybody is not None:
        assert decide(rules, second_factor, here).action is for_anybody.action


@given(TEXTS, SITUATIONS)
def test_negated_condition_holds_where_the_other_does_not_if_the_address_is_known(
    text: str, here: Situation
) -> None:
    for condition in parse_rule(text).conditions:
        other = Condition(condition.name, condition.values, not condition.negated)
        told = explain((Rule(Action.DENY, (condition,)), Rule(Action.DENY, (other,))), here)
        if "the address is unknown" not in told[0].reasons[0]:
            assert told[0].fits is not told[1].fits
