"""Exhausted resources: open files, memory, name resolution."""

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.faults.exchanges import LIMIT
from tests.faults.node import command
from tests.faults.signing_in import Person, SignIn, add_people, sign_in
from tests.faults.trial import Finding, Installation, Scale, attempt, unless
from tests.machine import require, require_root

HOARDERS = 100
MORE_FILES = 8
"""So many files more than it has open may a process open, when files are used up."""
MORE_MEMORY = 4 << 20
"""Bytes; to check a password takes more."""
NAME_SERVER = "127.0.0.77"
_LDAP = """
[[source]]
type = "ldap"
name = "company"
servers = ["ldaps://ldap.example.com"]
base_dn = "dc=example,dc=com"
bind_dn = "cn=worksgate,dc=example,dc=com"
bind_password = "x"
"""


async def files_used_up(installation: Installation, scale: Scale) -> Finding:
    """F-29: a process may open hardly any more files, and others take those that it may."""
    node = await installation.start_node()
    assert node.process is not None
    pid = node.process.pid
    are_used_up = False

    async def hoard() -> None:
        nonlocal are_used_up
        most = _open_files(pid) + MORE_FILES
        with _limited(pid, resource.RLIMIT_NOFILE, most), ExitStack() as stack:
            for _ in range(HOARDERS):
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                with suppress(BlockingIOError):  # the system completes it, not we
                    connection.connect(("127.0.0.1", node.port))
            await asyncio.sleep(1)
            are_used_up = _open_files(pid) >= most  # until the idle ones are cut off
            await asyncio.sleep(scale.seconds - 2)

    trial = await attempt(installation, hoard, seconds=scale.seconds, rate=scale.rate)
    return Finding(
        "F-29",
        installation.name,
        f"a process may open {MORE_FILES} more files, and {HOARDERS} idle connections come",
        trial.figures(),
        (*trial.broken(), *unless(are_used_up, "used up")),
    )


async def memory_used_up(installation: Installation, scale: Scale) -> Finding:
    """F-29: a process gets no more memory, also not for threads, while people sign in."""
    somebody, another = await add_people(installation, 2)
    node = await installation.start_node(prefix=(require("env"),))  # with memory of its own alone
    assert node.process is not None
    pid = node.process.pid
    signed_in: list[SignIn] = []

    async def limit() -> None:
        with _limited(pid, resource.RLIMIT_AS, _address_space(pid) + MORE_MEMORY):
            until = asyncio.get_running_loop().time() + scale.seconds - 1
            while asyncio.get_running_loop().time() < until:
                done = sign_in(node.port, installation.client.client_id, somebody)
                signed_in.append(await done)
                await asyncio.sleep(0.1)

    trial = await attempt(installation, limit, seconds=scale.seconds, rate=scale.rate)
    after = await sign_in(node.port, installation.client.client_id, another)
    broken = list(trial.broken())
    if after.code is None:
        broken.append(f"I-8: a sign-in was answered {after.status} afterwards")
    return Finding(
        "F-29",
        installation.name,
        f"a process gets {MORE_MEMORY >> 20} MiB more and no more, while people sign in",
        f"sign-ins were answered {_told(signed_in)}; {trial.figures()}",
        tuple(broken),
    )


async def name_server_hangs(installation: Installation, scale: Scale) -> Finding:
    """F-20: the name server never answers, for a session key, and for the LDAP server."""
    require_root("a mount of its own")
    _configure(installation.folder)
    people = await add_people(installation, 1)
    client = ("client", "set", "acme", "--session-key-check", "fail_open")
    await asyncio.to_thread(command, installation.settings, installation.folder, *client)
    signed_in: list[SignIn] = []
    with _silent_name_server() as asked:
        node = await installation.start_node(prefix=_without_names(installation.folder))

        async def come() -> None:
            """From an app, with a session key, and with a name that only LDAP may know."""
            until = asyncio.get_running_loop().time() + scale.seconds - 1
            somebody = (people[0], Person("who", "paper lantern", ""))
            while asyncio.get_running_loop().time() < until:
                app = {"userAgent": "LineWorks", "sessionKey": "key"}
                coming = (
                    sign_in(node.port, installation.client.client_id, person, **app)
                    for person in somebody * 5
                )
                signed_in.extend(await asyncio.gather(*coming))
                await asyncio.sleep(0.1)

        trial = await attempt(installation, come, seconds=scale.seconds, rate=scale.rate)
        questions = asked()
    broken = [*trial.broken(), *unless(questions, "asked for")]
    slowest = max(done.seconds for done in signed_in)
    if slowest > LIMIT + trial.account.late:
        broken.append(f"I-6: a page took {slowest:.1f} s")
    if not any(done.code for done in signed_in):
        broken.append("nobody of the built-in directory could sign in")
    return Finding(
        "F-20",
        installation.name,
        f"the name server never answers; {questions} times it was asked, for session keys and LDAP",
        f"sign-ins were answered {_told(signed_in)}, each page within {slowest:.1f} s; "
        f"{trial.figures()}",
        tuple(broken),
    )


@contextmanager
def _silent_name_server() -> Iterator[Callable[[], int]]:
    """Takes questions and answers none; how many questions have come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((NAME_SERVER, 53))
        listening.setblocking(False)

        def asked() -> int:
            number = 0
            with suppress(BlockingIOError):
                while listening.recv(512):
                    number += 1
            return number

        yield asked


def _without_names(folder: Path) -> tuple[str, ...]:
    """Starts a command for which all names are asked for at ``NAME_SERVER``."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {NAME_SERVER}\n", "utf-8")
    mount = f'mount --bind "{file}" /etc/resolv.conf && exec "$@"'
    return (require("unshare"), "--mount", "sh", "-c", mount, "sh")


def _configure(folder: Path) -> None:
    """Nodes and commands read the settings of the folder that they run in."""
    (folder / "worksgate.toml").write_text(_LDAP, "utf-8")


def _told(signed_in: list[SignIn]) -> str:
    counts = Counter(done.status or "nothing" for done in signed_in)
    return ", ".join(f"{status} {number} times" for status, number in counts.most_common())


@contextmanager
def _limited(pid: int, what: int, most: int) -> Iterator[None]:
    """A process may have so much of a resource, as long as the block lasts."""
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, what, (soft, hard))


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _address_space(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[0])
    return pages * resource.getpagesize()
