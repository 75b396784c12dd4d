"""What was answered against what is so: the invariants I-1 to I-8, judged from outside.

When a fault has ended, every code is posted once more, and every token is asked whom it stands
for. So the judgement needs nothing of the store but what LINE WORKS sees, and is the same for
all of them.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.exchanges import LIMIT, NO_ANSWER, Answer, Caller, Code, Exchanges


@dataclass(frozen=True, slots=True)
class Account:
    """The numbers of one run.

    ``good`` codes bought a token, ``refused`` got an error that is final, ``unavailable`` a 503,
    ``unanswered`` nothing. Of the latter two, ``used_unavailable`` and ``used_unanswered`` had
    been used all the same. ``twice`` were answered 200 more than once, ``revived`` worked after
    their token had been given out, ``foreign`` tokens stood for somebody else, ``dead`` ones for
    nobody. ``longest`` is in seconds; so are ``shed``, the longest 503, and ``median_shed``.
    """

    posted: int
    good: int
    refused: int
    unavailable: int
    unanswered: int
    used_unavailable: int
    used_unanswered: int
    twice: int
    revived: int
    foreign: int
    dead: int
    longest: float
    shed: float
    median_shed: float

    def judge(
        self, *, in_flight: int = 0, unknown: int = 0, tokens_survive: bool = True
    ) -> list[str]:
        """The invariants that do not hold; an empty list is a good one.

        ``in_flight`` is how many codes may be used without an answer (the process died with
        them), ``unknown`` how many with a 503 (the reply to a commit was lost).
        """
        broken = []
        if self.twice:
            broken.append(f"I-1: {self.twice} codes were answered 200 twice")
        if self.dead and tokens_survive:
            broken.append(f"I-2: {self.dead} tokens that were given out are not known")
        if self.used_unanswered > in_flight:
            broken.append(
                f"I-3: {self.used_unanswered} codes without an answer were used; "
                f"at most {in_flight} may be"
            )
        if self.used_unavailable > unknown:
            broken.append(
                f"I-3: {self.used_unavailable} codes that were answered 503 were used; "
                f"at most {unknown} may be"
            )
        if self.revived:
            broken.append(f"I-4: {self.revived} used codes were good again")
        if self.longest > LIMIT:
            broken.append(f"I-6: an answer took {self.longest:.1f} s")
        if self.foreign:
            broken.append(f"I-7: {self.foreign} tokens stood for somebody else")
        return broken


async def settle(exchanges: Exchanges, caller: Caller, codes: Sequence[Code]) -> Account:
    """Ask again for everything, now that all is well, and draw up the account."""
    foreign = dead = revived = twice = used_unavailable = used_unanswered = 0
    asked = {code: list(exchanges.answers.get(code, ())) for code in codes}
    firsts = {code: _outcome(answers) for code, answers in asked.items() if answers}
    for code, first in firsts.items():
        if first.status != 200:
            continue
        told = await caller.user_info(str(first.body.get("access_token")))
        if told.status != 200:
            dead += 1
        elif told.body.get("user_id") != code.user_id:
            foreign += 1
    for code, first in firsts.items():
        again = await caller.exchange(code)
        is_good = again.status == 200
        if is_good and first.status == 200:
            revived += 1
        if not is_good and first.status == 503:
            used_unavailable += 1
        if not is_good and first.status == NO_ANSWER:
            used_unanswered += 1
        if sum(answer.status == 200 for answer in asked[code]) + is_good > 1:
            twice += 1
    every = [answer for answers in asked.values() for answer in answers]
    shed = [answer.seconds for answer in every if answer.status == 503]
    statuses = [first.status for first in firsts.values()]
    return Account(
        posted=len(firsts),
        good=statuses.count(200),
        refused=sum(status not in (200, 503, NO_ANSWER) for status in statuses),
        unavailable=statuses.count(503),
        unanswered=statuses.count(NO_ANSWER),
        used_unavailable=used_unavailable,
        used_unanswered=used_unanswered,
        twice=twice,
        revived=revived,
        foreign=foreign,
        dead=dead,
        longest=max((answer.seconds for answer in every), default=0.0),
        shed=max(shed, default=0.0),
        median_shed=statistics.median(shed) if shed else 0.0,
    )


def _outcome(answers: Sequence[Answer]) -> Answer:
    """The answer that counts: a good one if there was one, else the last."""
    return next((answer for answer in answers if answer.status == 200), answers[-1])
