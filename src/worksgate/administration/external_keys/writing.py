"""Writes external keys at LINE WORKS in batches, and finds out which ones it does not take.

LINE WORKS does not say whether a batch with a bad member is refused whole or written in part. So
the people of a refused batch are read again: who has the key is done, and who is gone, or has got
another key from somebody else meanwhile, is left out. The rest is halved until the bad one stands
alone; what is written twice does no harm.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.plan import KeyChange, rounds
from worksgate.credentials.usernames import username_key
from worksgate.line_works_api.directory_api import BATCH, DirectoryApi
from worksgate.line_works_api.errors import AccessRefused, ApiRefused
from worksgate.line_works_api.pacing import Sleep

MOST_REFUSED: Final = 50
"""Keys that may be refused one by one before any is taken: something else is wrong then."""
MOST_READ: Final = 1_000
"""People of refused batches who are read again in a run, one by one; after that they are halved.

One of 50 is found with 12 calls by halving; if every batch had one, reading would take hours.
"""
GONE: Final = "they are no member any more"
CHANGED: Final = "somebody else changed the key meanwhile"
RESTS: Final = (5.0, 60.0)
"""Seconds to wait, once each in a run, when a key that was taken from somebody is refused."""
_CONFLICT: Final = 409


class KeyWriter:
    """Writes changes; ``refused`` has the reason for each member whose key was not taken.

    ``progress`` gets the number of members done so far, whether taken or refused.
    """

    def __init__(self, api: DirectoryApi, sleep: Sleep, progress: Callable[[int], None]) -> None:
        self._api = api
        self._sleep = sleep
        self._progress = progress
        self._done = 0
        self._taken = 0
        self._read = 0
        self.refused: dict[str, str] = {}

    async def write(self, changes: Sequence[KeyChange]) -> None:
        """Write all of them, in two rounds. Raises Refused, or ApiError: the rest is not written.

        ``before`` must be the key that a member has now.
        """
        first, second = rounds(changes)
        await self._write_all(first)
        freed = {username_key(each.before) for each in first if each.before is not None}
        at_once = [each for each in second if username_key(each.after or "") not in freed]
        after_others = [each for each in second if username_key(each.after or "") in freed]
        await self._write_all(at_once)
        await self._write_all(after_others, RESTS)

    async def _write_all(self, changes: Sequence[KeyChange], rests: Iterable[float] = ()) -> None:
        """``rests`` are seconds to wait, once each, when a key is still taken."""
        left = list(rests)
        for start in range(0, len(changes), BATCH):
            await self._write_batch(changes[start : start + BATCH], left)

    async def _write_batch(self, batch: Sequence[KeyChange], rests: list[float]) -> None:
        pending, is_read = [batch], False
        while pending:
            some = pending.pop()
            try:
                await self._api.set_keys({each.id: each.after for each in some})
            except ApiRefused as error:
                if not error.is_about_content:
                    raise
                if error.status == _CONFLICT and rests:
                    await self._sleep(rests.pop(0))
                    pending.append(some)
                    continue
                if not is_read:
                    is_read = True
                    left = await self._read_again(some)
                    if len(left) < len(some):
                        pending += [left] if left else []
                        continue
                if len(some) > 1:
                    half = len(some) // 2
                    pending += [some[half:], some[:half]]
                else:
                    self._refuse(some[0], error.reason)
            else:
                self._taken += len(some)
                self._count(len(some))

    async def _read_again(self, some: Sequence[KeyChange]) -> Sequence[KeyChange]:
        """Those of a refused batch who are still to be written."""
        left: list[KeyChange] = []
        for number, change in enumerate(some):
            if self._read == MOST_READ:
                return [*left, *some[number:]]
            self._read += 1
            try:
                person = await self._api.person(change.id)
            except AccessRefused:  # it may write and not read: halving finds the bad one, too
                self._read = MOST_READ
                return [*left, *some[number:]]
            except ApiRefused as error:
                if not error.is_about_content:
                    raise
                self._refuse(change, GONE)
                continue
            if person.is_deleted:
                self._refuse(change, GONE)
            elif person.external_key == change.after:
                self._taken += 1
                self._count(1)
            elif person.external_key not in (None, change.before):
                self._refuse(change, CHANGED)
            else:
                left.append(change)
        return left

    def _count(self, done: int) -> None:
        self._done += done
        self._progress(self._done)

    def _refuse(self, change: KeyChange, why: str) -> None:
        self.refused[change.id] = why
        self._count(1)
        if not self._taken and len(self.refused) >= MOST_REFUSED:
            raise Refused(
                f"LINE WORKS has refused the first {MOST_REFUSED} keys, the last one for this "
                f"reason: {why}. Nothing more is tried"
            )
