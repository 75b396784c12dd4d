"""Specifics of the Valkey store, against real servers that stop and start."""

import asyncio
import gc
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import settings
from msgspec import structs
from redis.asyncio.connection import Connection
from structlog.testing import capture_logs
from tests.slapd import Authority
from tests.store.artifacts import (
    NOW,
    access_token,
    buys,
    code,
    key_of,
    one_of_each,
    portions,
    refresh_token,
    session,
    spent_transaction,
    together,
)
from tests.store.stores import open_valkey
from tests.store.test_model import Comparison
from tests.unhurried import AT_ONCE, PATIENT, tries
from tests.valkey_server import ValkeyServer, eventually, running_valkey

from worksgate.credentials.secrets import new_ordered_secret, storage_key
from worksgate.oauth.model import (
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    Session,
    SpentTransaction,
)
from worksgate.settings.addresses.valkey import ValkeyAddress
from worksgate.store import Redemption, RedemptionOutcome, Store, StoreUnavailable
from worksgate.store.valkey import scripts as valkey_scripts
from worksgate.store.valkey.pool import REPLY_GRACE, START_TIMEOUT, Argument, ValkeyPool
from worksgate.store.valkey.scripts import Script
from worksgate.store.valkey.store import FORGET_STEP, ValkeyStore

pytestmark = pytest.mark.programs

SECRET = "pass-word-1"
REFUSED = 10
"""Calls that are made while the circuit is open."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
async def store(server: ValkeyServer) -> AsyncIterator[ValkeyStore]:
    store = await ValkeyStore.open(server.address)
    await redeem(
        store, "none"
    )  # so that the server knows the script, and does it at the first word
    yield store
    await store.close()


async def redeem(store: Store, name: str = "code", token: str = "token") -> Redemption:
    return await store.redeem(AuthorizationCode, key_of(name), "tenant", buys(token), NOW)


async def answers_again(store: ValkeyStore, within: float = 5.0) -> None:
    """Returns when the store answers; fails where that takes longer than I-8 allows."""
    async with asyncio.timeout(within):
        while True:
            with suppress(StoreUnavailable):
                await store.ping()
                return
            await asyncio.sleep(0.05)


async def refused_at_once(store: ValkeyStore) -> None:
    """The circuit is open: nobody waits, which each would do for longer than all these take."""
    began = time.monotonic()
    for _ in range(REFUSED):
        with pytest.raises(StoreUnavailable) as refusal:
            await redeem(store)
        assert not refusal.value.outcome_unknown
    assert time.monotonic() - began < START_TIMEOUT


# As the reference does


class ValkeyComparison(Comparison):
    """Every step is taken in the reference and on Valkey."""

    def __init__(self) -> None:
        super().__init__()
        self.runner.run(self.sqlite.close())
        self.sqlite: Store = self.runner.run(open_valkey(Path(self.folder.name)))


TestValkeyComparison = ValkeyComparison.TestCase
TestValkeyComparison.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


async def test_installations_with_prefixes_of_their_own_share_a_server(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    other = await ValkeyStore.open(f"{server.address}?prefix=other")
    await store.save(code())

    assert await other.find(AuthorizationCode, key_of("code")) is None
    assert (await redeem(other)).outcome is RedemptionOutcome.UNKNOWN
    await other.close()
    assert {key.partition(":")[0] for key in server.names()} == {"{worksgate}", "{other}"}


async def test_nothing_is_left_when_all_is_purged(server: ValkeyServer, store: ValkeyStore) -> None:
    await store.save(*one_of_each())
    await redeem(store)
    await redeem(store)
    await store.bump("counter", 60, NOW)
    await store.take(Session, session().key)

    while await store.purge(NOW + 100_000):
        pass

    assert server.names() == ["{worksgate}:ping"]


async def test_what_a_login_leaves_is_kept_in_little_room(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    """With one value over 64 bytes an artifact would take several times as much memory."""
    for made in (code(), refresh_token(), access_token(), session(), spent_transaction()):
        await store.save(structs.replace(made, key=storage_key(new_ordered_secret())))
    kept = [name for name in server.names() if server.command("TYPE", name) == "hash"]
    encodings = {name: server.command("OBJECT", "ENCODING", name) for name in kept}
    assert list(encodings.values()) == ["listpack"] * 5, encodings


async def test_a_server_that_has_forgotten_the_scripts_is_told_them(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code())
    server.command("SCRIPT", "FLUSH")

    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


async def test_what_cannot_be_sent_is_not_half_saved(store: ValkeyStore) -> None:
    with pytest.raises(UnicodeEncodeError):
        await store.save(code("half"), code("bad", grant="no text: \udc80"))

    assert await store.find(AuthorizationCode, key_of("half")) is None, "all or none"


async def test_times_come_back_to_the_last_bit(store: ValkeyStore) -> None:
    odd = NOW + 0.1 + 2**-20
    await store.save(code(expires_at=odd))

    await store.redeem(AuthorizationCode, key_of("code"), "tenant", buys("token"), odd - 7.3)

    token = await store.find(AccessToken, key_of("token"))
    assert token is not None
    assert token.expires_at == odd - 7.3 + code().lifetime


# A cluster


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """One node with all the slots."""
    # Else it is 10,000 above the port, where there may be none.
    bus = ValkeyServer(tmp_path / "unused").port
    options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
    with running_valkey(tmp_path / "cluster", *options) as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        eventually(lambda: "cluster_state:ok" in str(server.command("CLUSTER", "INFO")))
        yield server


async def use_every_verb(store: ValkeyStore) -> None:
    """And leave something of each kind of key."""
    await store.save(*one_of_each(grant="g"), code("other"), code("another", subject="berta"))
    assert await store.add(spent_transaction("another"))
    assert await store.extend(Session, session().key, NOW + 1)
    assert await store.take(Session, session().key) is not None
    assert len(await store.held(AuthorizationCode, "anna")) == 2
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    assert (await redeem(store)).outcome is RedemptionOutcome.REPLAYED
    assert await store.find(AccessToken, key_of("token")) is None
    assert await store.bump("c", 60, NOW) == await store.count("c", NOW) == 1
    assert await store.bump("c", 60, NOW) == 2
    await store.reset("c", "d")
    await store.bump("later", 60_000, NOW)
    assert await store.forget("anna") == 2
    assert await store.purge(NOW + 1) == 0


async def test_in_a_cluster_every_verb_stays_in_one_slot(cluster: ValkeyServer) -> None:
    store = await ValkeyStore.open(cluster.address)

    await use_every_verb(store)

    assert len({cluster.command("CLUSTER", "KEYSLOT", key) for key in cluster.names()}) == 1
    await store.close()


async def test_a_user_with_few_rights_is_enough(server: ValkeyServer) -> None:
    rights = "eval evalsha info time del exists hget hgetall hincrby hmget hset sadd set smembers"
    more = "srandmember srem zadd zrangebyscore zrem"
    commands = [f"+{command}" for command in f"{rights} {more}".split()]
    server.command("ACL", "SETUSER", "app", "on", f">{SECRET}", "~{worksgate}*", *commands)
    store = await ValkeyStore.open(f"redis://app:{SECRET}@127.0.0.1:{server.port}")

    await use_every_verb(store)

    await store.close()


async def test_forgetting_somebody_who_holds_very_much_lets_others_in_between(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    held = 2 * FORGET_STEP + 1
    for portion in portions(range(held), 100):
        await store.save(*(code(f"{number}") for number in portion))
    await store.save(code("another", subject="berta"))
    before = scripts_run(server)

    assert await store.forget("anna") == held

    assert scripts_run(server) - before >= 3
    assert await store.held(AuthorizationCode, "anna") == ()
    assert await store.find(AuthorizationCode, key_of("another")) is not None


def scripts_run(server: ValkeyServer) -> int:
    """How many scripts the server has been asked for."""
    return int(server.command("INFO", "commandstats")["cmdstat_evalsha"]["calls"])


# Servers that are refused, and addresses


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(server: ValkeyServer, policy: str) -> None:
    server.config("maxmemory-policy", policy)

    with pytest.raises(StoreUnavailable, match="set it to noeviction"):
        await ValkeyStore.open(server.address)
    assert server.connected() == 0


async def test_r140_f36_a_server_that_begins_to_evict_is_used_no_more_until_it_stops(
    server: ValkeyServer, store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.valkey.store.CHECK_INTERVAL", 0.1)
    await store.save(code())
    with capture_logs() as lines:
        server.config("maxmemory-policy", "allkeys-lru")
        await _until(store, refused=True)
        before = store.unavailable
        calls = (redeem(store), store.save(code("new")), store.bump("c", 60, NOW), store.ping())
        for call in calls:
            with pytest.raises(StoreUnavailable, match="set it to noeviction") as refusal:
                await call
            assert not refusal.value.outcome_unknown
        assert store.unavailable == before + len(calls)
        server.config("maxmemory-policy", "noeviction")
        await _until(store, refused=False)
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    assert [line["event"] for line in lines] == ["store.unusable", "store.usable"]


async def _until(store: ValkeyStore, *, refused: bool) -> None:
    """Ask until calls are refused, or are not."""
    until = time.monotonic() + PATIENT
    while time.monotonic() < until:
        try:
            await store.find(AuthorizationCode, "nobody's")
        except StoreUnavailable:
            if refused:
                return
        else:
            if not refused:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing has changed")


async def test_r140_the_first_call_after_a_rest_waits_for_a_look(
    server: ValkeyServer, store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.valkey.store.TRUSTED_FOR", 0.0)
    monkeypatch.setattr("worksgate.store.valkey.store.CHECK_INTERVAL", 0.0)
    server.config("maxmemory-policy", "volatile-ttl")
    with pytest.raises(StoreUnavailable, match="set it to noeviction"):
        await redeem(store)


async def test_r140_a_ping_looks_at_the_server_at_once(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.ping()
    server.config("maxmemory-policy", "volatile-ttl")
    with pytest.raises(StoreUnavailable, match="set it to noeviction"):
        await store.ping()


async def test_a_replica_is_refused(server: ValkeyServer) -> None:
    server.command("REPLICAOF", "127.0.0.1", 1)

    with pytest.raises(StoreUnavailable, match="give the primary's address"):
        await ValkeyStore.open(server.address)


async def test_a_server_that_does_not_reveal_its_policy_is_refused(server: ValkeyServer) -> None:
    server.command("ACL", "SETUSER", "default", "-info")

    with pytest.raises(StoreUnavailable, match="NoPermission"):
        await ValkeyStore.open(server.address)


@pytest.mark.parametrize(
    ("memory", "replication", "told"),
    [
        (b"used_memory:1\r\n", b"role:master\r\n", "let this user run INFO"),
        (b"maxmemory_policy:lru:all\r\n", b"role:master\r\n", "policy is lru:all: set it to noev"),
        (b"# Memory\r\nmaxmemory_policy:noeviction\r\n", b"role:slave\r\n", "is a replica"),
        (b"maxmemory_policy:noeviction\r\n", b"", "is a replica"),
    ],
)
async def test_r140_a_server_that_cannot_be_used_says_what_to_do(
    memory: bytes, replication: bytes, told: str
) -> None:
    with pytest.raises(StoreUnavailable, match=told):
        await ValkeyStore(_Telling(memory, replication), "", None).ping()


class _Telling(ValkeyPool):
    """A server that says this of itself."""

    def __init__(self, memory: bytes, replication: bytes) -> None:
        super().__init__(ValkeyAddress.parse("redis://h"), waiting=1)
        self._told = {"memory": memory, "replication": replication}

    async def run(self, _script: Script, *_: Argument) -> tuple[bytes]:
        return (b"done",)

    async def command(self, *words: Argument) -> bytes:
        return self._told[str(words[1])]


async def test_a_look_that_fails_where_nobody_waits_for_it_is_no_error_of_its_own(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    server.config("maxmemory-policy", "allkeys-lru")
    for is_cancelled in (False, True):
        look = store._begin_look()
        if is_cancelled:
            look.cancel()
        await asyncio.wait([look])
        store._looking = look = None  # type: ignore[assignment]  # to let go of it
        gc.collect()
    assert errors == []


async def test_where_nobody_listens_is_reported_at_once(server: ValkeyServer) -> None:
    server.kill()

    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*[Rr]efused"):
        await ValkeyStore.open(server.address)
    assert time.monotonic() - began < AT_ONCE


async def test_a_password_opens_and_is_in_no_error(server: ValkeyServer) -> None:
    server.config("requirepass", SECRET)
    place = f"127.0.0.1:{server.port}"

    store = await ValkeyStore.open(f"valkey://:{SECRET}@{place}/0")
    await store.save(code())
    await store.close()
    for address in (
        f"redis://:{SECRET}-wrong@{place}",
        f"redis://{SECRET}@{place}",
        server.address,
    ):
        with pytest.raises(StoreUnavailable) as refusal:
            await ValkeyStore.open(address)
        assert place in str(refusal.value)
        assert "password" in str(refusal.value)
        assert SECRET not in repr(refusal.value)
        assert refusal.value.__cause__ is None


async def test_a_socket_file_is_an_address(tmp_path: Path) -> None:
    file = tmp_path / "v.sock"
    with running_valkey(tmp_path / "valkey", "--unixsocket", str(file)):
        store = await ValkeyStore.open(f"unix://{file}")
        await store.save(code())
        assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
        await store.close()


async def test_over_tls_the_server_has_to_prove_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    right, wrong = authority.issue("127.0.0.1"), authority.issue("elsewhere.example")
    options = ("--tls-auth-clients", "no", "--tls-ca-cert-file", str(authority.file))
    with running_valkey(tmp_path / "valkey", "--tls-port", "0", *options) as server:
        server.config("tls-cert-file", str(right.chain))
        server.config("tls-key-file", str(right.key))
        port = ValkeyServer(tmp_path / "unused").port
        server.config("tls-port", str(port))
        address = f"rediss://127.0.0.1:{port}"
        store = await ValkeyStore.open(f"{address}?ssl_ca_certs={authority.file}")
        await store.ping()
        await store.close()
        with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*certificate"):
            await ValkeyStore.open(address)
        server.command(
            *("CONFIG", "SET", "tls-cert-file", str(wrong.chain), "tls-key-file", str(wrong.key))
        )
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await ValkeyStore.open(f"{address}?ssl_ca_certs={authority.file}")


async def test_connections_are_bounded_and_so_is_who_waits_for_one(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.valkey.store.CHECK_INTERVAL", 60.0)  # a look is a call too
    store = await ValkeyStore.open(f"{server.address}?max_connections=2", waiting=30)
    await together(store.ping() for _ in range(30))
    assert server.connected() == 2

    calling = asyncio.gather(*(store.ping() for _ in range(40)), return_exceptions=True)
    await asyncio.sleep(0)
    assert store.waiting > 0
    calls = await calling

    refused = [call for call in calls if call is not None]
    assert store.unavailable == len(refused)
    assert len(refused) == 8, "two at work, thirty wait"
    assert all("too many" in str(refusal) for refusal in refused)
    await store.close()
    assert server.connected() == 0
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()


# Gone (F-09)


async def test_f09_a_killed_server_is_reported_at_once_and_healed_without_a_hand(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code())
    server.kill()

    with capture_logs() as lines:
        with pytest.raises(StoreUnavailable):
            await redeem(store)
        await refused_at_once(store)
        failed = store.unavailable
        server.start()
        await answers_again(store)

    assert failed == 1 + REFUSED
    assert [line["event"] for line in lines] == ["store.unreachable", "store.connected"]
    assert lines[0]["reason"].startswith("Valkey ")
    await store.save(code())
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


@pytest.mark.deadlines
async def test_f09_f06_a_stopped_server_is_given_up_and_does_nothing_late(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code(), code("other"), access_token("old"))
    for each in tries():
        server.suspend()
        with each:
            began = time.monotonic()
            used, read = await asyncio.gather(
                redeem(store), store.find(AccessToken, key_of("old")), return_exceptions=True
            )
            assert time.monotonic() - began < 2.2
            assert isinstance(used, StoreUnavailable)
            assert used.outcome_unknown, "it was sent"
            assert isinstance(read, StoreUnavailable)
            assert not read.outcome_unknown, "there is nothing to know"
            await refused_at_once(store)
        server.resume()
        await answers_again(store)

    assert server.command("EXISTS", f"{{worksgate}}:access_token:{key_of('token')}") == 0
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


@pytest.mark.deadlines
async def test_f09_a_paused_server_does_nothing_late(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code())
    for each in tries():
        with each:
            began = time.monotonic()
            server.command("CLIENT", "PAUSE", 2_300)

            with pytest.raises(StoreUnavailable):
                await redeem(store)
            assert time.monotonic() - began < 2.2
            await refused_at_once(store)
        await answers_again(store)
        assert time.monotonic() - began > 2.2, "it was paused"

    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


async def test_f09_a_short_pause_is_waited_for(server: ValkeyServer, store: ValkeyStore) -> None:
    await store.save(code())
    server.suspend()

    waiting = asyncio.create_task(redeem(store))
    await asyncio.sleep(0.8)
    assert not waiting.done()
    server.resume()

    assert (await waiting).outcome is RedemptionOutcome.REDEEMED


async def test_f09_without_memory_nothing_is_written_and_what_is_there_is_read_and_removed(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code(), access_token("old", expires_at=NOW - 1))
    server.config("maxmemory", "1mb")

    for call in (
        redeem(store),
        store.save(code("new"), code("newer")),
        store.add(spent_transaction()),
        store.bump("counter", 60, NOW),
        store.ping(),
    ):
        with pytest.raises(StoreUnavailable, match="OutOfMemory") as refusal:
            await call
        assert not refusal.value.outcome_unknown
    assert await store.find(AuthorizationCode, key_of("code")) == code()
    assert await store.purge(NOW) == 1
    server.config("maxmemory", "0")

    assert await store.find(AuthorizationCode, key_of("new")) is None
    assert await store.find(AccessToken, key_of("token")) is None
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


async def test_a_primary_that_has_become_a_replica_serves_nothing(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code(), access_token("old"))
    server.command("REPLICAOF", "127.0.0.1", 1)

    for call in (redeem(store), store.find(AccessToken, key_of("old"))):
        with pytest.raises(StoreUnavailable, match="ReadOnly"):
            await call


@asynccontextmanager
async def losing_replies(
    server: ValkeyServer, marker: bytes
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An address that cuts a connection once it has passed on the marker; and what it passed."""
    passed: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, forward = await asyncio.open_connection("127.0.0.1", server.port)
        while data := await reader.read(65_536):
            forward.write(data)
            answer = await upstream.read(65_536)
            if marker in data:
                passed.append(data)
                break
            writer.write(answer)
        writer.close()
        forward.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", passed


async def test_f03_a_lost_reply_is_reported_as_unknown_and_nothing_is_sent_again(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await store.save(code())

    async with losing_replies(server, key_of("code").encode()) as (address, passed):
        other = await ValkeyStore.open(address)
        with pytest.raises(StoreUnavailable) as refusal:
            await redeem(other)
        await other.close()

    assert refusal.value.outcome_unknown
    assert len(passed) == 1
    assert await store.find(AccessToken, key_of("token")) is not None, "it was done, once"


async def test_f03_a_connection_that_ends_before_it_is_used_is_an_outage_and_no_crash(
    store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.save(code())

    async def send(*_: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")  # uvloop's

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "send_command", send)
        with pytest.raises(StoreUnavailable, match="has closed the connection"):
            await redeem(store)
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


# Clocks


async def test_f16_a_server_whose_clock_was_set_is_believed_at_once(
    store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.valkey.pool._PROMPT", PATIENT)  # on a busy machine
    await store.save(code())
    for seconds in (-3_600.0, 3_600.0):
        assert store._pool._ahead is not None
        store._pool._ahead += seconds
        await store.ping()
        await store.save(code(f"{seconds}"))

    assert store._pool._ahead == pytest.approx(
        time.time() - asyncio.get_running_loop().time(), abs=AT_ONCE
    )


async def test_f06_a_script_that_comes_too_late_does_nothing(
    store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.store.valkey.pool._PROMPT", PATIENT)  # on a busy machine
    await store.save(code())
    connections = store._pool
    connections._ahead = -1e9
    until = asyncio.get_running_loop().time() + START_TIMEOUT
    asked = (f"code:{key_of('code')}", "tenant", repr(NOW), key_of("token"), "", 0)

    answer = await connections._run_until(until, valkey_scripts.REDEEM, ("600", "", *asked))

    assert answer == (valkey_scripts.LATE,)
    assert await store.find(AccessToken, key_of("token")) is None
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED


# Back, but older (F-10)


async def keep_one_of_each(store: ValkeyStore) -> None:
    await store.save(code(), refresh_token(), session(), access_token("old"))
    await store.add(spent_transaction())
    await store.bump("failures", 60, NOW)


async def check_nothing_revives(server: ValkeyServer, store: ValkeyStore) -> None:
    """Although the server has the unused code, the token and the session again."""
    kept = server.command("HGETALL", f"{{worksgate}}:code:{key_of('code')}")
    assert kept, "the code did come back"
    assert "used" not in kept, "and as good as new"
    assert (await redeem(store, token="again")).outcome is RedemptionOutcome.UNKNOWN
    refreshed = await store.redeem(
        RefreshToken, refresh_token().key, "tenant", buys("fresh", "next"), NOW
    )
    assert refreshed.outcome is RedemptionOutcome.UNKNOWN
    assert await store.take(AuthorizationCode, key_of("code")) is None
    for token in ("old", "token", "again", "fresh"):
        assert await store.find(AccessToken, key_of(token)) is None
    assert await store.find(Session, session().key) is None
    assert await store.held(Session, "anna") == ()
    assert not await store.extend(Session, session().key, NOW + 999)


async def check_what_outlasts_a_run(store: ValkeyStore) -> None:
    assert await store.count("failures", NOW) == 1
    assert not await store.add(spent_transaction())
    assert await store.find(SpentTransaction, spent_transaction().key) == spent_transaction()


async def test_f10_i4_an_older_snapshot_revives_nothing(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    await keep_one_of_each(store)
    server.command("SAVE")
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    server.kill()
    server.start()
    await answers_again(store)

    await check_nothing_revives(server, store)
    await check_what_outlasts_a_run(store)
    await store.save(code())
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED, "what is saved now is good"


async def test_f10_a_log_without_its_last_second_revives_nothing(tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "everysec")
    with running_valkey(tmp_path / "valkey", *options) as server:
        store = await ValkeyStore.open(server.address)
        await keep_one_of_each(store)
        shutil.copytree(server.folder / "appendonlydir", tmp_path / "older")
        assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
        server.kill()
        shutil.rmtree(server.folder / "appendonlydir")
        shutil.copytree(tmp_path / "older", server.folder / "appendonlydir")
        server.start()
        await answers_again(store)

        await check_nothing_revives(server, store)
        await check_what_outlasts_a_run(store)
        await store.close()


async def test_f10_a_used_code_that_was_not_lost_is_not_good_either(tmp_path: Path) -> None:
    # Not every second: while the disk is busy, an answer then comes before it is in the file.
    always = ("--appendonly", "yes", "--appendfsync", "always")
    with running_valkey(tmp_path / "valkey", *always) as server:
        store = await ValkeyStore.open(server.address)
        await store.save(code())
        await redeem(store)
        server.kill()
        server.start()
        await answers_again(store)

        assert (await redeem(store, token="again")).outcome is RedemptionOutcome.UNKNOWN
        await store.save(code())
        assert (await redeem(store)).outcome is RedemptionOutcome.REPLAYED, (
            "saved again, and still used"
        )
        await store.close()


async def test_f10_a_replica_that_is_promoted_revives_nothing(
    server: ValkeyServer, store: ValkeyStore, tmp_path: Path
) -> None:
    await keep_one_of_each(store)
    with running_valkey(tmp_path / "replica") as replica:
        _follow(replica, server)
        replica.command("REPLICAOF", "NO", "ONE")
        other = await ValkeyStore.open(replica.address)

        await check_nothing_revives(replica, other)
        await check_what_outlasts_a_run(other)
        await other.close()


async def test_f10_a_primary_that_gets_its_place_back_revives_nothing(
    server: ValkeyServer, store: ValkeyStore, tmp_path: Path
) -> None:
    """One process, but its data went by way of a replica that did not know of the last use."""
    with running_valkey(tmp_path / "replica") as replica:
        _follow(replica, server)
        await keep_one_of_each(store)
        _have_the_same(replica, server)
        replica.command("REPLICAOF", "NO", "ONE")
        assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
        _follow(server, replica)
        server.command("REPLICAOF", "NO", "ONE")
        await answers_again(store)

        await check_nothing_revives(server, store)
        await check_what_outlasts_a_run(store)


def _follow(replica: ValkeyServer, primary: ValkeyServer) -> None:
    replica.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    primary.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica.command("REPLICAOF", "127.0.0.1", primary.port)
    eventually(lambda: replica.replication()["master_link_status"] == "up")


def _have_the_same(replica: ValkeyServer, primary: ValkeyServer) -> None:
    there = primary.replication()["master_repl_offset"]
    eventually(lambda: replica.replication()["slave_repl_offset"] >= there)


async def test_i1_over_kills_under_load_no_code_is_redeemed_twice(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    options = ("--appendonly", "yes", "--appendfsync", "everysec")
    with running_valkey(tmp_path / "valkey", *options) as server:
        store = await ValkeyStore.open(server.address)
        names = [f"{number}" for number in range(4_000)]
        turning = True

        async def call(chance: random.Random) -> None:
            while turning:
                name = chance.choice(names)
                try:
                    if (
                        await redeem(store, name, f"token of {name}")
                    ).outcome is RedemptionOutcome.REDEEMED:
                        told[name] += 1
                except StoreUnavailable:
                    await asyncio.sleep(0.01)

        callers = [asyncio.create_task(call(random.Random(seed))) for seed in range(8)]
        for _ in range(3):
            await answers_again(store)
            for portion in portions(names):
                await store.save(*(code(name) for name in portion if name not in told))
            await asyncio.sleep(0.3)
            server.kill()
            await asyncio.sleep(0.1)
            server.start()
        turning = False
        await asyncio.gather(*callers)
        await store.close()

    assert len(told) > 100
    assert set(told.values()) == {1}


# Cancelled callers


async def test_f21_a_storm_of_cancellations_mixes_nothing_up(
    server: ValkeyServer, store: ValkeyStore
) -> None:
    chance = random.Random(21)
    numbers = range(5_000)
    for some in portions(numbers):
        await store.save(*(code(f"{n}", subject=f"person {n}") for n in some))

    async def call(number: int) -> Redemption | None:
        patience = chance.random() * 0.02 if number % 5 else None
        try:
            return await asyncio.wait_for(redeem(store, f"{number}", f"token {number}"), patience)
        except TimeoutError:
            return None

    answers: list[Redemption | None] = []
    for some in portions(numbers, 100):
        answers += await together(call(number) for number in some)

    assert 100 < answers.count(None) <= 4_000, "some were cancelled, and some were not"
    for number, answer in zip(numbers, answers, strict=True):
        if answer is not None:
            assert answer.outcome is RedemptionOutcome.REDEEMED
            assert answer.artifact == code(f"{number}", subject=f"person {number}")
    for some in portions(numbers, 100):
        tokens = await together(store.find(AccessToken, key_of(f"token {n}")) for n in some)
        codes = await together(
            store.redeem(AuthorizationCode, key_of(f"{n}"), "tenant", buys("x"), NOW + 61)
            for n in some
        )
        for number, token, found in zip(some, tokens, codes, strict=True):
            # Whatever its caller was told: used and bought, or neither (I-3).
            assert (found.outcome is RedemptionOutcome.REPLAYED) == (token is not None)
            if answers[number] is not None:
                assert token is not None
            if token is not None:
                assert token.subject_id == f"person {number}"
    async with asyncio.timeout(PATIENT):  # in which the server sees those that were closed last
        while len(store._pool._idle) != server.connected():  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0.05)
    assert server.connected() <= 20, "none is lost"
    await store.close()
    assert server.connected() == 0


async def test_f21_a_call_that_is_given_up_while_it_waits_for_a_connection_leaves_nothing(
    server: ValkeyServer,
) -> None:
    store = await ValkeyStore.open(f"{server.address}?max_connections=1")
    await store.save(code())
    server.suspend()
    first = asyncio.create_task(store.ping())
    await asyncio.sleep(0.05)
    given_up = asyncio.create_task(redeem(store))
    await asyncio.sleep(0.05)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    server.resume()
    await first

    assert await store.find(AccessToken, key_of("token")) is None
    assert (await redeem(store)).outcome is RedemptionOutcome.REDEEMED
    await store.close()


async def test_closing_waits_for_the_calls_under_way(server: ValkeyServer) -> None:
    store = await ValkeyStore.open(f"{server.address}?max_connections=2")
    await store.save(*(code(f"{number}") for number in range(50)))
    accepted = [asyncio.create_task(redeem(store, f"{number}")) for number in range(50)]
    await asyncio.sleep(0)

    await together([store.close(), store.close()])

    assert {(await task).outcome for task in accepted} == {RedemptionOutcome.REDEEMED}
    assert server.connected() == 0


@pytest.mark.deadlines
async def test_closing_while_the_server_is_gone_is_quick_and_leaves_no_task(
    server: ValkeyServer,
) -> None:
    store = await ValkeyStore.open(server.address)
    server.suspend()
    with pytest.raises(StoreUnavailable):
        await store.ping()

    began = time.monotonic()
    await store.close()

    assert time.monotonic() - began < START_TIMEOUT + 2 * REPLY_GRACE
    assert asyncio.all_tasks() == {asyncio.current_task()}
    server.resume()
