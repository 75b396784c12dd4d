"""What a rehearsal says of each member, as plain tables."""

from dataclasses import replace
from typing import Any

import pytest
from tests.administration.going_live.members import STANDARD, found, member, person

from worksgate.administration.going_live.examination import Finding, Standard
from worksgate.directory.going_live import Member, MemberState
from worksgate.directory.people_list import Listed
from worksgate.oauth.model import UserKey


def one(
    there: Member, here: Listed | None, standard: Standard = STANDARD
) -> tuple[Finding, str | None, str | None]:
    """The finding about one member, whom somebody here may be."""
    (only,) = found([there], [here] if here else [], standard)
    return only


@pytest.mark.parametrize(
    ("there", "here", "finding"),
    [
        (member("a@x", "1"), person("a", "1", works_account="a@x"), Finding.READY),
        (member("a@x", "1"), None, Finding.NOBODY_HERE),
        (member("a@x", "1"), person("a", None, works_account="a@x"), Finding.NO_KEY_HERE),
        (member("a@x", None), person("a", "1", works_account="a@x"), Finding.NO_KEY_THERE),
        (member("a@x", "01"), person("a", "1", works_account="a@x"), Finding.KEY_DIFFERS),
        (member("a@x", "A"), person("a", "a", works_account="a@x"), Finding.KEY_DIFFERS),
        (
            member("a@x", "1"),
            person("a", "1", works_account="a@x", enabled=False),
            Finding.DISABLED,
        ),
    ],
)
def test_r177_a_member_is_ready_or_it_is_said_why_not(
    there: Member, here: Listed | None, finding: Finding
) -> None:
    assert one(there, here)[0] is finding


@pytest.mark.parametrize(
    "names",
    [
        {"works_account": "a@x"},
        {"works_account": "a"},
        {"email": "A@X"},
        {"username": "a@x"},
        {"key": "1"},
    ],
)
def test_r177_a_member_is_found_by_account_address_or_key(names: dict[str, Any]) -> None:
    key = names.pop("key", "2")
    assert one(member("a@x", "1"), person(**{"username": "somebody", "key": key, **names}))[2]


def test_r177_nobody_is_found_by_name() -> None:
    there = member("a@x", "1", name="Tanaka")
    findings = found([there], [person("tanaka", "2", name="Tanaka")])
    assert [each[0] for each in findings] == [Finding.NOT_A_MEMBER, Finding.NOBODY_HERE]


def test_r177_keys_that_are_with_the_wrong_people_make_nobody_ready() -> None:
    """Each of them would open the other's account."""
    members = [member("a@x", "1"), member("b@x", "2")]
    people = [person("a", "2", works_account="a@x"), person("b", "1", works_account="b@x")]
    assert [each[0] for each in found(members, people)] == [Finding.KEY_DIFFERS] * 2


def test_r177_a_key_of_two_members_makes_neither_ready() -> None:
    members = [member("a@x", "1"), member("b@x", "1")]
    people = [person("a", "1", works_account="a@x")]
    assert found(members, people) == [
        (Finding.DUPLICATE, "a@x", "a"),
        (Finding.NOBODY_HERE, "b@x", None),
    ]


def test_r177_two_people_here_who_are_one_member_are_both_named() -> None:
    people = [person("a", "1", works_account="a@x"), person("old", None, email="a@x")]
    assert found([member("a@x", "1")], people) == [
        (Finding.DUPLICATE, "a@x", "a"),
        (Finding.DUPLICATE, "a@x", "old"),
    ]
    people[1] = replace(people[1], enabled=False)
    assert found([member("a@x", "1")], people) == [(Finding.READY, "a@x", "a")]


@pytest.mark.parametrize("state", [MemberState.SUSPENDED, MemberState.DELETED])
def test_whoever_is_out_at_line_works_is_left_out(state: MemberState) -> None:
    members = [member("a@x", "1", state=state)]
    assert found(members, [person("a", "1", works_account="a@x")]) == []


def test_people_whom_the_client_does_not_take_are_left_out() -> None:
    standard = replace(STANDARD, sources=("ldap",))
    people = [person("a", "1", works_account="a@x")]
    assert found([member("a@x", "1")], people, standard) == [(Finding.NOBODY_HERE, "a@x", None)]


@pytest.mark.parametrize("account", ["a@x", "a"])
def test_where_the_key_is_the_account_there_is_no_other(account: str) -> None:
    standard = replace(STANDARD, user_key=UserKey.WORKS_ACCOUNT)
    there = member("a@x")
    assert one(there, person("a", works_account=account), standard)[0] is Finding.READY
    assert one(there, person("a", email="a@x"), standard)[0] is Finding.NO_KEY_HERE
    other = person("a", works_account="other@x", email="a@x")
    assert one(there, other, standard)[0] is Finding.KEY_DIFFERS


def test_hints_come_besides() -> None:
    mail = frozenset({"directory:a"})
    standard = replace(STANDARD, needs_factor=True, mail_users=mail)
    here = person("a", "1", works_account="a@x", last_login_at=None, has_factor=False)
    assert [each[0] for each in found([member("a@x", "1")], [here], standard)] == [
        *(
            Finding.READY,
            Finding.NEVER_SIGNED_IN,
            Finding.NO_SECOND_FACTOR,
            Finding.NO_APP_PASSWORD,
        ),
    ]
    has_password = replace(standard, needs_factor=False, app_password_holders=mail)
    assert [each[0] for each in found([member("a@x", "1")], [here], has_password)] == [
        *(Finding.READY, Finding.NEVER_SIGNED_IN),
    ]


def test_without_a_file_only_what_is_known_here_is_said() -> None:
    people = [person("a", "1"), person("b"), person("c", "3", enabled=False)]
    assert [each[0] for each in found(None, people)] == [
        *(Finding.READY, Finding.NO_KEY_HERE, Finding.DISABLED),
    ]
