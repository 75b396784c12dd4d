"""Who gets which key: only those of whom it is certain."""

from dataclasses import replace

import pytest
from tests.administration.external_keys.files import holder, read

from worksgate.administration.external_keys.comparison import (
    Comparison,
    Finding,
    Standard,
    compare,
    verify,
)
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.spreadsheets import spoilt_by_a_spreadsheet
from worksgate.administration.external_keys.wording import ADVICE, NAMES

STANDARD = Standard()


def compared(
    rows: str, people: list[KeyHolder], standard: Standard = STANDARD, how: object = compare
) -> Comparison:
    file = read(f"ID,External Key\n{rows}", people, match_column="ID")
    return how(file, people, standard)  # type: ignore[no-any-return, operator]  # compare or verify


def findings(done: Comparison) -> list[tuple[int | None, Finding]]:
    return [(each.row, each.finding) for each in done.found]


def test_r208_a_member_gets_the_key_from_here() -> None:
    done = compared("a@x,\nb@x,B-1\n", [holder("a@x", "A-1"), holder("b@x", "B-1")])
    assert (done.keys, done.right, done.replaced, done.found) == ({0: "A-1"}, 1, 0, [])


def test_r208_a_member_is_found_by_account_then_by_address_never_by_name() -> None:
    people = [
        holder("one", "K-1", works_account="a@x", email="b@x"),
        holder("two", "K-2", works_account=None, email="B@X"),
        holder("three", "K-3", works_account="c"),
        holder("d@x", "K-4", works_account=None),
    ]
    done = compared("a@x,\nb@x,\nc@x,\nd@x,\n", people)
    assert done.keys == {0: "K-1", 1: "K-2", 2: "K-3"}
    assert findings(done) == [(5, Finding.NOBODY_HERE), (None, Finding.NOBODY_THERE)]


def test_r207_a_key_that_is_there_stays_unless_it_is_to_be_replaced() -> None:
    people = [holder("a@x", "A-1"), holder("b@x", None)]
    done = compared("a@x,Z-9\nb@x,B-1\n", people)
    assert (done.keys, findings(done)) == (
        {},
        [(2, Finding.KEY_KEPT), (3, Finding.NO_KEY_HERE)],
    )
    done = compared("a@x,Z-9\nb@x,B-1\n", people, Standard(replaces=True))
    assert (done.keys, done.replaced) == ({0: "A-1"}, 1)  # and nothing empty over B-1
    assert findings(done) == [(3, Finding.NO_KEY_HERE)]


def test_r208_of_a_key_that_several_have_nobody_gets_it() -> None:
    rows = "a@x,\nb@x,\nc@x,\nd@x,\n"
    people = [holder("a@x", "K"), holder("b@x", "K"), holder("c@x", "e-1"), holder("d@x", "Ｅ-1")]
    done = compared(rows, people)
    assert done.keys == {}
    assert [finding for _, finding in findings(done)] == [
        *[Finding.SAME_KEY_HERE] * 2,
        *[Finding.CASE_TWINS] * 2,
    ]
    people[3] = replace(people[3], external_key="E-1")
    assert compared(rows, people, Standard(allows_similar=True)).keys == {2: "e-1", 3: "E-1"}


def test_r208_a_key_that_another_row_keeps_is_given_to_nobody() -> None:
    people = [
        holder("a@x", "K-1"),
        holder("b@x", "k-2"),
        holder("c@x", "K-3"),
        holder("d@x", "K-4"),
    ]
    rows = "a@x,\nb@x,\nold@x,K-1\nolder@x,K-2\nc@x,K-4\nd@x,K-3\n"
    done = compared(rows, people)
    assert done.keys == {}
    assert findings(done)[:2] == [(2, Finding.TAKEN_THERE), (3, Finding.CASE_TWINS)]
    assert done.found[0].detail == "line 4 has K-1"
    done = compared(rows, people, Standard(replaces=True))
    assert done.keys == {4: "K-3", 5: "K-4"}  # which are swapped, and end up right


def test_r208_a_row_that_keeps_its_key_after_all_takes_it_from_another() -> None:
    """a wants what c keeps, so it keeps A, which b wants."""
    people = [holder("a@x", "C"), holder("b@x", "A")]
    done = compared("a@x,A\nb@x,\nc@x,C\n", people, Standard(replaces=True))
    assert done.keys == {}
    assert findings(done) == [
        (2, Finding.TAKEN_THERE),
        (3, Finding.TAKEN_THERE),
        (4, Finding.NOBODY_HERE),
    ]


def test_r208_two_rows_with_one_key_are_a_finding() -> None:
    done = compared("a@x,K\nb@x,K\n", [holder("a@x", "K"), holder("b@x", None)])
    assert findings(done) == [(3, Finding.NO_KEY_HERE), (3, Finding.TAKEN_THERE)]


@pytest.mark.parametrize(
    ("key", "finding"),
    [
        ("1" * 101, Finding.TOO_LONG),
        ("50%", Finding.FORBIDDEN_CHARACTER),
        ("a\x07b", Finding.CONTROL_CHARACTER),
        (" a", Finding.BLANK_AT_END),
    ],
)
def test_r208_what_line_works_would_not_take_is_not_written_and_is_told(
    key: str, finding: Finding
) -> None:
    done = compared("a@x,\n", [holder("a@x", key)])
    assert (done.keys, findings(done)) == ({}, [(2, finding)])
    done = compared(f"b@x,{key}\n", [holder("b@x", "B")])
    assert findings(done) == [(2, Finding.KEY_KEPT), (2, finding)]


def test_r208_a_key_that_the_encoding_lacks_is_not_written() -> None:
    people = [holder("a@x", "사원-1")]
    file = read("氏名,ID,外部キー\n田中,a@x,\n".encode("cp932"), people)
    assert findings(compare(file, people, STANDARD)) == [(2, Finding.NOT_IN_ENCODING)]


def test_r208_who_is_not_certain_gets_no_key() -> None:
    people = [
        holder("a1", "A-1", works_account="a@x"),
        holder("a2", "A-2", works_account=None, email="a@x"),
        holder("b@x", "B-1"),
        holder("c@x", None, problem="the external key 1/2 cannot be used: because"),
        holder("d@x", "D-1", enabled=False),
        holder("e1", "E-1", works_account="e@x", enabled=False),
        holder("e2", "E-2", works_account=None, email="e@x"),
        holder("f@x", "F-1", enabled=False),
    ]
    done = compared("a@x,\nb@x,\nb@x,\nc@x,\nd@x,\ne@x,\n,\n", people)
    assert done.keys == {4: "D-1", 5: "E-2"}
    assert findings(done) == [
        *[(2, Finding.SEVERAL_HERE)] * 2,
        *[(3, Finding.MEMBER_TWICE), (4, Finding.MEMBER_TWICE)],
        (5, Finding.KEY_UNUSABLE),
        (6, Finding.DISABLED_HERE),
        (8, Finding.NOBODY_HERE),
    ]
    assert done.found[4].detail == "the external key 1/2 cannot be used: because"


def test_members_whom_line_works_keeps_out_need_nobody_here() -> None:
    people = [holder("a@x", "A")]
    text = "ID,External Key,Status\na@x,A,\nb@x,,Deleted\nc@x,,利用停止\nd@x,,Pending\n"
    file = read(text, people, match_column="ID")
    assert findings(compare(file, people, STANDARD)) == [(5, Finding.NOBODY_HERE)]


def test_r208_verify_finds_whoever_has_no_key_or_another() -> None:
    people = [holder(f"{name}@x", f"{name.upper()}-1") for name in "abcd"]
    done = compared("a@x,A-1\nb@x,\nc@x,C-2\n", people, how=verify)
    assert done.right == 1
    assert findings(done) == [
        (3, Finding.NO_KEY_THERE),
        (4, Finding.KEY_DIFFERS),
        (None, Finding.NOBODY_THERE),
    ]


def test_nothing_is_said_of_those_who_are_excepted() -> None:
    people = [holder("a@x", "A-1"), holder("b@x", "B-1"), holder("c@x", "C-1")]
    excepted = Standard(excepted=("A@x", "b@x", "room@x", "c@x"))
    done = compared("a@x,\nb@x,B-9\nroom@x,R%\nroom2@x,\n", people, excepted, verify)
    assert findings(done) == [(5, Finding.NOBODY_HERE)]
    # The key of an excepted member is theirs all the same.
    people[1] = replace(people[1], external_key="R")
    done = compared("b@x,\nroom@x,R\n", people[1:2], Standard(excepted=("room@x",)))
    assert (done.keys, findings(done)) == ({}, [(2, Finding.TAKEN_THERE)])


def test_keys_that_a_spreadsheet_would_spoil_are_known() -> None:
    spoilt = ["=1+1", "+1", "-1", "@a", "00123", "1E5", "1" * 16, "10-12", "2026-01-02"]
    fine = ["E-1", "123", "0", "a-1", "1" * 15, "E5", "tanaka@hikari", ""]
    assert spoilt_by_a_spreadsheet([*spoilt, *fine]) == spoilt


def test_every_finding_has_a_name_and_advice() -> None:
    assert NAMES.keys() == ADVICE.keys() == set(Finding)
