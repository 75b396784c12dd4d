"""``worksgate keys``: LINE WORKS's file is filled, and read again as proof."""

import csv
import io
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.cli import keys
from worksgate.cli.refusals import Refusal

FILE = (
    '\ufeff氏名,ID,"外部キー"\r\n田中,tanaka@hikari,""\r\n=Kang,kang@hikari,K-9\r\nNew,new@hikari,'
)

OF_ID = ("--match-column", "ID")
"""Of three members one is unknown here: too many for the column to be recognized."""
EXCEPT = ("--except", "new@hikari")


def staffed(terminal: Terminal) -> Path:
    """Two people of the built-in directory; the file, of which one member is nobody here."""
    terminal.ok("client", "add", "Acme")
    for name, key in (("tanaka", "0012"), ("kang", "K-1")):
        terminal.ok(
            *("user", "add", name, "--password-stdin", "--external-key", key),
            *("--works-account", f"{name}@hikari"),
            stdin=b"correct horse battery",
        )
    file = terminal.folder / "ExternalKey_member.csv"
    file.write_bytes(FILE.encode())
    return file


def test_r205_r208_the_file_is_filled_beside_the_old_one_and_verified(terminal: Terminal) -> None:
    file = staffed(terminal)
    done = terminal.run("keys", "fill", str(file), *OF_ID)
    filled = file.with_name("ExternalKey_member.filled.csv")
    assert (done.code, file.read_bytes()) == (1, FILE.encode())
    assert filled.read_bytes() == FILE.replace('""', '"0012"').encode()
    assert filled.stat().st_mode & 0o077 == 0
    lines = done.out.splitlines()
    assert lines[0] == (
        f"Wrote {filled}: 1 of 3 members have the key from here; 1 filled, 0 of them replaced, "
        "0 there before."
    )
    assert [line.split("\t")[:3] for line in lines[3:]] == [
        ["3", "kang@hikari", "Another key is there, and was kept"],
        ["4", "new@hikari", "Nobody here"],
    ]
    assert "Do not open the file in Excel: it would spoil 1 key such as 0012." in done.err
    filled.unlink()
    done = terminal.run("keys", "fill", str(file), "--replace", *OF_ID, *EXCEPT, "--json")
    assert (done.code, done.json["filled"], done.json["replaced"]) == (0, 2, 1)
    assert done.json["findings"] == []
    verified = terminal.run("keys", "verify", str(filled), *OF_ID, *EXCEPT)
    assert (verified.code, verified.out) == (0, "2 of 3 members have the key from here.\n")


def test_r208_the_report_of_verify_is_a_table_json_or_csv(terminal: Terminal) -> None:
    data = staffed(terminal).read_bytes()
    done = terminal.run("keys", "verify", "-", *OF_ID, "--csv", stdin=data)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert (done.code, [row["finding"] for row in rows]) == (
        1,
        ["no_key_there", "key_differs", "nobody_here"],
    )
    assert rows[1]["key_here"] == "K-1"
    assert rows[1]["key_there"] == "K-9"
    assert rows[1]["what_to_do"] == "make both the same: they get in with neither"
    done = terminal.run("keys", "verify", "-", *OF_ID, "--json", stdin=data)
    assert [row["row"] for row in done.json["findings"]] == [2, 3, 4]
    assert (done.json["members"], done.json["right"]) == (3, 0)
    assert "exclude each other" in terminal.misused("keys", "verify", "-", "--csv", "--json")
    assert "name the file to write" in terminal.misused("keys", "fill", "-")


def test_r207_no_file_is_ever_written_over(terminal: Terminal) -> None:
    file = staffed(terminal)
    other = terminal.folder / "other.csv"
    other.symlink_to(terminal.folder / "nowhere")
    for output in (file, other):
        refusal = terminal.refused("keys", "fill", str(file), "--output", str(output))
        assert refusal == f"{output} exists, and is not replaced: name another file with --output"
    assert file.read_bytes() == FILE.encode()
    # One that comes while the command is at work stays, too.
    late = terminal.folder / "late.csv"
    late.write_text("somebody's")
    with pytest.raises(Refusal, match="is not replaced"):
        keys._write_new(late, b"ours")
    assert late.read_text() == "somebody's"
    assert not list(terminal.folder.glob(".*"))


def test_r207_a_file_system_without_links_is_said(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(_self: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    with pytest.raises(Refusal, match="no hard links"):
        keys._write_new(terminal.folder / "new.csv", b"ours")
    assert not list(terminal.folder.glob("*.csv"))


def test_a_file_that_is_complete_is_not_written_again(terminal: Terminal) -> None:
    staffed(terminal)
    file = terminal.folder / "complete.csv"
    file.write_text("ID,External Key\ntanaka@hikari,0012\nkang@hikari,K-1\n")
    done = terminal.run("keys", "fill", str(file))
    assert (done.code, done.out) == (
        0,
        "Nothing to fill, so no file was written: 2 of 2 members have the key from here; 0 filled, "
        "0 of them replaced, 2 there before.\n",
    )
    assert not file.with_name("complete.filled.csv").exists()


def test_r206_what_is_not_clear_is_refused_with_the_option_that_helps(terminal: Terminal) -> None:
    staffed(terminal)
    for text, hint in (
        ("ID,Key\ntanaka@hikari,\nkang@hikari,\n", "name it: ID, Key (--column)"),
        ("ID,External Key\na@b,\n", "name it: ID, External Key (--match-column)"),
    ):
        file = terminal.folder / "unclear.csv"
        file.write_text(text)
        assert terminal.refused("keys", "verify", str(file)).endswith(hint)
    file.write_bytes(b"ID,External Key\n\xb0\xad\xc7\xcf,\n")
    assert terminal.refused("keys", "fill", str(file)).endswith("choose it (--encoding)")
    assert "FILE.csv is empty" in terminal.misused("keys", "fill", "")
    assert not list(terminal.folder.glob("*.filled.csv"))


def test_r208_a_client_that_has_no_external_keys_is_refused(terminal: Terminal) -> None:
    file = staffed(terminal)
    terminal.ok("client", "set", "Acme", "--user-key", "works_account")
    assert terminal.refused("keys", "fill", str(file)).startswith(
        "Acme gives LINE WORKS accounts to LINE WORKS, so there are no external keys"
    )
    terminal.ok("client", "add", "Beta")
    assert "there are several clients; name one of" in terminal.refused("keys", "verify", str(file))


COMPANY = '''
"""A company's own directory."""
class Company:
    def authenticate(self, username, password):
        return None
    def people(self):
        {people}
'''
LISTED = """
        for number, (name, key) in enumerate([("sato", "S-1"), ("mori", "0012"), ("ueda", "U/1")]):
            account = name + "@hikari"
            yield {"id": number, "username": name, "external_key": key, "works_account": account}"""
SOURCE = '[[source]]\nname = "company"\ntype = "python"\nfunction = "{module}:Company"\n'


def with_company(terminal: Terminal, module: str, people: str) -> None:
    (terminal.folder / f"{module}.py").write_text(COMPANY.replace("{people}", people))
    (terminal.folder / "worksgate.toml").write_text(SOURCE.replace("{module}", module))


def test_r208_people_of_every_source_have_their_keys(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(terminal.folder)
    with_company(terminal, "company_with_people", LISTED)
    staffed(terminal)
    for name, key, account in (("company:0", "OLD", "sato"), ("partner:9", "P-9", "lee")):
        query(
            terminal.folder / "worksgate.db",
            "INSERT INTO people (subject_id, source, username, username_key, name, external_key,"
            " works_account, groups, enabled, first_login_at, last_login_at, vouched_at) VALUES"
            f" ('{name}', '{name.partition(':')[0]}', '{account}', '{account}', 'X', '{key}',"
            f" '{account}@hikari', '[]', 1, 5, 0, 6)",
        )
    file = terminal.folder / "all.csv"
    members = ("tanaka", "kang", "sato", "mori", "ueda", "lee")
    file.write_text("ID,External Key\n" + "".join(f"{each}@hikari,\n" for each in members))
    done = terminal.run("keys", "fill", str(file), "--json")
    assert [(each["member"], each["finding"]) for each in done.json["findings"]] == [
        ("mori@hikari", "key_unusable"),
        ("ueda@hikari", "key_unusable"),
    ]
    assert "belongs to tanaka" in done.json["findings"][0]["detail"]
    text = file.with_name("all.filled.csv").read_text()
    assert text.splitlines()[1:4] == ["tanaka@hikari,0012", "kang@hikari,K-1", "sato@hikari,S-1"]
    assert text.splitlines()[6] == "lee@hikari,P-9"


def test_r208_a_source_that_fails_is_no_source_without_people(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(terminal.folder)
    with_company(terminal, "company_that_is_down", "raise OSError")
    file = staffed(terminal)
    assert "company failed to list its people" in terminal.refused("keys", "fill", str(file))


def test_a_source_that_cannot_list_its_people_is_named(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(terminal.folder)
    with_company(terminal, "company_without_people", "")
    module = terminal.folder / "company_without_people.py"
    module.write_text(module.read_text().partition("    def people")[0])
    done = terminal.run("keys", "verify", str(staffed(terminal)))
    assert "Of this source only those who have signed in are known: company can only" in done.err
