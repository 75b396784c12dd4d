"""CSV files of people: spreadsheet encodings, formula injection, and imported hashes."""

import csv
import io
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

from worksgate.administration.people_import.files import _only_reading

PASSWORD = b"correct horse battery\n"
KEYS = ("=1+1", "+81", "-x", "@acme", "'=1", "''@x", "'x", "a,b", 'a"b', "日本", "\uff1d2")


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp932", "髙橋 葵 ソ\uff5e"), ("cp949", "김민준 각"), ("utf-8", "김 葵 똠")],
)
@pytest.mark.parametrize("told", [True, False])
def test_import_reads_what_excel_writes_in_japan_and_korea(
    terminal: Terminal,
    tmp_path: Path,
    encoding: str,
    name: str,
    told: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    (tmp_path / "people.csv").write_bytes(f"username,name\r\naoi@x,{name}\r\n".encode(encoding))
    options = ("--encoding", encoding) if told else ()
    result = terminal.run("user", "import", "people.csv", *options)
    assert result.code == 0
    assert terminal.json("user", "show", "aoi@x")["name"] == name
    guessed = f"is read as {encoding}; use --encoding to change that" in result.err
    assert guessed == (encoding != "utf-8" and not told)


@pytest.mark.parametrize(
    "data",
    [
        "username,name\naoi@x,ｱｵｲ".encode("cp932"),
        "username,name\naoi@x,똠김".encode("cp949"),
        "username,name\naoi@x,李敏鎬".encode("cp949"),
        "username,name\naoi@x,あおい".encode("euc_jp"),
        b"username,name\naoi@x,Jos\xe9",
    ],
    ids=["half-width kana", "rare syllable", "hanja", "euc_jp", "latin1"],
)
def test_encoding_that_is_in_doubt_is_not_guessed(
    terminal: Terminal, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "people.csv").write_bytes(data)
    assert terminal.refused("user", "import", "people.csv") == (
        "people.csv is not UTF-8 text (line 2); name its encoding: "
        "--encoding cp932 for Japanese, --encoding cp949 for Korean"
    )
    assert terminal.json("user", "list") == []


@pytest.mark.parametrize(
    ("name", "encoding", "problem"),
    [("ｱｵｲ", "utf-8", "is not utf-8 text (line 2)"), ("ソ", "cp949", "is not cp949 text (line 2)")],
)
def test_encoding_that_cannot_be_is_refused(
    terminal: Terminal, tmp_path: Path, name: str, encoding: str, problem: str
) -> None:
    (tmp_path / "people.csv").write_bytes(f"username,name\naoi@x,{name}\n".encode("cp932"))
    assert problem in terminal.refused("user", "import", "people.csv", "--encoding", encoding)
    terminal.ok("user", "import", "people.csv", "--encoding", "cp932")
    assert terminal.json("user", "show", "aoi@x")["name"] == name


def test_no_name_of_the_one_country_is_taken_for_one_of_the_other() -> None:
    """Every syllable and every kana, and names that are hard, each in a file of its own."""
    hangul = [bytes((first, second)) for first in range(0xB0, 0xC9) for second in range(0xA1, 0xFF)]
    kana = [chr(code) for code in (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC)]
    names = ["佐藤", "鈴木", "髙橋", "渡邊", "山﨑", "一二三", "齋藤", "能登", "熙", "～"]
    for name in (*kana, *names):
        assert _only_reading(b"username,name\naoi," + name.encode("cp932")) == "cp932"
    for syllable in hangul:
        assert _only_reading(b"username,name\naoi," + syllable) == "cp949"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-bom", "cp932"])
def test_export_comes_back_the_same(terminal: Terminal, tmp_path: Path, encoding: str) -> None:
    rows = [["username", "external_key", "name", "email", "groups", "password"]]
    for number, key in enumerate(KEYS):
        key = f"'{key}" if key.startswith(("'=", "''@")) else key
        row = [f"p{number}", key, "-田中, 葵", "+a@example.com", "=sales;東京", PASSWORD.decode()]
        rows.append([each.strip("\n") for each in row])
    _write(tmp_path / "first.csv", rows)
    terminal.ok("user", "import", "first.csv")
    assert {each["external_key"] for each in terminal.json("user", "list")} == set(KEYS)
    terminal.run("user", "export", "people.csv", "--encoding", encoding)
    options = ("--encoding", encoding) if encoding == "cp932" else ()
    report = terminal.json("user", "import", "people.csv", "--update", "--dry-run", *options)
    assert report["totals"]["unchanged"] == len(KEYS)
    assert [row["lacks"] for row in report["rows"]] == [[]] * len(KEYS)


def test_no_cell_of_an_export_is_a_formula_or_a_secret(terminal: Terminal, tmp_path: Path) -> None:
    rows = [[f"+p{number}", key, "=HYPERLINK()", "@x"] for number, key in enumerate(KEYS)]
    _write(tmp_path / "people.csv", [["username", "external_key", "name", "groups"], *rows])
    terminal.run("user", "import", "people.csv", "--generate-passwords", "passwords.csv")
    texts = [(tmp_path / "passwords.csv").read_text("utf-8"), terminal.ok("user", "export").out]
    given, exported = (list(csv.DictReader(io.StringIO(text))) for text in texts)
    cells = [cell for row in (*given, *exported) for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\uff1d")]
    keys = {row["external_key"] for row in exported}
    assert keys == {
        "'=1+1",
        "'+81",
        "'-x",
        "'@acme",
        "''@x",
        "'x",
        "a,b",
        'a"b',
        "日本",
        "'\uff1d2",
    } | {"'=1"}
    assert not {"password", "password_hash"} & exported[0].keys()
    assert not [cell for cell in cells if "argon2" in cell]


def test_export_refuses_what_its_encoding_lacks(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("user", "add", "kim@x", "--name", "김민준")
    told = terminal.refused("user", "export", "people.csv", "--encoding", "cp932")
    assert told.startswith("cp932 has no 김; utf-8-bom has every character")
    assert not (tmp_path / "people.csv").exists()
    terminal.run("user", "export", "people.csv", "--encoding", "cp949")
    assert "김민준".encode("cp949") in (tmp_path / "people.csv").read_bytes()


def test_a_password_that_looks_like_a_formula_is_taken_as_it_is(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Passwords are never exported, so nothing was put before them."""
    file, password = tmp_path / "people.csv", "'=paper lantern by the river"
    for given, outcome in ((password, "added"), (password, "unchanged"), (password[1:], "updated")):
        _write(file, [["username", "password"], ["aoi@x", given]])
        report = terminal.json("user", "import", "people.csv", "--update")
        assert [row["outcome"] for row in report["rows"]] == [outcome]


def test_import_takes_password_hashes_and_makes_no_passwords_for_them(
    terminal: Terminal, tmp_path: Path
) -> None:
    encoded = "{SSHA}0syqPwv5tQITYhmhTlkQVO8fz3fROgcA"
    people = [["aoi@x", "E-1", encoded], ["kim@x", "E-2", ""], ["bad@x", "E-3", "{SHA}x"]]
    _write(tmp_path / "people.csv", [["username", "external_key", "password_hash"], *people])
    options = ("--generate-passwords", "passwords.csv")
    told = terminal.run("user", "import", "people.csv", *options).out
    assert "4\tbad@x\tthe password hash is SHA without a salt, which is not secure" in told
    made = list(csv.DictReader(io.StringIO((tmp_path / "passwords.csv").read_text("utf-8"))))
    assert [row["username"] for row in made] == ["kim@x"]
    shown = terminal.ok("user", "show", "aoi@x").out
    assert "imported (salted_sha), until the first sign-in" in shown
    assert terminal.json("user", "show", "aoi@x")["lacks"] == []
    for command in (("show", "aoi@x"), ("list",), ("export",)):
        assert encoded not in terminal.ok("user", *command).out


def _write(file: Path, rows: list[list[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as new:
        csv.writer(new).writerows(rows)
