"""How failed logins slow the next one, without a way to lock somebody out.

Three counters stand between a guess and the hash, each counted before the hash runs (R-78):

* the account's, for browsers that we don't know: ``free`` attempts, then one after each delay,
  and the delay doubles;
* the browser's own, if it has signed in as this person before (a device cookie): whoever attacks
  the account from outside cannot use this one up (R-79);
* the address's, against one peer who tries many accounts.

A success sets the counters of that person back. Unknown accounts are counted like known ones, so
that an answer tells nothing.
"""

import hashlib
import ipaddress
import unicodedata
from dataclasses import dataclass

from worksgate.store import Store


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """``free`` failures cost nothing; then the delay starts at ``first_delay`` and doubles.

    ``window`` is how long failures are remembered; all times are seconds.
    """

    free: int = 10
    first_delay: float = 1.0
    longest_delay: float = 900.0
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
    def counter(self) -> str:
        """The counter that this attempt uses up."""
        account = _fingerprint(account_key(self.account))
        return (
            f"login:{account}:{_fingerprint(self.device_id)}"
            if self.device_id
            else f"login:{account}"
        )

    @property
    def address_counter(self) -> str:
        return f"address:{_network(self.address)}"


def account_key(username: str) -> str:
    """One name for all spellings of an account: width, case and surrounding blanks (R-78)."""
    folded = unicodedata.normalize("NFKC", username).strip().casefold()
    return unicodedata.normalize("NFKC", folded)  # folding takes some composed letters apart


class Throttle:
    """Counts attempts in the store, so that all processes count together."""

    def __init__(self, store: Store, policy: ThrottlePolicy) -> None:
        self._store = store
        self._policy = policy

    async def admit(self, attempt: Attempt, now: float) -> None:
        """Let an attempt through to the hash, and count it. Raises TooManyAttempts."""
        policy = self._policy
        if attempt.device_id is None:
            failures = await self._store.count(attempt.address_counter, now)
            if failures >= policy.per_address:
                raise TooManyAttempts(policy.address_window)
        gate = f"gate:{attempt.counter}"
        if await self._store.count(gate, now):
            raise TooManyAttempts(policy.delay(await self._store.count(attempt.counter, now)))
        attempts = await self._store.bump(attempt.counter, policy.window, now)
        delay = policy.delay(attempts)
        if attempts >= policy.free and await self._store.bump(gate, delay, now) > 1:
            raise TooManyAttempts(delay)

    async def succeeded(self, attempt: Attempt) -> None:
        """The password was right: nothing of this person's counts any longer."""
        account = Attempt(attempt.account, attempt.address)
        await self._store.reset(
            *(
                name
                for counter in {attempt.counter, account.counter}
                for name in (counter, f"gate:{counter}")
            )
        )

    async def withdrawn(self, attempt: Attempt) -> None:
        """The password could not be checked: the next attempt need not wait for this one.

        The count stays: whoever can make a source falter must not win guesses by it.
        """
        await self._store.reset(f"gate:{attempt.counter}")

    async def failed(self, attempt: Attempt, now: float) -> None:
        """The password was wrong: the address is counted too."""
        await self._store.bump(attempt.address_counter, self._policy.address_window, now)


def _network(address: str) -> str:
    """Who has one IPv6 address has the 2**64 of its network: they count as one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address) or ip.ipv4_mapped:
        return str(ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def _fingerprint(text: str) -> str:
    """A counter's name holds no name of a person."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
