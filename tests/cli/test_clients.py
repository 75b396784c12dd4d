"""``worksgate client``, on a real database."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.cli.terminal import Terminal

from worksgate.administration import Refused
from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.cli.client import CONSOLE_FIELDS
from worksgate.cli.client_options import NOT_OPTIONS, OPTIONS
from worksgate.oauth.model import Client

CALLBACK = "https://auth.worksmobile.com/cb"


def test_add_prints_what_the_console_asks_for(terminal: Terminal) -> None:
    terminal.environ["WORKSGATE_PUBLIC_URL"] = "https://sso.example.com/wg"
    made = terminal.json("client", "add", "acme", "--redirect-uri", CALLBACK)
    assert len(made["client_secret"]) == 43
    assert made["redirect_uris"] == [CALLBACK]
    base = "https://sso.example.com/wg"
    assert made["urls"] == {
        "web_login": f"{base}/login",
        "app_login": f"{base}/login",
        "access_token": f"{base}/accessToken",
        "user_info": f"{base}/userInfo",
        "imap_login": f"{base}/apiLogin/{made['client_id']}",
        "logout": f"{base}/logout",
    }


def test_add_for_people_shows_each_value_whole_on_its_line(terminal: Terminal) -> None:
    terminal.environ["WORKSGATE_PUBLIC_URL"] = f"https://{'a' * 50}.{'b' * 60}.example.com"
    text = terminal.ok("client", "add", "acme", "--imap-login").out
    for label in ("Client ID", "Client Secret", *CONSOLE_FIELDS.values()):
        assert re.search(rf"(?m)^  {label} +\S+$", text)
    assert f"{'b' * 60}.example.com/accessToken\n" in text


def test_r102_secret_is_shown_once_and_never_again(terminal: Terminal) -> None:
    secret = terminal.json("client", "add", "acme")["client_secret"]
    for command in (("client", "show", "acme"), ("client", "list"), ("audit",)):
        for form in ((), ("--json",)):
            text = terminal.ok(*command, *form).out
            assert secret not in text
            assert "digest" not in text


def test_every_field_of_a_client_has_its_option() -> None:
    assert {option.field for option in OPTIONS} | NOT_OPTIONS == {
        each.name for each in fields(Client)
    }


CHANGES = [
    ("profile", ("--profile", "workbox"), "workbox"),
    ("redirect_uris", ("--redirect-uri", CALLBACK, "--redirect-uri", "https://a.example"), None),
    ("logout_redirect_uris", ("--logout-redirect-uri", "https://a.example/out"), None),
    ("user_key", ("--user-key", "works_account"), "works_account"),
    ("domain", ("--domain", "acme.example"), "acme.example"),
    ("require_state", ("--no-require-state",), False),
    ("logout_queries", ("--logout-queries",), True),
    ("redirect_denials", ("--redirect-denials",), True),
    ("session_key_check", ("--session-key-check", "fail_open"), "fail_open"),
    ("error_style", ("--error-style", "text"), "text"),
    ("error_status", ("--error-status", "always_200"), "always_200"),
    ("expires_in_web", ("--expires-in-web", "60"), 60),
    ("expires_in_app", ("--expires-in-app", "61"), 61),
    ("expires_in_imap", ("--expires-in-imap", "62"), 62),
    ("announce_expires_in", ("--no-announce-expires-in",), False),
    ("access_token_lifetime", ("--access-token-lifetime", "63"), 63),
    ("code_lifetime", ("--code-lifetime", "64"), 64),
    ("refresh_tokens", ("--refresh-tokens",), True),
    ("refresh_token_lifetime", ("--refresh-token-lifetime", "65"), 65),
    ("allowed_addresses", ("--allowed-address", "192.0.2.0/24"), None),
    ("sources", ("--source", "directory", "--source", "company"), None),
    ("second_factor", ("--second-factor", "required"), "required"),
    ("rules", ("--rule", "deny network=192.0.2.0/24"), None),
    ("imap_login", ("--imap-login",), True),
    ("imap_passwords", ("--imap-passwords", "all"), "all"),
]


def _expected(arguments: tuple[str, ...], value: object) -> object:
    return list(arguments[1::2]) if value is None else value


def test_every_option_changes_its_field_and_no_other(terminal: Terminal) -> None:
    assert [field for field, _, _ in CHANGES] == [option.field for option in OPTIONS]
    before = terminal.json("client", "add", "acme")
    for secret in ("client_secret", "urls"):
        del before[secret]
    for field, arguments, value in CHANGES:
        after = terminal.json("client", "set", "acme", *arguments)
        before[field] = _expected(arguments, value)
        assert after == before


def test_add_takes_all_options_at_once(terminal: Terminal) -> None:
    arguments = [argument for _, arguments, _ in CHANGES for argument in arguments]
    made = terminal.json("client", "add", "acme", *arguments)
    for field, given, value in CHANGES:
        assert made[field] == _expected(given, value)


def test_times_may_be_written_with_their_unit(terminal: Terminal) -> None:
    times = ("--expires-in-web", "8h", "--access-token-lifetime", "2d", "--code-lifetime", "5m")
    made = terminal.json("client", "add", "acme", *times)
    assert (made["expires_in_web"], made["access_token_lifetime"]) == (28_800, 172_800)
    assert made["code_lifetime"] == 300


def facts(out: str) -> dict[str, str]:
    """The lines of names and values."""
    lines = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in out.splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_rules_have_a_line_each_and_times_their_unit(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme", "--access-token-lifetime", "90")
    rules = ("--rule", "deny network=192.0.2.0/24", "--rule", "second_factor kind=web")
    changed = facts(terminal.ok("client", "set", "acme", *rules, "--code-lifetime", "2m").out)
    assert changed == {
        "code_lifetime": "120 s (2 minutes)",
        "rule 1": "deny network=192.0.2.0/24",
        "rule 2": "second_factor kind=web",
    }
    shown = facts(terminal.ok("client", "show", "acme").out)
    assert changed.items() <= shown.items()
    assert shown["expires_in_web"] == "86400 s (1 day)"
    assert shown["expires_in_app"] == "2592000 s (30 days)"
    assert shown["access_token_lifetime"] == "90 s"
    terminal.ok("client", "set", "acme", "--rule", "")
    assert facts(terminal.ok("client", "show", "acme").out)["rules"] == "-"


def test_script_that_removes_must_say_yes(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    assert "pass --yes" in terminal.refused("client", "remove", "acme")
    assert len(terminal.json("client", "list")) == 1


def test_empty_value_takes_a_setting_away(terminal: Terminal) -> None:
    given = ("--domain", "a.example", "--access-token-lifetime", "60")
    lists = ("--allowed-address", "192.0.2.1", "--logout-redirect-uri", "https://a.example/out")
    terminal.ok("client", "add", "acme", *given, *lists)
    emptied = ["" if index % 2 else name for index, name in enumerate((*given, *lists))]
    after = terminal.json("client", "set", "acme", *emptied)
    assert (after["domain"], after["access_token_lifetime"]) == (None, None)
    assert (after["allowed_addresses"], after["logout_redirect_uris"]) == ([], [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("--domain", "ACME_"),
        ("--redirect-uri", "https://*.example.com"),
        ("--redirect-uri", ""),
        ("--allowed-address", "everywhere"),
        ("--code-lifetime", "601"),
        ("--expires-in-web", "0"),
        ("--name", ""),
    ],
)
def test_refused_setting_changes_nothing(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    terminal.ok("client", "add", "acme")
    before = terminal.json("client", "show", "acme")
    if arguments == ("--redirect-uri", ""):
        assert "at least one address" in terminal.refused("client", "set", "acme", *arguments)
    else:
        terminal.refused("client", "set", "acme", "--no-require-state", *arguments)
    assert terminal.json("client", "show", "acme") == before


def test_list_and_show_report_the_same(terminal: Terminal) -> None:
    assert terminal.run("client", "list").err.startswith("There are no clients yet")
    assert terminal.json("client", "list") == []
    for name in ("beta", "acme"):
        terminal.ok("client", "add", name)
    listed = terminal.json("client", "list")
    assert [client["name"] for client in listed] == ["acme", "beta"]
    shown = terminal.json("client", "show", listed[0]["client_id"])
    del shown["urls"]
    assert shown == listed[0]
    lines = terminal.ok("client", "list").out.splitlines()
    assert lines[0].split("\t") == ["name", "client id", "profile", "user key", "enabled"]
    assert lines[1].split("\t")[0] == "acme"


def test_r47_rotation_keeps_the_old_secret_for_the_overlap(terminal: Terminal) -> None:
    made = terminal.json("client", "add", "acme")
    rotated = terminal.json("client", "rotate-secret", "acme", "--overlap", "12h")
    assert rotated["client_id"] == made["client_id"]
    assert rotated["client_secret"] != made["client_secret"]
    old, new = rotated["secrets"]
    assert old["expires_at"] is not None
    assert new["expires_at"] is None
    (only,) = terminal.json("client", "rotate-secret", "acme", "--overlap", "0")["secrets"]
    assert only["expires_at"] is None
    text = terminal.ok("client", "rotate-secret", "acme").out
    assert "The old one is valid until " in text


def test_disable_enable_and_remove(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    terminal.ok("client", "disable", "acme")
    assert terminal.json("client", "show", "acme")["enabled"] is False
    terminal.ok("client", "enable", "acme")
    assert terminal.json("client", "show", "acme")["enabled"] is True
    terminal.ok("client", "remove", "acme", "--yes")
    assert terminal.refused("client", "show", "acme") == "there is no client 'acme'"


def test_a_client_is_called_by_its_name_however_it_was_asked_for(terminal: Terminal) -> None:
    client_id = terminal.json("client", "add", "Acme")["client_id"]
    for spelling in ("ACME", client_id):
        assert terminal.ok("client", "disable", spelling).out == "The client Acme is disabled.\n"
        assert terminal.ok("client", "enable", spelling).out == "The client Acme is enabled.\n"
    removed = terminal.ok("client", "remove", client_id, "--yes")
    assert removed.out == "The client Acme has been removed.\n"


def test_unknown_client_is_refused_by_every_command(terminal: Terminal) -> None:
    for command in ("show", "rotate-secret", "disable", "enable"):
        assert terminal.refused("client", command, "nobody") == "there is no client 'nobody'"
    assert "no client 'nobody'" in terminal.refused("client", "remove", "nobody", "--yes")
    assert "no client" in terminal.refused("client", "set", "nobody", "--refresh-tokens")


def test_name_that_is_taken_is_refused(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    assert "already" in terminal.refused("client", "add", "ACME")


def test_wrong_usage_is_said_to_be_so(terminal: Terminal) -> None:
    assert "nothing to change" in terminal.misused("client", "set", "acme")
    assert "rotate-secret" in terminal.misused("client", "rotate-secrt", "acme")
    assert "No such option" in terminal.misused("client", "add", "acme", "--secret", "mine")
    assert "90s, 15m" in terminal.misused("client", "rotate-secret", "acme", "--overlap", "soon")
    assert "line_works" in terminal.misused("client", "add", "acme", "--profile", "other")
    for option in ("--access-token-lifetime", "--expires-in-web", "--code-lifetime"):
        for text in ("x", "1.5", "-1"):
            assert "90s, 15m, 12h or 7d" in terminal.misused("client", "set", "a", option, text)
    assert "NAME" in terminal.misused("client", "add")


def test_the_address_for_mail_clients_is_printed_once_it_is_answered(terminal: Terminal) -> None:
    out = terminal.ok("client", "add", "acme inc").out
    assert "IMAP/CalDAV" not in out
    assert "IMAP/CalDAV" not in terminal.ok("client", "show", "acme inc").out
    terminal.ok("client", "set", "acme inc", "--imap-login")
    assert "/apiLogin/" in terminal.ok("client", "show", "acme inc").out


def test_clients_are_as_a_file_says(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    file.write_text('[[client]]\nname = "acme"\nexpires_in_web = 3600\n')
    told = terminal.run("client", "apply", str(file), "--check")
    assert (told.code, told.out.splitlines()[0]) == (3, "acme: add")
    assert terminal.json("client", "list") == []
    (made,) = terminal.json("client", "apply", str(file))
    assert (made["action"], len(made["client_secret"])) == ("add", 43)
    assert "expires_in_web: 86400 -> 3600" in told.out
    assert terminal.ok("client", "apply", str(file), "--check").out == "acme: keep\n"
    listed = tmp_path / "clients.json"
    listed.write_text(terminal.ok("client", "list", "--json").out)
    (kept,) = terminal.json("client", "apply", str(listed))
    assert (kept["action"], kept["settings"]) == ("keep", [])
    piped = terminal.ok("client", "apply", "-", "--check", stdin=listed.read_bytes())
    assert piped.out == "acme: keep\n"
    listed.write_text('{"name": "acme"}')
    assert "a list of clients is needed" in terminal.refused("client", "apply", str(listed))
    listed.write_text("{")
    assert "clients.json" in terminal.refused("client", "apply", str(listed))


def test_the_secret_of_a_client_is_told_though_the_next_one_fails(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, added = ClientAdministration.add, list[str]()

    async def adds_one(clients: ClientAdministration, /, name: str, **values: Any) -> NewClient:
        if added:
            raise Refused("the database is read-only by now")
        made = await add(clients, name, **values)
        added.append(made.client_secret)
        return made

    monkeypatch.setattr(ClientAdministration, "add", adds_one)
    file = tmp_path / "clients.toml"
    file.write_text('[[client]]\nname = "acme"\n[[client]]\nname = "box"\n')
    told = terminal.run("client", "apply", str(file))
    assert (told.code, "read-only by now" in told.err) == (1, True)
    assert added[0] in told.out
