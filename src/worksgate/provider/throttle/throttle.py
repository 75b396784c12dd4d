"""The throttle of one purpose: what is asked of it, and one attempt around its check."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from worksgate.credentials.derived_keys import KEY_BYTES, derived_key
from worksgate.limits.outages import Unavailable
from worksgate.provider.throttle.admission import ALLOWED_FOR, Admission
from worksgate.provider.throttle.attempt import Attempt
from worksgate.provider.throttle.counters import Counters
from worksgate.provider.throttle.policy import ThrottlePolicy, TooManyAttempts
from worksgate.store import Store


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
        self._counters = Counters(store, purpose, derived_key(key, "shared counters"))
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
