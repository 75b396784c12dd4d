"""A process that saves and redeems codes endlessly, and records the results.

Each line of the ledger is written after an acknowledgement and before the next request, with one
call, so it stays when the process is killed. The first letter says what it is about:

    S code            saved
    R code token      redeemed, and this token was bought
    W code token      the same, for one of the codes that all processes compete for
"""

import asyncio
import os
import sys
from contextlib import suppress

from tests.store.artifacts import NOW, REDEEMED, buys, code, issued, key_of
from tests.store.opening import open_at

from worksgate.oauth.model import AuthorizationCode
from worksgate.store import RedemptionOutcome, Store, StoreUnavailable

CALLERS = 8
SHARED = 10_000
"""Codes called ``shared 0`` and so on, which are there from the beginning."""


class Redeemer:
    """``CALLERS`` callers in one process, whose name is in all that they make."""

    def __init__(self, store: Store, ledger: int, name: str) -> None:
        self._store = store
        self._ledger = ledger
        self._name = name

    async def call(self, caller: int) -> None:
        number = caller
        while True:
            with suppress(StoreUnavailable):
                await self._one_of_ours(f"{self._name}/{number}", redeem=number % 4 != 0)
            with suppress(StoreUnavailable):
                await self._redeem("W", f"shared {number % SHARED}")
            number += CALLERS

    async def _one_of_ours(self, name: str, *, redeem: bool) -> None:
        await self._store.save(code(name), records=[issued(name)])
        self._write("S", name)
        if redeem:
            await self._redeem("R", name)

    async def _redeem(self, letter: str, name: str) -> None:
        token = f"{name} by {self._name}"
        redemption = await self._store.redeem(
            AuthorizationCode, key_of(name), "tenant", buys(token), NOW, REDEEMED
        )
        if redemption.outcome is RedemptionOutcome.REDEEMED:
            self._write(letter, name, token)

    def _write(self, *words: str) -> None:
        os.write(self._ledger, ("\t".join(words) + "\n").encode())


async def redeem_for_ever(address: str, ledger: str, name: str) -> None:
    store = await open_at(address)
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    redeemer = Redeemer(store, file, name)
    await asyncio.gather(*(redeemer.call(caller) for caller in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(redeem_for_ever(*sys.argv[1:4]))
