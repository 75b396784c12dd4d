"""How late the event loop is: what is ready waits for so long until it runs."""

import asyncio

from worksgate.measures import Distribution

INTERVAL = 0.25
"""Seconds between two looks."""


async def observe_lag(lag: Distribution) -> None:
    """Look again and again, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL
        await asyncio.sleep(INTERVAL)
        lag.observe(max(0.0, loop.time() - due))
