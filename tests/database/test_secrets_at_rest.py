"""Secrets in the database: encrypted under a master key, or plain until they are encrypted."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.databases import NOW, directory_in, query

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import NO_MASTER_KEY, Keyring, MasterKey, key_id_of
from worksgate.database import DatabaseUnavailable
from worksgate.database.secrets_at_rest import IN_FORCE, PAGE, MasterKeyMissing
from worksgate.directory.database import SIGNING_KEY, Directory
from worksgate.directory.factors import TotpSecret

OLD, NEW, FOREIGN = (MasterKey(bytes([number] * 32)) for number in (1, 2, 3))
SECRET = bytes(range(20))


def event(detail: str = "") -> AuditEvent:
    return AuditEvent(event=Event.SYSTEM, at=NOW, detail=detail)


def secret_of(number: int) -> bytes:
    return bytes([number % 251] * 20)


async def enrol(directory: Directory, subject_id: str, secret: bytes = SECRET) -> None:
    row = TotpSecret(subject_id=subject_id, secret=secret, last_step=1, created_at=NOW)
    await directory.factors.keep_totp(row, event())


async def read(directory: Directory, subject_id: str) -> bytes:
    found = await directory.factors.totp(subject_id)
    assert found is not None
    return found.secret


async def encrypt(directory: Directory) -> int:
    await directory.secrets.check()
    await directory.secrets.put_in_force(event())
    done = await directory.secrets.encrypt_keys()
    last: str | None = ""
    while last is not None:
        last, changed = await directory.secrets.encrypt_page(last)
        done += changed
    return done


def stored(database: Path) -> dict[str, bytes]:
    """All that is stored of secrets, by the subject or the name of the key."""
    rows = query(database, "SELECT subject_id, secret FROM totp_secrets")
    rows += query(database, "SELECT name, value FROM keys")
    return {name: bytes(value) for name, value in rows}


def under(values: Iterable[bytes]) -> set[str | None]:
    return {key_id_of(value) for value in values}


async def test_r130_a_new_database_begins_with_the_master_key(database: Path) -> None:
    async with directory_in(database, Keyring(NEW)) as directory:
        signing_key = await directory.signing_key()
        await enrol(directory, "a")
        assert await read(directory, "a") == SECRET
    assert under(stored(database).values()) == {NEW.id}
    assert not any(secret in each for each in stored(database).values() for secret in (SECRET,))
    async with directory_in(database, Keyring(NEW)) as another:
        assert await another.signing_key() == signing_key
        assert (await another.secrets.check()).left_for(NEW.id) == 0


async def test_r130_secrets_in_clear_are_read_and_encrypted_only_when_somebody_says_so(
    database: Path,
) -> None:
    """Until then a server of the release before can go on beside this one."""
    async with directory_in(database) as before:
        signing_key = await before.signing_key()
        await enrol(before, "a")
    async with directory_in(database, Keyring(NEW)) as directory, directory_in(database) as before:
        assert await read(directory, "a") == SECRET
        await enrol(directory, "b")
        assert await read(before, "b") == SECRET
        assert under(stored(database).values()) == {None}
        assert (await directory.secrets.check()).left_for(NEW.id) == 3
        assert await encrypt(directory) == 3
        assert await encrypt(directory) == 0
        await enrol(directory, "c")
        assert under(stored(database).values()) == {NEW.id}
        assert [await read(directory, each) for each in "abc"] == [SECRET] * 3
        assert await directory.signing_key() == signing_key


async def test_r130_no_program_that_cannot_decrypt_starts_on_what_is_encrypted(
    database: Path,
) -> None:
    query(database, "DELETE FROM compatibility")
    query(database, "INSERT INTO compatibility (revision, oldest) VALUES ('0006', '0003')")
    async with directory_in(database, Keyring(NEW)) as directory:
        await directory.signing_key()
        assert query(database, "SELECT oldest FROM compatibility") == [("0004",)]


async def test_r132_a_key_is_replaced_while_servers_run(database: Path) -> None:
    """Nodes learn the new key one after the other, and then it is put in force."""
    async with directory_in(database, Keyring(OLD)) as first:
        await first.signing_key()
        await enrol(first, "a")
    async with (
        directory_in(database, Keyring(OLD)) as behind,
        directory_in(database, Keyring(NEW, OLD)) as ahead,
    ):
        await enrol(ahead, "b")  # the other node could not read it under the new key yet
        assert await read(behind, "b") == SECRET
    async with directory_in(database, Keyring(NEW, OLD)) as node:
        assert await encrypt(node) == 3
        await enrol(node, "c")
        assert [await read(node, each) for each in "abc"] == [SECRET] * 3
    async with directory_in(database, Keyring(NEW)) as directory:
        assert await read(directory, "a") == SECRET
        assert under(stored(database).values()) == {NEW.id}


async def test_r132_what_was_interrupted_is_taken_up_again(database: Path) -> None:
    people = [f"person {number:04}" for number in range(2 * PAGE + 5)]
    async with directory_in(database, Keyring(OLD)) as directory:
        await directory.signing_key()
        for number, subject_id in enumerate(people):
            await enrol(directory, subject_id, secret_of(number))
    async with directory_in(database, Keyring(NEW, OLD)) as directory:
        await directory.secrets.put_in_force(event())
        last, changed = await directory.secrets.encrypt_page("")
        assert (last, changed) == (people[PAGE - 1], PAGE)
    async with directory_in(database, Keyring(NEW, OLD)) as directory:
        assert [await read(directory, each) for each in people] == [
            secret_of(number) for number in range(len(people))
        ]
        assert await encrypt(directory) == len(people) - PAGE + 1
    assert under(stored(database).values()) == {NEW.id}


async def test_r132_the_wrong_key_changes_nothing_and_names_both(database: Path) -> None:
    async with directory_in(database, Keyring(OLD)) as directory:
        await directory.signing_key()
        await enrol(directory, "a")
    before = stored(database)
    async with directory_in(database, Keyring(FOREIGN)) as directory:
        for attempt in (
            directory.signing_key,
            directory.secrets.check,
            lambda: directory.factors.totp("a"),
            lambda: enrol(directory, "b"),
            lambda: encrypt(directory),
        ):
            with pytest.raises(MasterKeyMissing, match=f"{OLD.id}.* {FOREIGN.id}"):
                await attempt()
    assert stored(database) == before


async def test_r132_without_a_key_what_is_encrypted_is_an_outage_that_says_what_to_do(
    database: Path,
) -> None:
    async with directory_in(database, Keyring(OLD)) as directory:
        await directory.signing_key()
    async with directory_in(database, NO_MASTER_KEY) as directory:
        with pytest.raises(MasterKeyMissing, match=f"{OLD.id}.*set master_key_file"):
            await directory.signing_key()
        await directory.ping()  # it answers: the calls of LINE WORKS need no secret
        with pytest.raises(MasterKeyMissing, match="worksgate key new"):
            await directory.secrets.put_in_force(event())


async def test_r131_one_persons_secret_is_no_secret_of_another(database: Path) -> None:
    """Who can write to the database could otherwise put their own in another's place."""
    async with directory_in(database, Keyring(NEW)) as directory:
        await directory.signing_key()
        await enrol(directory, "attacker")
        await enrol(directory, "victim", secret_of(9))
        query(
            database,
            "UPDATE totp_secrets SET secret = (SELECT secret FROM totp_secrets"
            " WHERE subject_id = 'attacker') WHERE subject_id = 'victim'",
        )
        with pytest.raises(DatabaseUnavailable, match="belongs to another row"):
            await directory.factors.totp("victim")
        assert await read(directory, "attacker") == SECRET


async def test_r80_a_code_is_used_once_although_its_secret_is_encrypted_meanwhile(
    database: Path,
) -> None:
    async with directory_in(database, Keyring(OLD)) as directory:
        await directory.signing_key()
        await enrol(directory, "a")
        found = await directory.factors.totp("a")
        assert found is not None
    async with directory_in(database, Keyring(NEW, OLD)) as directory:
        await encrypt(directory)
        assert await directory.factors.use_totp(found, 7, NOW, event())
        assert not await directory.factors.use_totp(found, 7, NOW, event())
        await enrol(directory, "a", secret_of(4))
        assert not await directory.factors.use_totp(found, 8, NOW, event())


async def test_the_key_in_force_is_recorded_once(database: Path) -> None:
    async with directory_in(database, Keyring(NEW)) as directory:
        await directory.secrets.put_in_force(event("in force"))
        await directory.secrets.put_in_force(event("in force"))
    assert query(database, "SELECT detail FROM audit") == [("in force",)]
    assert stored(database).keys() == {IN_FORCE}
    assert SIGNING_KEY not in stored(database)
