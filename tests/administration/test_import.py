"""Importing people from a CSV file."""

import csv
import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha1
from typing import Any

import pytest
from tests.administration.installation import PASSWORD, Office
from tests.databases import NOW, query

from worksgate.administration import Refused
from worksgate.administration.people_import.columns import ImportOutcome, ImportReport
from worksgate.audit import Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.credential_changes import Change

HEADER = "username,name,external_key,works_account,password,administrator"


def _rows(*lines: str, header: str = HEADER) -> list[Mapping[Any, Any]]:
    return list(csv.DictReader(io.StringIO("\n".join((header, *lines)))))


def _outcomes(report: ImportReport) -> list[tuple[int, str, str, str | None]]:
    return [(row.line, row.username, row.outcome.value, row.reason) for row in report.rows]


async def test_people_are_imported_and_reported_row_by_row(
    at_work: Office, hashing: PasswordHashing
) -> None:
    rows = _rows(
        f"hanako,花子,E1,hanako@example.com,{PASSWORD},yes",
        "jiro,,,,,",
        "saburo,,a/b,,,",
        "shiro,,E1,,,",
        "goro,,,,short,",
        "rokuro,Rokuro,E6,,,no",
    )
    report = await at_work.administration.people_import.run(rows, dry_run=False)
    assert _outcomes(report) == [
        (2, "hanako", "added", None),
        (3, "jiro", "added", None),
        (4, "saburo", "refused", "an external key must not contain % \\ # / or ?"),
        (5, "shiro", "refused", "the same external key is already on line 2"),
        (
            6,
            "goro",
            "refused",
            "the password is not accepted: use at least 15 characters; several words do well",
        ),
        (7, "rokuro", "added", None),
    ]
    assert len(report.refused) == 3
    assert report.count(ImportOutcome.ADDED) == 3
    hanako = await at_work.administration.users.get("hanako")
    assert (hanako.name, hanako.external_key, hanako.administrator) == ("花子", "E1", True)
    assert await hashing.verify(PASSWORD, hanako.password_hash)
    jiro = await at_work.administration.users.get("jiro")
    assert jiro.password_hash is None
    assert not await hashing.verify("", jiro.password_hash)


async def test_a_dry_run_reports_the_same_and_changes_nothing(at_work: Office) -> None:
    await at_work.administration.users.add("goro", password=PASSWORD, external_key="E5")
    before = (
        query(at_work.file, "SELECT * FROM accounts"),
        await at_work.administration.audit_log.search(),
    )
    lines = (
        f"hanako,花子,E1,,{PASSWORD},",
        "hanako,,,,,",
        "jiro,,E5,,,",
        f"goro,Goro,,,{PASSWORD},",
        "saburo,,,,short,",
    )
    dry = await at_work.administration.people_import.run(_rows(*lines), dry_run=True, update=True)
    after = (
        query(at_work.file, "SELECT * FROM accounts"),
        await at_work.administration.audit_log.search(),
    )
    assert after == before
    assert dry.dry_run
    wet = await at_work.administration.people_import.run(_rows(*lines), dry_run=False, update=True)
    assert _outcomes(dry) == _outcomes(wet)
    assert [row.outcome.value for row in wet.rows] == [
        "added",
        "refused",
        "refused",
        "updated",
        "refused",
    ]


async def test_people_who_are_there_are_refused_unless_an_update_is_asked_for(
    at_work: Office,
) -> None:
    account = (await at_work.administration.users.add("Hanako", name="Hanako")).account
    rows = _rows("hanako,Other,,,,")
    report = await at_work.administration.people_import.run(rows, dry_run=False)
    assert _outcomes(report) == [
        (
            2,
            "hanako",
            "refused",
            "there is already a person called Hanako; --update changes them",
        )
    ]
    assert await at_work.administration.users.get("hanako") == account


async def test_an_update_changes_what_is_said_and_keeps_the_rest(at_work: Office) -> None:
    made = await at_work.administration.users.add(
        "Hanako", password=PASSWORD, name="Hanako", external_key="E1", administrator=True
    )
    rows = _rows("Hanako,,E2,,,", "jiro,,,,,")
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["updated", "added"]
    account = await at_work.administration.users.get("hanako")
    assert (account.name, account.external_key, account.administrator) == ("Hanako", "E2", True)
    assert account.password_hash == made.account.password_hash


async def test_importing_the_same_file_again_changes_nothing(at_work: Office) -> None:
    lines = (f"hanako,花子,E1,,{PASSWORD},", "jiro,,,,,")
    await at_work.administration.people_import.run(_rows(*lines), dry_run=False)
    account = await at_work.administration.users.get("hanako")
    await at_work.sign_in(account)
    report = await at_work.administration.people_import.run(
        _rows(*lines), dry_run=False, update=True
    )
    assert [row.outcome.value for row in report.rows] == ["unchanged", "unchanged"]
    assert await at_work.administration.users.get("hanako") == account
    assert not await at_work.holds_nothing(account)
    assert len(await at_work.administration.audit_log.search()) == 2


async def test_r30_an_imported_password_or_key_ends_what_was_held(
    at_work: Office, hashing: PasswordHashing
) -> None:
    accounts = [
        (await at_work.administration.users.add(name, external_key=name)).account
        for name in ("hanako", "jiro", "saburo")
    ]
    for account in accounts:
        await at_work.sign_in(account)
    rows = _rows(f"hanako,,,,{PASSWORD},", "jiro,,E2,,,", "saburo,Saburo,,,,")
    await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [await at_work.holds_nothing(account) for account in accounts] == [True, True, False]
    changed = await at_work.administration.users.get("hanako")
    assert await hashing.verify(PASSWORD, changed.password_hash)


async def test_r56_an_import_gives_no_retired_key_away(at_work: Office) -> None:
    await at_work.administration.users.add("hanako", external_key="E1")
    await at_work.administration.users.remove("hanako")
    rows = _rows("jiro,,E1,,,")
    report = await at_work.administration.people_import.run(rows, dry_run=False)
    assert report.refused[0].reason is not None
    assert "belonged to another person before" in report.refused[0].reason
    report = await at_work.administration.people_import.run(
        rows, dry_run=False, reuse_retired_keys=True
    )
    assert not report.refused


async def test_a_key_that_one_row_frees_can_be_taken_by_a_later_one_if_that_is_chosen(
    at_work: Office,
) -> None:
    await at_work.administration.users.add("hanako", external_key="E1")
    rows = _rows("hanako,,E2,,,", "jiro,,E1,,,")
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["updated", "refused"]
    await at_work.administration.users.change("hanako", external_key="E1")
    report = await at_work.administration.people_import.run(
        rows, dry_run=False, update=True, reuse_retired_keys=True
    )
    assert [row.outcome.value for row in report.rows] == ["updated", "added"]
    assert (await at_work.administration.users.get("jiro")).external_key == "E1"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("username,surname", "no column 'surname'; did you mean username?"),
        ("username,phone", "no column 'phone'; known are username, name"),
        ("name,external_key", "username must be one"),
        ("username,USERNAME", "twice"),
    ],
)
async def test_wrong_columns_are_one_clear_refusal(
    at_work: Office, header: str, reason: str
) -> None:
    rows = _rows("hanako,x", header=header)
    with pytest.raises(Refused, match=reason):
        await at_work.administration.people_import.run(rows, dry_run=False)
    assert query(at_work.file, "SELECT count(*) FROM accounts") == [(0,)]


async def test_an_empty_file_is_an_empty_report(at_work: Office) -> None:
    report = await at_work.administration.people_import.run([], dry_run=False)
    assert report == ImportReport((), dry_run=False)


@pytest.mark.slow
async def test_two_thousand_people_are_imported_in_a_few_transactions(at_work: Office) -> None:
    done: list[int] = []
    lines = [
        f"person{number},Person {number},E{number},person{number}@example.com,,"
        for number in range(2_000)
    ]
    lines[1_500] = "PERSON7,,,,,"
    report = await at_work.administration.people_import.run(
        _rows(*lines), dry_run=False, progress=done.append
    )
    assert report.count(ImportOutcome.ADDED) == 1_999
    (refused,) = report.refused
    assert (refused.line, refused.reason) == (1_502, "the same username is already on line 9")
    assert done[-1] == 2_000
    assert len(done) <= 20
    assert query(at_work.file, "SELECT count(*), count(DISTINCT external_key) FROM accounts") == [
        (1_999, 1_999)
    ]
    assert query(at_work.file, "SELECT count(*) FROM audit") == [(1_999,)]


async def test_an_import_can_disable_people_and_let_them_in_again(at_work: Office) -> None:
    jiro = (await at_work.administration.users.add("jiro")).account
    await at_work.sign_in(jiro)
    header = "username,name,enabled"
    rows = _rows("hanako,,no", "jiro,Jiro,off", "saburo,,", "goro,,perhaps", header=header)
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    (refused,) = report.refused
    assert refused.reason == "enabled must be yes or no"
    assert not (await at_work.administration.users.get("hanako")).enabled
    assert (await at_work.administration.users.get("saburo")).enabled
    assert await at_work.holds_nothing(jiro)
    again = _rows("jiro,,yes", "hanako,,", header=header)
    await at_work.administration.people_import.run(again, dry_run=False, update=True)
    assert (await at_work.administration.users.get("jiro")).enabled
    assert not (await at_work.administration.users.get("hanako")).enabled
    events = await at_work.administration.audit_log.search(event="user.changed")
    assert [(event.username, event.detail) for event in events][1:] == [
        ("hanako", "imported; disabled"),
        ("jiro", "set name; disabled"),
        ("saburo", "imported"),
        ("jiro", "enabled"),
    ]


async def test_the_report_tells_what_somebody_lacks_to_sign_in(at_work: Office) -> None:
    await at_work.administration.users.add("rokuro", password=PASSWORD, external_key="E6")
    rows = _rows(
        f"hanako,,E1,,{PASSWORD},",
        f"jiro,,,jiro@example.com,{PASSWORD},",
        f"saburo,,,,{PASSWORD},",
        "shiro,,E4,,,",
        "goro,,,,,",
        "rokuro,Rokuro,,,,",
        "shichiro,,a/b,,,",
    )
    for dry_run in (True, False):
        report = await at_work.administration.people_import.run(rows, dry_run=dry_run, update=True)
        assert [row.lacks for row in report.rows] == [
            (),
            (),
            ("user key",),
            ("password",),
            ("password", "user key"),
            (),
            (),
        ]


async def test_r105_each_imported_person_is_recorded(at_work: Office) -> None:
    await at_work.administration.users.add("jiro", name="Jiro")
    rows = _rows("hanako,,,,,", f"jiro,,E2,,{PASSWORD},", "saburo,,a/b,,,")
    await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    events = await at_work.administration.audit_log.search(event="user.changed")
    assert [(event.event, event.username, event.detail) for event in events][1:] == [
        (Event.USER_CHANGED, "hanako", "imported"),
        (Event.USER_CHANGED, "jiro", "set external_key, password"),
    ]


# e-mail, groups, and hashes that other software made

SALT = b"salt"
HASH = "{SSHA}" + b64encode(sha1(PASSWORD.encode() + SALT).digest() + SALT).decode()
OTHER_HASH = "{SSHA}" + b64encode(sha1(b"another" + SALT).digest() + SALT).decode()
MORE = "username,email,groups,password,password_hash"


async def test_an_import_reads_addresses_and_groups(at_work: Office) -> None:
    rows = _rows(
        "hanako,hanako@example.com,sales; 東京 ;;admins,,",
        "jiro,no address,,,",
        'saburo,"a@b.example\nBcc: x@y.example",,,',
        "shiro,,sales;sales,,",
        "goro,,,,",
        header=MORE,
    )
    report = await at_work.administration.people_import.run(rows, dry_run=False)
    assert [(row.username, row.reason) for row in report.refused] == [
        ("jiro", "an e-mail address looks like name@example.com"),
        ("saburo", "an e-mail address looks like name@example.com"),
        ("shiro", "a group is listed twice"),
    ]
    hanako = await at_work.administration.users.get("hanako")
    assert (hanako.email, hanako.groups) == ("hanako@example.com", ("sales", "東京", "admins"))
    goro = await at_work.administration.users.get("goro")
    assert (goro.email, goro.groups) == (None, ())
    lines = ("hanako,,,,,", "goro,goro@example.com,sales,,,ごろう")
    again = _rows(*lines, header=f"{MORE},reading")
    report = await at_work.administration.people_import.run(again, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["unchanged", "updated"]
    events = await at_work.administration.audit_log.search(event="user.changed")
    assert events[-1].detail == "set reading, email, groups"


async def test_who_is_imported_with_a_hash_needs_no_new_password(
    at_work: Office, hashing: PasswordHashing
) -> None:
    rows = _rows(f"hanako,,,,{HASH}", header=MORE)
    report = await at_work.administration.people_import.run(rows, dry_run=False, temporary=True)
    assert [row.lacks for row in report.rows] == [("user key",)]
    account = await at_work.administration.users.get("hanako")
    assert account.password_hash == HASH
    assert not account.must_change_password, "it is their own"
    assert await hashing.verify(PASSWORD, account.password_hash)


@pytest.mark.parametrize(
    ("password", "encoded", "reason"),
    [
        ("", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA without a salt, which is not secure"),
        ("", "hunter2", "the password hash has an unknown format"),
        ("", "$2b$31$abcdefghijklmnopqrstuuzGUpBgT73MsgFZRi0p9H2UYpGY/vyKS", "too long to check"),
        (PASSWORD, HASH, "either a password or a password_hash"),
    ],
)
async def test_a_hash_that_cannot_be_taken_is_a_refused_row(
    at_work: Office, password: str, encoded: str, reason: str
) -> None:
    rows = _rows(f"hanako,,,{password},{encoded}", f"jiro,,,,{HASH}", header=MORE)
    report = await at_work.administration.people_import.run(rows, dry_run=False)
    (refused,) = report.refused
    assert reason in (refused.reason or "")
    assert encoded not in repr(report)
    assert query(at_work.file, "SELECT username FROM accounts") == [("jiro",)]


async def test_importing_hashes_again_changes_nothing(at_work: Office) -> None:
    argon2 = "$argon2id$v=19$m=64,t=1,p=2$b3h6V1RzWklQY01JOU1UUTlobFZLag"
    argon2 += "$bVyka/En6G13B2qD/QzrDEc0xLS4LAxtNRbc0/X0d0I"
    rows = _rows(f"hanako,,,,{HASH}", f'jiro,,,,"{argon2}"', header=MORE)
    await at_work.administration.people_import.run(rows, dry_run=False)
    accounts = [await at_work.administration.users.get(name) for name in ("hanako", "jiro")]
    for account in accounts:
        await at_work.sign_in(account)
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["unchanged", "unchanged"]
    assert [await at_work.administration.users.get(each.username) for each in accounts] == accounts
    assert not await at_work.holds_nothing(accounts[0])


async def test_an_imported_hash_never_replaces_a_password_of_this_server(at_work: Office) -> None:
    """Whoever has signed in since the first import keeps the password that they have now."""
    made = await at_work.administration.users.add("hanako", password=PASSWORD)
    rows = _rows(f"hanako,hanako@example.com,,,{OTHER_HASH}", header=MORE)
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["updated"]
    account = await at_work.administration.users.get("hanako")
    assert account.email == "hanako@example.com"
    assert account.password_hash == made.account.password_hash
    assert account.password_changed_at == made.account.password_changed_at


async def test_r127_a_password_that_was_voided_does_not_come_back_with_its_file(
    at_work: Office,
) -> None:
    rows = _rows(f"hanako,,,,{HASH}", header=MORE)
    await at_work.administration.people_import.run(rows, dry_run=False)
    before = await at_work.administration.users.get("hanako")
    voided = replace(before, password_hash=None, password_changed_at=NOW)
    async with at_work.directory.changing() as transaction:
        await transaction.change_account(before, voided, NOW, Change.PASSWORD_VOIDED)
    report = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in report.rows] == ["unchanged"]
    assert (await at_work.administration.users.get("hanako")).password_hash is None


async def test_a_newer_hash_replaces_an_imported_one(at_work: Office) -> None:
    for encoded in (HASH, OTHER_HASH):
        rows = _rows(f"hanako,,,,{encoded}", header=MORE)
        await at_work.administration.people_import.run(rows, dry_run=False, update=True)
        assert (await at_work.administration.users.get("hanako")).password_hash == encoded
    events = await at_work.administration.audit_log.search(event="user.changed")
    assert [event.detail for event in events] == ["imported", "set password"]


async def test_r85_passwords_of_a_file_can_be_temporary(
    at_work: Office,
) -> None:
    rows = _rows(f"hanako,,,{PASSWORD},", "jiro,,,,", header=MORE)
    await at_work.administration.people_import.run(rows, dry_run=False, temporary=True)
    assert (await at_work.administration.users.get("hanako")).must_change_password
    assert not (await at_work.administration.users.get("jiro")).must_change_password
    same = await at_work.administration.people_import.run(rows, dry_run=False, update=True)
    assert [row.outcome.value for row in same.rows] == ["unchanged", "unchanged"]
    assert (await at_work.administration.users.get("hanako")).must_change_password
