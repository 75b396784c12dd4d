"""Administrators of the console: the last owner, and whom nobody may change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import url_of

from worksgate.administration import Administration, Forbidden, Outdated, Refused
from worksgate.administration.actor import Actor
from worksgate.administration.roles import Role
from worksgate.bootstrap.administration import open_administration
from worksgate.directory.credential_changes import Change
from worksgate.settings.options import Settings

PASSWORD = "purple lantern over the bay"


@pytest.fixture
async def administration(tmp_path: Path) -> AsyncIterator[Administration]:
    settings = Settings(
        public_url="https://sso.example.com", database_url=url_of(tmp_path / "worksgate.db")
    )
    async with open_administration(settings) as administration:
        for name in ("anna", "bert"):
            await administration.users.add(name, password=PASSWORD)
        await administration.administrators.set_role("anna", Role.OWNER)
        yield administration


@pytest.mark.parametrize("how", ["role", "disabled", "removed"])
async def test_r151_the_last_owner_stays(administration: Administration, how: str) -> None:
    async def take() -> None:
        match how:
            case "role":
                await administration.administrators.set_role("anna", Role.ADMIN)
            case "disabled":
                await administration.users.disable("anna")
            case "removed":
                await administration.users.remove("anna")

    with pytest.raises(Refused, match="anna is the last owner"):
        await take()
    owner = await administration.users.get("anna")
    assert (owner.enabled, owner.role) == (True, "owner")
    await administration.administrators.set_role("bert", Role.OWNER)
    await take()
    with pytest.raises(Refused, match="bert is the last owner"):
        await administration.administrators.set_role("bert", None)


async def test_r151_a_disabled_owner_does_not_count(administration: Administration) -> None:
    await administration.administrators.set_role("bert", Role.OWNER)
    await administration.users.disable("bert")
    with pytest.raises(Refused, match="anna is the last owner"):
        await administration.users.disable("anna")


async def test_r151_an_owner_whose_password_was_voided_does_not_count(
    administration: Administration,
) -> None:
    await administration.administrators.set_role("bert", Role.OWNER)
    bert = await administration.users.get("bert")
    async with administration.users._directory.changing() as transaction:
        voided = replace(bert, password_hash=None)
        await transaction.change_account(bert, voided, 1.0, Change.PASSWORD_VOIDED)
    with pytest.raises(Refused, match="anna is the last owner"):
        await administration.users.disable("anna")
    await administration.users.remove("bert")


async def test_r151_of_two_owners_who_remove_each_other_at_once_one_stays(
    administration: Administration,
) -> None:
    await administration.administrators.set_role("bert", Role.OWNER)
    await asyncio.gather(
        administration.users.disable("anna"),
        administration.users.disable("bert"),
        return_exceptions=True,
    )
    owners = [each for each in await administration.administrators.all() if each.enabled]
    assert len(owners) == 1


async def test_r151_nobody_changes_their_own_role(administration: Administration) -> None:
    anna = await administration.users.get("anna")
    await administration.administrators.set_role("bert", Role.OWNER)
    acting = Actor(
        "console:anna", lambda: 1_800_000_000.0, subject_id=anna.person.subject_id, role=Role.OWNER
    )
    rows = administration.administrators
    own = rows.__class__(rows._settings, rows._directory, acting)
    with pytest.raises(Forbidden, match="their own role"):
        await own.set_role("anna", Role.ADMIN)


async def test_a_change_of_role_counts_as_a_change(administration: Administration) -> None:
    before = await administration.users.get("bert")
    changed = await administration.administrators.set_role("bert", Role.AUDITOR)
    after = await administration.users.get("bert")
    assert (changed.role, after.role) == ("auditor", "auditor")
    assert after.version == before.version + 1


async def test_whoever_has_seen_an_old_version_changes_nothing(
    administration: Administration,
) -> None:
    seen = await administration.users.get("bert")
    await administration.users.change("bert", name="Bert", expected_version=seen.version)
    with pytest.raises(Outdated, match="bert has been changed"):
        await administration.users.change("bert", name="Berta", expected_version=seen.version)
    assert (await administration.users.get("bert")).name == "Bert"


@pytest.mark.parametrize("change", ["name", "enabled"])
async def test_r151_an_import_changes_no_administrator(
    administration: Administration, change: str
) -> None:
    row = {"username": "anna", "name": "", "enabled": "yes"}
    row[change] = {"name": "Somebody", "enabled": "no"}[change]
    report = await administration.people_import.run([row], dry_run=False, update=True)
    assert [each.outcome.value for each in report.rows] == ["refused"]
    assert "administrator of the console" in (report.rows[0].reason or "")
    assert (await administration.users.get("anna")).enabled
