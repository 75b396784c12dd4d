"""``worksgate admin``."""

from pathlib import Path

from tests.cli.terminal import Terminal
from tests.databases import query

from worksgate.administration.roles import OF_PEOPLE
from worksgate.cli.admin import ROLES

PASSWORD = b"purple lantern over the bay"


def with_console(terminal: Terminal) -> Terminal:
    terminal.environ["WORKSGATE_CONSOLE_PORT"] = "9443"
    return terminal


def test_a_link_is_made_where_there_is_a_console(terminal: Terminal, tmp_path: Path) -> None:
    assert "set console_port" in terminal.refused("admin", "link")
    url = with_console(terminal).json("admin", "link")["url"]
    assert url.startswith("http://localhost:9443/first?token=")
    secret = url.rpartition("=")[2]
    stored = query(tmp_path / "worksgate.db", "SELECT key, recovers FROM first_links")
    assert len(stored) == 1
    assert secret not in str(stored)
    assert secret not in str(query(tmp_path / "worksgate.db", "SELECT * FROM audit"))


def test_roles_are_given_listed_and_taken(terminal: Terminal) -> None:
    for name in ("anna", "bert"):
        terminal.ok("user", "add", name, "--password-stdin", stdin=PASSWORD)
    told = terminal.ok("admin", "set-role", "anna", "owner").out
    assert told == "anna has the role owner.\n"
    terminal.ok("admin", "set-role", "bert", "help_desk")
    found = terminal.json("admin", "list")
    assert [(each["username"], each["role"]) for each in found] == [
        ("anna", "owner"),
        ("bert", "help_desk"),
    ]
    assert "anna is the last owner" in terminal.refused("admin", "set-role", "anna", "none")
    assert "anna is the last owner" in terminal.refused("user", "disable", "anna")
    terminal.ok("admin", "set-role", "bert", "none")
    assert [each["username"] for each in terminal.json("admin", "list")] == ["anna"]


def test_with_an_owner_only_recovery_makes_a_link(terminal: Terminal) -> None:
    terminal.ok("user", "add", "anna", "--password-stdin", stdin=PASSWORD)
    terminal.ok("admin", "set-role", "anna", "owner")
    assert "there is an owner already" in with_console(terminal).refused("admin", "link")
    assert terminal.json("admin", "recover")["url"]


def test_the_roles_that_can_be_given_are_those_that_there_are() -> None:
    assert tuple(role.value for role in OF_PEOPLE) == ROLES


def test_an_invitation_is_made_listed_and_withdrawn(terminal: Terminal) -> None:
    assert "set console_port" in terminal.refused("admin", "invite", "Minjun", "auditor")
    made = with_console(terminal).json("admin", "invite", "Minjun Kim", "auditor")
    assert made["url"].startswith("http://localhost:9443/first?token=")
    (listed,) = terminal.json("admin", "invitations")
    assert (listed["name"], listed["role"], listed["id"]) == ("Minjun Kim", "auditor", made["id"])
    assert "url" not in listed
    assert made["id"] in terminal.ok("admin", "invitations").out
    assert "Minjun Kim" in terminal.ok("admin", "withdraw", made["id"]).out
    assert terminal.json("admin", "invitations") == []
    assert "no such invitation" in terminal.refused("admin", "withdraw", made["id"])


def test_sessions_of_the_console_are_listed_and_ended(terminal: Terminal) -> None:
    terminal.ok("user", "add", "anna", "--password-stdin", stdin=PASSWORD)
    assert terminal.json("admin", "sessions") == []
    assert "Nobody is signed in" in terminal.run("admin", "sessions").err
    assert terminal.ok("admin", "end-sessions", "anna").out == "0 sessions have ended.\n"
    assert "there is no person" in terminal.refused("admin", "end-sessions", "bert")


def test_a_token_is_made_listed_and_ended(terminal: Terminal, tmp_path: Path) -> None:
    assert "set console_port" in terminal.refused("admin", "token", "add", "CI")
    made = with_console(terminal).json("admin", "token", "add", "CI", "--for", "0")
    assert (made["expires_at"], made["token"][:4]) == (None, "wgd_")
    (listed,) = terminal.json("admin", "token", "list")
    assert (listed["name"], listed["state"], listed["used_at"]) == ("CI", "accepted", None)
    assert "token" not in listed
    assert made["token"] not in str(query(tmp_path / "worksgate.db", "SELECT * FROM audit"))
    assert "accepted" in terminal.ok("admin", "token", "list").out
    assert "CI already" in terminal.refused("admin", "token", "add", "CI")
    assert terminal.ok("admin", "token", "end", "CI").out == "The token CI has ended.\n"
    assert "no such deployer token" in terminal.refused("admin", "token", "end", "CI")
    assert "There is none" in terminal.run("admin", "token", "list").err
    shown = terminal.run("admin", "token", "add", "other")
    assert shown.out.startswith("wgd_")
    assert "shown only once, and is accepted until 2" in shown.err
