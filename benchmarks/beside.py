"""The token call of LINE WORKS beside a bulk change of people: its latency, and people a second.

python benchmarks/bulk_job.py [SECONDS]
  runs ``worksgate serve`` on SQLite with its console, which carries the job out; sends some 200
  token calls a second, alone and then while people are being disabled one after the other.
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import provision
from contestants import Worksgate
from load import Failed, Result, start
from measures import running
from process import free_port

from worksgate.administration.jobs.verbs import Selection
from worksgate.bootstrap.administration import open_administration
from worksgate.directory import Account
from worksgate.directory.jobs import JobKind
from worksgate.directory.people_list import PeopleFilter
from worksgate.directory.rows import account_values
from worksgate.settings.options import Settings

CONNECTIONS, PAUSE_MS = 4, 20
PEOPLE = 20_000


def load(installation: Worksgate, seconds: float) -> Result:
    codes = installation.codes(int(seconds * CONNECTIONS * 1_000 / PAUSE_MS) + 100)
    call = installation.token_call(codes)
    return start(
        installation.port,
        call,
        codes,
        seconds=seconds,
        connections=CONNECTIONS,
        core=None,
        once=True,
        pause=PAUSE_MS,
    ).result()


def add_people(installation: Worksgate) -> None:
    installation.add_accounts(
        [
            {
                **account_values(Account(id=f"{number:026}", username=f"user.{number:06}")),
                "groups": "[]",
            }
            for number in range(PEOPLE)
        ]
    )


def begin_job(installation: Worksgate) -> None:
    """Have the console disable everybody; return once it has begun."""

    async def begin() -> None:
        settings = Settings(
            public_url=installation.environment["WORKSGATE_PUBLIC_URL"],
            database_url=installation.environment["WORKSGATE_DATABASE_URL"],
        )
        everybody = Selection(wanted=PeopleFilter())
        async with open_administration(settings) as administration:
            preview = await administration.jobs.preview(everybody)
            job = await administration.jobs.start(JobKind.DISABLE, everybody, preview.matching)
            while not (await administration.jobs.find(job.id)).done:  # noqa: ASYNC110  # it runs in another process
                await asyncio.sleep(0.1)

    asyncio.run(begin())


def done(installation: Worksgate) -> tuple[str, int]:
    """The state of the job, and how many people it has dealt with."""
    with closing(sqlite3.connect(installation.database, timeout=30)) as db:
        state, count = db.execute("SELECT state, done FROM jobs").fetchone()
        return str(state), int(count)


def report(name: str, result: Result) -> None:
    print(
        f"{name:12} {result.rate:7.0f} calls/s   p50 {result.p50:6.2f} ms   "
        f"p99 {result.p99:6.2f} ms   longest {result.longest:6.1f} ms",
        flush=True,
    )


def main(seconds: float) -> None:
    provision.require_wrk()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        installation = Worksgate(
            Path(folder, "bulk"),
            WORKSGATE_CONSOLE_PORT=str(port),
            WORKSGATE_CONSOLE_URL=f"http://localhost:{port}",
        )
        add_people(installation)
        with running([installation], None):
            load(installation, 3)
            report("alone", load(installation, seconds))
            begin_job(installation)
            begun, (_, before) = time.monotonic(), done(installation)
            report("beside a job", load(installation, seconds))
            state, after = done(installation)
            if state != "running":
                raise Failed("the job has ended before the calls did")
            print(f"{(after - before) / (time.monotonic() - begun):.0f} people a second")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
