"""A company's own function as an identity source."""

import asyncio
import contextvars
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from worksgate.sources import NoAnswer, Person, PersonDisabled, SourceUnavailable
from worksgate.sources.function.source import FunctionSource

PASSWORD = "correct horse battery"
NAMED: dict[str, Any] = {
    "username": "hanako",
    "name": "花子",
    "reading": "はなこ",
    "external_key": "E1",
}
HANAKO = Person(subject_id="hr:4711", **NAMED)
TOLD = {"id": 4711, **NAMED}
LANGUAGE = contextvars.ContextVar("LANGUAGE", default="en")


@asynccontextmanager
async def source_of(
    authenticate: Callable[..., Any], **options: Any
) -> AsyncIterator[FunctionSource]:
    source = FunctionSource("hr", authenticate, **options)
    try:
        yield source
    finally:
        source.close()


def answering(answer: Any) -> Callable[[str, str], Any]:
    return lambda _username, _password: answer


def plain(username: str, password: str) -> Any:
    return TOLD if (username, password) == ("hanako", PASSWORD) else None


async def asynchronous(username: str, password: str) -> Any:
    await asyncio.sleep(0)
    return plain(username, password)


class Plain:
    def __call__(self, username: str, password: str) -> Any:
        return plain(username, password)


class Asynchronous:
    async def __call__(self, username: str, password: str) -> Any:
        return plain(username, password)


@pytest.mark.parametrize(
    "authenticate",
    [
        plain,
        asynchronous,
        Plain(),
        Asynchronous(),
        functools.partial(plain),
        functools.partial(asynchronous),
        lambda username, password: asynchronous(username, password),
    ],
    ids=["plain", "async", "object", "async object", "partial", "async partial", "lambda"],
)
async def test_any_kind_of_function_can_say_who_somebody_is(
    authenticate: Callable[[str, str], Any],
) -> None:
    async with source_of(authenticate) as source:
        assert await source.authenticate("hanako", PASSWORD) == HANAKO
        assert await source.authenticate("hanako", "wrong") is None
        assert source.name == "hr"


@pytest.mark.parametrize(
    ("answer", "subject_id"),
    [
        ({"id": "4711", "username": "hanako"}, "hr:4711"),
        ({"id": "hr:4711", "username": "hanako"}, "hr:hr:4711"),
        ({"username": "Hanako"}, "hr:hanako"),
        ({"username": "ＨＡＮＡＫＯ"}, "hr:hanako"),
        (Person(subject_id="4711", username="h", name=""), "hr:4711"),
        (Person(subject_id="hr:4711", username="h", name=""), "hr:4711"),
        (Person(subject_id="ldap:4711", username="h", name=""), "hr:ldap:4711"),
    ],
)
async def test_a_subject_id_is_stable_and_under_the_sources_name(
    answer: Any, subject_id: str
) -> None:
    async with source_of(answering(answer)) as source:
        person = await source.authenticate("whatever was typed", PASSWORD)
        assert person is not None
        assert person.subject_id == subject_id


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (True, "it is a bool"),
        (False, "it is a bool"),
        ("hanako", "it is a str"),
        (["hanako"], "it is a list"),
        ({}, "needs an id and a username"),
        ({"id": "4711"}, "needs an id and a username"),
        ({"username": ""}, "needs an id and a username"),
        ({"username": 7}, "username is not text"),
        ({"id": True, "username": "h"}, "id is not text"),
        ({"username": "h", "externalKey": "E1"}, "a person has no externalKey"),
        ({"username": "h", "external_key": "a/b"}, "must not contain"),
        ({"username": "h", "works_account": "H@example.com"}, "lower case"),
        (Person(subject_id="hr:", username="h", name=""), "needs an id"),
        (Person(subject_id="1", username="h", name="", external_key="a?b"), "must not contain"),
    ],
)
async def test_r108_an_answer_of_another_shape_signs_nobody_in(answer: Any, reason: str) -> None:
    async with source_of(answering(answer)) as source:
        with pytest.raises(SourceUnavailable, match=f"hr returned an unusable result: .*{reason}"):
            await source.authenticate("hanako", PASSWORD)


async def test_r106_an_exception_is_an_outage_and_does_not_reveal_the_password() -> None:
    def broken(_username: str, password: str) -> None:
        raise ValueError(f"cannot bind with {password}")

    async with source_of(broken) as source:
        with pytest.raises(SourceUnavailable) as outage:
            await source.authenticate("hanako", PASSWORD)
    text = str(outage.value)
    assert text.startswith("hr failed: ValueError at test_function_source.py:")
    assert PASSWORD not in text
    assert outage.value.__cause__ is None
    assert outage.value.__suppress_context__


@pytest.mark.parametrize("refusal", [PersonDisabled(), SourceUnavailable("closed on Sundays")])
async def test_a_function_may_speak_our_language(refusal: Exception) -> None:
    def refusing(_username: str, _password: str) -> None:
        raise refusal

    async with source_of(refusing) as source:
        with pytest.raises(type(refusal)):
            await source.authenticate("hanako", PASSWORD)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("hanako", ""),
        ("hanako", "\0secret"),
        ("hanako", "x" * 4_097),
        ("hanako", "\ud800"),
        ("", PASSWORD),
        (" ", PASSWORD),
        ("hana\0ko", PASSWORD),
        ("hana\nko", PASSWORD),
    ],
)
async def test_r61_r76_what_can_only_be_wrong_never_reaches_the_function(
    username: str, password: str
) -> None:
    asked: list[str] = []

    def careless(username: str, _password: str) -> Any:
        asked.append(username)
        return TOLD

    async with source_of(careless) as source:
        assert await source.authenticate(username, password) is None
    assert asked == []


async def test_a_plain_function_does_not_stop_the_others() -> None:
    both = threading.Barrier(2, timeout=60)

    def slow(_username: str, _password: str) -> Any:
        both.wait()
        return TOLD

    async with source_of(slow, threads=2) as source:
        people = await asyncio.gather(
            source.authenticate("hanako", PASSWORD), source.authenticate("hanako", PASSWORD)
        )
    assert list(people) == [HANAKO, HANAKO]


async def test_a_function_that_hangs_is_an_outage_and_bounded() -> None:
    release = threading.Event()
    running: list[int] = []

    def hanging(_username: str, _password: str) -> Any:
        running.append(1)
        release.wait(60)

    async with source_of(hanging, threads=2, waiting=1, timeout=0.5) as source:
        outcomes = await asyncio.gather(
            *(source.authenticate("hanako", PASSWORD) for _ in range(6)), return_exceptions=True
        )
        texts = sorted(str(outcome) for outcome in outcomes)
        assert all(isinstance(outcome, SourceUnavailable) for outcome in outcomes)
        assert [text.split(":")[0] for text in texts] == [
            *["hr did not respond"] * 3,
            *["hr has too many calls waiting"] * 3,
        ]
        assert len(running) == 2
        release.set()
        await _until_free(source)


async def test_a_coroutine_function_that_hangs_is_an_outage() -> None:
    async def hanging(_username: str, _password: str) -> Any:
        await asyncio.sleep(60)

    async with source_of(hanging, timeout=0.05) as source:
        with pytest.raises(NoAnswer, match="hr did not respond"):
            await source.authenticate("hanako", PASSWORD)


async def test_the_function_sees_the_context_of_its_caller() -> None:
    LANGUAGE.set("ja")
    async with source_of(
        lambda _username, _password: {"username": "h", "name": LANGUAGE.get()}
    ) as source:
        person = await source.authenticate("h", PASSWORD)
    assert person is not None
    assert person.name == "ja"


async def test_a_person_is_remembered_as_they_were() -> None:
    async with source_of(plain) as source:
        assert await source.find("hr:4711", HANAKO) == HANAKO
        assert await source.find("directory:4711", HANAKO) is None


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_source_needs_a_name_that_can_begin_an_id(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        FunctionSource(name, plain)


async def _until_free(source: FunctionSource) -> None:
    """Wait until a call gets through again."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            await source.authenticate("hanako", PASSWORD)
        except SourceUnavailable:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError("the source did not recover")
