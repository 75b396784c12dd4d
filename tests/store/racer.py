"""A process that tries to redeem codes 0 to N in an order of its own; it prints which it won."""

import asyncio
import json
import random
import sys

from tests.store.artifacts import NOW, buys, key_of, portions, together

from worksgate.oauth.model import AuthorizationCode
from worksgate.store import Outcome
from worksgate.store.sqlite import SqliteStore


async def redeem_all(database: str, codes: int, seed: int) -> list[int]:
    order = random.Random(seed).sample(range(codes), codes)
    store = await SqliteStore.open(database, spare=0)
    print("ready", flush=True)
    sys.stdin.readline()
    won: list[int] = []
    for numbers in portions(order, 16):
        redemptions = await together(
            store.redeem(
                AuthorizationCode, key_of(f"code {number}"), "tenant", buys(f"{number}"), NOW
            )
            for number in numbers
        )
        won += [
            number
            for number, redemption in zip(numbers, redemptions, strict=True)
            if redemption.outcome is Outcome.REDEEMED
        ]
    await store.close()
    return won


if __name__ == "__main__":
    print(json.dumps(asyncio.run(redeem_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
