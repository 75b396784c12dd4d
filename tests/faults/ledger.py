"""Responses compared with the actual state: the invariants I-1 to I-8, checked from outside.

When a fault has ended, every code is posted once more, and every token is asked whom it stands
for. So the judgement needs nothing of the store but what LINE WORKS sees, and is the same for
all of them.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.faults.exchanges import LIMIT, NO_ANSWER, Answer, Caller, Code, Exchanges

_Found = TypeVar("_Found")

_AT_ONCE = 16
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Account:
    """The numbers of one run.

    ``good`` codes bought a token, ``refused`` got an error that is final, ``unavailable`` a 503,
    ``unanswered`` nothing. Of the latter two, ``used_unavailable`` and ``used_unanswered`` had
    been used all the same. ``twice`` were answered 200 more than once, ``revived`` worked after
    their token had been given out, ``foreign`` tokens stood for somebody else, ``dead`` ones for
    nobody. ``errors`` are what the refused ones got, each once. ``longest`` is in seconds; so are
    ``shed``, the longest 503, ``median_shed``, and ``late``, which a busy machine has added at most
    to what the caller measures.
    """

    posted: int
    good: int
    refused: int
    errors: tuple[str, ...]
    unavailable: int
    unanswered: int
    used_unavailable: int
    used_unanswered: int
    twice: int
    revived: int
    foreign: int
    dead: int
    overdue: int
    longest: float
    shed: float
    median_shed: float
    late: float

    def judge(
        self,
        *,
        in_flight: int = 0,
        unknown: int = 0,
        refused: int = 0,
        overdue: int = 0,
        tokens_survive: bool = True,
    ) -> list[str]:
        """The invariants that do not hold; an empty list is a good one.

        ``in_flight`` is how many codes may be used without an answer (the process died with
        them), ``unknown`` how many with a 503 (the reply to a commit was lost), ``refused`` how
        many may be refused for good (the store that held them is void), ``overdue`` how many may
        get no answer in time (their connection is a process's that stands still).
        """
        broken = []
        if self.twice:
            broken.append(f"I-1: {self.twice} codes were answered 200 twice")
        if self.dead and tokens_survive:
            broken.append(f"I-2: {self.dead} tokens that were given out are not known")
        if self.refused > refused:
            broken.append(
                f"I-3: {self.refused} good codes were refused for good "
                f"({', '.join(self.errors)}); at most {refused} may be"
            )
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
        if self.overdue > overdue:
            broken.append(
                f"I-6: {self.overdue} answers took up to {self.longest:.1f} s; "
                f"at most {overdue} may be late"
            )
        if self.foreign:
            broken.append(f"I-7: {self.foreign} tokens stood for somebody else")
        return broken


async def settle(exchanges: Exchanges, caller: Caller, codes: Sequence[Code]) -> Account:
    """Ask again for everything, now that all is well, and draw up the account.

    Every token is asked for before the first code is posted again: a replay revokes its token.
    """
    asked = {code: exchanges.answers[code] for code in codes if exchanges.answers.get(code)}
    firsts = {code: outcome(answers) for code, answers in asked.items()}
    bought = [code for code, first in firsts.items() if first.status == 200]
    told = await each(bought, lambda code: user_of(caller, firsts[code]))
    again = await each(list(firsts), lambda code: replayed(caller, code))
    is_good = {code: answer.status == 200 for code, answer in again.items()}
    every = [answer for answers in asked.values() for answer in answers]
    shed = [answer.seconds for answer in every if answer.status == 503]
    statuses = [first.status for first in firsts.values()]
    refused = [each for each in firsts.values() if each.status not in (200, 503, NO_ANSWER)]

    def used_though(status: int) -> int:
        return sum(first.status == status and not is_good[code] for code, first in firsts.items())

    return Account(
        posted=len(firsts),
        good=len(bought),
        refused=len(refused),
        errors=tuple(sorted({each.told for each in refused})),
        unavailable=statuses.count(503),
        unanswered=statuses.count(NO_ANSWER),
        used_unavailable=used_though(503),
        used_unanswered=used_though(NO_ANSWER),
        twice=sum(
            sum(answer.status == 200 for answer in answers) + is_good[code] > 1
            for code, answers in asked.items()
        ),
        revived=sum(is_good[code] for code in bought),
        foreign=sum(user not in (None, code.user_id) for code, user in told.items()),
        dead=sum(user is None for user in told.values()),
        overdue=sum(answer.seconds > LIMIT + exchanges.late for answer in every),
        longest=max((answer.seconds for answer in every), default=0.0),
        shed=max(shed, default=0.0),
        median_shed=statistics.median(shed) if shed else 0.0,
        late=exchanges.late,
    )


async def each(
    codes: Sequence[Code], ask: Callable[[Code], Awaitable[_Found]]
) -> dict[Code, _Found]:
    """What is found for each code, a few at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(code: Code) -> _Found:
        async with places:
            return await ask(code)

    return dict(zip(codes, await asyncio.gather(*map(one, codes)), strict=True))


async def user_of(caller: Caller, bought: Answer) -> str | None:
    """Whom the token of a good answer stands for; None where it is not known."""
    token = str(bought.body.get("access_token"))
    told = await _final(lambda: caller.user_info(token))
    return str(told.body.get("user_id")) if told.status == 200 else None


async def replayed(caller: Caller, code: Code) -> Answer:
    """What a code is answered when it is posted once more."""
    return await _final(lambda: caller.exchange(code))


async def _final(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The first answer that is neither a 503 nor missing; the machine may be busy."""
    for _ in range(_TRIES):
        answer = await ask()
        if answer.status not in (503, NO_ANSWER):
            break
        await asyncio.sleep(0.2)
    return answer


def outcome(answers: Sequence[Answer]) -> Answer:
    """The answer that counts: a good one if there was one, else the last."""
    return next((answer for answer in answers if answer.status == 200), answers[-1])
