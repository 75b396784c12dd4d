"""Load from wrk: prepared requests on connections that stay open, every answer checked."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

SCRIPT = Path(__file__).with_name("load.lua")
DRAIN = 1.5
"""Seconds after the last request in which its answer may still come."""


class Failed(Exception):
    """A measurement that must not be counted; the text says why."""


@dataclass(frozen=True)
class Template:
    """A raw HTTP request with ``{value}`` where each one differs.

    With ``{cookie}`` behind it a value has a second part, after a tab; wrk alone knows that.
    """

    text: bytes

    @classmethod
    def form(
        cls,
        path: str,
        fields: dict[str, str],
        last: str,
        length: int,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> "Template":
        """A posted form whose last field is the value; ``length`` is that of every value."""
        start = f"{urlencode(fields)}&{last}="
        size = len(start) + length
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {size}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return cls(("\r\n".join(lines) + "\r\n\r\n" + start + "{value}").encode())

    @classmethod
    def page(cls, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> "Template":
        """The request of a browser for a page; the value is the end of its path."""
        lines = [
            f"GET {path}{{value}} HTTP/1.1",
            "Host: 127.0.0.1",
            "Accept: text/html",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return cls(("\r\n".join(lines) + "\r\n\r\n").encode())

    def closing(self) -> "Template":
        """The same request, after which its connection ends."""
        line, rest = self.text.split(b"\r\n", 1)
        return Template(line + b"\r\nConnection: close\r\n" + rest)

    @classmethod
    def bearer(cls, path: str) -> "Template":
        """A request without a body, whose access token is the value."""
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Length: 0",
            "Authorization: Bearer {value}",
        )
        return cls(("\r\n".join(lines) + "\r\n\r\n").encode())


@dataclass(frozen=True)
class Result:
    """What a load met. Latencies are milliseconds.

    All of the ``answers`` were good ones but for the ``refused``, where those were allowed.
    """

    answers: int
    seconds: float
    mean: float
    p50: float
    p99: float
    longest: float
    ran_out: bool
    refused: int = 0

    @property
    def rate(self) -> float:
        """Answers per second.

        The last answers come one latency after the last request was sent, and none came in the
        first one, so that much belongs to the time.
        """
        return self.answers / (self.seconds + self.mean / 1000)

    def as_json(self) -> dict[str, Any]:
        return {
            "rate": round(self.rate, 1),
            "answers": self.answers,
            "seconds": round(self.seconds, 3),
            "p50_ms": self.p50,
            "p99_ms": self.p99,
            "max_ms": self.longest,
        }


def start(
    port: int,
    template: Template,
    values: Sequence[str],
    *,
    seconds: float,
    connections: int,
    core: int | None,
    once: bool,
    pause: int | None = None,
    locations: Path | None = None,
) -> "Load":
    """Begin to send. ``core`` is where wrk runs, ``pause`` milliseconds before each request.

    Where each answer redirects to is written to ``locations``, one a line; an answer that does not
    redirect leaves an empty one.
    """
    if len({len(value) for value in values}) != 1:
        raise Failed("the values are not all of one length")
    folder = tempfile.TemporaryDirectory(prefix="load-")
    template_file, values_file = Path(folder.name, "template"), Path(folder.name, "values")
    template_file.write_bytes(template.text)
    values_file.write_text("\n".join(values) + "\n")
    command = ["taskset", "-c", str(core)] if core is not None else []
    command += ["wrk", "-t1", f"-c{connections}", f"-d{int(seconds + DRAIN + 0.999)}s"]
    command += ["--timeout", "10s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--"]
    command += [str(template_file), str(values_file), "once" if once else "cycle", str(seconds)]
    command.append("-" if pause is None else str(pause))
    if locations is not None:
        command.append(str(locations))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return Load(process, folder)


@dataclass
class Load:
    """A load under way."""

    process: "subprocess.Popen[str]"
    folder: "tempfile.TemporaryDirectory[str]"

    def result(self, *, may_refuse: bool = False) -> Result:
        """Wait for its end. Raises Failed where one answer was missing or not a good one.

        With ``may_refuse`` an answer may also be a refusal.
        """
        output, _ = self.process.communicate()
        self.folder.cleanup()
        lines = output.strip().splitlines()
        if self.process.returncode or not lines or not lines[-1].startswith("{"):
            raise Failed(f"wrk failed: {output.strip()[-300:]}")
        found = json.loads(lines[-1])
        if found["broken"] or (found["refused"] and not may_refuse):
            raise Failed(f"{found['refused']} answers were refusals, {found['broken']} broke off")
        if not found["answers"]:
            raise Failed("nothing was answered")
        return Result(
            answers=found["answers"],
            seconds=found["seconds"],
            mean=found["mean"] / 1000,
            p50=found["p50"] / 1000,
            p99=found["p99"] / 1000,
            longest=found["max"] / 1000,
            ran_out=bool(found["exhausted"]),
            refused=found["refused"],
        )
