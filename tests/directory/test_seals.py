"""Seals of the audit log, on SQLite and PostgreSQL; whoever tampers writes to the database."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.databases import NOW, POSTGRES, directory_in, query

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.master_key import Keyring, MasterKey
from worksgate.database import schema
from worksgate.database.recording import write_events
from worksgate.directory.audit.seal_form import Seal, content_digest, record_digest
from worksgate.directory.audit.seal_verification import Finding, Problem, Verified
from worksgate.directory.audit.seals import MOST_RECORDS
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter

KEY, NEW_KEY = MasterKey(b"k" * 32), MasterKey(b"n" * 32)


@pytest.fixture(autouse=True)
def numbered_from_one(database: Path) -> None:
    """A database on PostgreSQL may have been another test's before."""
    if database.suffix == POSTGRES:
        query(database, "SELECT setval(pg_get_serial_sequence('audit', 'id'), 1, false)")


async def record(directory: Directory, count: int, at: float = NOW) -> None:
    await directory.record(
        [
            AuditEvent(
                event=Event.LOGIN_FAILED,
                at=at + number / 10,
                username="青い",
                detail=f"try {number}",
                reason=Reason.WRONG_PASSWORD,
                elapsed_ms=number / 7,
            )
            for number in range(count)
        ]
    )


async def seal(directory: Directory, now: float = NOW + 1) -> list[Seal]:
    """Seal everything that waits."""
    made, until = [], await directory.seals.settled()
    while (one := await directory.seals.seal_next(until, now)) is not None:
        made.append(one)
    return made


async def seal_three(directory: Directory) -> list[Seal]:
    """Three seals of five records each; four IDs of the second are missing, as after a rollback."""
    made = []
    for _ in range(3):
        await record(directory, 5)
        made += await seal(directory)
    return made


async def verify(
    directory: Directory, expected: Mapping[int, str] = {}
) -> tuple[list[Finding], Verified]:
    findings: list[Finding] = []
    verified = await directory.seals.verify(expected, findings.append, lambda done: None)
    assert verified.findings == len(findings)
    return findings, verified


async def problems(
    directory: Directory, expected: Mapping[int, str] = {}
) -> list[tuple[Problem, int | None, int | None, int | None]]:
    findings, _ = await verify(directory, expected)
    return [(each.problem, each.seal, each.first_id, each.last_id) for each in findings]


async def test_r149_all_records_are_sealed_in_order_and_fit(directory: Directory) -> None:
    await record(directory, MOST_RECORDS + 3)
    first, second = await seal(directory)
    assert (first.number, first.first_id, first.last_id, first.records) == (1, 1, 500, 500)
    assert (second.number, second.first_id, second.last_id, second.records) == (2, 501, 503, 3)
    assert await seal(directory) == []
    await record(directory, 2, at=NOW + 5)
    findings, verified = await verify(directory)
    assert findings == []
    assert (verified.records, verified.seals, verified.unsealed) == (503, 2, 2)
    assert (verified.last, verified.unsealed_since) == (second, NOW + 5)
    done: list[int] = []
    await directory.seals.verify({}, findings.append, done.append)
    assert done == [500, 503]


async def test_r149_records_in_front_of_the_first_seal_are_counted(
    directory: Directory, database: Path
) -> None:
    await seal_three(directory)
    for id in (-1, 0):  # noqa: A001  # the name of the column
        query(database, INSERT.format(id))
    ((finding,), _) = await verify(directory)
    assert finding.text == "records -1 to 0: 2 in front of the first seal, added later"


async def test_an_empty_log_needs_no_seal(directory: Directory) -> None:
    assert await seal(directory) == []
    findings, verified = await verify(directory)
    assert (findings, verified) == ([], Verified())


SWAP = (
    "UPDATE audit SET id = -5 WHERE id = 7",
    "UPDATE audit SET id = 7 WHERE id = 9",
    "UPDATE audit SET id = 9 WHERE id = -5",
)
INSERT = "INSERT INTO audit (id, at, event) VALUES ({}, 1800000000.0, 'logout')"

TAMPERING: dict[
    str, tuple[Sequence[str], Sequence[tuple[Problem, int | None, int | None, int | None]]]
] = {
    "a text": (
        ["UPDATE audit SET detail = 'try 9' WHERE id = 7"],
        [(Problem.CHANGED, 2, 6, 10)],
    ),
    "an empty text for none": (
        ["UPDATE audit SET actor = '' WHERE id = 7"],
        [(Problem.CHANGED, 2, 6, 10)],
    ),
    "a reason": (
        ["UPDATE audit SET reason = NULL WHERE id = 6"],
        [(Problem.CHANGED, 2, 6, 10)],
    ),
    "a duration": (
        ["UPDATE audit SET elapsed_ms = elapsed_ms + 0.0000001 WHERE id = 10"],
        [(Problem.CHANGED, 2, 6, 10)],
    ),
    "a time": (
        ["UPDATE audit SET at = at + 0.001 WHERE id = 1"],
        [(Problem.CHANGED, 1, 1, 5)],
    ),
    "one of the newest": (
        ["UPDATE audit SET event = 'logout' WHERE id = 15"],
        [(Problem.CHANGED, 3, 11, 15)],
    ),
    "one of each seal": (
        ["UPDATE audit SET detail = NULL WHERE id IN (1, 6, 11)"],
        [(Problem.CHANGED, 1, 1, 5), (Problem.CHANGED, 2, 6, 10), (Problem.CHANGED, 3, 11, 15)],
    ),
    "two records swapped": (SWAP, [(Problem.CHANGED, 2, 6, 10)]),
    "a record moved to another seal": (
        ["UPDATE audit SET id = 0 WHERE id = 7"],
        [(Problem.ADDED, None, 0, 0), (Problem.MISSING, 2, 6, 10)],
    ),
    "one removed from the middle": (
        ["DELETE FROM audit WHERE id = 8"],
        [(Problem.MISSING, 2, 6, 10)],
    ),
    "one removed from each end": (
        ["DELETE FROM audit WHERE id IN (1, 15)"],
        [(Problem.MISSING, 1, 1, 5), (Problem.MISSING, 3, 11, 15)],
    ),
    "all of a seal removed": (
        ["DELETE FROM audit WHERE id BETWEEN 6 AND 10"],
        [(Problem.MISSING, 2, 6, 10)],
    ),
    "one in front": ([INSERT.format(-3)], [(Problem.ADDED, None, -3, -3)]),
    "the digest of a seal": (
        [f"UPDATE audit_seals SET digest = '{'f' * 64}' WHERE number = 2"],
        [(Problem.SEAL_CHANGED, 2, None, None)],
    ),
    "what a seal says that it counted": (
        ["UPDATE audit_seals SET records = 4 WHERE number = 2"],
        [(Problem.SEAL_CHANGED, 2, None, None)],
    ),
    "the time of a seal": (
        ["UPDATE audit_seals SET at = at - 3600.0 WHERE number = 2"],
        [(Problem.CHANGED, 2, 6, 10)],
    ),
    "where a seal ends": (
        ["UPDATE audit_seals SET last_id = 9 WHERE number = 2"],
        [(Problem.MISSING, 2, 6, 9), (Problem.SEAL_CHANGED, 3, None, None)],
    ),
    "a seal removed": (
        ["DELETE FROM audit_seals WHERE number = 2"],
        [(Problem.SEAL_MISSING, 2, 6, 10)],
    ),
    "the first seals removed": (
        ["DELETE FROM audit_seals WHERE number < 3", "DELETE FROM audit WHERE id < 11"],
        [(Problem.SEAL_MISSING, 1, 1, 10)],
    ),
    "records that count as past their time without a record of that": (
        ["UPDATE audit_seals SET purged = 12 WHERE number = 1", "DELETE FROM audit WHERE id < 6"],
        [(Problem.REMOVED, 1, None, 5)],
    ),
    "a seal in the middle that counts as past its time": (
        ["UPDATE audit_seals SET purged = 12 WHERE number = 2"],
        [(Problem.SEAL_CHANGED, 2, None, None), (Problem.REMOVED, 2, None, 10)],
    ),
}


@pytest.mark.parametrize(("statements", "found"), TAMPERING.values(), ids=TAMPERING)
async def test_r149_tampering_is_found_and_named(
    directory: Directory,
    database: Path,
    statements: Sequence[str],
    found: Sequence[tuple[Problem, int | None, int | None, int | None]],
) -> None:
    await seal_three(directory)
    assert await problems(directory) == []
    for statement in statements:
        query(database, statement)
    assert await problems(directory) == found


async def test_r149_a_record_that_is_added_later_is_named(
    directory: Directory, database: Path
) -> None:
    await record(directory, 20)
    query(database, "DELETE FROM audit WHERE id IN (7, 8)")  # as after a rollback on PostgreSQL
    await seal(directory)
    query(database, INSERT.format(7))
    findings, _ = await verify(directory)
    (finding,) = findings
    assert (finding.problem, finding.first_id, finding.last_id) == (Problem.ADDED, 7, 7)
    assert finding.text.endswith("after these were sealed, or came late")
    query(database, INSERT.format(8))
    assert await problems(directory) == [(Problem.ADDED, 1, 1, 20)]


async def test_r149_an_end_that_was_cut_off_is_found_with_a_line_of_the_log(
    directory: Directory, database: Path
) -> None:
    *_, before, last = await seal_three(directory)
    expected = {before.number: before.digest, last.number: last.digest.upper()}
    assert await problems(directory, expected) == []
    query(database, "DELETE FROM audit_seals WHERE number = 3")
    query(database, "DELETE FROM audit WHERE id > 10")
    assert await problems(directory) == []
    assert await problems(directory, expected) == [(Problem.NOT_AS_EXPECTED, 3, None, None)]


async def write_again(directory: Directory, database: Path, key: MasterKey | None = None) -> None:
    """What somebody does who knows how seals are made: change a record, and all seals after it."""
    query(database, "UPDATE audit SET username = 'someone.else' WHERE id = 7")
    columns = ", ".join(
        column.name for column in schema.audit_seals.c if column.name not in ("mac", "purged")
    )
    previous = ""
    for number in (1, 2, 3):
        (row,) = query(database, f"SELECT {columns} FROM audit_seals WHERE number = {number}")
        names = columns.split(", ")
        old = Seal(**dict(zip(names, row, strict=True)))
        async with directory.reading() as connection:
            wanted = schema.audit.c.id.between(old.first_id, old.last_id)
            rows = await connection.execute(
                select(schema.audit).where(wanted).order_by(schema.audit.c.id)
            )
            content = content_digest(map(record_digest, rows.all()))
        new = old.sealed(previous, content, key)
        code = "NULL" if new.mac is None else f"'{new.mac}'"
        query(
            database,
            f"UPDATE audit_seals SET digest = '{new.digest}', mac = {code} WHERE number = {number}",
        )
        previous = new.digest


async def test_r149_seals_that_were_written_again_are_found_with_a_line_of_the_log(
    directory: Directory, database: Path
) -> None:
    first, second, _ = await seal_three(directory)
    await write_again(directory, database)
    assert await problems(directory) == []  # without a master key and a line of the log
    expected = {1: first.digest, 2: second.digest}
    assert await problems(directory, expected) == [(Problem.NOT_AS_EXPECTED, 2, None, None)]


@pytest.mark.parametrize("key", [None, NEW_KEY, replace(KEY, material=b"x" * 32)])
async def test_r149_seals_that_were_written_without_the_master_key_are_found(
    database: Path, key: MasterKey | None
) -> None:
    async with directory_in(database, Keyring(current=KEY)) as directory:
        await seal_three(directory)
        assert await problems(directory) == []
        await write_again(directory, database, key)
        assert (Problem.NOT_AUTHENTIC, 3, None, None) in await problems(directory)
        code = (await seal_of(directory)).mac or ""
        forged = f"{KEY.id}:{code.partition(':')[2] or '0' * 64}"
        query(database, f"UPDATE audit_seals SET mac = '{forged}' WHERE number = 3")
        assert (Problem.NOT_AUTHENTIC, 3, None, None) in await problems(directory)


async def seal_of(directory: Directory) -> Seal:
    last = await directory.seals.last()
    assert last is not None
    return last


async def test_seals_outlive_the_rotation_of_the_master_key(database: Path) -> None:
    async with directory_in(database, Keyring(current=KEY)) as directory:
        await seal_three(directory)
    async with directory_in(database, Keyring(current=NEW_KEY)) as directory:
        assert await problems(directory) == [(Problem.NOT_AUTHENTIC, 3, None, None)]
        (bridge,) = await seal(directory)  # no records are new: it covers those before
        assert (bridge.records, bridge.key_id) == (0, NEW_KEY.id)
        assert await seal(directory) == []
        findings, verified = await verify(directory)
        assert (findings, verified.foreign_keys) == ([], {KEY.id})
        query(database, "UPDATE audit SET detail = 'x' WHERE id = 3")
        assert await problems(directory) == [(Problem.CHANGED, 1, 1, 5)]


async def test_without_the_master_key_the_records_are_compared_all_the_same(
    database: Path,
) -> None:
    async with directory_in(database, Keyring(current=KEY)) as directory:
        await seal_three(directory)
    async with directory_in(database) as directory:
        findings, verified = await verify(directory)
        assert (findings, verified.foreign_keys) == ([], {KEY.id})


HOUR = 3_600.0


async def purge(directory: Directory, before: float, now: float) -> tuple[int, int]:
    """How many records were given up, and how many removed."""
    given_up, removed = await directory.seals.expire(before, now, actor="tester"), 0
    while some := await directory.seals.remove_expired(3):
        removed += some
    return given_up, removed


async def test_r150_a_removal_of_what_is_past_its_time_is_no_tampering(
    directory: Directory,
) -> None:
    for hour in range(4):
        await record(directory, 5, at=NOW + hour * HOUR)
        await seal(directory, now=NOW + hour * HOUR + 60)
    assert await purge(directory, NOW + 2 * HOUR, NOW + 4 * HOUR) == (10, 10)
    findings, verified = await verify(directory)
    assert (findings, verified.records, verified.unsealed) == ([], 10, 1)
    assert await purge(directory, NOW + 2 * HOUR, NOW + 4 * HOUR) == (0, 0)
    await seal(directory, now=NOW + 4 * HOUR)
    assert await purge(directory, NOW + 3 * HOUR, NOW + 5 * HOUR) == (5, 5)
    assert await problems(directory) == []
    told = [event.detail for event in await directory.audit(AuditFilter(event=Event.SYSTEM))]
    assert told == [
        "up to record 10: 10 audit records were past their time",
        "up to record 15: 5 audit records were past their time",
    ]


async def test_r150_a_seal_goes_as_a_whole_or_not_at_all(directory: Directory) -> None:
    await record(directory, 5, at=NOW + HOUR - 0.2)  # two in this hour, three in the next
    made = await seal(directory, now=NOW + 2 * HOUR)
    assert [each.records for each in made] == [2, 3]
    assert await purge(directory, NOW + HOUR - 1, NOW + 3 * HOUR) == (0, 0)
    assert await purge(directory, NOW + HOUR, NOW + 3 * HOUR) == (2, 2)
    assert await problems(directory) == []


async def test_r150_a_removal_that_is_interrupted_goes_on(directory: Directory) -> None:
    await seal_three(directory)
    await directory.seals.expire(NOW + HOUR, NOW + HOUR)
    assert await directory.seals.remove_expired(4) == 4
    findings, verified = await verify(directory)
    assert (findings, verified.leftovers) == ([], 11)
    assert await directory.seals.remove_expired(100) == 11
    assert await problems(directory) == []


async def test_only_one_of_two_purges_gives_up_a_seal(database: Path) -> None:
    async with directory_in(database) as one, directory_in(database) as other:
        await seal_three(one)
        expiring = [each.seals.expire(NOW + HOUR, NOW + HOUR) for each in (one, other)]
        assert sorted(await asyncio.gather(*expiring)) == [0, 15]
        assert len(await one.audit(AuditFilter(event=Event.SYSTEM))) == 1


async def test_r150_what_was_dated_back_does_not_go_as_past_its_time(
    directory: Directory, database: Path
) -> None:
    await seal_three(directory)
    query(database, "UPDATE audit SET at = 1700000000.0 WHERE id < 6")
    assert await purge(directory, NOW - HOUR, NOW + HOUR) == (0, 0)
    assert await problems(directory) == [(Problem.CHANGED, 1, 1, 5)]


async def test_r150_records_that_are_sealed_late_go_in_time(directory: Directory) -> None:
    """As after the upgrade to a version with seals, beside a server that knows nothing of them."""
    await record(directory, 5)
    await record(directory, 5, at=NOW + HOUR)
    await seal(directory, now=NOW + 1_000 * HOUR)
    assert await purge(directory, NOW + HOUR, NOW + 1_000 * HOUR) == (5, 5)
    assert await problems(directory) == []


async def test_a_clock_that_was_ahead_keeps_no_records(directory: Directory) -> None:
    await record(directory, 5, at=NOW + 1_000 * HOUR)
    await seal(directory, now=NOW + 1_000 * HOUR)
    await record(directory, 5)
    await seal(directory, now=NOW + 60)
    assert await purge(directory, NOW + HOUR, NOW + 2 * HOUR) == (10, 10)


async def test_r150_a_removal_without_the_master_key_is_found(database: Path) -> None:
    async with directory_in(database, Keyring(current=KEY)) as directory:
        await seal_three(directory)
        detail = "up to record 5: 5 audit records were past their time"
        await directory.record([AuditEvent(event=Event.SYSTEM, at=NOW, detail=detail)])
        query(database, "UPDATE audit_seals SET purged = 16 WHERE number = 1")
        query(database, "DELETE FROM audit WHERE id < 6")
        assert (Problem.NOT_AUTHENTIC, 1, None, None) in await problems(directory)
        query(database, "UPDATE audit_seals SET mac = NULL WHERE number = 1")
        assert await problems(directory) == [(Problem.REMOVED, 1, None, 5)]


async def test_an_expected_seal_that_is_past_its_time_is_said_to_be_gone(
    directory: Directory,
) -> None:
    first, *_ = await seal_three(directory)
    await purge(directory, NOW + HOUR, NOW + HOUR)
    findings, _ = await verify(directory, {1: first.digest})
    (finding,) = findings
    assert finding.problem is Problem.NOT_AS_EXPECTED
    assert "past their time" in finding.text


async def test_r149_no_record_is_late_however_many_write_meanwhile(database: Path) -> None:
    """Sealing goes on while records are written, some in transactions that end out of order."""

    async def write(directory: Directory, number: int) -> None:
        for turn in range(20):
            events = [AuditEvent(event=Event.LOGOUT, at=NOW, detail=f"{number} {turn}")] * 3
            async with directory.writing() as connection:
                await write_events(connection, *events)
                await asyncio.sleep(0.003 * (number + turn) % 0.01)

    async with directory_in(database) as one, directory_in(database) as other:
        writers = [
            asyncio.create_task(write(directory, number))
            for number in range(3)
            for directory in (one, other)
        ]
        while not all(writer.done() for writer in writers):
            await asyncio.gather(seal(one), seal(other))
            await asyncio.sleep(0.01)
        await asyncio.gather(*writers)
        await seal(one)
        findings, verified = await verify(one)
        assert (findings, verified.records, verified.unsealed) == ([], 6 * 20 * 3, 0)


@pytest.mark.parametrize("kind", ["postgres"])  # SQLite has one writer at a time
async def test_a_seal_waits_for_the_transactions_that_have_begun(
    database: Path, directory: Directory
) -> None:
    async with directory.writing() as connection:
        await write_events(connection, AuditEvent(event=Event.LOGOUT, at=NOW, detail="first"))
        async with directory_in(database) as other:
            await record(other, 1)
            assert await other.seals.settled(within=0.3) == 0
            settling = asyncio.create_task(other.seals.settled(within=60.0))
            await asyncio.sleep(0.2)
            assert not settling.done()
    assert await settling == 2


async def test_both_databases_give_the_same_digests(directory: Directory) -> None:
    await record(directory, 3)
    async with directory.reading() as connection:
        rows = (await connection.execute(select(schema.audit))).all()
    expected = [
        (
            *(number + 1, NOW + number / 10, "login.failed", None, None, None, "青い", None, None),
            *(f"try {number}", "wrong_password", number / 7),
        )
        for number in range(3)
    ]
    assert list(map(record_digest, rows)) == list(map(record_digest, expected))


async def test_every_column_of_a_seal_is_a_field(directory: Directory) -> None:
    names = {column.name for column in schema.audit_seals.c}
    assert names == {field.name for field in fields(Seal)}
