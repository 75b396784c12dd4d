"""A small ASGI application, to test the server with."""

from starlette.types import Receive, Scope, Send


class Application:
    """Opens nothing, and reads each request whole before it is answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        await self.answer(scope, send)

    async def answer(self, scope: Scope, send: Send) -> None:
        """Answer a request that has come whole."""
        raise NotImplementedError
