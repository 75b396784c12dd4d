"""A process that tries to redeem codes 0 to N in an order of its own; it prints which it won.

``RACERS`` in it race each other as well, each in another order.
"""

import asyncio
import json
import random
import sys

from tests.store.artifacts import NOW, buys, key_of, portions, together
from tests.store.opening import open_at

from worksgate.oauth.model import AuthorizationCode
from worksgate.store import RedemptionOutcome, Store

RACERS = 2


async def race(store: Store, codes: int, seed: int) -> list[int]:
    order = random.Random(seed).sample(range(codes), codes)
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
            if redemption.outcome is RedemptionOutcome.REDEEMED
        ]
    return won


async def redeem_all(address: str, codes: int, seed: int) -> list[int]:
    store = await open_at(address)
    print("ready", flush=True)
    sys.stdin.readline()
    won = await together(race(store, codes, seed * RACERS + number) for number in range(RACERS))
    await store.close()
    return [number for numbers in won for number in numbers]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(redeem_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
