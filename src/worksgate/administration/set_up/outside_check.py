"""A call of the Access Token Return API from outside: the command line, and what its answer means.

Only a machine outside tells whether LINE WORKS reaches this installation: another DNS, another way
through the firewall. The line works in a Unix shell, in PowerShell (as ``curl.exe``) and in the
command prompt. Its answer is pasted back, and is text of a stranger: it is parsed, bounded, and
never trusted for more than the state of a step.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from ipaddress import ip_address
from typing import Any, Final, Self

CONNECT = 1.0
"""Seconds within which LINE WORKS connects."""
TOTAL = 3.0
"""Seconds within which it must have the whole answer."""
LONGEST: Final = 4_000
"""Characters of an answer that are looked at."""

_FIGURES: Final = ("http_code", "time_connect", "time_appconnect", "time_total", "remote_ip")
_MARK: Final = "worksgate"
_LINE = re.compile(rf"{_MARK}((?: [a-z_]+=\S*)+)")
_ERROR = re.compile(r'"error"\s*:\s*"([^"]{1,40})"')
_CURL = re.compile(r"curl: \((\d{1,3})\)")


class Outcome(StrEnum):
    """What an answer says."""

    REACHED = auto()
    """Error 301 in time: the only one that is good."""
    SLOW = auto()
    """Error 301, but LINE WORKS would not have waited."""
    INSIDE = auto()
    """It was called at an address that exists only inside a company."""
    ELSEWHERE = auto()
    """It is the answer of another address."""
    PLAIN_HTTP = auto()
    """Error 201: the call counts as plain http, since the proxy is not trusted."""
    NOT_OURS = auto()
    """Somebody else has answered."""
    NO_NAME = auto()
    REFUSED = auto()
    TIMEOUT = auto()
    TLS = auto()
    UNREADABLE = auto()
    """It is not the answer of the command line."""


_OF_CURL: Final[Mapping[int, Outcome]] = {
    6: Outcome.NO_NAME,
    7: Outcome.REFUSED,
    28: Outcome.TIMEOUT,
    35: Outcome.TLS,
    51: Outcome.TLS,
    52: Outcome.NOT_OURS,
    56: Outcome.REFUSED,
    58: Outcome.TLS,
    60: Outcome.TLS,
}
"""The exit codes of curl that say something about the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A judged answer; ``connect`` and ``total`` are seconds, None without a connection."""

    outcome: Outcome
    connect: float | None = None
    total: float | None = None

    @property
    def is_good(self) -> bool:
        return self.outcome is Outcome.REACHED

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """As it was kept; an outcome of a later version counts as unreadable."""
        known = value.get("outcome") in list(Outcome)
        return cls(
            outcome=Outcome(value["outcome"]) if known else Outcome.UNREADABLE,
            connect=value.get("connect"),
            total=value.get("total"),
        )


def command(access_token_url: str) -> str:
    """The line to run on a machine outside. It has no secret: client and code are made up."""
    figures = " ".join(f"{name}=%{{{name}}}" for name in (*_FIGURES, "url_effective"))
    form = "&".join(
        f"{name}={value}"
        for name, value in (
            ("grant_type", "authorization_code"),
            ("client_id", "outside"),
            ("client_secret", "outside"),
            ("code", "outside"),
        )
    )
    return f'curl -sS -m 10 -d "{form}" -w "\\n{_MARK} {figures}\\n" {access_token_url}'


def judge(pasted: str, access_token_url: str) -> Outside:
    """What the answer of ``command`` says."""
    text = pasted[:LONGEST]
    if (of_curl := _CURL.search(text)) is not None:
        return Outside(outcome=_OF_CURL.get(int(of_curl[1]), Outcome.UNREADABLE))
    line = _LINE.search(text)
    if line is None:
        return Outside(outcome=Outcome.UNREADABLE)
    figures = dict(part.split("=", 1) for part in line[1].split())
    connect = _seconds(figures.get("time_connect"))
    total = _seconds(figures.get("time_total"))
    if connect is None or total is None:
        return Outside(outcome=Outcome.UNREADABLE)
    tls = max(connect, _seconds(figures.get("time_appconnect")) or 0.0)
    outcome = _outcome(text, figures, access_token_url, tls, total)
    return Outside(outcome=outcome, connect=tls, total=total)


def _outcome(
    text: str, figures: Mapping[str, str], access_token_url: str, connect: float, total: float
) -> Outcome:
    if figures.get("url_effective", "").rstrip("/") != access_token_url:
        return Outcome.ELSEWHERE
    error = _ERROR.search(text)
    code = "" if error is None else error[1]
    if code == "201":
        return Outcome.PLAIN_HTTP
    if code != "301" or figures.get("http_code") != "401":
        return Outcome.NOT_OURS
    if not _is_public(figures.get("remote_ip", "")):
        return Outcome.INSIDE
    return Outcome.REACHED if connect <= CONNECT and total <= TOTAL else Outcome.SLOW


def _seconds(text: str | None) -> float | None:
    """A time of curl, which writes a comma in some languages."""
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 3_600 else None


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
