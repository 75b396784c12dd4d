"""``worksgate user leave``."""

import asyncio
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.databases import NOW, directory_in

from worksgate.cli.user_leave import _STEPS
from worksgate.directory.departures import TRIED
from worksgate.sources import Person


@pytest.fixture
def company(terminal: Terminal) -> Terminal:
    terminal.environ["TZ"] = "Asia/Tokyo"
    terminal.ok("user", "add", "Aoi@example.com")
    return terminal


def test_each_step_is_a_line_with_its_record(company: Terminal) -> None:
    lines = company.ok("user", "leave", "aoi@example.com").out.splitlines()
    assert [line.partition(" (record")[0] for line in lines] == [
        "Aoi@example.com leaves:",
        "  ✓  disabled",
        "  ✓  0 sessions, codes and tokens ended",
        "  ✓  0 app passwords removed",
        "  –  second factors stay; they open nothing for a disabled person",
        "  –  LINE WORKS does not know yet: the Directory API is not set up. Suspend or delete the "
        "member in the console of LINE WORKS; until then, apps that are signed in stay so.",
    ]
    assert not company.json("user", "show", "aoi@example.com")["enabled"]
    told = company.json("user", "leave", "aoi@example.com")
    assert told["complete"]
    assert [step["step"] for step in told["steps"]] == ["disabled", "signed_out", "app_passwords"]
    assert all(step["done"] and step["record"] for step in told["steps"])


def test_a_step_that_fails_is_said_and_the_exit_code_is_1(company: Terminal) -> None:
    company.environ["WORKSGATE_STORE_URL"] = "valkey://127.0.0.1:1/0"
    result = company.run("user", "leave", "aoi@example.com")
    assert result.code == 1
    assert "  ✓  disabled (record " in result.out
    assert "  ✗  not sessions, codes and tokens ended: " in result.out
    assert "  ✓  0 app passwords removed (record " in result.out
    assert "The server tries again what failed" in result.err
    again = company.run("user", "leave", "aoi@example.com", "--only", "signed-out")
    assert again.code == 1
    assert again.out.startswith("✗  not sessions, codes and tokens ended: ")
    del company.environ["WORKSGATE_STORE_URL"]
    assert len(company.json("user", "leave", "--list")) == 1
    done = company.json("user", "leave", "aoi@example.com", "--only", "signed-out")
    assert (done["step"], done["done"]) == ("signed_out", True)
    assert company.json("user", "leave", "--list") == []


@pytest.mark.parametrize(
    ("given", "due_at", "shown"),
    [
        ("2126-12-31", "2126-12-31T15:00:00Z", "2127-01-01 00:00:00+09:00"),
        ("2126-12-31T18:00", "2126-12-31T09:00:00Z", "2126-12-31 18:00:00+09:00"),
        ("2126-12-31T18:00Z", "2126-12-31T18:00:00Z", "2127-01-01 03:00:00+09:00"),
    ],
)
def test_who_leaves_on_a_date_is_listed_until_then(
    company: Terminal, given: str, due_at: str, shown: str
) -> None:
    lines = company.ok("user", "leave", "aoi@example.com", "--on", given).out.splitlines()
    assert lines[0] == f"Aoi@example.com leaves at {shown}."
    assert company.json("user", "show", "aoi@example.com")["enabled"]
    (planned,) = company.json("user", "leave", "--list")
    assert (planned["username"], planned["due_at"]) == ("Aoi@example.com", due_at)
    assert shown in company.ok("user", "leave", "--list").out
    assert company.json("user", "leave", "aoi@example.com", "--cancel")["due_at"] == due_at
    assert company.run("user", "leave", "--list").err == "No departure is planned.\n"
    assert "no departure of aoi@example.com" in company.refused(
        "user", "leave", "aoi@example.com", "--cancel"
    )


def test_a_person_of_another_source_leaves(company: Terminal, tmp_path: Path) -> None:
    async def remember() -> None:
        async with directory_in(tmp_path / "worksgate.db") as directory:
            person = Person(subject_id="ldap:1", username="hana", name="Hana")
            await directory.people.remember("company", person, NOW)

    asyncio.run(remember())
    told = company.json("user", "leave", "hana", "--source", "company")
    assert (told["subject_id"], told["source"], told["complete"]) == ("ldap:1", "company", True)


def test_the_steps_that_can_be_tried_are_those_of_a_departure() -> None:
    assert list(_STEPS) == [step.name.lower() for step in TRIED]


def test_options_that_contradict_each_other_are_refused(company: Terminal) -> None:
    assert "USERNAME" in company.misused("user", "leave")
    assert "--list goes" in company.misused("user", "leave", "aoi@example.com", "--list")
    assert "contradict" in company.misused("user", "leave", "a", "--cancel", "--on", "2126-01-01")
    assert "contradicts" in company.misused("user", "leave", "a", "--only", "disabled", "--suspend")
    assert "neither a time" in company.misused("user", "leave", "a", "--on", "31 March")
    assert "in the past" in company.refused(
        "user", "leave", "aoi@example.com", "--on", "2020-01-01"
    )
