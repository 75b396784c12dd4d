"""What a link of a notice does, once, and where it cannot do its work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.databases import NOW
from tests.provider.account.resetting import Resetting

from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.directory import Account
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.directory.transaction import Transaction
from worksgate.provider.account.disavowal import Disavowal, DisavowalLinks, Disavowed
from worksgate.provider.account.one_time_links import LinkNotValid
from worksgate.provider.revocation import Ended
from worksgate.settings.options import Settings
from worksgate.store.memory import MemoryStore


class Away:
    """A directory that cannot be asked."""

    @property
    def endings(self) -> "Away":
        return self

    async def newer_factors(self, subject_id: str, since: float) -> int:
        raise DatabaseUnavailable("the database does not respond")


class There:
    """A directory with a person of another source, and how many factors are newer."""

    def __init__(self, factors: int = 0) -> None:
        self.factors = factors
        self.closed: list[str] = []

    @property
    def endings(self) -> "There":
        return self

    @property
    def people(self) -> "There":
        return self

    async def newer_factors(self, subject_id: str, since: float) -> int:
        return self.factors

    async def set_enabled(self, subject_id: str, enabled: bool, event: AuditEvent) -> bool:  # noqa: FBT001  # as there
        assert not enabled
        assert event.detail == "“this was not me”: disabled"
        self.closed.append(subject_id)
        return True


class Revoking:
    """Ends everything, and so many factors."""

    def __init__(self, factors: int = 0) -> None:
        self.factors = factors

    async def end_everything(self, *_: object, factors_since: float) -> Ended:
        assert factors_since == NOW
        await asyncio.sleep(0)
        return Ended(0, 0, self.factors)


class Renaming:
    """The directory, in which somebody gets another name at the worst moment."""

    def __init__(self, reset: Resetting, follower: str | None) -> None:
        self._reset = reset
        self._follower = follower

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reset.directory, name)

    async def account_by_id(self, id: str) -> Account | None:  # noqa: A002  # as there
        found = await self._reset.directory.account_by_id(id)
        await self._reset.change("aoi", username="another name")
        if self._follower is not None:
            await self._reset.change(self._follower, username="aoi")
        return found


class Conflicting:
    """The directory, which refuses a change."""

    def __init__(self, reset: Resetting) -> None:
        self._reset = reset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reset.directory, name)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Transaction]:
        async with self._reset.directory.changing() as transaction:
            yield transaction
        raise Conflict("somebody has that key")


async def secret_in(store: MemoryStore, subject_id: str = "corp:u1", username: str = "emma") -> str:
    """The secret of a link about a passkey that was added."""
    added = AuditEvent(event=Event.FACTOR_ADDED, at=NOW, subject_id=subject_id, username=username)
    change = CredentialChange(change=Change.PASSKEY_ADDED, event=added)
    link = await DisavowalLinks(Settings(public_url="https://sso.example.com"), store).make(change)
    return link.rpartition("=")[2]


def disavowal_of(store: MemoryStore, factors: int = 0, ended: int = 0) -> tuple[Disavowal, There]:
    there = There(factors)
    return Disavowal(there, store, Revoking(ended)), there  # type: ignore[arg-type]  # no more is asked


@pytest.mark.parametrize(
    ("before", "ended", "is_closed"), [(0, 0, False), (1, 1, True), (1, 0, True), (0, 1, True)]
)
async def test_r127_who_loses_a_factor_by_a_link_has_to_be_let_in_again(
    before: int,
    ended: int,
    is_closed: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    """Also where one has been added, or removed, just before everything ended."""
    store = MemoryStore()
    disavowal, there = disavowal_of(store, before, ended)
    done = await disavowal.use(await secret_in(store), "192.0.2.1", NOW + 1)
    assert done == Disavowed(
        username="emma", source="corp", password_is_ours=False, is_closed=is_closed
    )
    assert there.closed == ["corp:u1"] * is_closed


async def test_r127_a_password_that_is_kept_here_is_void(reset: Resetting) -> None:
    store = MemoryStore()
    disavowal = Disavowal(reset.directory, store, Revoking())  # type: ignore[arg-type]  # nothing ends
    secret = await secret_in(store, "directory:1", "aoi")
    done = await disavowal.use(secret, "192.0.2.1", NOW + 1)
    assert done == Disavowed(
        username="aoi", source="directory", password_is_ours=True, is_closed=False
    )
    account = await reset.account("aoi")
    assert (account.password_hash, account.must_change_password) == (None, False)


async def test_r127_whoever_has_no_account_any_more_has_none_that_is_closed(
    reset: Resetting,
) -> None:
    store = MemoryStore()
    disavowal = Disavowal(reset.directory, store, Revoking())  # type: ignore[arg-type]  # nothing ends
    done = await disavowal.use(await secret_in(store, "directory:9", "gone"), "192.0.2.1", NOW + 1)
    assert done.is_closed is False


@pytest.mark.parametrize("follower", [None, "min"])
async def test_r127_whoever_is_renamed_meanwhile_keeps_the_link_and_nobody_loses_a_password(
    reset: Resetting, follower: str | None
) -> None:
    store = MemoryStore()
    directory = Renaming(reset, follower)
    disavowal = Disavowal(directory, store, Revoking())  # type: ignore[arg-type]  # nothing ends
    secret = await secret_in(store, "directory:1", "aoi")
    with pytest.raises(DatabaseUnavailable, match="changed at this moment"):
        await disavowal.use(secret, "192.0.2.1", NOW + 1)
    assert await disavowal.open(secret, "192.0.2.1", NOW + 1)
    for each in filter(None, ("another name", follower and "aoi")):
        assert (await reset.account(each)).password_hash


async def test_r127_an_account_that_cannot_be_changed_now_is_an_outage(reset: Resetting) -> None:
    store = MemoryStore()
    disavowal = Disavowal(Conflicting(reset), store, Revoking())  # type: ignore[arg-type]  # nothing ends
    secret = await secret_in(store, "directory:1", "aoi")
    with pytest.raises(DatabaseUnavailable, match="has that key"):
        await disavowal.use(secret, "192.0.2.1", NOW + 1)


async def test_r127_of_two_who_use_a_link_at_once_one_does() -> None:
    store = MemoryStore()
    secret, (disavowal, _) = await secret_in(store), disavowal_of(store)
    uses = [disavowal.use(secret, f"192.0.2.{each}", NOW + 1) for each in range(2)]
    done = await asyncio.gather(*uses, return_exceptions=True)
    assert {type(each) for each in done} == {Disavowed, LinkNotValid}


async def test_what_has_begun_is_waited_for_whatever_becomes_of_it() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise DatabaseUnavailable("the database does not respond")

    disavowal, _ = disavowal_of(MemoryStore())
    task = asyncio.create_task(work())
    disavowal.unfinished.add(task)
    await disavowal.close()
    assert task.done()


async def test_r127_a_link_that_an_outage_has_stopped_is_still_valid() -> None:
    store = MemoryStore()
    secret = await secret_in(store)
    disavowal = Disavowal(Away(), store, None)  # type: ignore[arg-type]  # nothing more is asked
    with pytest.raises(DatabaseUnavailable):
        await disavowal.use(secret, "192.0.2.1", NOW + 1)
    found = await disavowal.open(secret, "192.0.2.1", NOW + 2)
    assert found is not None
    assert found.change is Change.PASSKEY_ADDED
