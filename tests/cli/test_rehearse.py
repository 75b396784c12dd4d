"""``worksgate rehearse``: the report of the console, in a terminal."""

import csv

from tests.cli.terminal import Terminal

from worksgate.administration.external_keys.file_text import ENCODINGS
from worksgate.cli import console_file

FILE = "Name,ID,External Key\nTanaka,tanaka@hikari,H-1\n=Kang,kang@hikari,H-2\n"


def staffed(terminal: Terminal, text: str = FILE) -> Terminal:
    terminal.ok("client", "add", "Acme")
    terminal.ok(
        *("user", "add", "tanaka", "--password-stdin", "--external-key", "H-1"),
        *("--works-account", "tanaka@hikari"),
        stdin=b"correct horse battery",
    )
    (terminal.folder / "members.csv").write_text(text, encoding="utf-8")
    return terminal


def test_r177_the_report_says_how_many_would_get_in_and_who_not(terminal: Terminal) -> None:
    staffed(terminal)
    done = terminal.run("rehearse", str(terminal.folder / "members.csv"))
    assert done.code == 1
    assert done.out.splitlines()[0] == "1 of 2 people would get in at Acme."
    assert "Nobody here\t1\t" in done.out
    done = terminal.run("rehearse", "-", "--json", stdin=FILE.encode())
    document = done.json
    assert (document["members"], document["ready"]) == (2, 1)
    assert document["findings"]["nobody_here"] == 1
    assert [row["account"] for row in document["rows"] if row["finding"] == "ready"] == [
        "tanaka@hikari"
    ]
    done = terminal.run("rehearse", "-", "--csv", stdin=FILE.encode())
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [row["name"] for row in rows if row["finding"] == "nobody_here"] == ["'=Kang"]


def test_without_a_file_it_is_about_our_people(terminal: Terminal) -> None:
    done = staffed(terminal).run("rehearse")
    assert (done.code, done.out.splitlines()[0]) == (0, "1 of 1 person would get in at Acme.")
    assert "Without the file of LINE WORKS" in done.err


def test_r176_a_wrong_file_is_refused_with_its_rows(terminal: Terminal) -> None:
    staffed(terminal, "ID,External Key\n,H-1\n")
    file = str(terminal.folder / "members.csv")
    done = terminal.run("rehearse", file)
    assert done.code == 1
    assert done.out.splitlines()[1] == "2\t\tit names no account"
    assert done.err.startswith(f"worksgate: {file}: some rows are wrong: 1,")
    assert "exclude each other" in terminal.misused("rehearse", "--csv", "--json")


def test_the_encodings_are_those_that_can_be_read() -> None:
    assert console_file.ENCODINGS == ENCODINGS
