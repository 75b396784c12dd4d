"""Whether the public address leads here, as far as this machine can tell.

LINE WORKS comes from outside: another DNS, another way through the firewall. So what is found is
said to have been seen from this machine, and what only may be wrong is a warning.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.settings.options import Settings

PART = "public_url"

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 3.0
"""Seconds that LINE WORKS waits."""
_DNS_TIMEOUT = 3.0


async def examine_public_address(settings: Settings) -> AsyncIterator[Finding]:
    """Resolve the public address and ask it for its health; nothing where only this machine has
    it."""
    if not settings.is_https:
        return
    host = urlsplit(settings.public_url).hostname or ""
    if not await _is_resolved(host):
        yield warn(
            PART,
            f"this machine cannot resolve {host}",
            "make the DNS entry that people and LINE WORKS need, or correct public_url; where this "
            f"machine has a DNS of its own, ask from outside: nslookup {host}",
        )
        return
    yield await _ask(settings.public_url)


async def _is_resolved(host: str) -> bool:
    try:
        async with asyncio.timeout(_DNS_TIMEOUT):
            await asyncio.get_running_loop().getaddrinfo(host, 443)
    except (OSError, TimeoutError, UnicodeError):
        return False
    return True


async def _ask(public_url: str) -> Finding:
    """What ``/healthz`` says under the public address."""
    began = time.perf_counter()
    timeout = httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    context = ssl.create_default_context()
    try:
        async with httpx2.AsyncClient(verify=context, timeout=timeout, trust_env=False) as client:
            answer = await client.get(f"{public_url}/healthz")
    except httpx2.HTTPError as error:
        return _of_no_answer(public_url, error)
    if answer.status_code == 200 and answer.headers.get("content-type", "").startswith(
        "application/json"
    ):
        took = (time.perf_counter() - began) * 1_000
        return ok(PART, f"{public_url} answers within {took:.0f} ms, asked from this machine")
    return fail(
        PART,
        f"{public_url}/healthz is answered {answer.status_code}, and not by Worksgate",
        "see where the reverse proxy sends requests, and that it leaves the path as it is",
    )


def _of_no_answer(public_url: str, error: httpx2.HTTPError) -> Finding:
    untrusted = _certificate_problem(error)
    if untrusted is not None:
        return fail(
            PART,
            f"the certificate of {public_url} is not trusted: {untrusted}",
            "LINE WORKS will not connect: use a certificate of a public authority, with the whole "
            "chain in the file, for this very name",
        )
    slow = isinstance(error, httpx2.TimeoutException)
    return warn(
        PART,
        f"{public_url} does not answer{' in time' if slow else ''}, asked from this machine",
        "start the server and its reverse proxy; if they run, a network may keep this machine from "
        f"its own public address: ask from outside: curl -sS {public_url}/healthz",
    )


def _certificate_problem(error: BaseException | None) -> str | None:
    """Why a certificate was refused, or None where that is not what happened."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
