"""F-18: a directory that hangs, is slow, resets or lies. Each ends in time, as an outage."""

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests import fake_ldap
from tests.databases import Clock
from tests.fake_ldap import (
    Behaviour,
    Busy,
    Conversation,
    Listener,
    Scripted,
    full_backlog,
    listening,
)
from tests.ports import free_port
from tests.slapd import PASSWORD, Authority, running_slapd
from tests.unhurried import AT_ONCE, PATIENT, tries

from worksgate.settings.sources.ldap import MAX_TIMEOUT, LdapSettings, Server
from worksgate.sources import SourceFault, SourceUnavailable
from worksgate.sources.ldap.connection import Budget, LdapConnection, ServerDown, Terms
from worksgate.sources.ldap.source import LdapSource

IN_TIME = 2.4
"""Seconds: the time limit of a sign-in, 2.0, and what a busy test machine adds; a page is answered
after 2.5."""

BEHAVIOURS: tuple[Behaviour, ...] = (
    fake_ldap.silent,
    fake_ldap.one_byte_a_second,
    fake_ldap.resets_at_once,
    fake_ldap.resets_in_the_middle_of_a_bind,
    fake_ldap.hangs_up_in_the_middle_of_a_bind,
    fake_ldap.fifty_megabytes_in_one,
    fake_ldap.fifty_megabytes_in_many,
    fake_ldap.wrong_message_id,
    fake_ldap.another_answer,
    fake_ldap.success_of_something_else,
    fake_ldap.answers_before_it_is_asked,
    fake_ldap.says_goodbye,
    fake_ldap.speaks_http,
)
WAYS: tuple[dict[str, object], ...] = (
    {},
    {"direct_bind": "{username}@example.jp"},
    {"start_tls": True},
)


@contextmanager
def source_of(settings: LdapSettings, clock: Clock | None = None) -> Iterator[LdapSource]:
    source = LdapSource(settings, monotonic=clock or time.monotonic)
    try:
        yield source
    finally:
        source.close()


async def outage(source: LdapSource) -> float:
    """Sign in where that is an outage, and say how many seconds it took."""
    start = time.monotonic()
    with pytest.raises(SourceUnavailable):
        await source.authenticate("hanako", PASSWORD)
    return time.monotonic() - start


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(f"ldap-{name}_")]


async def until_idle(source: LdapSource) -> None:
    """Wait until no thread works for the source any more."""
    end = time.monotonic() + PATIENT
    while source._pool._room < source._pool.threads + source._settings.pool_waiting:
        assert time.monotonic() < end, "a thread still works"
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_f18_r90_every_misbehaviour_is_an_outage_in_time(way: dict[str, object]) -> None:
    """All at once, each with a source of its own, so that the tests wait but once."""
    names = [*(each.__name__ for each in BEHAVIOURS), "full_backlog"]
    for each in tries():
        with ExitStack() as stack:
            listeners = [stack.enter_context(listening(each)) for each in BEHAVIOURS]
            listeners.append(stack.enter_context(full_backlog()))
            sources = [stack.enter_context(source_of(each.settings(**way))) for each in listeners]
            times = await asyncio.gather(*map(outage, sources))
        with each:
            taken = dict(zip(names, times, strict=True))
            assert {name: taken[name] for name in names if taken[name] > IN_TIME} == {}


@pytest.mark.parametrize(
    "behaviour", [fake_ldap.fifty_megabytes_in_one, fake_ldap.fifty_megabytes_in_many]
)
async def test_r90_a_long_answer_is_not_read_to_its_end(behaviour: Behaviour) -> None:
    with (
        listening(behaviour) as listener,
        source_of(listener.settings()) as source,
        capture_logs() as logs,
    ):
        await outage(source)
    assert [each["detail"] for each in logs] == [
        "it cannot be used: error receiving data: the response is too long"
    ]


async def test_r90_a_server_that_takes_no_connection_is_given_up_before_the_time_is_over() -> None:
    with (
        full_backlog() as listener,
        source_of(listener.settings(connect_timeout=0.1, timeout=MAX_TIMEOUT)) as source,
    ):
        assert await outage(source) < MAX_TIMEOUT - 0.1
    assert listener.settings().connect_timeout == 0.5
    assert listener.settings().timeout == 2.0


async def test_r90_an_answer_that_trickles_holds_no_thread_longer_than_the_time() -> None:
    """What waits for the thread gives up in any case; the thread has to as well."""
    with (
        listening(fake_ldap.one_byte_a_second) as listener,
        source_of(listener.settings(timeout=1.2)) as source,
    ):
        await outage(source)
        await until_idle(source)


async def test_r90_a_server_is_told_how_many_entries_and_seconds_are_wanted() -> None:
    directory = Scripted(lambda *_: (0, ""))
    with listening(directory) as listener, source_of(listener.settings()) as source:
        assert await source.authenticate("hanako", PASSWORD) is None
    assert directory.searches
    for search in directory.searches:
        size, seconds = search.limits
        assert size == 2  # one more than can be right
        assert 1 <= seconds <= MAX_TIMEOUT


@pytest.mark.slow
async def test_f18_r90_a_server_that_begins_no_tls_is_an_outage_in_time() -> None:
    with listening(fake_ldap.silent) as listener:
        url = listener.url.replace("ldap:", "ldaps:")
        for each in tries():
            with source_of(listener.settings(servers=(url,))) as source, each:
                assert await outage(source) < IN_TIME


@pytest.mark.parametrize("code", [1, 2, 3, 8, 10, 11, 13, 51, 52, 80])
async def test_f18_a_refusal_for_another_reason_is_no_wrong_password(code: int) -> None:
    way = {"direct_bind": "{username}@example.jp"}
    with listening(Busy(code)) as listener, source_of(listener.settings(**way)) as source:
        await outage(source)


async def test_f18_nothing_that_a_server_sends_is_more_than_an_outage() -> None:
    """Random answers: half of them noise, half with a wrong octet in a right answer."""
    chance = random.Random(18)
    answers: list[bytes] = []
    for _ in range(150):
        right = fake_ldap.message(1, fake_ldap.BIND_RESPONSE, fake_ldap.result(1))
        octets = bytearray(right if chance.random() < 0.5 else chance.randbytes(60))
        octets[chance.randrange(len(octets))] = chance.randrange(256)
        answers.append(bytes(octets))

    def noise(conversation: Conversation) -> None:
        for _ in conversation.requests():
            conversation.send(answers.pop())
            return

    with listening(noise) as listener:
        settings = listener.settings(direct_bind="{username}@x.jp", circuit_failures=10_000)
        with source_of(settings) as source:
            while answers:
                await outage(source)


async def test_f18_threads_are_bounded_and_end_by_themselves() -> None:
    with listening(fake_ldap.silent) as listener:
        settings = listener.settings(
            name="bounded", pool_size=3, pool_waiting=20, timeout=0.6, circuit_failures=1_000
        )
        for each in tries():
            with source_of(settings) as source:
                logins = [asyncio.create_task(outage(source)) for _ in range(60)]
                await asyncio.sleep(0.3)
                threads, connections = threads_of("bounded"), listener.connections
                times = await asyncio.gather(*logins)
                await until_idle(source)
                with each:
                    assert len(threads) == len(threads_of("bounded")) == 3
                    assert connections <= 3
                    # Beyond those who wait, people are refused at once.
                    assert len([taken for taken in times if taken < 0.3]) >= 37
                    assert max(times) < 1.0
            for thread in threads:
                thread.join(IN_TIME)
            listener.connections = 0
    assert all(not each.is_alive() for each in listener.threads)


async def test_f18_a_thread_that_hangs_does_not_delay_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a name server does that is silent: looking a host up has no time limit of its own."""
    hung = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: hung.wait(30) and [])
    with source_of(Listener(free_port()).settings(timeout=0.5)) as source:
        try:
            assert await outage(source) < AT_ONCE
        finally:
            hung.set()
        await until_idle(source)


@pytest.mark.programs
async def test_f18_the_circuit_opens_and_closes_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    clock = Clock(1_000.0)
    with running_slapd(tmp_path / "company", authority) as server:
        server.add_person("hanako")
        with source_of(server.settings(circuit_failures=3), clock) as source:
            assert await source.authenticate("hanako", PASSWORD) is not None
            server.stop()
            with capture_logs() as logs:
                for _ in range(3):
                    await outage(source)
                await outage(source)
                server.start()
                await outage(source)
                clock.now += 15
                assert await source.authenticate("hanako", PASSWORD) is not None
                assert await source.authenticate("hanako", "wrong") is None
    events = [each["event"] for each in logs]
    assert events == [
        *["ldap.server_down"] * 3,
        "source.circuit_opened",
        "source.circuit_closed",
    ]


@pytest.mark.programs
async def test_f18_a_silent_server_leaves_time_for_the_next(tmp_path: Path) -> None:
    with (
        listening(fake_ldap.silent) as silent,
        running_slapd(tmp_path / "company", Authority(tmp_path)) as server,
    ):
        server.add_person("hanako")
        settings = server.settings(
            servers=(silent.url, server.url),
            allow_unencrypted_ldap_on_this_network=True,
            connect_timeout=0.5,
            timeout=2.0,
        )
        for each in tries():
            silent.connections = 0
            with source_of(settings) as source, each:
                start = time.monotonic()
                assert await source.authenticate("hanako", PASSWORD) is not None
                assert time.monotonic() - start < IN_TIME
                assert await source.authenticate("hanako", PASSWORD) is not None
    assert silent.connections == 1


@pytest.mark.programs
async def test_an_outage_while_somebody_is_looked_up_is_told(tmp_path: Path) -> None:
    clock = Clock(1_000.0)
    with running_slapd(tmp_path / "company", Authority(tmp_path)) as server:
        server.add_person("hanako")
        with source_of(server.settings(), clock) as source:
            person = await source.authenticate("hanako", PASSWORD)
            assert person is not None
            server.stop()
            assert await source.find(person.subject_id, person) == person
            clock.now += 61
            with pytest.raises(SourceUnavailable):
                await source.find(person.subject_id, person)


async def test_a_caller_who_gives_up_says_nothing_about_the_directory() -> None:
    with listening(fake_ldap.silent) as listener:
        settings = listener.settings(timeout=0.5, circuit_failures=1)
        with source_of(settings) as source:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await source.authenticate("hanako", PASSWORD)
            assert not source._circuit.is_open
            await outage(source)
            assert source._circuit.is_open


@pytest.mark.parametrize("behaviour", [fake_ldap.silent, fake_ldap.one_byte_a_second])
def test_slowness_is_known_by_its_name_whatever_its_words(behaviour: Behaviour) -> None:
    terms = Terms(
        tls=ssl.create_default_context(), start_tls=False, connect_timeout=5.0, answer_limit=1_000
    )
    with listening(behaviour) as listener:
        connection = LdapConnection.open(Server.parse(listener.url), terms, Budget(0.2))
        with closing(connection), pytest.raises(ServerDown) as down:
            connection.bind("cn=somebody", "password")
    assert down.value.fault is SourceFault.SILENT
