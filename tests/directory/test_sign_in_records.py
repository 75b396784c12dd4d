"""The records of a trace are found by index, whatever else is in the audit log."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, insert
from tests.databases import NOW, query

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.database import schema
from worksgate.directory import queries
from worksgate.directory.audit import own_history, sign_in_records
from worksgate.directory.audit.sign_in_records import Period, SignInRecords
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter

OF_SUBJECT, OF_NAME = own_history.own_records("directory:1", "tanaka", NOW - 90 * 86_400)
TODAY = Period(since=NOW - 3_600, until=NOW + 3_600)
LOGIN_ID = "01a2b3c4d5eAbCdEfGhIjKlMn"


def record(event: Event = Event.LOGIN_FAILED, at: float = NOW, **about: Any) -> AuditEvent:
    return AuditEvent(event=event, at=at, **about)


async def fill(directory: Directory) -> None:
    """Records of many days, half of them of people, and accounts; the database knows of both."""
    days = [NOW - day * 86_400 for day in range(1, 401)]
    others = [
        each
        for at in days
        for number in range(5)
        for each in (
            record(Event.LOGIN_REQUESTED, at, login_id=f"{number}{at}", address="192.0.2.1"),
            record(
                at=at,
                login_id=f"{number}{at}",
                username=f"{number}{at}",
                subject_id=f"directory:{number}{at}",
            ),
        )
    ]
    for start in range(0, len(others), 500):
        await directory.record(others[start : start + 500])
    async with directory.writing() as connection:
        await connection.execute(
            insert(schema.accounts), [account(number) for number in range(500)]
        )
        await connection.exec_driver_sql("ANALYZE audit")
        await connection.exec_driver_sql("ANALYZE accounts")


def account(number: int) -> dict[str, Any]:
    name = f"person-{number}"
    return {
        "id": name,
        "username": name,
        "username_key": name,
        "name": name,
        "email": f"{name}@example.com",
        "enabled": True,
        "administrator": False,
        "created_at": NOW,
    }


async def plan(directory: Directory, statement: Select[Any]) -> str:
    """How the database would run a query, if it must not read the whole table."""
    async with directory.reading() as connection:
        dialect = connection.dialect
        text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        if dialect.name == "postgresql":  # with a handful of rows it would
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = await connection.exec_driver_sql(f"{explain} {text}")
        return " ".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sign_in_records.by_subject("directory:1").limit(300), "ix_audit_subject_id"),
        (sign_in_records.by_name("tanaka").limit(300), "ix_audit_username"),
        (queries.events_query(AuditFilter(actors=["console:tanaka", "tanaka"])), "ix_audit_actor"),
        (queries.with_email("Tanaka@example.com").limit(10), "ix_accounts_email_folded"),
        (OF_SUBJECT.limit(50), "ix_audit_subject_id"),
        (OF_NAME.limit(50), "ix_audit_username"),
        (queries.last_names(["directory:1", "directory:2"]), "ix_audit_subject_id"),
        (sign_in_records.by_beginning("01a2b3c4d5e"), "ix_audit_login_id"),
        (sign_in_records.by_refused_client("c1", TODAY).limit(300), "ix_audit_refused_calls"),
        (sign_in_records.by_address("203.0.113.7", TODAY).limit(300), "ix_audit_at"),
        (sign_in_records.by_outage(TODAY).limit(300), "ix_audit_at"),
        (sign_in_records.by_outage(TODAY, is_after=True).limit(300), "ix_audit_at"),
    ],
)
async def test_each_query_is_answered_by_an_index(
    directory: Directory, statement: Select[Any], index: str
) -> None:
    await fill(directory)
    assert index in await plan(directory, statement)


@pytest.mark.parametrize("subject_id", ["directory:1", None])
async def test_r242_the_audit_log_of_a_person_is_read_by_indexes_alone(
    directory: Directory, subject_id: str | None
) -> None:
    wanted = AuditFilter(username="tanaka", subject_id=subject_id)
    await fill(directory)
    found = await plan(directory, queries.events_query(wanted))
    for index in ("ix_audit_username", "ix_audit_subject_id", "ix_audit_login_id"):
        assert index in found, found
    assert not re.search(r"SCAN audit(_\d+)?\b(?! USING)|Seq Scan on audit\b", found), found
    # Among many more records, PostgreSQL would read all in the order of their index.
    assert "ORDER BY audit.id + " in str(queries.events_query(wanted))


async def test_a_person_s_records_are_those_about_them_and_those_with_their_names(
    directory: Directory,
) -> None:
    await directory.record(
        [
            record(subject_id="directory:1", detail="about them"),
            record(username="Tanaka", detail="with their name"),
            record(username="kim", subject_id="directory:2", detail="another person"),
            record(Event.USER_INFO_RETURNED, subject_id="directory:1", detail="a call"),
            record(at=NOW - 86_400, username="tanaka", detail="long ago"),
        ]
    )
    found = await SignInRecords(directory).of_person("directory:1", {"tanaka", "Tanaka"}, TODAY)
    assert {each.detail for each in found} == {"about them", "with their name"}


async def test_who_was_removed_has_the_last_of_their_names(directory: Directory) -> None:
    odd = "company:a\n"
    await directory.record(
        [
            record(username="first", subject_id="directory:1"),
            record(Event.USER_CHANGED, username="last", subject_id="directory:1"),
            record(username=None, subject_id="directory:1"),
            record(username="odd", subject_id=odd),
            record(username="nobody's"),
        ]
    )
    found = await directory.last_usernames({"directory:1", odd, "directory:never"})
    assert found == {"directory:1": "last", odd: "odd"}


async def test_all_records_of_a_sign_in_come_in_the_order_of_writing(directory: Directory) -> None:
    events = (Event.LOGIN_FAILED, Event.CODE_ISSUED, Event.CODE_REDEEMED)
    await directory.record([record(each, login_id=LOGIN_ID) for each in events])
    found = await SignInRecords(directory).of_sign_ins([LOGIN_ID, "another"])
    assert [each.event for each in found] == list(events)


async def test_the_ids_of_a_reference_are_those_that_begin_with_its_time(
    directory: Directory,
) -> None:
    same, next_one = LOGIN_ID[:11] + "zzzzzzzzzzzzzz", "01a2b3c4d5fAbCdEfGhIjKlMn"
    await directory.record([record(login_id=each) for each in (LOGIN_ID, same, next_one)])
    records = SignInRecords(directory)
    assert sorted(await records.beginning_with(["01a2b3c4d5d", LOGIN_ID[:11]])) == [LOGIN_ID, same]
    assert await records.beginning_with(["01a2b3c4d5f", LOGIN_ID[:11]]) == [next_one]
    assert await records.beginning_with(["00000000000"]) == []


async def test_what_came_from_an_address_or_happened_at_a_time_is_found(
    directory: Directory,
) -> None:
    there, elsewhere = "203.0.113.7", "198.51.100.1"
    await directory.record(
        [
            record(address=there, detail="there"),
            record(address=elsewhere, detail="elsewhere"),
            record(Event.USER_INFO_RETURNED, address=there, detail="a call"),
            record(at=NOW + 7_200, address=there, detail="later"),
        ]
    )
    records = SignInRecords(directory)
    assert [each.detail for each in await records.at_address(there, TODAY)] == ["there"]
    assert {each.detail for each in await records.at_time(TODAY)} == {"there", "elsewhere"}


async def test_of_a_time_what_failed_is_found_or_else_everything(directory: Directory) -> None:
    records = SignInRecords(directory)
    await directory.record([record(Event.LOGIN_SUCCEEDED, detail="right")])
    assert [each.detail for each in await records.at_time(TODAY)] == ["right"]
    await directory.record([record(detail="wrong")])
    assert [each.detail for each in await records.at_time(TODAY)] == ["wrong"]


async def test_for_an_address_so_many_records_are_looked_through(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_records, "MAX_EXAMINED", 2)
    old, new = (record(at=NOW + number, address="203.0.113.7") for number in (0, 3))
    others = [record(at=NOW + number, address="198.51.100.1") for number in (1, 2)]
    await directory.record([old, *others, new])
    found = await SignInRecords(directory).at_address("203.0.113.7", TODAY)
    assert [each.at for each in found] == [NOW + 3]


async def test_of_an_outage_the_nearest_records_are_looked_through(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_records, "MAX_NEAR", 3)
    down = {"reason": Reason.SOURCE_UNAVAILABLE}
    times = (-5, -4, -1, 0, 2, 4, 5)
    await directory.record(
        [record(Event.LOGIN_INTERRUPTED, at=NOW + each, **down) for each in times]
        + [record(at=NOW + 1), record(Event.LOGIN_INTERRUPTED, at=NOW + 1, reason=Reason.BUSY)]
        + [record(Event.CODE_REDEEMED, at=NOW + 1)]
    )
    around = Period(since=NOW - 60, until=NOW + 60)
    found = await SignInRecords(directory).interrupted(NOW, around)
    assert [each.at - NOW for each in found] == [-4, -1, 0], "with the two others, three after it"
    monkeypatch.setattr(sign_in_records, "MAX_NEAR", 30)
    found = await SignInRecords(directory).interrupted(NOW, around)
    assert [each.at - NOW for each in found] == list(times)


async def test_refused_calls_are_found_by_client_and_time(directory: Directory) -> None:
    await directory.record(
        [
            record(Event.CLIENT_REFUSED, client_id="c1", reason=Reason.WRONG_SECRET),
            record(Event.CODE_REFUSED, client_id="c2"),
            record(Event.CODE_ISSUED, client_id="c1"),
            record(Event.CODE_REFUSED, client_id="c1", at=NOW + 7_200),
        ]
    )
    found = await SignInRecords(directory).refused_calls("c1", TODAY)
    assert [each.reason for each in found] == [Reason.WRONG_SECRET]


async def test_a_reason_and_milliseconds_are_kept(directory: Directory) -> None:
    await directory.record(
        [record(login_id=LOGIN_ID, reason=Reason.WRONG_PASSWORD, elapsed_ms=212.5)]
    )
    (found,) = await SignInRecords(directory).of_sign_ins([LOGIN_ID])
    assert (found.reason, found.elapsed_ms) == (Reason.WRONG_PASSWORD, 212.5)


async def test_a_reason_of_a_newer_version_keeps_its_name(
    directory: Directory, database: Path
) -> None:
    await directory.record([record(login_id=LOGIN_ID, reason=Reason.WRONG_PASSWORD)])
    query(database, "UPDATE audit SET reason = 'phase_of_the_moon'")
    (found,) = await SignInRecords(directory).of_sign_ins([LOGIN_ID])
    assert found.reason == "phase_of_the_moon"
    assert found.reason not in set(Reason)


async def test_what_was_counted_is_found_by_its_minute(directory: Directory) -> None:
    await directory.record(
        [
            record(reason=Reason.COUNTED, detail="100 times"),
            record(reason=Reason.WRONG_PASSWORD),
            record(at=NOW + 7_200, reason=Reason.COUNTED),
        ]
    )
    found = await SignInRecords(directory).counted([TODAY])
    assert [each.detail for each in found] == ["100 times"]
