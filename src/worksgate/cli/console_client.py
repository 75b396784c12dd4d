"""A console elsewhere, which a command hands clients to with the token of a deployer."""

import ipaddress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from worksgate.cli.refusals import Refusal

PATH: Final = "/api/apply"
"""As in ``web.console.applying``, without loading that; a test compares them."""
TIMEOUT: Final = 60.0
"""Seconds: a file may have many clients."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the console has done; ``problem`` is why it has not done all."""

    clients: list[dict[str, Any]]
    plan: str = ""
    problem: str = ""
    is_partly_done: bool = False


def apply_at(
    url: str,
    token: str,
    wanted: list[Any],
    *,
    plan: str | None,
    is_dry_run: bool,
    transport: httpx2.BaseTransport | None = None,
) -> Answer:
    """Have clients made so, or ask what would be done; only by this ``plan`` if one is named.

    The token goes nowhere else: no redirect is followed. Raises Refusal.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if plan is not None:
        headers["If-Match"] = f'"{plan}"'
    query = "?dry_run" if is_dry_run else ""
    try:
        # Plain http is for this machine alone: no proxy may see the token.
        is_encrypted = url.startswith("https:")
        with httpx2.Client(transport=transport, timeout=TIMEOUT, trust_env=is_encrypted) as http:
            response = http.post(f"{_base(url)}{PATH}{query}", json=wanted, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeEncodeError) as error:
        raise Refusal(f"{url}: {error or type(error).__name__}") from None
    return _answer(url, response)


def _answer(url: str, response: httpx2.Response) -> Answer:
    try:
        document = response.json()
        clients = document.get("clients", [])
        problem = "" if response.status_code == HTTPStatus.OK else document["error"]
    except (ValueError, KeyError, AttributeError):
        raise Refusal(
            f"{url} is no console of Worksgate: its answer is {response.status_code}"
        ) from None
    is_planned = response.status_code == HTTPStatus.PRECONDITION_FAILED
    return Answer(clients, document.get("plan", ""), problem, is_partly_done=not is_planned)


def _base(url: str) -> str:
    """Raises Refusal for an address to which a token may not be sent."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Refusal(f"{url} is no address") from None
    if not host or parts.scheme not in ("https", "http") or parts.query or parts.fragment:
        raise Refusal(f"{url} is no address of a console, such as https://console.example.com")
    if parts.username or parts.password:
        raise Refusal("an address has no password in it: the token is in a file or a variable")
    if parts.scheme == "http" and not _is_loopback(host):
        raise Refusal(f"{url}: a token is only sent encrypted, to https://")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
