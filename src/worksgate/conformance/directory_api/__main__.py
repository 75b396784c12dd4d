"""``python -m worksgate.conformance.directory_api``: the API to try by hand, on this machine only.

It prints its URLs, the client app and where its private key is, and each call as it comes.
"""

import argparse
import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from worksgate.conformance.directory_api.calls import Call
from worksgate.conformance.directory_api.members import made_up_members
from worksgate.conformance.directory_api.simulator import (
    API_PATH,
    AUTH_PATH,
    Bot,
    DirectoryApiSimulator,
    SignIn,
)

PORT = 8095
BOT, CHANNEL = "7", "room-1"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C. Exits with 2 for a wrong argument."""
    chosen = _parser().parse_args(arguments)
    people = list(made_up_members(chosen.people))
    for row in range(0, len(people), 10):  # something for a synchronisation to do
        people[row] = replace(people[row], external_key=None)
    simulator = DirectoryApiSimulator(
        people,
        bots=[Bot(BOT, channels=(CHANNEL,))],
        sign_ins=[
            SignIn(time.time() - 60 * row, each.email, "Success")
            for row, each in enumerate(people[:10])
        ],
    )
    _write_key(chosen.key, simulator.registered.private_key)
    with socket.create_server(("127.0.0.1", chosen.port)) as listening:
        _announce(simulator, listening.getsockname()[1], chosen.key)
        config = uvicorn.Config(Printing(simulator), log_level="warning")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


class Printing:
    """The simulator's application, printing each call once it has been answered."""

    def __init__(self, simulator: DirectoryApiSimulator) -> None:
        self._simulator = simulator
        self._printed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._simulator.app
        await app(scope, receive, send)
        for call in self._simulator.calls[self._printed :]:
            print(printed(call))
            self._printed += 1


def printed(call: Call) -> str:
    """A call as it is printed: what a caller has sent must not move the cursor."""
    line = f"{call.method} {call.path} {call.status} {call.code or ''}".rstrip()
    return "".join(each if each.isprintable() else "�" for each in line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worksgate.conformance.directory_api",
        description="A simulated LINE WORKS API 2.0 on this machine.",
    )
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument(
        "--people", type=int, default=300, metavar="COUNT", help="made-up people; every tenth "
        "has no External Key; default: %(default)s"
    )  # fmt: skip
    parser.add_argument(
        "--key", type=Path, default=Path("directory-api.key"), metavar="FILE",
        help="where to write the private key of the client app; default: %(default)s",
    )  # fmt: skip
    return parser


def _write_key(path: Path, pem: str) -> None:
    """Write the key for this user only; an older one is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(pem)


def _announce(simulator: DirectoryApiSimulator, port: int, key: Path) -> None:
    app = simulator.registered.app
    origin = f"http://127.0.0.1:{port}"
    print(f"API              {origin}{API_PATH}")
    print(f"Token URL        {origin}{AUTH_PATH}/token")
    print(f"Client ID        {app.client_id}")
    print(f"Client Secret    {app.client_secret}")
    print(f"Service account  {app.service_account}")
    print(f"Private key      {key.resolve()}")
    print(f"Bot              {BOT}, of the channel {CHANNEL}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
