"""A right password is forgiven by the throttle, in the commit of its code or without one."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.provider.sign_in.world import HANA, World

from worksgate.provider.sign_in.errors import AlreadySignedIn, NoUserKey
from worksgate.provider.sign_in.outcomes import SecondFactorNeeded, SignedIn
from worksgate.sources import PersonDisabled
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore


class Away(MemoryStore):
    """It cannot keep a sign-in at the moment, or another one was faster."""

    def __init__(self, fails: Exception | None = None) -> None:
        super().__init__()
        self.fails = fails

    async def add(self, *_: Any, **__: Any) -> bool:
        if self.fails is not None:
            raise self.fails
        return False


def _with_second_factor(world: World) -> None:
    world.factors.give(HANA, totp=True)


def _without_key(world: World) -> None:
    world.people.change(HANA, external_key=None)


def _disabled_meanwhile(world: World) -> None:
    world.people.meanwhile[HANA.subject_id] = None


@pytest.mark.parametrize(
    ("ending", "store", "change"),
    [
        (SignedIn, MemoryStore(), lambda _: None),
        (SecondFactorNeeded, MemoryStore(), _with_second_factor),
        (NoUserKey, MemoryStore(), _without_key),
        (PersonDisabled, MemoryStore(), _disabled_meanwhile),
        (AlreadySignedIn, Away(), lambda _: None),
        (StoreUnavailable, Away(StoreUnavailable("away")), lambda _: None),
    ],
)
async def test_a_right_password_is_forgiven_however_the_sign_in_ends(
    ending: type, store: MemoryStore, change: Callable[[World], None]
) -> None:
    world = World(store=store)
    change(world)
    for _ in range(2 * world.throttle.free):
        visit = world.visit()
        transaction = await visit.login_form()
        try:
            end: object = await visit.log_in(transaction)
        except (NoUserKey, PersonDisabled, AlreadySignedIn, StoreUnavailable) as refusal:
            end = refusal
        assert isinstance(end, ending)


async def test_a_right_password_is_forgiven_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second time would take back failures that others have caused meanwhile."""
    store, recounts = MemoryStore(), list[dict[str, Any]]()

    async def recount(**counters: Any) -> None:
        recounts.append(counters)

    monkeypatch.setattr(store, "recount", recount)
    visit = World(store=store).visit()
    assert isinstance(await visit.log_in(await visit.login_form()), SignedIn)
    assert len(recounts) == 1
