"""App passwords: for mail programs of people who have a second factor (R-63)."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.databases import NOW, query
from tests.provider.factors.desk import HANAKO, TARO, Desk

from worksgate.audit import Event
from worksgate.directory import Account
from worksgate.provider.factors import Holder, TooMany
from worksgate.provider.factors.app_passwords import LENGTH, MAX_APP_PASSWORDS
from worksgate.sources import Person

REMEMBERED = Person(
    subject_id="ldap:u1", username="jiro", name="", works_account="jiro@example.com"
)


@pytest.fixture
async def people(desk: Desk) -> Desk:
    """Hanako and Taro of the directory, Jiro of an LDAP server."""
    hanako = Account(
        id="a1",
        username="Hanako",
        works_account="hanako@example.com",
        email="h.yamada@example.com",
        created_at=NOW,
    )
    async with desk.directory.changing() as transaction:
        await transaction.add_accounts([hanako, Account(id="a2", username="taro", created_at=NOW)])
    await desk.directory.people.remember("ldap", REMEMBERED, NOW)
    return desk


async def test_a_new_one_is_shown_once_and_kept_as_a_digest(desk: Desk, database: Path) -> None:
    new = await desk.app_passwords.add(HANAKO, " Phone\n", NOW)
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){5}", new.password)
    assert 5 * LENGTH >= 112  # so that a plain digest is enough (ASVS 6.5.2)
    assert new.password not in repr(new)
    assert new.app_password.digest not in repr(new)
    kept = str(query(database, "SELECT * FROM app_passwords"))
    assert new.password not in kept
    assert new.password.replace("-", "") not in kept
    assert await desk.recorded() == [(Event.APP_PASSWORD_ADDED, "Phone")]


@pytest.mark.parametrize(
    "username", ["hanako", "HANAKO", " Ｈanako ", "hanako@example.com", "H.Yamada@example.com"]
)
async def test_it_belongs_to_any_name_of_its_person(people: Desk, username: str) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    verified = await people.app_passwords.verify(username, new.password, NOW)
    assert verified == HANAKO.subject_id


@pytest.mark.parametrize("username", ["taro", "", "a1", "directory:a1", "nobody", "\ud800", "%"])
async def test_it_belongs_to_no_other_name(people: Desk, username: str) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    assert await people.app_passwords.verify(username, new.password, NOW) is None


async def test_people_of_other_sources_have_them_too(people: Desk) -> None:
    jiro = Holder(subject_id=REMEMBERED.subject_id)
    new = await people.app_passwords.add(jiro, "Phone", NOW)
    for name in ("jiro", "jiro@example.com"):
        assert await people.app_passwords.verify(name, new.password, NOW) == "ldap:u1"
    assert await people.app_passwords.verify("hanako", new.password, NOW) is None


async def test_it_is_read_as_people_type_it(people: Desk) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    for typed in (new.password.upper(), new.password.replace("-", ""), f" {new.password}\n"):
        assert await people.app_passwords.verify("hanako", typed, NOW) == HANAKO.subject_id


@pytest.mark.parametrize("password", ["", "0" * 24, "0" * 23, "\ud800" * 24, "x" * 9_999])
async def test_what_is_none_is_none(people: Desk, password: str) -> None:
    await people.app_passwords.add(HANAKO, "Phone", NOW)
    assert await people.app_passwords.verify("hanako", password, NOW) is None


async def test_the_last_use_is_kept_now_and_then(people: Desk) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    seen = []
    for later in (0.0, 100.0, 299.0, 300.0, 50.0):
        await people.app_passwords.verify("hanako", new.password, NOW + later)
        (kept,) = await people.app_passwords.of(HANAKO.subject_id)
        seen.append((kept.last_used_at or 0.0) - NOW)
    assert seen == [0.0, 0.0, 0.0, 300.0, 300.0]


async def test_a_login_does_not_wait_for_a_database_that_is_busy(
    people: Desk, database: Path
) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    async with people.directory.writing():
        verified = await people.app_passwords.verify("hanako", new.password, NOW)
    assert verified == HANAKO.subject_id


async def test_only_its_person_removes_it(people: Desk) -> None:
    new = await people.app_passwords.add(HANAKO, "Phone", NOW)
    other = await people.app_passwords.add(HANAKO, "Tablet", NOW + 1)
    assert [each.name for each in await people.app_passwords.of(HANAKO.subject_id)] == [
        "Phone",
        "Tablet",
    ]
    assert not await people.app_passwords.remove(TARO, new.app_password.id, NOW)
    rows, event = people.directory.app_passwords, TARO.event(Event.APP_PASSWORD_REMOVED, NOW, "")
    assert not await rows.remove(TARO.subject_id, new.app_password.id, event)
    assert await people.app_passwords.remove(HANAKO, new.app_password.id, NOW + 2)
    assert not await people.app_passwords.remove(HANAKO, new.app_password.id, NOW + 2)
    assert await people.app_passwords.verify("hanako", new.password, NOW) is None
    assert await people.app_passwords.verify("hanako", other.password, NOW) == HANAKO.subject_id
    assert (await people.recorded())[-1] == (Event.APP_PASSWORD_REMOVED, "Phone")


async def test_a_person_has_so_many_at_most(desk: Desk) -> None:
    for _ in range(MAX_APP_PASSWORDS):
        await desk.app_passwords.add(HANAKO, "Phone", NOW)
    with pytest.raises(TooMany):
        await desk.app_passwords.add(HANAKO, "Phone", NOW)
    await desk.app_passwords.add(TARO, "Phone", NOW)


async def test_one_that_is_removed_twice_at_once_is_removed_once(desk: Desk) -> None:
    new = await desk.app_passwords.add(HANAKO, "phone", NOW)
    removing = [desk.app_passwords.remove(HANAKO, new.app_password.id, NOW) for _ in range(2)]
    assert sorted(await asyncio.gather(*removing)) == [False, True]
    events = [event for event, _ in await desk.recorded()]
    assert events.count(Event.APP_PASSWORD_REMOVED) == 1
