"""A user key has one owner, across all sources and changes (R-115, R-116)."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import NOW, directory_in, query, url_of

from worksgate.database import Conflict
from worksgate.database.engines import open_engines
from worksgate.database.migrations import migrate, upgrade
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.key_ownership import KeyOwner, KeyOwnership, UserKey, _is_taken, disputed
from worksgate.sources import Person

HANAKO, JIRO, TARO = "corp:u1", "corp:u2", "corp:u3"


async def come(
    directory: Directory,
    subject_id: str,
    external_key: str | None = None,
    works_account: str | None = None,
    now: float = NOW,
) -> Person:
    """Somebody signs in by a source that says this of them."""
    person = Person(
        subject_id=subject_id,
        username=subject_id.partition(":")[2],
        name="",
        external_key=external_key,
        works_account=works_account,
    )
    admitted = await directory.people.remember("corp", person, now)
    assert admitted is not None
    return admitted


def account(name: str, external_key: str | None = None, works: str | None = None) -> Account:
    return Account(
        id=name, username=name, external_key=external_key, works_account=works, created_at=NOW
    )


async def add(directory: Directory, made: Account, *, reuse: bool = False) -> None:
    async with directory.changing() as transaction:
        taken = await transaction.taken_names([made])
        taken.check(made, reuse_retired_keys=reuse)
        await transaction.add_accounts([made])


async def release(directory: Directory, value: str) -> list[str]:
    async with directory.changing() as transaction:
        return [owner.subject_id for owner in await transaction.release_key(value, NOW)]


async def disputed_keys(directory: Directory) -> list[tuple[UserKey, str, str]]:
    async with directory.reading() as connection:
        return await disputed(connection)


def history(file: Path) -> list[tuple[str, str, bool]]:
    owned = "released_at IS NULL"
    rows = query(file, f"SELECT value, subject_id, {owned} FROM key_owners ORDER BY value, {owned}")
    return [(value, subject_id, bool(owned)) for value, subject_id, owned in rows]


async def test_r115_a_key_that_was_given_up_goes_to_nobody_else(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    await come(directory, HANAKO, "E-8")
    assert (await come(directory, TARO, "E-7")).external_key is None
    assert (await come(directory, TARO, "E-8")).external_key is None
    assert (await come(directory, HANAKO, "E-7")).external_key == "E-7"
    assert history(database) == [("E-7", HANAKO, True), ("E-8", HANAKO, True)]


async def test_r115_a_sign_in_without_a_usable_key_loses_none(directory: Directory) -> None:
    await come(directory, HANAKO, "E-7", "hanako@example.com")
    await come(directory, HANAKO)
    taken = await come(directory, TARO, "E-7", "hanako@example.com")
    assert (taken.external_key, taken.works_account) == (None, None)
    back = await come(directory, HANAKO, "E-7", "hanako@example.com")
    assert (back.external_key, back.works_account) == ("E-7", "hanako@example.com")


async def test_r115_an_account_cannot_have_the_key_of_a_person_of_another_source(
    directory: Directory,
) -> None:
    await come(directory, HANAKO, "E-7")
    for reuse in (False, True):
        with pytest.raises(Conflict, match="E-7 belongs to u1 of the source corp"):
            await add(directory, account("jiro", "E-7"), reuse=reuse)
    await come(directory, HANAKO, "E-8")
    with pytest.raises(Conflict, match="E-7 belonged to another person before"):
        await add(directory, account("jiro", "E-7"))
    await add(directory, account("jiro", "E-7"), reuse=True)
    assert (await come(directory, HANAKO, "E-7")).external_key is None


async def test_r115_a_person_cannot_have_a_key_of_an_account_that_is_gone(
    directory: Directory,
) -> None:
    jiro = account("jiro", "E-7")
    await add(directory, jiro)
    async with directory.changing() as transaction:
        await transaction.remove_account(jiro, NOW)
    assert (await come(directory, HANAKO, "E-7")).external_key is None


async def test_r115_a_released_key_goes_to_the_next_and_its_history_stays(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    assert await release(directory, "E-7") == [HANAKO]
    found = await directory.people.find(HANAKO)
    assert found is not None
    assert found.person.external_key is None
    assert (await come(directory, TARO, "E-7")).external_key == "E-7"
    assert (await come(directory, HANAKO, "E-7")).external_key is None
    assert history(database) == [("E-7", HANAKO, False), ("E-7", TARO, True)]
    assert await release(directory, "E-9") == []


async def test_r115_of_a_person_and_an_account_that_claim_a_key_at_once_one_has_it(
    directory: Directory, database: Path
) -> None:
    async with directory_in(database) as other:  # another process, with connections of its own
        for number in range(4):
            key = f"E-{number}"
            admitted, added = await asyncio.gather(
                come(directory, f"corp:p{number}", key),
                add(other, account(f"a{number}", key)),
                return_exceptions=True,
            )
            assert isinstance(admitted, Person)
            has_it = admitted.external_key == key
            assert has_it == isinstance(added, Conflict)
    assert len(history(database)) == 4


async def test_r115_a_former_key_is_free_once_it_is_released(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    await come(directory, HANAKO, "E-8")
    assert await release(directory, "E-7") == [HANAKO]
    assert query(database, "SELECT value FROM retired_keys") == []
    assert (await come(directory, TARO, "E-7")).external_key == "E-7"


async def test_r115_keys_of_two_accounts_are_theirs(directory: Directory) -> None:
    await add(directory, account("hanako", "E-1"))
    await add(directory, account("jiro", None, "jiro@example.com"))
    with pytest.raises(Conflict):
        await add(directory, account("taro", "E-1", "jiro@example.com"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("K1", None), ("k1", None)),
        (("K1", None), ("Ｋ１", None)),
        ((None, "taro"), (None, "taro@example.jp")),
        ((None, "taro@example.jp"), (None, "taro")),
    ],
)
async def test_r116_another_spelling_of_a_key_is_the_same_key(
    directory: Directory,
    first: tuple[str | None, str | None],
    second: tuple[str | None, str | None],
) -> None:
    await come(directory, HANAKO, *first)
    other = await come(directory, TARO, *second)
    assert (other.external_key, other.works_account) == (None, None)
    with pytest.raises(Conflict, match="is another spelling of"):
        await add(directory, account("jiro", *second))
    # Their own key they may write as they like.
    again = await come(directory, HANAKO, *second)
    assert (again.external_key, again.works_account) == second


async def test_r116_accounts_of_two_domains_are_two(directory: Directory) -> None:
    await come(directory, HANAKO, works_account="taro@example.jp")
    other = await come(directory, TARO, works_account="taro@example.com")
    assert other.works_account == "taro@example.com"


async def test_r116_who_takes_another_spelling_of_a_former_key_keeps_its_owner_from_it(
    directory: Directory,
) -> None:
    await come(directory, HANAKO, "K1")
    await come(directory, HANAKO, "K2")
    await add(directory, account("jiro", "k1"), reuse=True)
    assert (await come(directory, HANAKO, "K1")).external_key is None


@pytest.mark.parametrize(
    ("former", "present"),
    [(("K1", None), ("k1", None)), ((None, "taro"), (None, "taro@example.jp"))],
)
async def test_r279_a_former_key_is_not_reused_while_somebody_has_it_in_another_spelling(
    directory: Directory,
    former: tuple[str | None, str | None],
    present: tuple[str | None, str | None],
) -> None:
    await come(directory, HANAKO, *former)
    await come(directory, HANAKO)
    saburo = account("saburo", *present)
    await add(directory, saburo, reuse=True)
    async with directory.changing() as transaction:
        await transaction.remove_account(saburo, NOW)
    await add(directory, account("shiro", *former), reuse=True)
    with pytest.raises(Conflict, match="belongs to shiro"):
        await add(directory, account("goro", *present), reuse=True)
    other = await come(directory, TARO, *present)
    assert (other.external_key, other.works_account) == (None, None)


@pytest.mark.parametrize("is_restored", [True, False])
async def test_r279_nobody_takes_back_a_key_that_was_given_on_in_another_spelling(
    directory: Directory,
    is_restored: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    """Once its new owner has left, it stays theirs, and not that of the one before."""
    jiro, saburo = account("jiro", "K1"), account("saburo", "k1")
    if is_restored:
        await add(directory, jiro)
        async with directory.changing() as transaction:
            await transaction.remove_account(jiro, NOW)
    else:
        await come(directory, HANAKO, "K1")
        await come(directory, HANAKO)
    await add(directory, saburo, reuse=True)
    async with directory.changing() as transaction:
        await transaction.remove_account(saburo, NOW)
    if is_restored:
        with pytest.raises(Conflict, match="is another spelling of k1, which belonged to another"):
            await add(directory, jiro)
    else:
        assert (await come(directory, HANAKO, "K1")).external_key is None


async def test_r116_an_owner_takes_a_former_key_back_whatever_others_had_before(
    database: Path,
) -> None:
    lenient = Directory.open(url_of(database), allow_similar_keys=True)
    for each, spelling in ((HANAKO, "K1"), (TARO, "k1")):
        await come(lenient, each, spelling)
        await come(lenient, each)
    await lenient.close()
    directory = Directory.open(url_of(database))
    assert (await come(directory, HANAKO, "K1")).external_key == "K1"
    assert (await come(directory, TARO, "k1")).external_key is None
    await directory.close()


async def test_r116_similar_keys_are_two_where_the_settings_say_so(database: Path) -> None:
    directory = Directory.open(url_of(database), allow_similar_keys=True)
    await come(directory, HANAKO, "K1")
    assert (await come(directory, TARO, "k1")).external_key == "k1"
    await add(directory, account("jiro", "Ｋ１"))
    await directory.close()


async def test_r279_a_key_that_is_released_twice_takes_no_similar_one_with_it(
    database: Path,
) -> None:
    directory = Directory.open(url_of(database), allow_similar_keys=True)
    await come(directory, HANAKO, "K1")
    await come(directory, TARO, "k1")
    assert await release(directory, "K1") == [HANAKO]
    assert await release(directory, "K1") == []
    found = await directory.people.find(TARO)
    assert found is not None
    assert found.person.external_key == "k1"
    await directory.close()


async def test_r116_a_key_in_another_spelling_is_released(directory: Directory) -> None:
    await come(directory, HANAKO, "K1")
    assert await release(directory, "k1") == [HANAKO]
    assert (await come(directory, TARO, "k1")).external_key == "k1"


async def test_r116_similar_keys_stay_where_somebody_has_exactly_the_one_that_is_released(
    database: Path,
) -> None:
    directory = Directory.open(url_of(database), allow_similar_keys=True)
    await come(directory, HANAKO, "K1")
    await come(directory, TARO, "k1")
    assert await release(directory, "K1") == [HANAKO]
    assert sorted(history(database)) == [("K1", HANAKO, False), ("k1", TARO, True)]
    await directory.close()


@pytest.mark.parametrize(
    ("kind", "value", "similar"),
    [
        ("external_key", "k1", True),
        ("external_key", "k2", False),
        ("works_account", "k1", False),
    ],
)
def test_r116_keys_of_one_kind_are_similar(kind: str, value: str, similar: bool) -> None:  # noqa: FBT001  # pytest calls it
    assert UserKey("external_key", "K1").is_similar_to(UserKey(kind, value)) is similar


@pytest.mark.parametrize(
    ("claimed", "claimant", "allow_similar", "taken"),
    [
        ("K1", TARO, True, True),
        ("K1", HANAKO, False, False),
        ("k1", TARO, False, True),
        ("k1", TARO, True, False),
        ("k1", HANAKO, False, False),
        ("k2", TARO, False, False),
    ],
)
def test_r279_who_claims_another_spelling_takes_the_key_and_not_from_themselves(
    claimed: str,
    claimant: str,
    allow_similar: bool,  # noqa: FBT001  # pytest calls it
    taken: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    claims = {UserKey("external_key", claimed): claimant}
    key = UserKey("external_key", "K1")
    assert _is_taken(key, HANAKO, claims, allow_similar=allow_similar) is taken


def test_an_owner_is_named_by_their_id_and_whoever_has_the_key_by_name_too() -> None:
    key = UserKey("external_key", "K1")
    assert str(KeyOwner(key, HANAKO)) == HANAKO
    assert str(KeyOwner(key, HANAKO, "hanako")) == f"hanako ({HANAKO})"


# A server of the release before writes accounts and people, and nothing here.


async def test_r115_a_key_that_the_release_before_gave_is_not_free(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    query(database, "UPDATE people SET external_key = 'E-8'")
    assert (await come(directory, TARO, "E-8")).external_key is None
    await come(directory, HANAKO, "E-9")
    assert set(history(database)) == {(f"E-{each}", HANAKO, True) for each in (7, 8, 9)}


async def test_r115_a_key_that_the_release_before_let_another_take_is_not_theirs(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    await come(directory, HANAKO, "E-8")
    await come(directory, TARO)
    query(database, f"UPDATE people SET external_key = 'E-7' WHERE subject_id = '{TARO}'")
    found = await directory.people.find(TARO)
    assert found is not None
    assert found.person.external_key is None
    assert await disputed_keys(directory) == [(UserKey("external_key", "E-7"), TARO, HANAKO)]
    assert (await come(directory, HANAKO, "E-7")).external_key == "E-7"
    assert (await come(directory, TARO, "E-7")).external_key is None
    assert await disputed_keys(directory) == []


async def test_r115_a_key_that_the_release_before_gave_an_account_too_is_the_account_s(
    directory: Directory, database: Path
) -> None:
    await come(directory, TARO)
    await add(directory, account("jiro"))
    for table in ("people", "accounts"):
        query(database, f"UPDATE {table} SET external_key = 'E-1'")
    found = await directory.people.find(TARO)
    assert found is not None
    assert found.person.external_key is None


async def test_r115_what_the_release_before_gave_an_account_is_not_recorded_yet(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-1")
    await add(directory, account("jiro", "E-2"))
    await add(directory, account("taro"))
    query(database, "UPDATE accounts SET external_key = 'E-1' WHERE id = 'taro'")
    query(database, "UPDATE accounts SET works_account = 'jiro' WHERE id = 'jiro'")
    first, second = UserKey("external_key", "E-1"), UserKey("external_key", "E-2")
    third = UserKey("works_account", "jiro")
    async with directory.reading() as connection:
        owners = await KeyOwnership.of(connection, [first, second, third], allow_similar=False)
    assert owners.is_recorded(second, "directory:jiro")
    assert not owners.is_recorded(second, "directory:taro")
    assert not owners.is_recorded(first, "directory:taro")
    assert not owners.is_recorded(third, "directory:jiro")


async def test_r115_what_the_release_before_gave_is_written_down_by_a_purge(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO)
    await come(directory, TARO)
    await add(directory, account("jiro"))
    query(database, "UPDATE people SET external_key = 'E-1'")
    query(database, "UPDATE accounts SET works_account = 'jiro'")
    assert await directory.record_unrecorded_keys(NOW, 500) == 2
    assert await directory.record_unrecorded_keys(NOW, 500) == 0
    assert sorted(history(database)) == [("E-1", HANAKO, True), ("jiro", "directory:jiro", True)]


async def test_r115_keys_that_are_given_up_are_retired_for_the_release_before(
    directory: Directory, database: Path
) -> None:
    await come(directory, HANAKO, "E-7")
    await come(directory, HANAKO, "E-8")
    assert query(database, "SELECT value, account_id FROM retired_keys") == [("E-7", HANAKO)]
    await come(directory, HANAKO, "E-7")
    assert query(database, "SELECT value FROM retired_keys") == [("E-8",)]


ACCOUNT = (
    "INSERT INTO accounts (id, username, username_key, name, external_key, enabled,"
    " administrator, created_at) VALUES ('{0}', '{0}', '{0}', '', '{1}', true, false, 5)"
)
PERSON = (
    "INSERT INTO people (subject_id, source, username, username_key, name, external_key, groups,"
    " enabled, first_login_at, last_login_at)"
    " VALUES ('corp:{0}', 'corp', '{0}', '{0}', '', '{1}', '[]', true, {2}, 9)"
)


@pytest.fixture
def bare_url(kind: str, request: pytest.FixtureRequest, file: Path) -> str:
    """A database without tables."""
    if kind == "sqlite":
        file.touch()
        return url_of(file)
    url: str = request.getfixturevalue("bare_database_url")
    return url


async def test_r115_who_had_a_key_before_the_migration_owns_it(bare_url: str) -> None:
    """Of two who had one, the account comes first, then who gave it up, then who came first."""
    engines = open_engines(bare_url)
    async with engines.write.begin() as connection:
        await connection.run_sync(upgrade, "0003")
        for statement in (
            ACCOUNT.format("a", "E-1"),
            "INSERT INTO retired_keys VALUES ('external_key', 'E-2', 'gone', 4)",
            PERSON.format("late", "E-3", 8),
            PERSON.format("early", "E-3", 7),
            PERSON.format("p1", "E-1", 1),
            PERSON.format("p2", "E-2", 1),
            PERSON.format("p4", "e-1", 1),
        ):
            await connection.execute(text(statement))
    await migrate(bare_url)
    async with engines.read.connect() as connection:
        owners = await connection.execute(text("SELECT value, subject_id FROM key_owners"))
        assert sorted(map(tuple, owners)) == [
            ("E-1", "directory:a"),
            ("E-2", "directory:gone"),
            ("E-3", "corp:early"),
            ("e-1", "corp:p4"),
        ]
    await engines.close()
    directory = Directory.open(bare_url)
    assert (await come(directory, "corp:p4", "e-1")).external_key == "e-1"
    assert (await come(directory, "corp:late", "E-3")).external_key is None
    await directory.close()
