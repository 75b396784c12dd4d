"""What an ASGI application that opens nothing does about its start and its end."""

from starlette.types import Receive, Send


async def live(receive: Receive, send: Send) -> None:
    """Answer ``lifespan``: it has started at once, and ended when it is told to."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
