"""How failed logins slow the next one, without a way to lock somebody out.

Three counters stand between a guess and the hash, each counted before the hash runs (R-78):

* one for the account from this network, or from this browser if it has signed in as this person
  before (a device cookie): ``free`` attempts, then one after each delay, and the delay doubles.
  Who attacks an account from elsewhere uses up counters of their own (R-79);
* one for the account from everywhere that it has not signed in from: beyond ``strangers``
  failures in a row only known browsers and networks may go on, until the window ends;
* one for the network, against a peer who tries many accounts.

A success sets the counters of that person back. Unknown accounts are counted like known ones, so
that an answer tells nothing.
"""

import hashlib
from dataclasses import dataclass

from worksgate.peers import network_of
from worksgate.store import Store
from worksgate.usernames import username_key

KNOWN_FOR = 30 * 86_400.0
"""Seconds that a network counts as known after somebody has signed in from there."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """``free`` failures cost nothing; then the delay starts at ``first_delay`` and doubles.

    ``strangers`` is the most that unknown places may fail in a row, all together (SP 800-63B).
    ``window`` is how long failures are remembered; all times are seconds.
    """

    free: int = 10
    first_delay: float = 1.0
    longest_delay: float = 900.0
    strangers: int = 100
    window: float = 86_400.0
    per_address: int = 200
    address_window: float = 600.0

    def delay(self, failures: int) -> float:
        """Seconds until the attempt after this many failures."""
        doublings = min(max(failures - self.free, 0), 32)
        return min(self.first_delay * 2.0**doublings, self.longest_delay)


class TooManyAttempts(Exception):
    """Not now; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login that is about to be checked: for whom, from where.

    ``device_id`` is the id in a device cookie that was issued for this very account, or None.
    """

    account: str
    address: str
    device_id: str | None = None

    @property
    def place(self) -> str:
        """Where it comes from: a browser that is known, or else a network."""
        return f"device {self.device_id}" if self.device_id else self.network

    @property
    def network(self) -> str:
        return network_of(self.address)

    def counter(self, kind: str, *of: str) -> str:
        """The name of a counter of this account; it holds no name of a person."""
        return " ".join((kind, _fingerprint(username_key(self.account)), *map(_fingerprint, of)))

    @property
    def counters(self) -> tuple[str, str]:
        """What this attempt uses up: the count of failures, and the gate that they close."""
        return self.counter("login", self.place), self.counter("gate", self.place)

    @property
    def strangers_counter(self) -> str:
        return self.counter("strangers")

    @property
    def known_counter(self) -> str:
        """Not zero where this account has signed in from this network."""
        return self.counter("known", self.network)

    @property
    def address_counter(self) -> str:
        return f"address {_fingerprint(self.network)}"


class _Counters:
    """The counters of one purpose."""

    def __init__(self, store: Store, purpose: str) -> None:
        self._store = store
        self._prefix = f"{purpose} " if purpose else ""

    async def bump(self, counter: str, window: float, now: float) -> int:
        return await self._store.bump(self._prefix + counter, window, now)

    async def count(self, counter: str, now: float) -> int:
        return await self._store.count(self._prefix + counter, now)

    async def reset(self, *counters: str) -> None:
        await self._store.reset(*(self._prefix + counter for counter in counters))


class Throttle:
    """Counts attempts in the store, so that all processes count together.

    What is counted for one ``purpose`` slows no other.
    """

    def __init__(self, store: Store, policy: ThrottlePolicy, purpose: str = "") -> None:
        self._store = _Counters(store, purpose)
        self._policy = policy

    @property
    def policy(self) -> ThrottlePolicy:
        return self._policy

    async def admit(self, attempt: Attempt, now: float) -> None:
        """Let an attempt through to the hash, and count it. Raises TooManyAttempts."""
        policy, store = self._policy, self._store
        failures, gate = attempt.counters
        if attempt.device_id is None:
            await self._admit_network(attempt, now)
        if await store.count(gate, now):
            raise TooManyAttempts(policy.delay(await store.count(failures, now)))
        attempts = await store.bump(failures, policy.window, now)
        delay = policy.delay(attempts)
        if attempts >= policy.free and await store.bump(gate, delay, now) > 1:
            raise TooManyAttempts(delay)
        # Last, so that a burst which the gate stops does not use up what all strangers have.
        if await self._is_stranger(attempt, now):
            await self._admit_stranger(attempt, now)

    async def succeeded(self, attempt: Attempt, now: float) -> None:
        """The password was right: nothing of this person's counts any longer."""
        from_network = Attempt(attempt.account, attempt.address)
        await self._store.reset(
            attempt.strangers_counter,
            attempt.known_counter,
            *attempt.counters,
            *from_network.counters,
        )
        await self._store.bump(attempt.known_counter, KNOWN_FOR, now)

    async def withdrawn(self, attempt: Attempt) -> None:
        """The password could not be checked: the next attempt need not wait for this one.

        The count stays: whoever can make a source falter must not win guesses by it.
        """
        _, gate = attempt.counters
        await self._store.reset(gate)

    async def failed(self, attempt: Attempt, now: float) -> None:
        """The password was wrong: the network is counted too."""
        await self._store.bump(attempt.address_counter, self._policy.address_window, now)

    async def _admit_network(self, attempt: Attempt, now: float) -> None:
        failures = await self._store.count(attempt.address_counter, now)
        if failures >= self._policy.per_address:
            raise TooManyAttempts(self._policy.address_window)

    async def _admit_stranger(self, attempt: Attempt, now: float) -> None:
        policy = self._policy
        attempts = await self._store.bump(attempt.strangers_counter, policy.window, now)
        if attempts > policy.strangers:
            raise TooManyAttempts(policy.longest_delay)

    async def _is_stranger(self, attempt: Attempt, now: float) -> bool:
        """Whether nothing says that this account was ever signed in to from there."""
        return attempt.device_id is None and not await self._store.count(attempt.known_counter, now)


def _fingerprint(text: str) -> str:
    """A counter's name holds no name of a person."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
