"""``worksgate user``, on a real database."""

import asyncio
import csv
import io
import re
import stat
import time
from datetime import datetime
from pathlib import Path

import pytest
from tests.cli.terminal import NOT_NOTIFIED, Terminal
from tests.databases import directory_in

from worksgate.administration.users import Identified
from worksgate.audit import AuditEvent, Event
from worksgate.cli.user_password import IDENTIFIED
from worksgate.directory.app_passwords import AppPassword
from worksgate.directory.factors import TotpSecret
from worksgate.oauth.model import Session
from worksgate.sources import Person
from worksgate.store.sqlite.store import SqliteStore

PASSWORD = b"correct horse battery\n"

PEOPLE = """username,name,external_key,works_account,password,administrator
aoi@example.com,Aoi Tanaka,E-1,aoi@acme,paper lantern by the river,yes
minjun@example.com,김민준,=E-2,,,
"""


def test_add_with_a_password_prints_id_and_username_but_no_password(terminal: Terminal) -> None:
    options = ("--external-key", "E-1", "--works-account", "aoi@acme", "--name", "葵")
    made = terminal.json("user", "add", "aoi@x", "--password-stdin", *options, stdin=PASSWORD)
    assert len(made["id"]) == 22
    assert made["username"] == "aoi@x"
    assert (made["external_key"], made["works_account"]) == ("E-1", "aoi@acme")
    assert (made["name"], made["enabled"], made["administrator"]) == ("葵", True, False)
    assert not {"password", "password_hash"} & made.keys()


def test_add_by_a_script_without_a_password_makes_one(terminal: Terminal) -> None:
    assert len(terminal.json("user", "add", "aoi@x")["password"]) >= 20
    text = terminal.ok("user", "add", "minjun@x").out
    assert "  Password  " in text
    assert "shown only once" in text


@pytest.mark.parametrize(
    ("stdin", "problem"),
    [
        (b"", "there is no password on standard input"),
        (b"\n", "there is no password on standard input"),
        (b"\xff\xfe long enough to be one", "the password on standard input is not UTF-8 text"),
        (b"x" * 20_000, "standard input is too long for a password"),
        (b"one line and\nanother line", "standard input has more than one line"),
        (b"short\n", "the password is not accepted: use at least 15 characters"),
    ],
)
def test_password_that_cannot_be_is_refused(terminal: Terminal, stdin: bytes, problem: str) -> None:
    told = terminal.refused("user", "add", "aoi@x", "--password-stdin", stdin=stdin)
    assert told.startswith(problem)
    assert terminal.json("user", "list") == []


def test_r102_password_hashes_are_never_printed(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x", "--password-stdin", stdin=PASSWORD)
    for command in (("user", "show", "aoi@x"), ("user", "list"), ("audit",)):
        for form in ((), ("--json",)):
            assert "argon2" not in terminal.ok(*command, *form).out
    assert "argon2" not in terminal.ok("user", "export").out


def test_show_finds_any_spelling(terminal: Terminal) -> None:
    made = terminal.json("user", "add", "Aoi@X", "--name", "葵 김", "--reading", "アオイ")
    del made["password"]
    assert made["reading"] == "アオイ"
    assert len(terminal.json("user", "list", "김 ｱｵｲ")) == 1
    assert terminal.json("user", "list", "あおい nobody") == []
    assert made.items() <= terminal.json("user", "show", "aoi@x").items()
    assert terminal.json("user", "list") == [{**made, "second_factor": False}]
    assert terminal.ok("user", "show", "ＡＯＩ@x").out.startswith("Aoi@X\n")


def test_show_and_list_tell_what_somebody_signs_in_with(terminal: Terminal, tmp_path: Path) -> None:
    made = terminal.json("user", "add", "aoi@x")
    terminal.ok("user", "add", "minjun@x")
    text = terminal.ok("user", "show", "aoi@x").out
    assert "  Second factors      -\n  Recovery codes      0\n" in text
    assert "  Password changed    2" in text
    subject_id = f"directory:{made['id']}"
    asyncio.run(_furnish(tmp_path / "worksgate.db", subject_id))
    text = terminal.ok("user", "show", "aoi@x").out
    assert "  Second factors      authenticator app\n" in text
    assert "  Recovery codes      2\n  App passwords       1\n  Sessions            1\n" in text
    shown = terminal.json("user", "show", "aoi@x")
    assert (shown["authenticator_app"], shown["passkeys"], shown["recovery_codes"]) == (True, 0, 2)
    assert (shown["app_passwords"], shown["sessions"]) == (1, 1)
    assert [each["second_factor"] for each in terminal.json("user", "list")] == [True, False]
    terminal.environ["WORKSGATE_STORE_URL"] = "redis://127.0.0.1:1"
    assert "not known: the store does not respond" in terminal.ok("user", "show", "aoi@x").out
    assert terminal.json("user", "show", "aoi@x")["sessions"] is None


async def _furnish(file: Path, subject_id: str) -> None:
    """An authenticator app, two recovery codes, an app password and a session for somebody."""
    now = time.time()
    event = AuditEvent(event=Event.FACTOR_ADDED, at=now)
    async with directory_in(file) as directory:
        totp = TotpSecret(subject_id=subject_id, secret=b"s" * 20, last_step=0, created_at=now)
        await directory.factors.keep_totp(totp, event)
        await directory.factors.replace_recovery_codes(subject_id, ("one", "two"), now, event)
        app_password = AppPassword(
            id="1", subject_id=subject_id, name="Mail", created_at=now, digest="three"
        )
        await directory.app_passwords.add(app_password, 20, event)
    store = await SqliteStore.open(file)
    for name, began in (("open", now - 60), ("over", now - 7_200)):
        await store.save(
            Session(
                key=name,
                grant_id=name,
                subject_id=subject_id,
                client_id="",
                expires_at=began + 3_600,
                source="directory",
                username="aoi@x",
                name="",
                external_key=None,
                works_account=None,
                authenticated_at=began,
            )
        )
    await store.close()


def test_where_the_store_is_away_what_does_not_need_it_is_done(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    terminal.environ["WORKSGATE_STORE_URL"] = "redis://127.0.0.1:1"
    for command in (("user", "list"), ("client", "list"), ("audit",)):
        assert terminal.run(*command).code == 0
    told = terminal.refused("user", "disable", "aoi@x")
    assert told.startswith("the change was made, but the sessions of aoi@x could not be ended")
    assert terminal.json("user", "list")[0]["enabled"] is False
    terminal.ok("user", "enable", "aoi@x")
    assert terminal.json("user", "list")[0]["enabled"] is True


def test_set_changes_what_is_given_and_empty_takes_away(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x", "--external-key", "E-1", "--works-account", "aoi@acme")
    after = terminal.json("user", "set", "aoi@x", "--external-key", "", "--administrator")
    assert (after["external_key"], after["works_account"]) == (None, "aoi@acme")
    assert after["administrator"] is True
    after = terminal.json(
        "user", "set", "aoi@x", "--username", "aoi@y", "--name", "Aoi", "--no-administrator"
    )
    assert (after["username"], after["name"], after["administrator"]) == ("aoi@y", "Aoi", False)
    assert "nothing to change" in terminal.misused("user", "set", "aoi@y")


def test_address_and_groups_are_set_and_taken_away(terminal: Terminal) -> None:
    options = ("--email", "aoi@example.com", "--group", "sales", "--group", "東京")
    made = terminal.json("user", "add", "aoi@x", *options)
    assert (made["email"], made["groups"]) == ("aoi@example.com", ["sales", "東京"])
    text = terminal.ok("user", "show", "aoi@x").out
    assert "aoi@example.com\n" in text
    assert "sales, 東京\n" in text
    after = terminal.json("user", "set", "aoi@x", "--group", "admins")
    assert (after["email"], after["groups"]) == ("aoi@example.com", ["admins"])
    after = terminal.json("user", "set", "aoi@x", "--email", "", "--group", "")
    assert (after["email"], after["groups"]) == (None, [])
    assert "looks like name@example.com" in terminal.refused("user", "set", "aoi@x", "--email", "x")
    assert "must not contain ;" in terminal.refused("user", "set", "aoi@x", "--group", "a;b")


def test_r72_a_password_made_of_the_address_is_refused(terminal: Terminal) -> None:
    options = ("--email", "wandering.turtle@example.com", "--password-stdin")
    told = terminal.refused("user", "add", "a1", *options, stdin=b"wandering turtle 1\n")
    assert "more than names that belong to you" in told


def test_r85_a_password_can_be_temporary_or_permanent(terminal: Terminal, tmp_path: Path) -> None:
    told = terminal.ok("user", "add", "aoi@x", "--temporary").out
    assert "They must choose their own at the next sign-in, within a week." in told
    assert terminal.json("user", "show", "aoi@x")["must_change_password"] is True
    assert "temporary, until the next sign-in" in terminal.ok("user", "show", "aoi@x").out
    terminal.ok("user", "set-password", "aoi@x", "--permanent")
    assert terminal.json("user", "show", "aoi@x")["must_change_password"] is False
    terminal.ok("user", "set-password", "aoi@x", "--temporary")
    assert terminal.json("user", "show", "aoi@x")["must_change_password"] is True
    (tmp_path / "people.csv").write_text("username\nkim@x\n", "utf-8")
    options = ("--generate-passwords", "passwords.csv", "--temporary")
    terminal.run("user", "import", "people.csv", *options)
    assert terminal.json("user", "show", "kim@x")["must_change_password"] is True


def test_r85_what_is_not_said_depends_on_where_the_password_comes_from(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.ok("user", "add", "aoi@x")
    rows = f"username,password\nkim@x,{PASSWORD.decode()}"
    (tmp_path / "people.csv").write_text(rows, "utf-8")
    terminal.ok("user", "import", "people.csv")
    states = [each["must_change_password"] for each in terminal.json("user", "list")]
    assert states == [True, False]
    terminal.ok("user", "set-password", "aoi@x")
    shown = terminal.json("user", "show", "aoi@x")
    assert shown["must_change_password"] is True
    terminal.ok("user", "set-password", "aoi@x", "--password-stdin", stdin=PASSWORD)
    shown = terminal.json("user", "show", "aoi@x")
    assert shown["must_change_password"] is False


def test_a_reset_link_is_printed_once_and_alone(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    printed = terminal.run("user", "reset-link", "aoi@x", "--lifetime", "1h")
    (link,) = printed.out.splitlines()
    assert link.startswith("http://127.0.0.1:8080/account/reset?token=")
    made = terminal.json("user", "reset-link", "aoi@x")
    assert link != made["link"]
    until_then = printed.err.partition("until ")[2].rstrip(".\n")
    for until, lifetime in ((until_then, 3_600), (made["expires_at"], 1_800)):
        left = datetime.fromisoformat(until).timestamp() - time.time()
        assert lifetime - 60 < left <= lifetime
    assert printed.err.startswith("It works once, until ")
    terminal.ok("user", "disable", "aoi@x")
    assert "disabled" in terminal.refused("user", "reset-link", "aoi@x")


def test_a_code_is_printed_with_the_page_where_it_is_typed(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    assert sorted(way.replace("-", "_") for way in IDENTIFIED) == sorted(Identified)
    made = terminal.json("user", "reset-code", "aoi@x", "--identified", "called-back")
    assert made["page"] == "http://127.0.0.1:8080/account/code"
    left = datetime.fromisoformat(made["expires_at"]).timestamp() - time.time()
    assert 840 < left <= 900
    printed = terminal.run("user", "reset-code", "aoi@x", "--identified", "in-person")
    (code,) = printed.out.splitlines()
    assert re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}", code)
    assert made["page"] in printed.err
    assert code not in terminal.ok("audit").out
    assert "called back" in terminal.ok("audit", "--json").out


def test_factors_are_reset_only_when_it_is_meant(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    assert "pass --yes" in terminal.refused("user", "reset-factors", "aoi@x")
    told = terminal.ok("user", "reset-factors", "aoi@x", "--yes").out
    assert told == "aoi@x had no second factor.\n"


def test_whose_key_is_released_is_shown_by_name_also_where_they_gave_it_up(
    terminal: Terminal,
) -> None:
    terminal.ok("user", "add", "aoi@x", "--external-key", "E-1")
    terminal.ok("user", "set", "aoi@x", "--external-key", "")
    told = terminal.ok("user", "release-key", "E-1", "--yes").out
    assert told.startswith("The external key E-1 is free. It belonged to aoi@x (directory:")
    assert terminal.ok("user", "release-key", "E-1", "--yes").out == "E-1 was already free.\n"


def test_whose_key_is_released_is_shown_by_name_also_where_they_were_removed(
    terminal: Terminal,
) -> None:
    terminal.ok("user", "add", "aoi@x", "--external-key", "E-1")
    terminal.ok("user", "remove", "aoi@x", "--yes")
    told = terminal.ok("user", "release-key", "E-1", "--yes").out
    assert told.startswith("The external key E-1 is free. It belonged to aoi@x (directory:")


def test_people_of_another_source_are_listed_and_kept_out(terminal: Terminal) -> None:
    assert terminal.json("user", "list") == []
    remember(terminal.folder / "worksgate.db", "company", "aoi")
    (aoi,) = terminal.json("user", "list", "--source", "company")
    assert (aoi["username"], aoi["enabled"]) == ("aoi", True)
    terminal.ok("user", "disable", "AOI", "--source", "company")
    (aoi,) = terminal.json("user", "list", "--source", "company")
    assert aoi["enabled"] is False
    terminal.ok("user", "enable", "aoi", "--source", "company")
    assert "signed out" in terminal.ok("user", "sign-out", "aoi", "--source", "company").out
    for command in ("disable", "enable", "sign-out"):
        assert terminal.refused("user", command, "aoi", "--source", "other") == (
            "nobody called aoi has signed in with other; there is no source 'other'; "
            "the sources are: directory"
        )
    assert terminal.json("user", "list") == []
    assert terminal.refused("user", "list", "--source", "other") == (
        "there is no source 'other'; the sources are: directory"
    )


def test_r56_retired_key_needs_a_long_word(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x", "--external-key", "E-1")
    assert "pass --yes" in terminal.refused("user", "remove", "aoi@x")
    terminal.ok("user", "remove", "aoi@x", "--yes")
    told = terminal.refused("user", "add", "minjun@x", "--external-key", "E-1")
    assert told.endswith("; --reuse-retired-keys allows it nevertheless")
    made = terminal.json("user", "add", "minjun@x", "--external-key", "E-1", "--reuse-retired-keys")
    assert made["external_key"] == "E-1"


def test_disable_enable_sign_out_set_password_and_remove(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    terminal.ok("user", "disable", "aoi@x")
    assert terminal.json("user", "show", "aoi@x")["enabled"] is False
    terminal.ok("user", "enable", "aoi@x")
    assert terminal.json("user", "show", "aoi@x")["enabled"] is True
    assert "0 sessions" in terminal.ok("user", "sign-out", "aoi@x").out
    assert len(terminal.json("user", "set-password", "aoi@x")["password"]) >= 20
    given = terminal.json("user", "set-password", "aoi@x", "--password-stdin", stdin=PASSWORD)
    assert "password" not in given
    terminal.ok("user", "remove", "aoi@x", "--yes")
    assert "aoi@x" in terminal.refused("user", "show", "aoi@x")


def test_whoever_was_removed_is_listed_restored_and_removed_for_good(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x", "--name", "Aoi")
    assert "30 days" in terminal.ok("user", "remove", "aoi@x", "--yes").out
    (listed,) = terminal.json("user", "list", "--removed")
    assert (listed["username"], listed["name"]) == ("aoi@x", "Aoi")
    assert listed["removed_at"] < listed["purged_at"]
    assert "aoi@x" in terminal.ok("user", "list", "AOI", "--removed").out
    assert "Nobody" in terminal.run("user", "list", "bo", "--removed").err
    assert "--removed" in terminal.misused("user", "list", "--removed", "--disabled")
    assert "aoi@x was removed: restore them" in terminal.refused("user", "add", "aoi@x")
    terminal.ok("user", "restore", "AOI@x")
    assert terminal.json("user", "show", "aoi@x")["name"] == "Aoi"
    removal, restoration = terminal.json("changes", "--kind", "person")
    assert next(each["before"] for each in removal["fields"]) is True
    assert "restored" in terminal.ok("changes").out
    assert restoration["number"] == removal["number"] + 1
    terminal.ok("user", "remove", "aoi@x", "--now", "--yes")
    assert terminal.json("user", "list", "--removed") == []
    terminal.ok("user", "add", "aoi@x")


def test_r127_sign_out_ends_everything_where_that_is_wanted(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x")
    done = terminal.ok("user", "sign-out", "aoi@x", "--everything", "--factors-since", "2d")
    assert done.out == (
        "aoi@x is signed out: 0 sessions, codes and tokens, 0 app passwords and 0 second factors "
        "ended.\n"
    )
    assert done.err == NOT_NOTIFIED
    refused = terminal.run("user", "sign-out", "aoi@x", "--factors-since", "2d")
    assert refused.code == 2
    assert "requires --everything" in refused.err


def test_a_person_is_called_as_they_are_written_however_they_were_asked_for(
    terminal: Terminal,
) -> None:
    terminal.ok("user", "add", "Aoi@x")
    told = {
        "disable": "Aoi@x is disabled.",
        "enable": "Aoi@x is enabled.",
        "sign-out": "Aoi@x is signed out: 0 sessions, codes and tokens ended.",
        "remove": "Aoi@x has been removed; for 30 days, worksgate user restore brings them back.",
    }
    for command, sentence in told.items():
        sure = ("--yes",) if command == "remove" else ()
        assert terminal.ok("user", command, "AOI@X", *sure).out == f"{sentence}\n"


def test_unknown_person_is_refused_by_every_command(terminal: Terminal) -> None:
    for command in ("show", "disable", "enable", "sign-out", "set-password"):
        assert terminal.refused("user", command, "nobody") == "there is no person 'nobody'"
    assert "no person 'nobody'" in terminal.refused("user", "remove", "nobody", "--yes")


def test_import_reports_row_by_row(terminal: Terminal, tmp_path: Path) -> None:
    rows = PEOPLE + "aoi@example.com,twice,,,,\nkim@example.com,,a/b,,,\n"
    (tmp_path / "people.csv").write_text(rows, "utf-8")
    result = terminal.run("user", "import", "people.csv", "--json")
    assert result.code == 1
    assert result.json["totals"] == {"added": 2, "updated": 0, "unchanged": 0, "refused": 2}
    assert [(row["line"], row["outcome"]) for row in result.json["rows"]] == [
        (2, "added"),
        (3, "added"),
        (4, "refused"),
        (5, "refused"),
    ]
    assert "external key" in result.json["rows"][3]["reason"]
    assert terminal.json("user", "show", "minjun@example.com")["external_key"] == "=E-2"


def test_import_for_people_names_what_was_refused(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("username,external_key\naoi@x,a/b\nkim@x,b\n", "utf-8")
    result = terminal.run("user", "import", "people.csv")
    assert (result.code, result.err) == (1, "")
    lines = result.out.splitlines()
    assert lines[0].split("\t") == ["line", "username", "refused because"]
    assert lines[1].startswith("2\taoi@x\tan external key must not contain")
    assert lines[-2:] == [
        "1 added, 0 updated, 0 unchanged, 1 refused.",
        "1 person cannot sign in yet: 1 without a password.",
    ]


def test_who_cannot_sign_in_yet_is_told_by_import_list_and_show(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text("username,external_key\naoi@x,E-1\nkim@x,\n", "utf-8")
    summary = terminal.ok("user", "import", "people.csv").out.splitlines()[-1]
    assert summary == ("2 people cannot sign in yet: 2 without a password, 1 without a user key.")
    lines = [line.split("\t") for line in terminal.ok("user", "list").out.splitlines()]
    place = lines[0].index("lacks")
    assert [line[place] for line in lines[1:]] == ["password", "password, user key"]
    assert [each["lacks"] for each in terminal.json("user", "list")] == [
        ["password"],
        ["password", "user key"],
    ]
    assert "  Lacks               password\n" in terminal.ok("user", "show", "aoi@x").out
    terminal.ok("user", "set-password", "aoi@x")
    assert terminal.json("user", "show", "aoi@x")["lacks"] == []


def test_import_makes_passwords_for_those_who_have_none(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("user", "add", "old@x", "--password-stdin", stdin=PASSWORD)
    people = "username,name,password\n AOI@x ,Aoi,\nkim@x,,paper lantern by the river\n"
    refused = "bad@x,\x07,\nold@x,Old,\n"
    (tmp_path / "people.csv").write_text(people + refused, "utf-8")
    options = ("--update", "--generate-passwords", "passwords.csv")
    dry = terminal.run("user", "import", "people.csv", *options, "--dry-run", "--json")
    assert not (tmp_path / "passwords.csv").exists()
    result = terminal.run("user", "import", "people.csv", *options, "--json")
    assert result.json["rows"] == dry.json["rows"]
    assert [row["outcome"] for row in result.json["rows"]] == [
        "added",
        "added",
        "refused",
        "updated",
    ]
    assert result.err == "Wrote 1 password to passwords.csv.\n"
    file = tmp_path / "passwords.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ((name, password),) = list(csv.reader(io.StringIO(file.read_text("utf-8"))))[1:]
    assert name == "AOI@x"
    assert password not in result.out
    assert terminal.json("user", "show", "aoi@x")["lacks"] == ["user key"]
    rows = f"username,password\nAOI@x,{password}\nold@x,{PASSWORD.decode()}"
    (tmp_path / "same.csv").write_text(rows, "utf-8")
    same = terminal.json("user", "import", "same.csv", "--update")
    assert same["totals"]["unchanged"] == 2


def test_file_of_passwords_is_never_replaced(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("username\naoi@x\n", "utf-8")
    (tmp_path / "passwords.csv").write_text("precious", "utf-8")
    options = ("--generate-passwords", "passwords.csv")
    told = terminal.refused("user", "import", "people.csv", *options)
    assert told == "passwords.csv exists"
    assert (tmp_path / "passwords.csv").read_text("utf-8") == "precious"
    assert terminal.json("user", "list") == []


def test_dry_run_reports_the_same_and_changes_nothing(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    report = terminal.json("user", "import", "people.csv", "--dry-run")
    assert report["dry_run"] is True
    assert report["totals"]["added"] == 2
    assert terminal.json("user", "list") == []
    assert (
        "Would have been: 2 added" in terminal.ok("user", "import", "people.csv", "--dry-run").out
    )


def test_import_again_needs_update_to_change_people(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE, "utf-8")
    terminal.ok("user", "import", "people.csv")
    file.write_text(PEOPLE.replace("Aoi Tanaka", "Aoi Sato"), "utf-8")
    report = terminal.json("user", "import", "people.csv", "--update")
    assert report["totals"]["updated"] == 1
    assert terminal.json("user", "show", "aoi@example.com")["name"] == "Aoi Sato"


@pytest.mark.parametrize(
    "data",
    [
        PEOPLE.encode("utf-8-sig"),
        PEOPLE.replace(",", ";").encode(),
        PEOPLE.replace(",", "\t").replace("\n", "\r\n").encode() + b"\r\n\r\n",
        PEOPLE.replace("external_key", "External Key").replace("username", " Username").encode(),
    ],
    ids=["bom", "semicolons", "tabs, crlf, blank lines", "other spellings"],
)
def test_import_reads_what_spreadsheets_write(
    terminal: Terminal, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "people.csv").write_bytes(data)
    assert terminal.json("user", "import", "people.csv")["totals"]["added"] == 2
    assert terminal.json("user", "show", "minjun@example.com")["name"] == "김민준"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"username\nok\n\xff", "is not UTF-8 text (line 3)"),
        (PEOPLE.encode("utf-16"), "is UTF-16 text; save it as CSV UTF-8"),
        (b"", "the first line names the columns"),
        (b"name,external_key\n", "username must be one"),
        (b"username,extrenal_key\n", "did you mean external_key?"),
        (b"username,phone\n", "there is no column 'phone'; known are"),
        (b"username,name,Name\n", "the column name is there twice"),
        (
            b'username,name\nfirst,"two\nlines"\naoi,"Aoi\nmina,Mina\n',
            "is not a CSV file: line 4: unexpected end of data (a quotation mark is never closed)",
        ),
        (b'username\n"aoi"x\n', "is not a CSV file: line 2:"),
    ],
)
def test_file_that_cannot_be_imported_is_refused_whole(
    terminal: Terminal, tmp_path: Path, data: bytes, problem: str
) -> None:
    (tmp_path / "people.csv").write_bytes(data)
    assert problem in terminal.refused("user", "import", "people.csv")
    assert terminal.json("user", "list") == []


def test_file_that_is_missing_is_refused(terminal: Terminal) -> None:
    assert terminal.refused("user", "import", "gone.csv") == "gone.csv: No such file or directory"


def test_row_with_too_many_cells_is_refused_alone(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("username,name\naoi@x,Aoi,extra\nkim@x\n", "utf-8")
    report = terminal.run("user", "import", "people.csv", "--json").json
    assert [row["outcome"] for row in report["rows"]] == ["refused", "added"]


def test_who_is_disabled_is_so_after_an_export_and_an_import(
    terminal: Terminal, tmp_path: Path
) -> None:
    for name in ("aoi@x", "kim@x"):
        terminal.ok("user", "add", name)
    terminal.ok("user", "disable", "kim@x")
    (tmp_path / "people.csv").write_text(terminal.ok("user", "export").out, "utf-8")
    terminal.environ["WORKSGATE_DATABASE_URL"] = f"sqlite:///{tmp_path}/other.db"
    terminal.ok("migrate")
    terminal.ok("user", "import", "people.csv")
    assert [each["enabled"] for each in terminal.json("user", "list")] == [True, False]


def test_export_to_a_file_is_private_and_replaces_nothing(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.ok("user", "add", "aoi@x")
    result = terminal.run("user", "export", "people.csv")
    assert (result.code, result.out) == (0, "")
    assert result.err == "Wrote 1 person to people.csv.\n"
    file = tmp_path / "people.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    terminal.ok("user", "add", "kim@x")
    assert terminal.ok("user", "export", "-").out == terminal.ok("user", "export").out
    assert not (tmp_path / "-").exists()
    assert terminal.refused("user", "export", "people.csv") == (
        "people.csv exists; --force replaces it"
    )
    assert file.read_bytes() == before
    assert terminal.run("user", "export", "people.csv", "--force").code == 0
    assert b"kim@x" in file.read_bytes()
    assert not list(tmp_path.glob("tmp*"))
    told = terminal.refused("user", "export", "nowhere/people.csv")
    assert told == "nowhere/people.csv: No such file or directory"


def remember(database: Path, source: str, username: str) -> None:
    """Have somebody sign in by another source."""
    person = Person(subject_id=f"{source}:{username}", username=username, name="")

    async def remembering() -> None:
        async with directory_in(database) as directory:
            await directory.people.remember(source, person, 1.0)

    asyncio.run(remembering())


def test_r194_one_more_attempt_is_only_for_somebody_who_waits(terminal: Terminal) -> None:
    terminal.ok("user", "add", "aoi@x", "--password-stdin", stdin=PASSWORD)
    told = terminal.refused("user", "allow-attempt", "aoi@x")
    assert "aoi@x does not have to wait where they tried last" in told
    assert "there is no person" in terminal.refused("user", "allow-attempt", "nobody")
