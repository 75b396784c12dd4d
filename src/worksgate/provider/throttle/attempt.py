"""An attempt, and the names of the counters that it is counted by."""

import hashlib
from dataclasses import dataclass

from worksgate.credentials.usernames import username_key
from worksgate.limits.networks import network_of


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


def _fingerprint(text: str) -> str:
    """A counter's name holds no name of a person."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
