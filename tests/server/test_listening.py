"""The socket on which people are served."""

import asyncio
import socket

from worksgate.server.listening import listen


async def test_small_answers_are_not_held_back() -> None:
    """asyncio switches the delay off for sockets that name their protocol, and for no others."""
    accepted = asyncio.get_running_loop().create_future()

    def begin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen("127.0.0.1", 0) as listening:
        async with await asyncio.start_server(begin, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            assert await asyncio.wait_for(accepted, 60)
            writer.close()
            await writer.wait_closed()
