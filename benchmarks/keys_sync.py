"""``worksgate keys sync`` for a large company: how much memory it takes, and how long.

python benchmarks/keys_sync.py [PEOPLE] [--faults] [--readings NUMBER]
  LINE WORKS is the simulator, in a process of its own and without rate limits, which would make
  100,000 people take half an hour. Everybody gets a key, half of them in place of another one.
  With ``--faults`` every fault that the simulator knows happens to every kind of call on the way;
  then an undo takes everything back, and LINE WORKS is read once more.
  With ``--readings 1``, LINE WORKS is as its pages do not say: every field of the simulator's
  ``Rules`` has another value than by default, with 2 and 3 those that are left where there are
  several. With ``--readings change`` people come and go while lists are read.
"""

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worksgate.administration.actor import Actor
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.administration.external_keys.sync import KeySync
from worksgate.administration.line_works_api import Access
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.doctor.key_holders import key_holders
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.hosts import Hosts
from worksgate.line_works_api.pacing import Pace
from worksgate.oauth.model import Client
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.conformance.directory_api import Rules

CLIENT = Client(client_id="tenant", name="Tenant")
UNLIMITED = 100_000_000


LEFT_OUT = ("calls_a_minute", "people_change_between_pages", "cursor_counts_rows")
"""Of the readings at once: the first has no limits here, the others are one of their own."""


def readings(which: str) -> "Rules":
    """The rules of LINE WORKS."""
    from worksgate.conformance.directory_api import Rules, alternatives

    rules = Rules(calls_a_minute=UNLIMITED)
    if which == "change":
        return replace(rules, people_change_between_pages=True, cursor_counts_rows=True)
    others: dict[str, list[object]] = {}
    for named, other in alternatives(rules):
        name = named.partition("=")[0]
        others.setdefault(name, []).append(getattr(other, name))
    number = int(which)
    chosen = {
        name: values[number - 1]
        for name, values in others.items()
        if number and name not in LEFT_OUT and len(values) >= number
    }
    if chosen:
        print("LINE WORKS with", ", ".join(f"{name}={each}" for name, each in chosen.items()))
    return replace(rules, **chosen)


def serve(people: int, told: Connection, *, has_faults: bool, which: str) -> None:
    """LINE WORKS: s000001 and so on, every second one with a key of former times."""
    import socket

    import uvicorn

    from worksgate.conformance.directory_api import (
        DirectoryApiSimulator,
        Fault,
        Member,
        Operation,
        register,
    )

    members = (
        Member(
            user_id=f"{number:032x}",
            email=f"s{number:06}@example.com",
            last_name="Sample",
            external_key=f"old-{number:06}" if number % 2 else None,
        )
        for number in range(people)
    )
    gone = (  # within their seven days, with keys that nobody else wants
        Member(
            user_id=f"gone-{number:06}",
            email=f"gone{number:06}@example.com",
            last_name="Gone",
            external_key=f"gone-{number:06}",
            deleted_at=time.time(),
        )
        for number in range(people // 100)
    )
    registered = register()
    simulator = DirectoryApiSimulator(
        chain(members, gone), rules=readings(which), registered=registered
    )
    if has_faults:
        for operation in (Operation.TOKEN, Operation.LIST_KEYS, Operation.SET_KEYS):
            for number, fault in enumerate(Fault):
                simulator.faults.plan(fault, operation, after=7 * number, seconds=40.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = registered.app
        told.send(
            {
                "port": listener.getsockname()[1],
                "client_id": app.client_id,
                "client_secret": app.client_secret,
                "service_account": app.service_account,
                "private_key": registered.private_key,
            }
        )
        server = uvicorn.Server(uvicorn.Config(simulator.app, log_level="error"))
        asyncio.run(server.serve(sockets=[listener]))


async def employ(database_url: str, people: int) -> None:
    """The company, in a process of its own: what that takes is not measured."""
    from worksgate.database.migrations import migrate

    await migrate(database_url)
    directory = Directory.open(database_url)
    async with directory.changing() as transaction:
        await transaction.add_client(CLIENT)
    for first in range(0, people, 5_000):
        accounts = [
            Account(
                id=f"{number:026}",
                username=f"s{number:06}",
                name="Sample",
                external_key=f"S-{number:06}",
                works_account=f"s{number:06}@example.com",
                email=f"s{number:06}@example.com",
                created_at=1.0,
            )
            for number in range(first, min(first + 5_000, people))
        ]
        async with directory.changing() as transaction:
            await transaction.add_accounts(accounts)
    await directory.close()


def prepare(database_url: str, people: int) -> None:
    asyncio.run(employ(database_url, people))


async def sync(
    line_works: dict[str, Any], settings: Settings, folder: Path, *, has_faults: bool
) -> None:
    directory = Directory.open(settings.database_url)
    try:
        await run(line_works, settings, directory, folder, has_faults=has_faults)
    finally:
        await directory.close()


async def run(
    line_works: dict[str, Any],
    settings: Settings,
    directory: Directory,
    folder: Path,
    *,
    has_faults: bool,
) -> None:
    port = line_works.pop("port")
    hosts = Hosts(api=f"http://127.0.0.1:{port}/v1.0", auth=f"http://127.0.0.1:{port}/oauth2/v2.0")
    timing = Timing(timeout=5.0 if has_faults else 30.0)
    pace = Pace(timing.clock, timing.sleep, per_minute=UNLIMITED, per_minute_of_long_runs=UNLIMITED)
    access = Access(
        CLIENT,
        ApiApp.checked(**line_works, scopes=("directory",)),
        hosts,
        lambda app, hosts: DirectoryApi.opened(app, hosts, timing=timing, pace=pace),
    )
    report("before")
    async with access.open() as api:
        actor = Actor("benchmark", time.time)
        each = KeySync(
            access, api, directory, actor, folder, lambda *_: nullcontext(lambda _: None)
        )
        begun = time.monotonic()
        here = list((await key_holders(settings, CLIENT.client_id)).people)
        report("people", time.monotonic() - begun)
        plan = await each.plan((here.pop() for _ in range(len(here))), replaces=True)
        report("planned", time.monotonic() - begun)
        outcome = await each.write(plan)
        report("written", time.monotonic() - begun)
        print(f"LINE WORKS holds {outcome.held} of {outcome.planned} keys")
        for why, number in Counter(each.detail for each in outcome.missing).items():
            print(f"  {number} of the others: {why}")
        if has_faults:

            async def people() -> Iterable[KeyHolder]:
                here = list((await key_holders(settings, CLIENT.client_id)).people)
                return (here.pop() for _ in range(len(here)))

            undo_file = outcome.undo_file
            del plan, outcome  # an undo is a command of its own
            undo = await each.plan_undo(undo_file, people)
            outcome = await each.write(undo, kind="undo")
            report("undone", time.monotonic() - begun)
            print(f"LINE WORKS holds {outcome.held} of {outcome.planned} keys of before")


def report(what: str, seconds: float = 0.0) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:8} {seconds:7.1f} s   peak {peak:5.0f} MB", flush=True)


def main(people: int, *, has_faults: bool, which: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=serve,
        args=(people, theirs),
        kwargs={"has_faults": has_faults, "which": which},
        daemon=True,
    )
    process.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(database_url=f"sqlite:///{folder}/worksgate.db")
            preparing = context.Process(target=prepare, args=(settings.database_url, people))
            preparing.start()
            preparing.join()
            asyncio.run(sync(ours.recv(), settings, Path(folder), has_faults=has_faults))
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    words = sys.argv[1:]
    which = words[words.index("--readings") + 1] if "--readings" in words else "0"
    people = int(words[0]) if words and words[0].isdigit() else 100_000
    main(people, has_faults="--faults" in words, which=which)
