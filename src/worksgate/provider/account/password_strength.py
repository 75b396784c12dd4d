"""The strength of a new password, shown while it is being typed.

Estimating a password is expensive, and a form asks again at each pause. So there is a limit per
person, and all estimates for meters share one place in the queue, with a thread of their own: a
meter never delays a sign-in, or a form for longer than one estimate. Beyond that there is no
response, and the form itself gives the verdict. Only a person who may choose a password now can
ask; the password is not stored, logged, or compared with the current one.
"""

from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing
from worksgate.credentials.password_policy import Strength
from worksgate.directory.account_rules import password_context
from worksgate.limits.rate_limit import RateLimit
from worksgate.sources import Person

ANSWERS_PER_MINUTE = 120
"""Per person: one pause every half second."""
WAITING = 8
"""Requests of all people that may wait."""
WAITING_OF_ONE = 2
"""Per person: the latest request, and the one before, which cannot be stopped."""


class PasswordMeter:
    """Estimates new passwords, one at a time. All calls belong to one event loop."""

    def __init__(self, hashing: PasswordHashing, company: str) -> None:
        self._hashing = hashing
        self._company = company
        self._answers = RateLimit(ANSWERS_PER_MINUTE)
        self._waiting: list[str] = []

    async def strength(self, person: Person, password: str, now: float) -> Strength | None:
        """How strong it would be as this person's password, or None if there is no capacity now."""
        whose = person.subject_id
        if self._answers.exceeded(whose, now) or self._is_full(whose):
            return None
        self._waiting.append(whose)
        try:
            context = password_context(person, self._company)
            return await self._hashing.strength(password, context, whose=whose)
        except HashingBusy:
            return None
        finally:
            self._waiting.remove(whose)

    def _is_full(self, whose: str) -> bool:
        waiting = self._waiting
        return len(waiting) >= WAITING or waiting.count(whose) >= WAITING_OF_ONE
