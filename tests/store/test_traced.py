"""A traced store does what the store does, within a span, and says whose sign-in it was."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.store.artifacts import NOW, REDEEMED, buys, code, issued, session

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import AuthorizationCode, Session
from worksgate.store import ArtifactKey, Redemption, RedemptionOutcome, Store
from worksgate.store.traced import TracedStore

RECORDS = (issued("a"), AuditEvent(event=Event.LOGOUT, at=NOW), issued("b"))
OF_THEM = ["login of a", "login of b"]
CODE, OTHER = code(), code("other")
KEY = ArtifactKey(AuthorizationCode, "k")
REDEMPTION = Redemption(RedemptionOutcome.REDEEMED, CODE)

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str | None, list[str]]] = [
    ("save", (CODE, OTHER), {"records": RECORDS}, "store.save", OF_THEM),
    ("save", (session(),), {}, "store.save", []),
    ("add", (CODE, OTHER), {"removed": (KEY,), "records": RECORDS}, "store.add", OF_THEM),
    ("find", (Session, "k"), {}, "store.find", []),
    ("held", (Session, "anna"), {}, "store.held", []),
    ("take", (Session, "k"), {"records": RECORDS}, "store.take", OF_THEM),
    ("extend", (Session, "k", NOW + 60), {}, "store.extend", []),
    (
        "redeem",
        (AuthorizationCode, "k", "tenant", buys("token"), NOW, REDEEMED),
        {},
        "store.redeem",
        ["login of code"],
    ),
    ("redeem", (AuthorizationCode, "k", "tenant", buys("token"), NOW), {}, "store.redeem", []),
    ("forget", ("anna",), {"records": RECORDS}, "store.forget", OF_THEM),
    ("record", (RECORDS,), {}, None, []),
    ("bump", ("counter", 60.0, NOW), {}, "store.bump", []),
    ("bump_all", ({"counter": 60.0}, NOW), {}, "store.bump", []),
    ("count", ("counter", NOW), {}, "store.count", []),
    ("count_all", (["counter"], NOW), {}, "store.count", []),
    ("lower", ("a", "b"), {}, "store.lower", []),
    ("reset", ("a", "b"), {}, "store.reset", []),
    (
        "recount",
        (),
        {"reset": ["a"], "now": NOW, "lowered": ["b"], "begun": {"c": 60.0}},
        "store.recount",
        [],
    ),
    ("purge", (NOW,), {}, None, []),
    ("purge", (NOW, 7), {}, None, []),
    ("ping", (), {}, None, []),
    ("close", (), {}, None, []),
]


class Told:
    """A store that keeps what it is called with; ``Span`` and ``note_login`` in one with it."""

    waiting, unavailable = 3, 4

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.spans: list[str] = []
        self.logins: list[str] = []
        self.open: list[str] = []
        self.within: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, arguments, named))
            self.within = [*self.open]
            return answer_to(name)

        return call

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        self.spans.append(name)
        self.open.append(name)
        yield
        self.open.remove(name)


def answer_to(name: str) -> Any:
    """An answer of its own for each method that has one."""
    if inspect.signature(getattr(Store, name)).return_annotation is None:
        return None
    return REDEMPTION if name == "redeem" else f"the answer to {name}"


def meant(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a method by their names, however they were passed."""
    bound = inspect.signature(getattr(Store, name)).bind(None, *arguments, **named)
    bound.apply_defaults()
    return dict(bound.arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "named", "span", "logins"), CALLS, ids=[call[0] for call in CALLS]
)
async def test_a_call_reaches_the_store_unchanged(
    name: str,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
    span: str | None,
    logins: list[str],
) -> None:
    told = Told()
    store = TracedStore(told, told.span, told.logins.append)
    assert await getattr(store, name)(*arguments, **named) == answer_to(name)
    ((called, passed, by_name),) = told.calls
    assert (called, meant(name, passed, by_name)) == (name, meant(name, arguments, named))
    assert told.spans == told.within == ([] if span is None else [span])
    assert told.logins == logins


def test_the_table_has_every_method_of_a_store() -> None:
    methods = {name for name, _ in inspect.getmembers(Store, inspect.iscoroutinefunction)}
    assert {call[0] for call in CALLS} == methods


def test_the_figures_are_those_of_the_store() -> None:
    told = Told()
    store = TracedStore(told, told.span, told.logins.append)
    assert (store.waiting, store.unavailable) == (3, 4)
