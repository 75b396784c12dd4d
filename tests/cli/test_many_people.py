"""Finding people among many, and changing many at once."""

import csv
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.cli.terminal import Terminal

FILE = (
    "username,name,external_key,email,groups,enabled\n"
    "aoi@example.com,田中 葵,E-1,aoi@example.com,staff,\n"
    "minjun@example.com,김민준,E-2,,staff;admins,\n"
    "ken@example.com,Ken,E-3,,,no\n"
    "root@example.com,Root,E-4,,,\n"
)
REST = FILE.replace("aoi@example.com,田中 葵,E-1,aoi@example.com,staff,\n", "")


@pytest.fixture
def company(terminal: Terminal) -> Terminal:
    terminal.json("user", "import", "-", stdin=FILE.encode())
    terminal.ok("user", "set", "root@example.com", "--administrator")
    return terminal


def usernames(terminal: Terminal, *options: str) -> list[str]:
    listed = terminal.json("user", "list", *options)
    return [each["username"].partition("@")[0] for each in listed]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), ["aoi", "ken", "minjun", "root"]),
        (("葵",), ["aoi"]),
        (("ＡＯＩ",), ["aoi"]),
        (("e-2",), ["minjun"]),
        (("@EXAMPLE",), ["aoi", "ken", "minjun", "root"]),
        (("nobody",), []),
        (("--group", "staff"), ["aoi", "minjun"]),
        (("--group", "staff", "민준"), ["minjun"]),
        (("--disabled",), ["ken"]),
        (("--enabled",), ["aoi", "minjun", "root"]),
        (("--lacking",), ["aoi", "ken", "minjun", "root"]),
        (("--second-factor",), []),
        (("--no-second-factor", "ken"), ["ken"]),
    ],
)
def test_people_are_found_by_what_is_known_of_them(
    company: Terminal, options: tuple[str, ...], found: list[str]
) -> None:
    assert usernames(company, *options) == found


def test_nobody_who_fits_is_said(company: Terminal) -> None:
    assert company.run("user", "list", "zzz").err == "Nobody matches.\n"
    assert company.run("user", "list", "zzz", "--source", "directory").err == "Nobody matches.\n"
    assert "--source can only be combined with" in company.misused(
        "user", "list", "--source", "x", "--lacking"
    )


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_heading_is_broken_in_the_middle_of_a_word(company: Terminal, columns: int) -> None:
    code, screen = company.at_a_terminal("user", "list", answers={}, columns=columns)
    assert code == 0
    screen = re.sub(r"\x1b\[[0-9;]*m", "", screen)
    assert all(cell_len(line) <= columns for line in screen.splitlines())
    words = set(re.findall(r"[A-Za-z-]+", screen.lower()))
    assert {"external", "key", "enabled", "lacks", "administrator", "aoi", "minjun"} <= words


def test_people_come_from_standard_input(terminal: Terminal) -> None:
    report = terminal.json("user", "import", "-", stdin=FILE.encode())
    assert report["totals"]["added"] == 4
    assert "standard input is not a CSV file: line 2:" in terminal.refused(
        "user", "import", "-", stdin=b'username\n"aoi\n'
    )


def test_who_is_not_in_the_file_is_disabled_if_that_is_wanted(company: Terminal) -> None:
    company.json("user", "import", "-", "--update", stdin=REST.encode())
    assert usernames(company, "--disabled") == ["ken"]
    command = ("user", "import", "-", "--update", "--disable-missing")
    assert "pass --yes to confirm" in company.refused(*command, stdin=REST.encode())
    tried = company.json(*command, "--dry-run", stdin=REST.encode())
    assert tried["disabled"] == ["aoi@example.com"]
    assert usernames(company, "--disabled") == ["ken"]
    assert company.json(*command, "--yes", stdin=REST.encode())["disabled"] == ["aoi@example.com"]
    assert usernames(company, "--disabled") == ["aoi", "ken"]
    (record,) = company.json("audit", "--user", "aoi@example.com", "--limit", "1")
    assert record["detail"].endswith("disabled")


def test_administrators_stay_although_they_are_not_in_the_file(company: Terminal) -> None:
    command = ("user", "import", "-", "--update", "--disable-missing", "--yes")
    without = REST.replace("root@example.com,Root,E-4,,,\n", "")
    assert company.json(*command, stdin=without.encode())["disabled"] == ["aoi@example.com"]
    assert usernames(company, "--enabled") == ["minjun", "root"]


def test_nobody_is_disabled_where_a_row_was_refused(company: Terminal) -> None:
    """A name that is misspelt would else cost its person the sign-in."""
    command = ("user", "import", "-", "--update", "--disable-missing", "--yes")
    result = company.run(*command, stdin=f"{REST}x@example.com,X,E-2,,,\n".encode())
    assert result.code == 1
    assert (
        "1 person is not in the file; nobody was disabled, since a row was refused." in result.out
    )
    assert usernames(company, "--enabled") == ["aoi", "minjun", "root"]


def test_a_file_that_names_nobody_disables_nobody(company: Terminal) -> None:
    command = ("user", "import", "-", "--update", "--disable-missing", "--yes")
    assert "names nobody" in company.refused(*command, stdin=b"username,name\n")
    assert usernames(company, "--enabled") == ["aoi", "minjun", "root"]


def test_many_are_invited_by_links_of_their_own(company: Terminal, tmp_path: Path) -> None:
    company.environ["WORKSGATE_PUBLIC_URL"] = "https://sso.example.com"
    written = company.run("user", "invite", "--without-password", "--links", "links.csv")
    assert written.code == 0
    assert written.err.startswith("Wrote 3 links to links.csv; they work once, until ")
    file = tmp_path / "links.csv"
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["username"] for row in rows] == [
        "aoi@example.com",
        "minjun@example.com",
        "root@example.com",
    ]
    assert rows[0]["email"] == "aoi@example.com"
    links = {row["link"] for row in rows}
    assert len(links) == 3
    assert all(link.startswith("https://sso.example.com/") for link in links)


def test_people_are_invited_by_name_and_no_file_is_replaced(
    company: Terminal, tmp_path: Path
) -> None:
    command = ("user", "invite", "minjun@example.com", "--links", "links.csv")
    assert company.run(*command).err.startswith("Wrote 1 link to links.csv")
    assert company.refused(*command) == "links.csv exists; --force replaces it"
    assert company.run(*command, "--force").code == 0
    assert "there is no person" in company.refused("user", "invite", "x", "--links", "other.csv")
    assert not (tmp_path / "other.csv").exists()
    assert "name people, or pass --without-password" in company.misused(
        "user", "invite", "--links", "links.csv"
    )
