"""How failed sign-ins delay the next one, without a way to lock somebody out.

Three counters stand between a guess and the hash, each counted before the hash runs (R-78):

* one for the account from this network, or from this browser if it has signed in as this person
  before (a device cookie): ``free`` attempts, then one after each delay, and the delay doubles.
  An attack from elsewhere uses up counters of its own (R-79);
* one for the account from everywhere that it has not signed in from: beyond ``strangers``
  failures in a row only known browsers and networks may go on, until the window ends; what is
  refused by it leaves no counter;
* one for the network, against somebody there who tries many accounts.

An account is a typed name, and also the person whom a source finds by that name, so that somebody
with several names has one guessing budget. A success sets both back. Unknown accounts are counted
like known ones, so that an answer reveals nothing. Only a definite answer counts: ``attempt`` gives
back what an outage interrupts.

An administrator may allow one more attempt from a network, for ``ALLOWED_FOR`` seconds (R-194). It
is used by whoever would be refused there first, it counts like any other, and no counter is set
back: what was waiting goes on waiting.

What decides is read together, and what an attempt counts is one commit, durable before the hash
runs; so is what its answer demands, and what a sign-in demands is part of the commit with its code.
Only a gate that closes takes one more.

Names can be made up and networks are plenty, so strangers may begin ``COUNTERS_A_DAY`` counters a
day, all together. Beyond that, what has no counter yet shares one of ``SHARED`` with others. A
shared counter stops guesses earlier and never later than one's own: nobody can set back what others
have failed, and nothing that counts is ever dropped to make room. A person whom a source has found,
and places from which somebody has signed in before, always have counters of their own.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum, auto

from msgspec import structs

from worksgate.audit import Reason
from worksgate.credentials.derived_keys import KEY_BYTES, derived_key
from worksgate.credentials.usernames import username_key
from worksgate.limits.networks import network_of
from worksgate.limits.outages import Unavailable
from worksgate.limits.rate_limit import DailyBudget
from worksgate.store import Recount, Store

KNOWN_FOR = 30 * 86_400.0
"""Seconds for which a network counts as known after a sign-in from there."""
COUNTERS_PER_CHECK = 4
"""Rows that one check of a stranger leaves in the store at most: two or three for ``window`` (the
name from there and from everywhere, and the person from there), and that of the network. A gate
comes only after ``free`` failures from one place. docs/capacity.md reckons with it."""
COUNTERS_A_DAY = 200_000
"""Counters that unauthenticated callers may create in a day, all together, for each purpose."""
PORTION = 1_000
"""Counters that a process takes from the day's budget at a time."""
SHARED = 65_536
"""Counters of each kind that are shared beyond that. For all of them to be full takes millions of
wrong passwords in a day: then unknown places wait for the day to end, and known ones go on."""
ALLOWED_FOR = 900.0
"""Seconds for which one more attempt is allowed by an administrator."""
LATE = 0.2
"""Seconds that may be spent on the counters after an attempt was abandoned."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """``free`` failures without a delay; then the delay starts at ``first_delay`` and doubles.

    ``strangers`` is the maximum of consecutive failures from all unknown places (SP 800-63B).
    ``window`` is how long failures are remembered; all times are in seconds.
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
    """Too early; ``retry_after`` is in seconds, ``reason`` which limit it is.

    WAITING is the delay of the account from there, WAITING_STRANGERS the limit of the account from
    unknown places, WAITING_NETWORK that of the network.
    """

    def __init__(self, retry_after: float, reason: Reason = Reason.WAITING) -> None:
        super().__init__(f"try again in {retry_after:.0f} s")
        self.retry_after = retry_after
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that is about to be checked: the account and its origin.

    ``device_id`` is the ID in a device cookie that was issued for this very account, or None.
    """

    account: str
    address: str
    device_id: str | None = None

    @property
    def place(self) -> str:
        """Its origin: a known browser, or else a network."""
        return f"device {self.device_id}" if self.device_id else self.network

    @property
    def network(self) -> str:
        return network_of(self.address)

    def counter(self, kind: str, *of: str) -> str:
        """The name of a counter of this account; it does not contain the person's name."""
        return " ".join((kind, _fingerprint(username_key(self.account)), *map(_fingerprint, of)))

    @property
    def counters(self) -> tuple[str, str]:
        """The counter of failures for this attempt, and the gate that they close."""
        return self.counter("login", self.place), self.counter("gate", self.place)

    @property
    def strangers_counter(self) -> str:
        return self.counter("strangers")

    @property
    def known_counter(self) -> str:
        """Not zero if this account has signed in from this network."""
        return self.counter("known", self.network)

    @property
    def allowance(self) -> tuple[str, str]:
        """What says that one more attempt is allowed from this network, and that it was made."""
        return self.counter("allowed", self.network), self.counter("used", self.network)

    @property
    def address_counter(self) -> str:
        return f"address {_fingerprint(self.network)}"


class _Counters:
    """The counters of one purpose; ``key`` decides who shares one with whom."""

    def __init__(self, store: Store, purpose: str, key: bytes) -> None:
        self.store = store
        self._prefix = f"{purpose} " if purpose else ""
        self._key = key
        self._begun = DailyBudget(
            self.named("counters"), COUNTERS_A_DAY, store.bump, portion=PORTION
        )

    def named(self, counter: str) -> str:
        """The name that a counter has in the store."""
        return self._prefix + counter

    async def bump(self, counter: str, window: float, now: float) -> int:
        return await self.store.bump(self.named(counter), window, now)

    async def count(self, counter: str, now: float) -> int:
        return await self.store.count(self.named(counter), now)

    async def seen(self, attempt: Attempt, now: float, *, network: bool) -> Mapping[str, int]:
        """All counts that decide whether an attempt is let through, read together."""
        names = self.deciding(attempt, network=network)
        counts = await self.store.count_all([self.named(each) for each in names], now)
        return {each: counts[self.named(each)] for each in names}

    def deciding(self, attempt: Attempt, *, network: bool) -> Sequence[str]:
        """The counters that decide.

        What may be shared is read by both names, so that the time does not tell which one counts.
        """
        names = list(attempt.counters)
        if attempt.device_id is None:
            own = attempt.strangers_counter
            names += (attempt.known_counter, own, self.shared(own))
        if network:
            names += (attempt.address_counter, self.shared(attempt.address_counter))
        return names

    def has_room(self, now: float) -> bool:
        """Whether strangers may begin one more counter today."""
        return self._begun.has_any(now)

    def has_counted(self, value: int, now: float) -> None:
        """Note the new value of a stranger's counter; the first increment has created it."""
        if value == 1:
            self._begun.take(now)

    def shared(self, counter: str) -> str:
        """The shared counter that replaces this one if there is no room for it.

        Sharing cannot be predicted, or a network could be blocked from another one.
        """
        kind = counter.partition(" ")[0]
        mac = hmac.digest(self._key, counter.encode(), "sha256")
        return f"shared {kind} {int.from_bytes(mac[:8]) % SHARED}"


class _Verdict(Enum):
    UNKNOWN = auto()
    REFUSED = auto()
    SUCCEEDED = auto()
    SETTLED = auto()


class Admission:
    """An attempt that is admitted and counted, and its result, as far as it is known."""

    def __init__(
        self, counters: _Counters, policy: ThrottlePolicy, attempt: Attempt, now: float
    ) -> None:
        self.is_exhausted = False
        """Whether the person of the name has failed too often under other names."""
        self.was_temporary = False
        """Whether the refused password was right, but temporary, and its time is over (R-85)."""
        self.must_answer_busy = False
        """Whether a refusal may say no more than that passwords cannot be checked now (R-145)."""
        self._counters = counters
        self._policy = policy
        self._attempt = attempt
        self._person: Attempt | None = None
        self._now = now
        self._verdict = _Verdict.UNKNOWN
        self._counted: list[str] = []
        self._shared: list[str] = []
        self._gates: list[str] = []

    def refused(self) -> None:
        """The result is a definite no; later errors do not change that."""
        self._verdict = _Verdict.REFUSED

    def succeeded(self) -> None:
        """The result is a definite yes, of the person who was found last."""
        self._verdict = _Verdict.SUCCEEDED

    def undecided(self) -> None:
        """The result is unknown although somebody has refused."""
        self._verdict = _Verdict.UNKNOWN

    async def admits(self, account: str | None, *, is_found: bool = False) -> bool:
        """Count the attempt for the person found as well; return whether it may be checked.

        ``account`` is the same for all names of a person; None if only the typed name counts. It
        never shares its counter if ``is_found``: if it is known to be a person's. An attempt that
        may not be checked is refused, and must look like any wrong guess: another response would
        reveal that two names belong to one person, and that there is such a person.
        """
        self._person = None
        if account is None:
            return True
        self._person = replace(self._attempt, account=account)
        seen = await self._counters.seen(self._person, self._now, network=False)
        try:
            await self._count(self._person, seen, is_found=is_found)
        except TooManyAttempts:
            if await self._uses_allowance(self._person):
                return True
            self.is_exhausted = True
            self.refused()
            return False
        return True

    async def count(self, counter: str, window: float) -> int:
        """Count something else for this attempt; an outage withdraws it. Returns the count."""
        value = await self._counters.store.bump(counter, window, self._now)
        self._counted.append(counter)
        return value

    async def enter(self) -> None:
        """Raises TooManyAttempts."""
        try:
            await self._count(self._attempt, await self._seen())
        except TooManyAttempts:
            if not await self._uses_allowance(self._attempt):
                raise

    async def look(self) -> None:
        """Like ``enter``, but nothing is counted. Raises TooManyAttempts."""
        try:
            seen = await self._seen()
            self._check_gate(self._attempt, seen)
            if self._is_stranger(self._attempt, seen):
                self._admit_stranger(self._attempt, seen, is_found=False)
        except TooManyAttempts:
            if not await self._has_allowance(self._attempt):
                raise

    async def _seen(self) -> Mapping[str, int]:
        """What decides about the attempt. Raises TooManyAttempts if its network has failed."""
        is_new = self._attempt.device_id is None
        seen = await self._counters.seen(self._attempt, self._now, network=is_new)
        if is_new:
            self._admit_network(seen)
        return seen

    def forgiveness(self) -> Recount:
        """What a success demands, for whoever writes it with something else (``forgiven``)."""
        return self._forgiveness_of(*filter(None, (self._attempt, self._person)))

    def forgiven(self) -> None:
        """That was written: nothing is left to be settled."""
        self._verdict = _Verdict.SETTLED

    async def settle(self) -> None:
        """Apply the result; without one the attempt does not count."""
        match self._verdict:
            case _Verdict.SUCCEEDED:
                await self._counters.store.recount(**structs.asdict(self.forgiveness()))
            case _Verdict.REFUSED:
                counter = await self._network_counter()
                value = await self._counters.bump(counter, self._policy.address_window, self._now)
                self._counters.has_counted(value, self._now)
            case _Verdict.UNKNOWN:
                if self._counted or self._gates:
                    await self._counters.store.recount(
                        reset=self._gates, lowered=self._counted, now=self._now
                    )

    async def settle_late(self) -> None:
        """Like ``settle``, within the remaining time: the response may be due already."""
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LATE):
                await self.settle()

    async def _has_allowance(self, attempt: Attempt) -> bool:
        """Whether one more attempt is allowed from there; read for those only who are refused."""
        allowed, used = map(self._counters.named, attempt.allowance)
        counts = await self._counters.store.count_all((allowed, used), self._now)
        return counts[allowed] > 0 and counts[used] == 0

    async def _uses_allowance(self, attempt: Attempt) -> bool:
        """Make the one more attempt that is allowed from there: of a burst one does.

        It is counted, so that the delay after a wrong one is longer; an outage gives it back.
        """
        if not await self._has_allowance(attempt):
            return False
        _, used = attempt.allowance
        if await self._counters.bump(used, ALLOWED_FOR, self._now) > 1:
            return False
        self._gates.append(self._counters.named(used))
        failures, _ = attempt.counters
        if self._counters.named(failures) not in self._counted:
            await self._bump_all(failures)
        return True

    def _admit_network(self, seen: Mapping[str, int]) -> None:
        """Raises TooManyAttempts."""
        own = self._attempt.address_counter
        may_begin = self._counters.has_room(self._now) or seen[own] > 0
        if seen[own if may_begin else self._counters.shared(own)] >= self._policy.per_address:
            raise TooManyAttempts(self._policy.address_window, Reason.WAITING_NETWORK)

    async def _network_counter(self) -> str:
        counters, own = self._counters, self._attempt.address_counter
        may_begin = counters.has_room(self._now) or await counters.count(own, self._now) > 0
        return own if may_begin else counters.shared(own)

    async def _count(
        self, attempt: Attempt, seen: Mapping[str, int], *, is_found: bool = False
    ) -> None:
        """Raises TooManyAttempts."""
        failures, _ = attempt.counters
        self._check_gate(attempt, seen)
        if not self._is_stranger(attempt, seen):
            (attempts,) = await self._bump_all(failures)
            await self._pass_gate(attempt, attempts)
            return
        strangers = self._admit_stranger(attempt, seen, is_found=is_found)
        if self._counters.has_room(self._now) or seen[failures] > 0:
            attempts, counted = await self._bump_all(failures, strangers)
            self._counters.has_counted(attempts, self._now)
            await self._pass_gate(attempt, attempts, strangers)
        else:  # the count of all strangers must do
            (counted,) = await self._bump_all(strangers)
        self._counters.has_counted(counted, self._now)
        if strangers != attempt.strangers_counter:
            self._shared.append(self._counters.named(strangers))
        if counted > self._policy.strangers:
            raise TooManyAttempts(self._policy.longest_delay, Reason.WAITING_STRANGERS)

    def _check_gate(self, attempt: Attempt, seen: Mapping[str, int]) -> None:
        """Raises TooManyAttempts where the gate is closed."""
        failures, gate = attempt.counters
        if seen[gate]:
            raise TooManyAttempts(self._policy.delay(seen[failures]))

    def _is_stranger(self, attempt: Attempt, seen: Mapping[str, int]) -> bool:
        """Whether the account has never signed in from there."""
        return attempt.device_id is None and not seen[attempt.known_counter]

    async def _bump_all(self, *counters: str) -> tuple[int, ...]:
        """Count an attempt by all of these, in one commit; the new counts."""
        named = [self._counters.named(each) for each in counters]
        windows = dict.fromkeys(named, self._policy.window)
        counts = await self._counters.store.bump_all(windows, self._now)
        self._counted += named
        return counts

    async def _pass_gate(self, attempt: Attempt, attempts: int, *refunded: str) -> None:
        """Close the gate behind an attempt once so many have come. Raises TooManyAttempts.

        Of a burst one passes. The others give back some counters: what a gate stops does not use
        up what all strangers have.
        """
        if attempts < self._policy.free:
            return
        _, gate = attempt.counters
        delay = self._policy.delay(attempts)
        if await self._counters.bump(gate, delay, self._now) > 1:
            for counter in map(self._counters.named, refunded):
                self._counted.remove(counter)
                await self._counters.store.lower(counter)
            raise TooManyAttempts(delay)
        self._gates.append(self._counters.named(gate))

    def _admit_stranger(self, attempt: Attempt, seen: Mapping[str, int], *, is_found: bool) -> str:
        """The counter of all strangers for this account: its own, or a shared one.

        Refuses before anything is counted, since endless networks would leave a row each. Raises
        TooManyAttempts.
        """
        counters, policy, own = self._counters, self._policy, attempt.strangers_counter
        may_begin = counters.has_room(self._now) or seen[own] > 0
        counter = own if may_begin or is_found else counters.shared(own)
        if seen[counter] >= policy.strangers:
            raise TooManyAttempts(policy.longest_delay, Reason.WAITING_STRANGERS)
        return counter

    def _forgiveness_of(self, *attempts: Attempt) -> Recount:
        """Nothing of these accounts' counts any longer, and their network is known.

        What others have failed by a shared counter stays.
        """
        named = self._counters.named
        counted = [
            named(counter)
            for attempt in attempts
            for counter in (
                attempt.strangers_counter,
                *attempt.counters,
                *Attempt(attempt.account, attempt.address).counters,
            )
        ]
        known = [named(attempt.known_counter) for attempt in attempts]
        return Recount(
            reset=counted,
            lowered=self._shared,
            begun=dict.fromkeys(known, KNOWN_FOR),
            now=self._now,
        )


class Throttle:
    """Counts attempts in the store, so that all processes count together.

    Counts of one ``purpose`` do not affect others. ``key`` is the installation's signing key;
    without one, this process shares no shared counter with others.
    """

    def __init__(
        self,
        store: Store,
        policy: ThrottlePolicy,
        purpose: str = "",
        *,
        key: bytes | None = None,
    ) -> None:
        key = secrets.token_bytes(KEY_BYTES) if key is None else key
        self._counters = _Counters(store, purpose, derived_key(key, "shared counters"))
        self._policy = policy

    @property
    def policy(self) -> ThrottlePolicy:
        return self._policy

    def first_counters(self, attempt: Attempt) -> Sequence[str]:
        """The names in the store of what ``attempt`` looks at first."""
        names = self._counters.deciding(attempt, network=attempt.device_id is None)
        return [self._counters.named(each) for each in names]

    async def refusal_of(self, attempt: Attempt, now: float) -> TooManyAttempts | None:
        """Why an attempt would be refused now, or None; nothing is counted."""
        try:
            await Admission(self._counters, self._policy, attempt, now).look()
        except TooManyAttempts as too_many:
            return too_many
        return None

    async def knows_any(self, attempts: Iterable[Attempt], now: float) -> bool:
        """Whether one of these accounts has signed in from the network of its attempt."""
        names = [self._counters.named(each.known_counter) for each in attempts]
        return any((await self._counters.store.count_all(names, now)).values())

    async def allow_one(self, attempts: Iterable[Attempt], now: float) -> float:
        """Allow one more of each of these from their networks; until when, in seconds.

        It replaces one that was allowed before, used or not.
        """
        pairs = {each.allowance for each in attempts}
        await self._counters.store.recount(
            reset=[self._counters.named(used) for _, used in pairs],
            begun={self._counters.named(allowed): ALLOWED_FOR for allowed, _ in pairs},
            now=now,
        )
        return now + ALLOWED_FOR

    @asynccontextmanager
    async def attempt(self, attempt: Attempt, now: float) -> AsyncIterator[Admission]:
        """Around one check, which it counts before it begins.

        In the block the code reports the result, ``refused`` or ``succeeded``. If the block ends
        before that, by an outage, a cancellation or a bug, it is unknown whether the guess was
        right: then it does not count. Raises TooManyAttempts.
        """
        admission = Admission(self._counters, self._policy, attempt, now)
        try:
            await admission.enter()
        except (Unavailable, asyncio.CancelledError):
            await admission.settle_late()
            raise
        try:
            yield admission
        except (Unavailable, asyncio.CancelledError):
            await admission.settle_late()
            raise
        except BaseException:
            await admission.settle()
            raise
        await admission.settle()


def _fingerprint(text: str) -> str:
    """A counter's name holds no name of a person."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
