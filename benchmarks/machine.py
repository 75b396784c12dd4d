"""The machine: which cores to use, and what to say of it beside the numbers."""

import os
import platform
import shutil
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """Where the server runs and where the load comes from, as taskset wants it."""

    server: int
    load: int
    all: tuple[int, ...]

    @property
    def are_apart(self) -> bool:
        return self.server != self.load


def choose_cores() -> Cores:
    """One core for the server and one for the load, if possible another physical one."""
    allowed = sorted(os.sched_getaffinity(0))
    server = allowed[0]
    others = [core for core in allowed if core != server]
    apart = [core for core in others if core not in _siblings(server)]
    return Cores(server, (apart or others or [server])[0], tuple(allowed))


def describe(folder: Path) -> dict[str, str]:
    """What the numbers depend on; nothing that tells whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": _disk(folder),
        "syncs": f"{sync_rate(folder):,.0f} fdatasync/s of 4 KiB",
    }


def versions(django_python: Path | None) -> dict[str, str]:
    """The versions of everything that takes part."""
    found = {
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("worksgate", "uvicorn", "uvloop", "httptools")},
        "argon2-cffi": version("argon2-cffi"),
        "wrk": first_line("wrk", "--version").removeprefix("wrk ").split(" [")[0],
    }
    if shutil.which("node"):
        found["Node.js"] = first_line("node", "--version").lstrip("v")
    if django_python is not None:
        script = (
            "from importlib.metadata import version as v\n"
            "for n in ('django', 'django-oauth-toolkit', 'gunicorn'): print(n, v(n))"
        )
        lines = subprocess.run([django_python, "-c", script], capture_output=True, text=True)
        found |= dict(line.split() for line in lines.stdout.splitlines())
    return found


def valkey_version() -> str:
    """Of the server that stands for Valkey here."""
    program = shutil.which("valkey-server") or "redis-server"
    words = first_line(program, "--version").split()
    return next(word.removeprefix("v=") for word in words if word.startswith("v="))


def sync_rate(folder: Path, seconds: float = 1.0) -> float:
    """How often in a second 4 KiB can be made durable where the databases are."""
    file = folder / "sync"
    block = os.urandom(4096)
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            os.pwrite(descriptor, block, (count % 256) * 4096)
            os.fdatasync(descriptor)
            count += 1
        return count / (time.perf_counter() - began)
    finally:
        os.close(descriptor)
        file.unlink()


def memory_of(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def processor_seconds(pid: int) -> float:
    """The processor time that a process and its children have used so far.

    Those that have ended count as well: their time is their parent's from then on.
    """
    return sum(map(_own_seconds, family(pid)))


def _own_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has just ended
        return []
    return [pid, *(each for child in children for each in family(int(child)))]


def first_thread_seconds(pid: int) -> float:
    """The processor time of a process's first thread: in a server of ours, the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True)
class Spent:
    """Processor seconds: of a server, of its event loop alone, of the database if it has one."""

    server: float
    loop: float
    database: float

    @classmethod
    def so_far(cls, server: int, database: int | None = None) -> "Spent":
        """Of these processes and their children."""
        of_database = processor_seconds(database) if database else 0.0
        return cls(processor_seconds(server), first_thread_seconds(server), of_database)

    def each(self, answers: int, before: "Spent") -> dict[str, float]:
        """Microseconds for each of so many answers since ``before``."""
        return {
            "server_us": round((self.server - before.server) / answers * 1e6, 1),
            "loop_us": round((self.loop - before.loop) / answers * 1e6, 1),
            "database_us": round((self.database - before.database) / answers * 1e6, 1),
        }


def network_counters(*names: str) -> dict[str, int]:
    """What ``nstat -az`` tells of the TCP counters with these names (TcpExt…)."""
    lines = [line.split() for line in Path("/proc/net/netstat").read_text().splitlines()]
    found = {
        f"TcpExt{name}": int(value)
        for header, values in zip(lines[::2], lines[1::2], strict=True)
        if header[0] == "TcpExt:"
        for name, value in zip(header[1:], values[1:], strict=True)
    }
    return {name: found[name] for name in names}


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text().strip()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _disk(folder: Path) -> str:
    """The file system and the kind of device below it."""
    found = subprocess.run(
        ["findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", folder],
        capture_output=True,
        text=True,
    ).stdout.split()
    if not found:
        return "unknown"
    device = Path(found[-1].partition("[")[0]).name
    rotational = Path(f"/sys/class/block/{device}/queue/rotational")
    if device.startswith("vd"):
        kind = "virtual disk"
    elif rotational.exists():
        kind = "spinning disk" if rotational.read_text().strip() == "1" else "solid-state disk"
    else:
        kind = "NVMe disk" if device.startswith("nvme") else "disk"
    return f"{found[0]} on a {kind}"


def first_line(*command: str) -> str:
    found = subprocess.run(command, capture_output=True, text=True)
    return (found.stdout or found.stderr).splitlines()[0].strip()
