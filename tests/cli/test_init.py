"""``worksgate init``: what it creates, and that every command finds it again."""

import re
import stat
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

from worksgate.settings import loading as config

PASSWORD = b"correct horse battery\n"
INIT = ("init", "--administrator", "admin", "--password-stdin")


def test_init_makes_settings_database_and_administrator(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal_without_database.environ.clear()
    result = terminal_without_database.run(
        *INIT, "--public-url", "https://sso.example.com", stdin=PASSWORD
    )
    assert result.code == 0
    assert result.out == (
        "Wrote worksgate.toml, and made admin an administrator.\n"
        "Keep a copy of master.key, separate from the backups.\n"
    )
    text = (tmp_path / "worksgate.toml").read_text()
    assert '\npublic_url = "https://sso.example.com"\n' in text
    assert "\n# port = 8080\n" in text
    assert terminal_without_database.json("user", "show", "admin")["administrator"] is True
    assert (
        terminal_without_database.json("client", "add", "a")["urls"]["logout"]
        == "https://sso.example.com/logout"
    )
    assert [path.name for path in tmp_path.glob("*.toml*")] == ["worksgate.toml"]


def test_init_never_replaces_a_file_by_itself(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "worksgate.toml").write_text("port = 1\n")
    told = terminal_without_database.refused(*INIT, stdin=PASSWORD)
    assert told == "worksgate.toml exists; --force replaces it"
    assert (tmp_path / "worksgate.toml").read_text() == "port = 1\n"
    assert terminal_without_database.run(*INIT, "--force", stdin=PASSWORD).code == 0
    assert "# port = 8080" in (tmp_path / "worksgate.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (("--public-url", "http://sso.example.com"), PASSWORD, "--public-url: must"),
        ((), b"short\n", "the password is not accepted"),
        (("--database-url", "redis://x"), PASSWORD, "--database-url: must be sqlite"),
        (("--config", "nowhere/wg.toml"), PASSWORD, "nowhere/wg.toml: No such file or directory"),
        (("--administrator", " admin"), PASSWORD, "a username must not begin or end with a space"),
    ],
)
def test_init_that_is_refused_leaves_no_file(
    terminal_without_database: Terminal,
    tmp_path: Path,
    arguments: tuple[str, ...],
    stdin: bytes,
    problem: str,
) -> None:
    assert problem in terminal_without_database.refused(*INIT, *arguments, stdin=stdin)
    assert list(tmp_path.iterdir()) == []


def test_init_keeps_a_file_with_a_database_address_private(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/worksgate.db"
    file = tmp_path / "wg.toml"
    options = ("--config", "wg.toml", "--database-url", database)
    assert terminal_without_database.run(*INIT, *options, stdin=PASSWORD).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert config.load(file, {}, {}).database_url == database


def test_r103_init_by_a_script_must_name_the_administrator(
    terminal_without_database: Terminal,
) -> None:
    assert "--administrator" in terminal_without_database.misused("init")


def test_init_without_a_password_makes_one(terminal_without_database: Terminal) -> None:
    result = terminal_without_database.run("init", "--administrator", "admin")
    assert result.code == 0
    assert "  Password  " in result.out


def test_what_init_has_made_is_found_from_every_folder(
    terminal_without_database: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_without_database.has_database_url = False
    for name in ("installation", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "installation")
    assert terminal_without_database.run(*INIT, stdin=PASSWORD).code == 0
    text = Path("worksgate.toml").read_text("utf-8")
    assert '\ndatabase_url = "sqlite:///worksgate.db"\n' in text
    assert stat.S_IMODE(Path("worksgate.toml").stat().st_mode) == 0o644, "it holds no secret"
    terminal_without_database.ok("client", "add", "acme")

    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = ("--config", "../installation/worksgate.toml")
    terminal_without_database.ok("user", "add", "aoi@x", *settings)
    assert [
        each["name"] for each in terminal_without_database.json("client", "list", *settings)
    ] == ["acme"]
    assert list(Path().iterdir()) == []

    monkeypatch.chdir(tmp_path / "installation")
    people = [each["username"] for each in terminal_without_database.json("user", "list")]
    assert people == ["admin", "aoi@x"]


def test_relative_database_of_an_option_begins_at_the_working_folder(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal_without_database.has_database_url = False
    (tmp_path / "etc").mkdir()
    options = ("--config", "etc/wg.toml", "--database-url", "sqlite:///wg.db")
    assert terminal_without_database.run(*INIT, *options, stdin=PASSWORD).code == 0
    assert (tmp_path / "wg.db").exists()
    settings = config.load(tmp_path / "etc" / "wg.toml", {}, {})
    assert settings.database_url == f"sqlite:///{tmp_path}/wg.db"


def test_init_leaves_the_database_to_a_variable_that_names_it(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    assert terminal_without_database.run(*INIT, stdin=PASSWORD).code == 0
    assert "\n# database_url = " in (tmp_path / "worksgate.toml").read_text("utf-8")


CONSOLE = ("init", "--public-url", "https://sso.example.com", "--console-port", "9443")


@pytest.mark.parametrize("administrator", [(), ("--administrator", "admin", "--password-stdin")])
def test_r175_init_with_a_console_prints_the_first_link_which_works_once(
    terminal_without_database: Terminal, tmp_path: Path, administrator: tuple[str, ...]
) -> None:
    result = terminal_without_database.run(*CONSOLE, *administrator, stdin=PASSWORD)
    assert result.code == 0, result.err
    link = result.out.splitlines()[-1]
    assert re.fullmatch(r"http://localhost:9443/first\?token=[\w-]{43}", link), result.out
    assert "\nconsole_port = 9443\n" in (tmp_path / "worksgate.toml").read_text()
    assert terminal_without_database.json("admin", "list") == []
    assert link.partition("=")[2] not in (tmp_path / "worksgate.toml").read_text()


def test_the_first_link_is_at_the_console_s_own_url(terminal_without_database: Terminal) -> None:
    url = ("--console-url", "https://console.example.com")
    result = terminal_without_database.run(*CONSOLE, *url)
    assert "\nhttps://console.example.com/first?token=" in result.out


def test_r175_init_makes_an_owner_in_the_terminal_and_then_no_link(
    terminal_without_database: Terminal,
) -> None:
    owner = ("--owner", "naoko", "--password-stdin")
    result = terminal_without_database.run(*CONSOLE, *owner, stdin=PASSWORD)
    assert result.out.startswith("Wrote worksgate.toml, and made naoko the owner of the console.\n")
    assert "/first" not in result.out
    [listed] = terminal_without_database.json("admin", "list")
    assert (listed["username"], listed["role"]) == ("naoko", "owner")
    assert "there is an owner already" in terminal_without_database.refused("admin", "link")


def test_init_without_a_console_prints_no_link(terminal_without_database: Terminal) -> None:
    assert "/first" not in terminal_without_database.run(*INIT, stdin=PASSWORD).out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--owner", "a", "--administrator", "b"), "--owner or --administrator, not both"),
        (("--console-port", "9443", "--password-stdin"), "is for --owner or --administrator"),
        (("--console-port", "0"), "0 is not in the range"),
    ],
)
def test_init_refuses_what_contradicts_itself(
    terminal_without_database: Terminal, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in terminal_without_database.misused("init", *arguments)


def test_init_whose_console_is_off_by_a_variable_needs_somebody(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    terminal_without_database.environ["WORKSGATE_CONSOLE_PORT"] = "0"
    assert "the console is off" in terminal_without_database.refused("init")
    assert list(tmp_path.iterdir()) == []
