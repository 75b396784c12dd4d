"""Time that is skipped passes in its order, and at once."""

import asyncio
import time

from tests.skipped_time import skipped_time


async def test_timers_go_off_in_their_order_and_nobody_waits() -> None:
    gone, loop = list[str](), asyncio.get_running_loop()
    before, began = loop.time(), time.monotonic()
    with skipped_time():
        loop.call_later(3_600, gone.append, "an hour")
        loop.call_later(86_400, gone.append, "a day")
        await asyncio.sleep(1_800)
        assert gone == []
        await asyncio.sleep(3_600)
        assert gone == ["an hour"]
        await asyncio.sleep(86_400)
        assert gone == ["an hour", "a day"]
    assert time.monotonic() - began < 1_800
    assert loop.time() - before < 1_800, "and afterwards it is now again"
