"""The list of people of all sources: complete, in one order, and by filter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import NOW, POSTGRES

from worksgate.audit import AuditEvent, Event
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.directory.factors import Passkey, TotpSecret
from worksgate.directory.people_list import (
    COUNTED,
    Listed,
    PeopleCounts,
    PeopleFilter,
    PeopleOrder,
    PeopleState,
)
from worksgate.sources import Person

EVENT = AuditEvent(event=Event.USER_CHANGED, at=NOW)
NAMES = ("a-c", "ab", "a_b", "a b", "B-a", "ba", "é", "ez", "田中", "たなか", "z")
"""The order of some depends on the language of the database."""


def account(number: int, username: str, **values: object) -> Account:
    given: dict[str, object] = {"external_key": f"E-{number}", "created_at": NOW, **values}
    return Account(id=f"{number:04}", username=username, **given)  # type: ignore[arg-type]  # fields


async def add(directory: Directory, *accounts: Account) -> None:
    async with directory.changing() as transaction:
        await transaction.add_accounts(list(accounts))


async def remember(directory: Directory, username: str) -> None:
    person = Person(subject_id=f"ldap:{username}", username=username, name="")
    await directory.people.remember("ldap", person, NOW)


async def names(directory: Directory, wanted: PeopleFilter) -> list[str]:
    return [each.username for each in await directory.people_list.page(wanted)]


async def paged(directory: Directory, size: int) -> list[Listed]:
    """All people, by pages of this size."""
    found: list[Listed] = []
    after = None
    while page := await directory.people_list.page(PeopleFilter(), after, size):
        found += page
        after = (page[-1].sort_key, page[-1].subject_id)
    return found


async def order_by(directory: Directory, collation: str) -> None:
    """Put the names in another order, on PostgreSQL."""
    async with directory.writing() as connection:
        for table in ("accounts", "people"):
            columns = ", ".join(
                f'ALTER COLUMN {name} TYPE text COLLATE "{collation}"'
                for name in ("sort_key", "username_key")
            )
            await connection.execute(text(f"ALTER TABLE {table} {columns}"))


@pytest.fixture
async def mixed(database: Path, directory: Directory) -> AsyncIterator[Directory]:
    """People in both tables; on PostgreSQL in the order of a language, not of code points."""
    is_postgres = database.suffix == POSTGRES
    if is_postgres:
        await order_by(directory, "und-x-icu")
    for number, name in enumerate(NAMES):
        await add(directory, account(number, name))
        await remember(directory, f"{name}!")
    yield directory
    if is_postgres:
        await order_by(directory, "default")


@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_every_person_is_on_one_page_whatever_the_order(mixed: Directory, size: int) -> None:
    found = [each.username for each in await paged(mixed, size)]
    assert sorted(found) == sorted([*NAMES, *(f"{name}!" for name in NAMES)])
    assert found == [each.username for each in await mixed.people_list.page(PeopleFilter())]


async def test_a_filter_says_what_is_the_matter(directory: Directory) -> None:
    await add(
        directory,
        account(1, "fine", last_login_at=NOW),
        account(2, "keyless", external_key=None, last_login_at=NOW),
        account(3, "gone", enabled=False, last_login_at=NOW),
        account(4, "new"),
        account(5, "admin", role="admin", last_login_at=NOW),
    )
    await remember(directory, "elsewhere")
    expected = {
        PeopleState.NO_KEY: ["elsewhere", "keyless"],
        PeopleState.DISABLED: ["gone"],
        PeopleState.NEVER: ["elsewhere", "new"],
        PeopleState.ADMINISTRATORS: ["admin"],
    }
    for state, people in expected.items():
        wanted = PeopleFilter(state=state)
        assert await names(directory, wanted) == people, state
        assert await directory.people_list.count(wanted) == len(people)
    assert await names(directory, PeopleFilter(source="ldap")) == ["elsewhere"]
    assert len(await names(directory, PeopleFilter(source="directory"))) == 5
    nobody = PeopleFilter(source="ldap", state=PeopleState.ADMINISTRATORS)
    assert await names(directory, nobody) == []
    assert await directory.people_list.count(nobody) == 0


@pytest.mark.parametrize("typed", ["TANA", "misaki", "H-02", "田中", "％", "tanaka@"])
async def test_a_search_finds_a_part_of_what_somebody_has(directory: Directory, typed: str) -> None:
    await add(
        directory,
        account(1, "tanaka", name="田中 Misaki 100％", external_key="H-0231"),
        account(2, "other", email="tanaka@example.com"),
        account(3, "third"),
    )
    found = await names(directory, PeopleFilter(text=typed))
    assert found
    assert "third" not in found


@pytest.mark.parametrize("typed", ["%", "_", "\\"])
async def test_what_a_search_contains_is_no_pattern(directory: Directory, typed: str) -> None:
    await add(directory, account(1, "tanaka"))
    assert await names(directory, PeopleFilter(text=typed)) == []


async def test_a_second_factor_is_shown(directory: Directory) -> None:
    people = ("app", "passkey", "without", "passkey of the console")
    await add(directory, *(account(number, name) for number, name in enumerate(people, 1)))
    secret = TotpSecret(subject_id="directory:0001", secret=b"s" * 20, last_step=0, created_at=NOW)
    await directory.factors.keep_totp(secret, EVENT)
    factors = directory.factors
    where = {"directory:0002": factors, "directory:0004": factors.in_console("console.example")}
    for subject_id, passkeys in where.items():
        passkey = Passkey(
            id=subject_id,
            subject_id=subject_id,
            public_key=b"key",
            sign_count=0,
            backed_up=False,
            aaguid="",
            transports=(),
            name="",
            created_at=NOW,
        )
        await passkeys.add_passkey(passkey, 9, EVENT)
    found = await directory.people_list.page(PeopleFilter())
    assert {each.username for each in found if each.has_factor} == {"app", "passkey"}
    assert len(found) == 4


async def test_people_of_one_name_are_on_one_page_or_the_next(directory: Directory) -> None:
    await add(directory, account(1, "anna"))
    await remember(directory, "anna")
    for size in (1, 2):
        found = [(each.subject_id, each.last_login_at) for each in await paged(directory, size)]
        assert found == [("directory:0001", None), ("ldap:anna", None)]


async def test_a_list_is_counted_up_to_a_thousand(directory: Directory) -> None:
    await add(directory, *(account(number, f"p{number}") for number in range(COUNTED + 20)))
    await remember(directory, "elsewhere")
    assert await directory.people_list.count(PeopleFilter()) == COUNTED + 1
    assert await directory.people_list.count(PeopleFilter(source="ldap")) == 1


async def test_a_group_is_found_by_its_whole_name(directory: Directory) -> None:
    await add(
        directory,
        account(1, "first", groups=("営業部",)),
        account(2, "second", groups=("全社", "営業部")),
        account(3, "third", groups=("営業部 2", "第一営業部")),
        account(4, "fourth", groups=('a"営業部', "営業部\\")),
        account(5, "fifth"),
    )
    person = Person(subject_id="ldap:6", username="sixth", name="", groups=("営業部", "x"))
    await directory.people.remember("ldap", person, NOW)
    assert await names(directory, PeopleFilter(group="営業部")) == ["first", "second", "sixth"]
    assert await names(directory, PeopleFilter(group="%")) == []


async def test_states_are_counted_in_one_pass(directory: Directory) -> None:
    await add(
        directory,
        account(1, "keyless", external_key=None, last_login_at=NOW),
        account(2, "gone", enabled=False),
        account(3, "admin", role="admin", name="Other"),
    )
    await remember(directory, "elsewhere")
    counts = await directory.people_list.counts(PeopleFilter(state=PeopleState.DISABLED))
    assert counts.everybody == counts.of(None) == 4
    assert {state: counts.of(state) for state in PeopleState} == {
        PeopleState.NO_KEY: 2,
        PeopleState.DISABLED: 1,
        PeopleState.NEVER: 3,
        PeopleState.ADMINISTRATORS: 1,
    }
    assert counts == PeopleCounts.among(await directory.people_list.page(PeopleFilter()))
    assert (await directory.people_list.counts(PeopleFilter(text="other"))).everybody == 1
    assert (await directory.people_list.counts(PeopleFilter(text="nobody"))).everybody == 0


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_by_last_sign_in_the_newest_come_first_and_those_without_last(
    directory: Directory, size: int
) -> None:
    await add(
        directory,
        account(1, "second", last_login_at=NOW - 1.25),
        account(2, "same", last_login_at=NOW - 1.25),
        account(3, "never"),
    )
    await remember(directory, "first")
    await directory.people.note_logins({"ldap:first": NOW})
    await remember(directory, "neither")
    order, found, after = PeopleOrder.LAST_SIGN_IN, list[Listed](), None
    while page := await directory.people_list.page(PeopleFilter(), after, size, order):
        found += page
        after = page[-1].place(order)
    assert [each.username for each in found] == ["first", "second", "same", "never", "neither"]
    with pytest.raises(ValueError, match="float"):
        await directory.people_list.page(PeopleFilter(), ("second", "x"), size, order)


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_by_subject_everybody_comes_once(mixed: Directory, size: int) -> None:
    wanted, found = PeopleFilter(), list[Listed]()
    while page := await mixed.people_list.after_subject(
        wanted, found[-1].subject_id if found else None, size
    ):
        assert len(page) <= size
        found += page
    assert sorted(each.username for each in found) == sorted(
        [*NAMES, *(f"{name}!" for name in NAMES)]
    )
    one = await mixed.people_list.after_subject(PeopleFilter(source="ldap"), None, 50)
    assert len(one) == len(NAMES)


async def test_who_matches_has_a_digest_of_its_own(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = directory.people_list
    await add(directory, account(1, "first"), account(2, "second", enabled=False))
    await remember(directory, "third")
    everybody = await people.matching(PeopleFilter())
    assert everybody == await people.matching(PeopleFilter())
    assert everybody.count == 3
    one, other = [await people.matching(PeopleFilter(text=text)) for text in ("first", "second")]
    assert (one.count, other.count) == (1, 1)
    monkeypatch.setattr("worksgate.directory.people_list.MOST_MATCHING", 1)
    assert (await people.matching(PeopleFilter())).count == 2, "more than may"
    assert one.digest != other.digest
    assert [each.username for each in await people.among(["ldap:third", "directory:0001"])] == [
        "first",
        "third",
    ]
