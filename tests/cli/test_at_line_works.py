"""What commands ask of LINE WORKS, and tell it: the leaver, the rehearsal, the trace."""

from collections.abc import Iterator

import pytest
from tests.administration.external_keys.line_works import LineWorks, member, registered, served
from tests.cli.terminal import Terminal

from worksgate.administration import line_works_members
from worksgate.conformance.directory_api import Fault
from worksgate.credentials.master_key import MasterKey

AOI = "aoi@example.com"


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
def office(terminal: Terminal, line_works: LineWorks) -> Terminal:
    """An installation with a person, a client, and its app of the API."""
    line_works.holds({"aoi": "E-1", "ren": None})
    terminal.environ |= {
        "WORKSGATE_MASTER_KEY": MasterKey(bytes(32)).text,
        "WORKSGATE_LINE_WORKS_API_URLS": f"line_works={line_works.hosts.api}",
        "WORKSGATE_LINE_WORKS_AUTH_URLS": f"line_works={line_works.hosts.auth}",
    }
    terminal.ok("key", "encrypt", "--yes")
    terminal.ok("client", "add", "Acme")
    terminal.ok("user", "add", AOI, "--external-key", "E-1", "--works-account", AOI)
    app = registered().app
    (terminal.folder / "private.key").write_text(registered().private_key)
    terminal.ok(
        *("line-works-api", "set", "Acme", "--app-id", app.client_id),
        *("--service-account", app.service_account),
        *("--private-key-file", "private.key", "--secret-stdin"),
        stdin=app.client_secret.encode() + b"\n",
    )
    return terminal


def test_r212_leaving_says_what_line_works_has_accepted(
    office: Terminal, line_works: LineWorks
) -> None:
    told = office.ok("user", "leave", AOI, "--on", "2126-12-31", "--suspend").out
    assert "LINE WORKS is then asked to sign them out." in told
    lines = office.ok("user", "leave", AOI, "--suspend").out.splitlines()
    assert [line.partition(" (record")[0] for line in lines[4:]] == [
        "  ✓  suspended at LINE WORKS",
        "  ✓  LINE WORKS has accepted the request to sign them out; devices are signed out within "
        "5 minutes",
        "  –  second factors stay; they open nothing for a disabled person",
    ]
    assert line_works.simulator.state().person(AOI).is_suspended


def test_r210_leaving_is_done_here_though_line_works_is_down(
    office: Terminal, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_works_members, "PATIENCE", 0.2)
    line_works.simulator.faults.plan(Fault.NO_ANSWER, times=99)
    done = office.run("user", "leave", AOI)
    assert done.code == 1
    assert "  ✓  disabled (record " in done.out
    assert "  ✗  not signed out at LINE WORKS: LINE WORKS gave no answer within" in done.out
    assert "The server tries again what failed" in done.err
    assert not office.json("user", "show", AOI)["enabled"]
    assert len(office.json("user", "leave", "--list")) == 1


def test_what_line_works_does_not_have_is_left_to_the_administrator(
    office: Terminal, line_works: LineWorks
) -> None:
    line_works.holds({"ren": None})
    done = office.run("user", "leave", AOI)
    assert done.code == 1
    assert "nobody there has this user key or account; do this in the console" in done.out
    assert "tries again" not in done.err
    assert office.json("user", "leave", "--list") == []


def test_rehearsal_reads_members_from_line_works(office: Terminal) -> None:
    done = office.run("rehearse", "--line-works")
    assert done.code == 1
    assert done.out.startswith("1 of 2 people would get in at Acme.")
    told = office.run("rehearse", "--line-works", "--json").json
    assert (told["asked_line_works"], told["members"]) == (True, 2)
    assert "exclude each other" in office.misused("rehearse", "members.csv", "--line-works")


def test_trace_compares_key_and_suspension(office: Terminal, line_works: LineWorks) -> None:
    line_works.holds([member("aoi", "E-2", is_suspended=True)])
    gates = {each["gate"]: each for each in office.json("trace", AOI)["gates"]}
    assert (gates["same_key"]["state"], gates["works_account"]["state"]) == ("shut", "shut")
    assert gates["same_key"]["note"] == "at LINE WORKS it is E-2"
