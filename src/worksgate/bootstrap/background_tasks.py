"""What runs beside the requests, as long as an installation is open."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any


def run_while_open(coroutine: Coroutine[Any, Any, None], stack: AsyncExitStack) -> None:
    """Run it in the background; it is cancelled, and waited for, when the stack is closed."""
    stack.push_async_callback(_stop, asyncio.create_task(coroutine))


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
