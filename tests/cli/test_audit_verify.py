"""``worksgate audit verify``."""

import asyncio
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.databases import NOW, directory_in, query

from worksgate.audit import AuditEvent, Event
from worksgate.directory.audit.seal_form import Seal


@pytest.fixture
def seals(terminal: Terminal, tmp_path: Path) -> list[Seal]:
    """Three seals of two records each, and one record that has none yet."""

    async def make() -> list[Seal]:
        made = []
        async with directory_in(tmp_path / "worksgate.db") as directory:
            for number in range(3):
                event = AuditEvent(event=Event.LOGOUT, at=NOW + number, username="aoi")
                await directory.record([event, event])
                seal = await directory.seals.seal_next(99, NOW + 9)
                assert seal is not None
                made.append(seal)
            await directory.record([event])
        return made

    return asyncio.run(make())


def test_r149_what_is_as_it_was_sealed_is_said_with_the_newest_seal(
    terminal: Terminal, seals: list[Seal]
) -> None:
    terminal.environ["TZ"] = "UTC"
    assert terminal.ok("audit", "verify").out.splitlines() == [
        "Everything is as it was sealed: 6 records, 3 seals.",
        "1 record not sealed yet, the first of 2027-01-15 08:00:02+00:00.",
        f"Newest seal, of 2027-01-15 08:00:02+00:00: 3:{seals[2].digest}",
    ]


def test_r149_each_finding_is_one_line_and_the_exit_code_is_1(
    terminal: Terminal, seals: list[Seal], tmp_path: Path
) -> None:
    query(tmp_path / "worksgate.db", "UPDATE audit SET username = 'mallory' WHERE id = 3")
    query(tmp_path / "worksgate.db", "DELETE FROM audit WHERE id = 6")
    result = terminal.run("audit", "verify")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0].startswith("changed: records 3 to 4 are not as they were sealed (seal 2 of ")
    assert lines[1] == "missing: 1 of records 5 to 6 (seal 3 of 2027-01-15 08:00:02Z) are missing"
    assert lines[2] == "2 findings: 5 records and 3 seals were compared."


def test_an_expected_seal_is_compared(terminal: Terminal, seals: list[Seal]) -> None:
    terminal.ok("audit", "verify", "--expect", f"2:{seals[1].digest}")
    missing = terminal.run("audit", "verify", "--expect", f"4:{seals[1].digest}")
    assert missing.code == 1
    assert missing.out.startswith("not as expected: seal 4, which is expected, does not exist")
    other = terminal.run("audit", "verify", "--expect", f"2:{seals[0].digest}")
    assert other.code == 1
    assert "seal 2 of 2027-01-15 08:00:01Z has another digest than expected" in other.out
    assert "is not the number and the digest" in terminal.misused(
        "audit", "verify", "--expect", "2"
    )


def test_programs_get_one_document(terminal: Terminal, seals: list[Seal], tmp_path: Path) -> None:
    told = terminal.json("audit", "verify")
    assert (told["ok"], told["records"], told["seals"], told["unsealed"]) == (True, 6, 3, 1)
    assert (told["last_seal"]["number"], told["last_seal"]["digest"]) == (3, seals[2].digest)
    query(tmp_path / "worksgate.db", "DELETE FROM audit_seals WHERE number = 2")
    result = terminal.run("audit", "verify", "--json")
    assert (result.code, result.json["ok"]) == (1, False)
    (finding,) = result.json["findings"]
    assert (finding["problem"], finding["seal"]) == ("seal missing", 2)
    assert (finding["first_id"], finding["last_id"]) == (3, 4)


def test_a_log_without_seals_is_verified(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    first, second = terminal.ok("audit", "verify").out.splitlines()
    assert first == "Everything is as it was sealed: 0 records, 0 seals."
    assert second.startswith("1 record not sealed yet")


def test_options_that_choose_records_do_not_go_with_verify(terminal: Terminal) -> None:
    terminal.ok("client", "add", "acme")
    assert "--user is for worksgate audit" in terminal.misused("audit", "--user", "a", "verify")
    config = terminal.folder / "other.toml"
    config.write_text("database_url = 'sqlite:///nowhere.db'\n")
    terminal.has_database_url = False
    assert "nowhere.db" in terminal.refused("audit", "--config", str(config), "verify")


def test_a_purge_leaves_nothing_to_find(terminal: Terminal, tmp_path: Path) -> None:
    old = "INSERT INTO audit (at, event) VALUES (1000000000.0, 'logout')"
    query(tmp_path / "worksgate.db", old)
    assert terminal.json("purge") == {"removed": 1}
    assert terminal.ok("audit", "verify").out.splitlines()[:2] == [
        "Everything is as it was sealed: 0 records, 1 seal.",
        "Records up to 1 were past their time and have been removed (record 2).",
    ]
