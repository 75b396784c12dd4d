"""The commands over 100,000 people, on SQLite and on PostgreSQL: seconds and MiB of each.

python benchmarks/commands.py [PEOPLE]
  fills a new database (``console_crowd``), seals its records, and runs each command twice, in a
  process of its own.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

import structlog
from console_crowd import SOURCES, fill
from console_report import section_commands
from load import Failed
from process import _clean_environment, worksgate
from tests.postgres_server import giving_back
from tests.web.console.console import console_of

from worksgate.administration.sealing import seal_waiting

PEOPLE = 100_000
TIMES = 2
STORES = {"sqlite": "worksgate.db", "postgres": "worksgate.postgres"}
COMMANDS: Mapping[str, Sequence[str]] = {
    "user list": ("user", "list"),
    "user list --json": ("user", "list", "--json"),
    "user list 田中": ("user", "list", "田中"),
    "user list --lacking": ("user", "list", "--lacking"),
    "user list --source partners": ("user", "list", "--source", "partners"),
    "source people partners --csv -": ("source", "people", "partners", "--csv", "-"),
    "trace user.000123": ("trace", "user.000123"),
    "trace 198.51.100.7": ("trace", "198.51.100.7"),
    "audit --user user.000123": ("audit", "--user", "user.000123"),
    "audit --limit 100000": ("audit", "--limit", "100000"),
    "audit verify": ("audit", "verify"),
    "changes": ("changes",),
    "rehearse": ("rehearse", "--client", "tenant"),
    "purge": ("purge",),
    "backup": ("backup", "{folder}/backup-{number}"),
}
_SETTINGS = """\
public_url = "https://sso.example.com"
database_url = "{url}"

[[source]]
name = "partners"
type = "oidc"
issuer = "https://127.0.0.1:9"
client_id = "us"
client_secret = "ours"
external_key_claim = "employee_number"
"""


def run(folder: Path, arguments: Sequence[str]) -> dict[str, float]:
    """What a command took: seconds, those of the processor, and MiB at most. Raises Failed."""
    output = folder / "output"
    begun = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            worksgate(*arguments),
            cwd=folder,
            env=_clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        peak, ended = 0.0, 0
        while not ended:
            with suppress(OSError, StopIteration):  # it has just ended
                peak = _peak(process.pid)
            time.sleep(0.01)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: not everything is as it should be
        raise Failed(f"{' '.join(arguments)}: {output.read_text('utf-8', 'replace')[-300:]}")
    return {
        "seconds": round(time.monotonic() - begun, 2),
        "processor": round(used.ru_utime + used.ru_stime, 2),
        "mib": round(peak, 1),
        "output": output.stat().st_size,
    }


def _peak(pid: int) -> float:
    """The most memory of a process so far, in MiB; ``ru_maxrss`` begins with that of its parent."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


async def prepare(folder: Path, store: str, people: int) -> str:
    """An installation with sealed records; the address of its database."""
    async with console_of(folder, database=STORES[store], sources=SOURCES) as console:
        await fill(console, people)
        directory = console.administration.people._directory
        async for _ in seal_waiting(directory, console.clock()):
            pass
        return console.settings.database_url


def commands(say: Callable[[str], None], people: int = PEOPLE) -> dict[str, Any]:
    """All of it, as the results hold it: the better of the runs of each command."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found: dict[str, Any] = {"people": people, "stores": {}}
    for store, database in STORES.items():
        with TemporaryDirectory() as name, giving_back(Path(name) / database):
            folder = Path(name)
            url = asyncio.run(prepare(folder, store, people))
            (folder / "worksgate.toml").write_text(_SETTINGS.format(url=url))
            of_store = found["stores"][store] = {}
            for command, arguments in COMMANDS.items():
                runs = [
                    run(folder, [each.format(folder=folder, number=number) for each in arguments])
                    for number in range(TIMES)
                ]
                best = min(runs, key=lambda one: one["processor"])
                of_store[command] = best
                say(
                    f"commands  {store:9}{command:34}{best['seconds']:7.1f} s"
                    f"{best['processor']:7.1f} s{best['mib']:7.0f} MiB{best['output']:12,}"
                )
    return found


def main(arguments: list[str]) -> None:
    people = int(arguments[0]) if arguments else PEOPLE
    found = commands(lambda text: print(text, file=sys.stderr, flush=True), people)
    print("\n".join(section_commands(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
