"""Time that is not waited for: timers of an event loop go off in their order, and at once.

A test that waits for half of a timeout, and looks that it has not passed, fails on a machine that
stands still for the other half. Here nothing passes but what the loop waits for, and none of that
takes real time. What another thread does is not waited for either.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def skipped_time() -> Iterator[None]:
    """Let the running loop go on to its next timer, whenever it would wait for that."""
    loop: Any = asyncio.get_running_loop()
    now, look = loop.time(), loop._selector.select

    def select(timeout: float | None = None) -> Any:
        nonlocal now
        if timeout is None:  # there is no timer
            return look(None)
        now += max(timeout, 0.0)
        return look(0)

    with patch.object(loop, "time", lambda: now), patch.object(loop._selector, "select", select):
        yield
