"""People are found in any spelling of what they are called, whoever wrote their rows."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import NOW, query
from tests.directory.test_people_list import account, add, names, remember
from tests.directory.test_sign_in_records import plan

from worksgate.administration.purging import STEP, remove_expired
from worksgate.database import schema
from worksgate.directory.database import Directory
from worksgate.directory.people_index import columns_of, folded
from worksgate.directory.people_list import PeopleFilter, PeopleOrder, page_query
from worksgate.directory.people_search import PeopleSearch
from worksgate.sources import Person
from worksgate.store.memory import MemoryStore

TANAKA = "directory:0001"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ＴＡＮＡＫＡ", "tanaka"),
        ("タナカ", "たなか"),
        ("ﾀﾅｶ ﾐｻｷ", "たなか みさき"),
        ("ｶﾞｷﾞｸﾞ", "がぎぐ"),
        ("ヴァーヽヾ", "ゔぁーゝゞ"),
        ("김민준", "김민준"),
        ("Straße", "strasse"),
        ("田中", "田中"),
    ],
)
def test_spellings_of_one_name_are_one_text(written: str, found: str) -> None:
    assert folded(written) == found


@pytest.mark.parametrize(
    "typed",
    [
        *("田中", "美咲 田中", "たなか", "ﾀﾅｶ", "タナ", "みさき　tanaka", "TANAKA@", "s-02", "E‐1"),
        *("김", "misaki@Example", "田中 ミサキ"),
    ],
)
async def test_r239_somebody_is_found_by_all_that_they_are_called(
    directory: Directory, typed: str
) -> None:
    await add(
        directory,
        account(
            1,
            "tanaka@example.com",
            name="田中　美咲 (김)",
            reading="ﾀﾅｶ ミサキ",
            external_key="S-0231",
            works_account="e‐1@example.com",
            email="misaki@example.com",
        ),
        account(2, "other", name="田村 太郎", reading="たむら", external_key="T-1"),
    )
    assert await names(directory, PeopleFilter(text=typed)) == ["tanaka@example.com"]
    (found,) = await PeopleSearch(directory).find(typed)
    assert found.subject_id == TANAKA
    assert await names(directory, PeopleFilter(text=f"{typed} nobody")) == []


def test_what_only_lists_and_searches_read_is_read_by_nothing_else() -> None:
    for table in (schema.accounts, schema.people):
        read = {each.name for each in columns_of(table)}
        assert {each.name for each in table.columns} - read == {"sort_key", "haystack"}


@pytest.mark.parametrize(
    ("typed", "whose"),
    [
        *(
            (typed, TANAKA)
            for typed in ("ＴＡＮＡＫＡ", "K-1", "W@Example.com", "m@example.com", TANAKA)
        ),
        *((typed, "ldap:hana") for typed in ("hana", "ldap:hana")),
    ],
)
async def test_who_has_exactly_what_was_typed_is_found_alone(
    directory: Directory, typed: str, whose: str
) -> None:
    keys = {"external_key": "K-1", "works_account": "w@example.com", "email": "m@example.com"}
    everything = f"tanaka hana {' '.join(keys.values())} {TANAKA} ldap:hana"
    await add(directory, account(1, "tanaka", **keys), account(2, "other", name=everything))
    await remember(directory, "hana")
    (found,) = await PeopleSearch(directory).find(typed)
    assert found.subject_id == whose


async def test_nobody_is_found_by_nothing_or_too_much(directory: Directory) -> None:
    search = PeopleSearch(directory)
    await add(directory, account(1, "tanaka", name=201 * "n"))
    for typed in ("", "　", 201 * "n", "a\0b", "other", "%", "_"):
        assert await search.find(typed) == ()
    assert len(await search.find(200 * "n")) == 1


async def test_r240_by_what_people_are_found_is_written_with_every_change(
    directory: Directory,
) -> None:
    """Whoever looks at everybody afterwards finds nothing to repair."""
    people, ldap, found = directory.people, "ldap:1", PeopleFilter(text="はな")
    hana = Person(subject_id=ldap, username="hana", name="", reading="ハナ", external_key="K-1")
    before = account(1, "tanaka")
    after = replace(before, name="田中", reading="タナカ", email="t@example.com")
    await add(directory, before)
    async with directory.changing() as transaction:
        await transaction.change_account(before, after, NOW)
    assert await names(directory, PeopleFilter(text="たなか t@")) == ["tanaka"]
    await people.remember("ldap", hana, NOW)
    assert await names(directory, found) == ["hana"]
    await people.remember("ldap", replace(hana, name="花", reading=""), NOW + 1)
    assert await names(directory, found) == []
    assert await names(directory, PeopleFilter(text="花 k-1")) == ["hana"]
    async with directory.changing() as transaction:
        await transaction.release_key("K-1", NOW)
    assert await names(directory, PeopleFilter(text="花 k-1")) == []
    (tanaka, hana_now) = await directory.people_list.page(PeopleFilter())
    assert (tanaka.reading, hana_now.external_key) == ("タナカ", None)


async def test_r241_what_the_previous_release_writes_is_found_and_mended(
    database: Path, directory: Directory
) -> None:
    """It knows only its own columns: the others are empty in a new row, and stay in an old one."""
    await add(directory, account(1, "tanaka"), account(2, "sato"))
    await remember(directory, "hana")
    columns = "id, username, username_key, name, enabled, administrator, created_at"
    values = f"'3', 'ito', 'ito', 'Äイトウ', true, false, {NOW}"
    query(database, f"INSERT INTO accounts ({columns}) VALUES ({values})")
    query(database, "UPDATE accounts SET name = 'タナカ' WHERE id = '0001'")
    query(database, "UPDATE people SET name = 'ハナ'")
    everybody = ["hana", "ito", "sato", "tanaka"]
    assert await names(directory, PeopleFilter()) == everybody
    assert await names(directory, PeopleFilter(text="ito")) == ["ito"], "without any mending"
    index = directory.people_index
    while await index.repair(2):
        pass
    for typed, whose in (("äいとう", "ito"), ("たなか", "tanaka"), ("はな", "hana")):
        assert await names(directory, PeopleFilter(text=typed)) == [whose]
    assert sorted(await names(directory, PeopleFilter())) == everybody
    query(database, "UPDATE accounts SET name = 'サトウ' WHERE id = '0002'")
    looks = 0
    while await names(directory, PeopleFilter(text="さとう")) != ["sato"]:
        assert await index.repair(2) == 0, "one step in each round, once everybody was looked at"
        looks += 1
        assert looks < 5


async def test_each_row_is_looked_at_once_and_written_if_it_must_be(
    database: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    async def renew(_connection: object, _table: object, keys: list[str]) -> None:
        written.extend(keys)

    monkeypatch.setattr("worksgate.directory.people_index.renew", renew)
    await add(directory, *(account(number, f"{number}") for number in (1, 2, 3)))
    query(database, "UPDATE accounts SET name = 'Sato' WHERE id = '0002'")
    assert [await directory.people_index.repair(2) for _ in range(3)] == [2, 1, 0]
    assert written == ["0002"]


async def test_a_server_that_removes_what_has_expired_mends_some_at_a_time(
    database: Path, directory: Directory
) -> None:
    many = 2 * STEP + 1
    await add(directory, *(account(number, f"p{number:04}") for number in range(many)))
    query(database, "UPDATE accounts SET sort_key = NULL, haystack = NULL")
    async for _ in remove_expired(MemoryStore(), directory, NOW, audit_retention=0):
        pass
    assert query(database, "SELECT count(*) FROM accounts WHERE haystack IS NULL") == [(0,)]


async def test_the_order_of_names_is_that_of_their_reading(directory: Directory) -> None:
    await add(
        directory,
        account(1, "a", name="渡辺", reading="ワタナベ", created_at=NOW),
        account(2, "b", name="阿部", reading="あべ", created_at=NOW + 2),
        account(3, "c", name="佐藤", reading="ｻﾄｳ", created_at=NOW + 1),
    )
    assert await names(directory, PeopleFilter()) == ["b", "c", "a"]
    made, found, after = PeopleOrder.MADE, [], None
    while page := await directory.people_list.page(PeopleFilter(), after, 1, made):
        found += [each.username for each in page]
        after = page[-1].place(made)
    assert found == ["b", "c", "a"]


async def test_everybody_by_name_is_read_from_an_index(directory: Directory) -> None:
    for after in (None, ("1", TANAKA)):
        page = page_query(PeopleFilter(), after, 50, PeopleOrder.NAME)
        found = await plan(directory, page)
        assert {"ix_accounts_sort_key", "ix_people_sort_key"} <= set(re.findall(r"ix_\w+", found))
