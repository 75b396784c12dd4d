"""How strong a new password would be, asked while somebody is still typing it.

To estimate a password is work, some 20 ms of it, and whoever types asks again at each pause. So a
meter has a bound for each person and takes one place among those who wait for the hashing, however
many people type: it never keeps a sign-in from its turn. Beyond that there is no answer, and the
verdict comes with the form. What is asked for must be a person who may choose a password now; the
password is neither kept nor logged, nor compared with the one that they have.
"""

import asyncio

from worksgate.credentials import HashingBusy, PasswordHashing, Strength
from worksgate.directory.account_rules import password_context
from worksgate.sources import Person
from worksgate.tally import Tally

ANSWERS_A_MINUTE = 120
"""For one person: a pause every half second."""
WAITING = 8
"""Questions that wait for their turn, of all people."""


class PasswordMeter:
    """Estimates new passwords, one after the other. All calls belong to one event loop."""

    def __init__(self, hashing: PasswordHashing, company: str) -> None:
        self._hashing = hashing
        self._company = company
        self._asked = Tally(ANSWERS_A_MINUTE)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def strength(self, person: Person, password: str, now: float) -> Strength | None:
        """How well it would do as this person's password, or None: nobody can say just now."""
        if self._asked.exceeded(person.subject_id, now) or self._waiting >= WAITING:
            return None
        self._waiting += 1
        try:
            async with self._turn:
                context = password_context(person, self._company)
                return await self._hashing.strength(password, context)
        except HashingBusy:
            return None
        finally:
            self._waiting -= 1
