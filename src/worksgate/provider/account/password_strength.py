"""How strong a new password would be, asked while somebody is still typing it.

To estimate a password is work, and whoever types asks again at each pause. So a meter has a bound
for each person, and all of them together take one place among the estimates, which have a thread of
their own: no meter keeps a sign-in from its turn, nor a form for longer than one estimate. Beyond
that there is no answer, and the verdict comes with the form. What is asked for must be a person who
may choose a password now; the password is neither kept nor logged, nor compared with the one that
they have.
"""

from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing
from worksgate.credentials.password_policy import Strength
from worksgate.directory.account_rules import password_context
from worksgate.limits.rate_limit import RateLimit
from worksgate.sources import Person

ANSWERS_A_MINUTE = 120
"""For one person: a pause every half second."""
WAITING = 8
"""Questions that wait for their turn, of all people."""
WAITING_OF_ONE = 2
"""Of one person: what they typed last, and the question before it, which nobody stops."""


class PasswordMeter:
    """Estimates new passwords, one after the other. All calls belong to one event loop."""

    def __init__(self, hashing: PasswordHashing, company: str) -> None:
        self._hashing = hashing
        self._company = company
        self._asked = RateLimit(ANSWERS_A_MINUTE)
        self._waiting: list[str] = []

    async def strength(self, person: Person, password: str, now: float) -> Strength | None:
        """How well it would do as this person's password, or None: nobody can say just now."""
        whose = person.subject_id
        if self._asked.exceeded(whose, now) or self._is_full(whose):
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
