"""``worksgate check`` on the command line: what it prints, writes and returns."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.terminal import Result, Terminal
from tests.conformance.implementation import (
    CLIENT,
    KEY,
    PASSWORD,
    REDIRECT_URI,
    USERNAME,
    Implementations,
    serving,
    url_of,
)

from worksgate.cli.check import _acts
from worksgate.conformance.checks.operator import Deed
from worksgate.conformance.report.texts import Texts

AT_LEAST = ("--only", "token.exchange", "--only", "token.token_type")


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(Implementations()) as address:
        yield address


def check(
    terminal: Terminal, url: str, *more: str, client_id: str = CLIENT.client_id, stdin: bytes = b""
) -> Result:
    secret, password = terminal.folder / "secret", terminal.folder / "password"
    secret.write_text(f"{CLIENT.client_secret}\n", "utf-8")
    password.write_text(f"{PASSWORD}\nand another line\n", "utf-8")
    return terminal.run(
        *("check", url, "--client-id", client_id, "--redirect-uri", REDIRECT_URI),
        *("--client-secret-file", str(secret), "--password-file", str(password)),
        *more,
        stdin=stdin,
    )


def test_what_passes_ends_with_0_after_the_plan(
    terminal_without_database: Terminal, origin: str
) -> None:
    result = check(
        terminal_without_database, url_of(origin, "plain"), "--username", USERNAME, *AT_LEAST
    )
    assert result.code == 0, result.out + result.err
    lines = result.out.splitlines()
    assert lines[0] == (
        "pass  token.exchange: A code is exchanged for an access token without redirect_uri"
    )
    assert lines[-1].startswith("2 passed, 0 failed, 0 not tested; ")
    assert result.err.startswith("This makes 2 checks: at most 300 requests in 5 minutes")
    assert f"It signs in as {USERNAME}" in result.err


def test_a_finding_says_what_was_sent_and_where_to_read_on(
    terminal_without_database: Terminal, origin: str
) -> None:
    url = url_of(origin, "token.unknown_code")
    result = check(terminal_without_database, url, "--only", "token.unknown_code")
    assert result.code == 1
    assert "FAIL  token.unknown_code: An unknown code is error 302" in result.out
    assert "Error 302 was expected; what came was invalid_grant." in result.out
    assert "POST /token.unknown_code/accessToken grant_type=authorization_code" in result.out
    assert "docs/protocol.md#errors" in result.out


def test_json_junit_and_the_page_are_written(
    terminal_without_database: Terminal, origin: str
) -> None:
    folder = terminal_without_database.folder
    result = check(
        terminal_without_database,
        url_of(origin, "plain"),
        *("--username", USERNAME, "--imap", "--user-key", KEY, "--json", "--language", "ja"),
        *("--without", "time"),  # the limits are the real ones, and the machine may be busy
        *("--junit", str(folder / "check.xml"), "--html", str(folder / "check.html")),
    )
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["counts"]["fail"] == 0
    assert found["counts"]["pass"] > 60
    assert ET.parse(folder / "check.xml").getroot().tag == "testsuites"
    assert '<html lang="ja">' in (folder / "check.html").read_text("utf-8")
    written = (
        result.out
        + result.err
        + "".join(path.read_text("utf-8") for path in folder.glob("check.*"))
    )
    assert PASSWORD not in written
    assert CLIENT.client_secret not in written


def test_plan_says_what_would_be_done_and_asks_for_nothing(
    terminal_without_database: Terminal,
) -> None:
    result = terminal_without_database.run(
        *("check", "https://sso.example.com", "--client-id", "acme", "--username", USERNAME),
        *("--imap", "--plan"),
    )
    assert (result.code, result.out) == (0, "")
    assert "https://sso.example.com/accessToken" in result.err
    assert "one wrong password" in result.err


def test_by_hand_the_address_is_pasted(terminal_without_database: Terminal, origin: str) -> None:
    result = check(
        terminal_without_database,
        url_of(origin, "plain"),
        *("--code", "--only", "token.exchange"),
        stdin=b"\n",
    )
    assert "Open this address" in result.err
    assert "client_id=acme" in result.err
    assert result.code == 2
    assert "skip  token.exchange" in result.out
    assert "Not everything could be tested that was asked for" in result.err


def test_commands_for_the_other_end_are_announced_and_run(
    terminal_without_database: Terminal, origin: str
) -> None:
    done = terminal_without_database.folder / "done"
    result = check(
        terminal_without_database,
        url_of(origin, "plain"),
        *("--username", USERNAME, "--only", "operation", "--json"),
        *("--outage-command", f"echo outage; echo a >> {done}"),
        *("--recovery-command", f"echo b >> {done}"),
    )
    assert "It has the store put out of reach for a moment" in result.err
    (told,) = [
        each for each in json.loads(result.out)["checks"] if each["id"] == "operation.outage"
    ]
    assert told["outcome"] == "not_tested"  # nothing was put out of reach
    assert (result.code, done.read_text("utf-8")) == (2, "a\nb\n")


async def test_what_has_no_command_is_asked_for_at_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("worksgate.cli.check.is_person_there", lambda: True)
    monkeypatch.setattr("sys.stdin", StringIO("\n\n"))
    names = ("outage", "recovery", "disable_user", "disable_client")
    options = {f"{name}_command": None for name in names} | {"assisted": True}
    acts = _acts(options | {"disable_user_command": "true"}, Texts("en"))
    assert set(acts) == set(Deed)
    await acts[Deed.OUTAGE]()
    await acts[Deed.DISABLE_PERSON]()
    asked = capsys.readouterr().err
    assert "Put the store out of reach now" in asked
    assert "Disable the test person" not in asked


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--only", "token.nothing"), "there is no check and no family token.nothing"),
        (("--browser",), "--browser needs --username"),
        (("--browser", "--code"), "--browser and --code exclude each other"),
        (("--imap",), "--imap needs --imap-email or --username"),
        (("--outage-command", "true"), "need each other"),
        (("--assisted",), "--assisted needs a terminal to ask on"),
        (("--connect-to", "here"), "is not a host and a port"),
        (("--html", "/nowhere/report.html"), "/nowhere is no folder that can be written to"),
        (("--browser", "--username", "a", "--ca-file", "ca.pem"), "exclude each other"),
        (("--ca-file", "/nowhere/ca.pem"), "/nowhere/ca.pem has no certificate in PEM"),
        (("--ca-file", __file__), "has no certificate in PEM"),
    ],
)
def test_wrong_usage(
    more: tuple[str, ...], sentence: str, terminal_without_database: Terminal
) -> None:
    result = check(terminal_without_database, "https://sso.example.com", *more)
    assert result.code == 2
    assert sentence in result.err


def test_what_cannot_run_ends_with_2_and_one_line(
    terminal_without_database: Terminal, tmp_path: Path
) -> None:
    result = check(terminal_without_database, "http://127.0.0.1:1", "--only", "token")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(
        "worksgate: nothing answers at 127.0.0.1, port 1: "
    )
    missing = terminal_without_database.run(
        *("check", "https://sso.example.com", "--client-id", "acme"),
        *("--client-secret-file", str(tmp_path / "missing")),
    )
    assert missing.code == 2
    assert missing.err.startswith("worksgate: ")
    unasked = terminal_without_database.run(
        "check", "https://sso.example.com", "--client-id", "acme"
    )
    assert unasked.code == 2
    assert "there is no terminal to ask on" in unasked.err


NO_ADDRESSES = ("a.example", "https://", "https://[", "https://a:99999", "ftp://a.example")


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_wrong_usage(url: str, terminal_without_database: Terminal) -> None:
    result = check(terminal_without_database, url)
    assert (result.code, "is not an address" in result.err) == (2, True)


@pytest.mark.parametrize("option", ["--access-token", "--imap-login", "--redirect-uri"])
def test_an_option_that_is_no_address_is_wrong_usage(
    option: str, terminal_without_database: Terminal
) -> None:
    for url in NO_ADDRESSES[1:]:  # the first is a path
        result = check(terminal_without_database, "https://sso.example.com", option, url)
        assert (result.code, f"{option} is not an address" in result.err) == (2, True)


@pytest.mark.parametrize("option", [None, "--login", "--imap-login", "--redirect-uri"])
def test_r204_an_address_with_a_password_is_refused(
    option: str | None, terminal_without_database: Terminal
) -> None:
    url = "https://hana:hunter2@sso.example.com"
    address = (url,) if option is None else ("https://sso.example.com", option, url)
    result = check(terminal_without_database, *address, "--plan")
    assert (result.code, "must not have" in result.err) == (2, True)
    assert "hunter2" not in result.out + result.err
