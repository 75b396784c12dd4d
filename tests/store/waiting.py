"""Whether somebody waits for a lock, as PostgreSQL says."""

import asyncio
from typing import Any


async def is_waited_for(holder: Any, watcher: Any, task: asyncio.Task[Any]) -> bool:
    """Wait until somebody waits for what this connection holds; False if the task just ends."""
    waiting = "SELECT count(*) FROM pg_locks WHERE $1 = ANY(pg_blocking_pids(pid))"
    while not task.done():
        if await watcher.fetchval(waiting, holder.get_server_pid()):
            return True
        await asyncio.sleep(0.01)
    return False
