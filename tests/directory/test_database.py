"""The directory's database: locking, durability, and transactions."""

import asyncio
import sqlite3
import threading
import time
import traceback
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.databases import NOW, query, url_of
from tests.postgres_server import shared_postgres
from tests.unhurried import AT_ONCE

from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.database.engines import open_engines, outages
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.queries import AuditFilter
from worksgate.oauth.model import Client, ClientSecret, ErrorStyle, Profile, UserKey

ONLY_SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)

HANAKO = Account(
    id="a1",
    username="Hanako@Example.com",
    name="山田花子",
    external_key="E1",
    works_account="hanako@example.com",
    password_hash="a hash",
    created_at=NOW,
)
ACME = Client(
    client_id="c1",
    name="Acme",
    profile=Profile.NAVER_WORKS,
    redirect_uris=("https://auth.worksmobile.com",),
    allowed_addresses=("192.0.2.0/24", "2001:db8::/32"),
    secrets=(ClientSecret("d" * 64, None, NOW), ClientSecret("e" * 64, NOW + 60, NOW + 1)),
    user_key=UserKey.WORKS_ACCOUNT,
    error_style=ErrorStyle.TEXT,
    access_token_lifetime=600,
    domain="example.com",
)
HOSTILE = ["'; DROP TABLE accounts; --", '" OR 1=1 --', "%", "_", "a\\", "hanako' OR 'a'='a"]


async def _add(directory: Directory, *accounts: Account) -> None:
    async with directory.changing() as transaction:
        await transaction.add_accounts(accounts)


async def test_an_account_comes_back_as_it_was_kept(directory: Directory) -> None:
    await _add(directory, HANAKO)
    assert await directory.account_by_id("a1") == HANAKO
    assert await directory.account_by_id("a2") is None


@pytest.mark.parametrize(
    "spelling", ["hanako@example.com", "HANAKO@EXAMPLE.COM", " Ｈanako@example.com "]
)
async def test_r78_an_account_is_found_by_any_spelling(directory: Directory, spelling: str) -> None:
    await _add(directory, HANAKO)
    assert await directory.account_by_username(spelling) == HANAKO


@pytest.mark.parametrize("text", ["\0", "hanako@example.com\0", "\ud800", "\n", ""])
async def test_a_name_that_no_account_can_have_is_simply_unknown(
    directory: Directory, text: str
) -> None:
    assert await directory.account_by_username(text) is None


@pytest.mark.parametrize("text", HOSTILE)
async def test_r104_what_people_type_is_never_sql(directory: Directory, text: str) -> None:
    await _add(directory, HANAKO)
    assert await directory.account_by_username(text) is None
    assert await directory.client(text) is None
    assert await directory.audit(AuditFilter(username=text, login_id=text, client_id=text)) == []
    await directory.record([AuditEvent(event=Event.LOGIN_FAILED, at=NOW, username=text)])
    found = await directory.audit(AuditFilter(username=text))
    assert [event.username for event in found] == [text.replace("\\", "\\\\")]
    assert await directory.account_by_id("a1") == HANAKO


async def test_a_client_comes_back_as_it_was_kept(directory: Directory) -> None:
    async with directory.changing() as transaction:
        await transaction.add_client(ACME)
    assert await directory.clients() == (ACME,)
    assert await directory.client("c1") == await directory.client("ACME") == ACME


async def test_an_id_counts_before_a_name(directory: Directory) -> None:
    other = replace(ACME, client_id="c2", name="c1", secrets=())
    async with directory.changing() as transaction:
        await transaction.add_client(ACME)
        await transaction.add_client(other)
    assert await directory.client("c1") == ACME
    assert await directory.client("c2") == other


async def test_the_signing_key_is_made_once_for_all_processes(
    directory: Directory, file: Path
) -> None:
    others = [Directory.open(url_of(file)) for _ in range(4)]
    made = await asyncio.gather(*(each.signing_key() for each in (directory, *others)))
    assert len(set(made)) == 1
    assert len(made[0]) >= 32
    assert await directory.signing_key() == made[0]
    for other in others:
        await other.close()


async def test_accounts_are_listed_by_name_over_many_pages(directory: Directory) -> None:
    accounts = [
        Account(id=f"a{number}", username=f"Person{number:04}", created_at=NOW)
        for number in range(1_201)
    ]
    await _add(directory, *reversed(accounts))
    assert [account async for account in directory.accounts()] == accounts


@ONLY_SQLITE
async def test_f14_a_transaction_that_reads_first_cannot_write(
    file: Path, directory: Directory
) -> None:
    engines = open_engines(url_of(file))
    async with engines.read.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.exec_driver_sql("DELETE FROM accounts")
    await engines.close()


async def test_f14_writers_of_several_processes_wait_for_each_other(
    directory: Directory, file: Path
) -> None:
    others = [Directory.open(url_of(file)) for _ in range(3)]

    async def write(one: Directory, number: int) -> None:
        event = AuditEvent(event=Event.SYSTEM, at=NOW, detail=str(number))
        async with one.changing() as transaction:
            await transaction.account("nobody")  # reads first, then writes
            await transaction.record(event)

    everybody = [directory, *others]
    await asyncio.gather(*(write(everybody[number % 4], number) for number in range(80)))
    assert query(file, "SELECT count(DISTINCT detail) FROM audit") == [(80,)]
    for other in others:
        await other.close()


@ONLY_SQLITE
async def test_f14_readers_do_not_wait_for_a_writer(directory: Directory, file: Path) -> None:
    await _add(directory, HANAKO)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM accounts")
        assert await directory.account_by_id("a1") == HANAKO
        writer.execute("ROLLBACK")


@ONLY_SQLITE
async def test_f14_a_writer_waits_while_another_holds_the_lock_for_a_while(
    directory: Directory, file: Path
) -> None:
    held, released = threading.Event(), []

    def hold() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(1.0)
            released.append(True)
            writer.execute("COMMIT")

    holder = threading.Thread(target=hold)
    holder.start()
    await asyncio.to_thread(held.wait)
    await _add(directory, HANAKO)
    assert released
    holder.join()


@ONLY_SQLITE
async def test_a_database_that_stays_locked_is_an_outage_not_a_hang(
    file: Path, directory: Directory
) -> None:
    impatient = Directory(open_engines(url_of(file), busy_timeout=0.1))
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await _add(impatient, HANAKO)
        writer.execute("ROLLBACK")
    await _add(impatient, HANAKO)
    assert await directory.account_by_id("a1") == HANAKO
    await impatient.close()


@pytest.mark.deadlines
@ONLY_SQLITE
async def test_f15_commits_survive_a_power_cut_and_references_hold(
    file: Path, directory: Directory
) -> None:
    engines = open_engines(url_of(file))
    for engine in (engines.read, engines.write):
        async with engine.connect() as connection:
            pragmas = {
                name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5_000,
        }
    await engines.close()


async def test_an_error_quotes_no_parameter(directory: Directory) -> None:
    await _add(directory, HANAKO)
    with pytest.raises(Conflict) as conflict:
        await _add(directory, replace(HANAKO, id="a2", username="x", password_hash="s3cret"))
    shown = str(conflict.value) + str(conflict.value.__cause__)
    assert "taken" in shown
    assert "s3cret" not in shown


async def test_f21_callers_who_hang_up_cost_neither_connections_nor_changes(
    directory: Directory,
) -> None:
    await _add(directory, HANAKO)
    for number in range(100):
        task = asyncio.create_task(directory.people.note_logins({"directory:a1": NOW + number}))
        reading = asyncio.create_task(directory.account_by_id("a1"))
        await asyncio.sleep(number % 6 * 0.0005)
        for each in (task, reading):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
    await directory.close()
    found = await directory.account_by_id("a1")
    assert found is not None
    # All have been noted; which came last is settled on SQLite alone, where one writes at a time.
    assert found.last_login_at in [NOW + number for number in range(100)]
    assert found == replace(HANAKO, last_login_at=found.last_login_at)


async def test_f21_a_change_that_is_given_up_is_made_whole_or_not_at_all(
    directory: Directory,
) -> None:
    async def change(number: int) -> None:
        account = Account(id=f"b{number}", username=f"person{number}")
        async with directory.changing() as transaction:
            await transaction.add_accounts([account])
            await transaction.record(AuditEvent(event=Event.SYSTEM, at=NOW, detail=account.id))

    await change(0)
    for number in range(1, 60):
        task = asyncio.create_task(change(number))
        await asyncio.sleep(number % 6 * 0.0005)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await change(60)
    added = {account.id async for account in directory.accounts()}
    recorded = {event.detail for event in await directory.audit(AuditFilter())}
    assert added == recorded
    assert {"b0", "b60"} <= added


async def test_a_hash_is_not_kept_over_a_newer_password(directory: Directory) -> None:
    await _add(directory, HANAKO)
    stale = replace(HANAKO, password_hash="an older hash")
    assert not await directory.keep_hash(stale, "rehashed")
    assert await directory.account_by_id("a1") == HANAKO
    assert await directory.keep_hash(HANAKO, "rehashed")
    assert await directory.account_by_id("a1") == replace(HANAKO, password_hash="rehashed")


async def test_expired_client_secrets_are_purged(directory: Directory) -> None:
    async with directory.changing() as transaction:
        await transaction.add_client(ACME)
    assert await directory.purge_secrets(NOW + 59) == 0
    assert await directory.purge_secrets(NOW + 60) == 1
    assert await directory.clients() == (replace(ACME, secrets=ACME.secrets[:1]),)


async def test_f14_of_two_who_decide_on_what_both_have_read_one_is_told(
    directory: Directory, kind: str
) -> None:
    """On SQLite the second one waits and sees the first; on PostgreSQL it is undone."""
    ready, outcomes = asyncio.Barrier(2), []

    async def decide(number: int) -> None:
        try:
            async with directory.changing() as transaction:
                found = await transaction.account(HANAKO.username)
                if kind == "postgres":
                    await ready.wait()
                if found is None:
                    await transaction.record(AuditEvent(event=Event.SYSTEM, at=NOW))
                    await transaction.add_accounts([replace(HANAKO, id=f"a{number}")])
            outcomes.append(found is None)
        except Conflict:
            outcomes.append(False)

    await asyncio.gather(decide(1), decide(2))
    assert sorted(outcomes) == [False, True]
    assert len([account async for account in directory.accounts()]) == 1
    assert len(await directory.audit(AuditFilter())) == 1


@pytest.mark.programs
async def test_a_reader_on_postgresql_cannot_write_either(database_url: str) -> None:
    engines = open_engines(database_url)
    async with engines.read.connect() as connection:
        with pytest.raises(DBAPIError, match="read-only"):
            await connection.exec_driver_sql("DELETE FROM accounts")
    await engines.close()


@pytest.mark.programs
async def test_f04_connections_to_postgresql_that_were_cut_are_replaced(database_url: str) -> None:
    directory = Directory.open(database_url)
    await _add(directory, HANAKO)
    await asyncio.gather(*(directory.account_by_id("a1") for _ in range(10)))
    name = database_url.rpartition("/")[2]
    theirs = f"FROM pg_stat_activity WHERE datname = '{name}'"
    shared_postgres().query(f"SELECT pg_terminate_backend(pid) {theirs}")
    async with asyncio.timeout(60):
        while shared_postgres().query(f"SELECT 1 {theirs}"):  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)  # in which the loop sees the ends of the connections

    found = await asyncio.gather(*(directory.account_by_id("a1") for _ in range(10)))

    assert found == [HANAKO] * 10
    await directory.close()


async def test_postgresql_that_is_away_is_an_outage_that_shows_no_password() -> None:
    directory = Directory.open("postgresql://worksgate:s3cret@127.0.0.1:1/worksgate")
    with pytest.raises(DatabaseUnavailable) as outage:
        await directory.clients()
    assert "s3cret" not in "".join(traceback.format_exception(outage.value))
    await directory.close()


@pytest.mark.programs
async def test_a_database_that_postgresql_does_not_have_is_an_outage(database_url: str) -> None:
    directory = Directory.open(f"{database_url}_of_nobody")
    with pytest.raises(DatabaseUnavailable, match=r"_of_nobody.* does not exist"):
        await directory.clients()
    await directory.close()


@pytest.mark.programs
async def test_a_pooler_is_sent_no_settings_and_no_names_twice(database_url: str) -> None:
    directory = Directory.open(f"{database_url}?statement_cache_size=0")
    await _add(directory, HANAKO)
    assert await directory.account_by_id("a1") == HANAKO
    await directory.close()


@pytest.mark.programs
async def test_a_row_that_postgresql_refuses_is_not_quoted(database_url: str) -> None:
    directory = Directory.open(database_url)
    hidden = "".join(("s3", "cret"))  # never whole in a line of this file: tracebacks show those
    broken = replace(HANAKO, name=None, password_hash=hidden)  # type: ignore[arg-type]  # refused by the database
    with pytest.raises(DatabaseUnavailable) as refusal:
        await _add(directory, broken)
    with pytest.raises(DatabaseUnavailable) as unusable:
        await directory.client(f"{hidden}\0")
    for error in (refusal.value, unusable.value):
        assert hidden not in "".join(traceback.format_exception(error))
    await directory.close()


@pytest.mark.programs
async def test_a_locked_row_on_postgresql_is_an_outage_not_a_hang(database_url: str) -> None:
    impatient = Directory(open_engines(database_url, busy_timeout=0.2))
    await _add(impatient, HANAKO)
    engines = open_engines(database_url)
    async with engines.write.begin() as connection:
        await connection.exec_driver_sql("SELECT id FROM accounts FOR UPDATE")
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="timeout"):
            await impatient.keep_hash(HANAKO, "rehashed")
        assert time.monotonic() - began < AT_ONCE
    await engines.close()
    assert await impatient.keep_hash(HANAKO, "rehashed")
    await impatient.close()


@pytest.mark.programs
async def test_a_long_statement_on_postgresql_has_a_limit_of_its_own(database_url: str) -> None:
    engines = open_engines(database_url, busy_timeout=0.1, reply_timeout=1.5)
    async with engines.read.connect() as connection:
        await connection.exec_driver_sql("SELECT pg_sleep(0.3)")  # longer than locks are waited for
    with pytest.raises(DatabaseUnavailable, match="statement timeout"), outages():
        async with engines.read.connect() as connection:
            await connection.exec_driver_sql("SELECT pg_sleep(30)")
    await engines.close()


@pytest.mark.programs
async def test_without_a_limit_a_statement_on_postgresql_takes_its_time(database_url: str) -> None:
    engines = open_engines(database_url, busy_timeout=0.1)
    async with engines.migrate.connect() as connection:
        await connection.exec_driver_sql("SELECT pg_sleep(0.3)")
    await engines.close()


@ONLY_SQLITE
async def test_a_connection_that_opens_while_all_are_closed_is_waited_for(file: Path) -> None:
    engines = open_engines(url_of(file))
    may_end = threading.Event()
    first, second = (threading.Thread(target=may_end.wait) for _ in range(2))
    first.start()
    second.start()
    engines.threads.add(first)

    async def one_more() -> None:
        await asyncio.sleep(0.05)
        engines.threads.add(second)
        may_end.set()

    await asyncio.gather(engines.close(), one_more())
    assert not first.is_alive()
    assert not second.is_alive()


@ONLY_SQLITE
@pytest.mark.parametrize("waited_for", [5.0, 0.01])
async def test_a_connection_that_is_in_use_at_the_end_is_closed_too(
    file: Path, directory: Directory, waited_for: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.database.engines._ENDING", waited_for)
    engines = open_engines(url_of(file))
    begun = asyncio.Event()

    async def read() -> None:
        async with engines.read.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")
            begun.set()
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        async with asyncio.timeout(60):
            await begun.wait()
        await engines.close()
    for thread in engines.threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


@pytest.mark.programs
async def test_a_connection_to_postgresql_that_comes_back_late_is_closed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.database.engines._ENDING", 0.01)
    engines = open_engines(database_url)
    async with engines.read.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        await engines.close()
    assert driver is not None
    assert driver.is_closed()
