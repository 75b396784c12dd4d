"""An attempt that is let through or refused, and what its result does to the counters."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto

from msgspec import structs

from worksgate.audit import Reason
from worksgate.limits.outages import Unavailable
from worksgate.provider.throttle.attempt import Attempt
from worksgate.provider.throttle.counters import Counters
from worksgate.provider.throttle.devices import is_device_of
from worksgate.provider.throttle.policy import ThrottlePolicy, TooManyAttempts
from worksgate.store import Recount

KNOWN_FOR = 30 * 86_400.0
"""Seconds for which a network counts as known after a sign-in from there."""
ALLOWED_FOR = 900.0
"""Seconds for which one more attempt is allowed by an administrator."""
LATE = 0.2
"""Seconds that may be spent on the counters after an attempt was abandoned."""


class _Verdict(Enum):
    UNKNOWN = auto()
    REFUSED = auto()
    SUCCEEDED = auto()
    SETTLED = auto()


class Admission:
    """An attempt that is admitted and counted, and its result, as far as it is known."""

    def __init__(
        self, counters: Counters, policy: ThrottlePolicy, attempt: Attempt, now: float
    ) -> None:
        self.is_exhausted = False
        """Whether the person who has this name at a source has failed there too often (R-276)."""
        self.was_temporary = False
        """Whether the refused password was right, but temporary, and its time is over (R-85)."""
        self.must_answer_busy = False
        """Whether a refusal may say no more than that passwords cannot be checked now (R-145)."""
        self.awaits_answer = False
        """Whether a source has the password and has not said yet whether it is right (R-282)."""
        self.asked = ""
        """The source that was asked last."""
        self.outage: Unavailable | None = None
        """What a wrong password is answered with although a source has refused it."""
        self._counters = counters
        self._policy = policy
        self._attempt = attempt
        self._person: Attempt | None = None
        self._now = now
        self._verdict = _Verdict.UNKNOWN
        self._counted: list[str] = []
        self._strangers: list[str] = []
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

    async def admits(
        self, account: str | None, *, is_found: bool = False, whose: str | None = None
    ) -> bool:
        """Count the attempt for the person found as well; return whether it may be checked.

        ``account`` is the same for all names of a person; None if only the typed name counts. It
        never shares its counter if ``is_found``: if it is known to be a person's. A known browser
        counts as one only if it is that of ``whose``, a subject or a source. An attempt that
        may not be checked is refused, and must look like any wrong guess: another response would
        reveal that two names belong to one person, and that there is such a person.
        """
        self._person = None
        if account is None:
            return True
        device_id = self._attempt.device_id
        if device_id is not None and whose is not None and not is_device_of(device_id, whose):
            device_id = None
        self._person = replace(self._attempt, account=account, device_id=device_id)
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
        """Apply the result; without one the attempt does not count.

        One that a source has left open counts among those of all strangers: their limit is far
        from what people try in an outage, and guesses at a source that delays a no end there.
        """
        match self._verdict:
            case _Verdict.SUCCEEDED:
                await self._counters.store.recount(**structs.asdict(self.forgiveness()))
            case _Verdict.REFUSED:
                counter = await self._network_counter()
                value = await self._counters.bump(counter, self._policy.address_window, self._now)
                self._counters.has_counted(value, self._now)
            case _Verdict.UNKNOWN:
                kept = self._strangers if self.awaits_answer else ()
                lowered = [each for each in self._counted if each not in kept]
                if lowered or self._gates:
                    await self._counters.store.recount(
                        reset=self._gates, lowered=lowered, now=self._now
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
        self._strangers.append(self._counters.named(strangers))
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
