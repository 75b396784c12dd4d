"""How much is let through, and the refusal of what is not."""

from dataclasses import dataclass

from worksgate.audit import Reason


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
