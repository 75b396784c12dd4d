"""Whether the public address leads here, as far as this machine can tell.

LINE WORKS connects from outside, with another DNS and another way through the firewall. So findings
say that they were made on this machine, and a possible problem is only a warning.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2

from worksgate.administration.alerts.certificate import certificate_ends_at
from worksgate.catalogues import Quoted
from worksgate.doctor import Finding, Severity, fail, ok, warn
from worksgate.doctor.sentences import said
from worksgate.settings.options import Settings

PART = "public_url"

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 3.0
"""Seconds that LINE WORKS waits."""
_DNS_TIMEOUT = 3.0
_DAY = 86_400.0
_DAYS_LEFT = 21
"""Days in which a renewal that fails can be put right."""


async def examine_public_address(settings: Settings) -> AsyncIterator[Finding]:
    """Resolve the public address and request its health; nothing for a loopback address."""
    if not settings.is_https:
        return
    host = urlsplit(settings.public_url).hostname or ""
    if not await _is_resolved(host):
        yield warn(
            PART,
            said("this machine cannot resolve %(host)s", host=host),
            said(
                "create the DNS entry that people and LINE WORKS need, or correct public_url; if "
                "this machine has an internal DNS, check from outside: nslookup %(host)s",
                host=host,
            ),
        )
        return
    answer = await _ask(settings.public_url)
    yield answer
    if answer.severity is Severity.OK:
        ends_at = await certificate_ends_at(settings.public_url)
        if ends_at is not None:
            yield _of_certificate(ends_at, time.time())


def _of_certificate(ends_at: float, now: float) -> Finding:
    """Whether the certificate, which is trusted, remains valid for long enough to renew it."""
    days = int((ends_at - now) / _DAY)
    text = said(
        "the certificate ends in %(days)s days, on %(date)s",
        days=days,
        date=time.strftime("%F", time.gmtime(ends_at)),
    )
    if days < _DAYS_LEFT:
        return warn(
            PART,
            text,
            said(
                "renew it now: when it has ended, neither LINE WORKS nor people's browsers connect"
            ),
        )
    return ok(PART, text)


async def _is_resolved(host: str) -> bool:
    try:
        async with asyncio.timeout(_DNS_TIMEOUT):
            await asyncio.get_running_loop().getaddrinfo(host, 443)
    except (OSError, TimeoutError, UnicodeError):
        return False
    return True


async def _ask(public_url: str) -> Finding:
    """The response of ``/healthz`` at the public address."""
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
        return ok(
            PART,
            said(
                "%(url)s responds within %(ms)s ms, from this machine",
                url=public_url,
                ms=f"{took:.0f}",
            ),
        )
    return fail(
        PART,
        said(
            "%(url)s/healthz returns %(status)s, and not from Worksgate",
            url=public_url,
            status=answer.status_code,
        ),
        said("check where the reverse proxy sends requests, and that it does not change the path"),
    )


def _of_no_answer(public_url: str, error: httpx2.HTTPError) -> Finding:
    untrusted = _certificate_problem(error)
    if untrusted is not None:
        return fail(
            PART,
            said(
                "the certificate of %(url)s is not trusted: %(problem)s",
                url=public_url,
                problem=untrusted,
            ),
            said(
                "LINE WORKS will not connect: use a certificate of a public authority for this "
                "very name, with the whole chain in the file"
            ),
        )
    text = said("%(url)s does not respond, from this machine", url=public_url)
    if isinstance(error, httpx2.TimeoutException):
        text = said("%(url)s does not respond in time, from this machine", url=public_url)
    return warn(
        PART,
        text,
        said(
            "start the server and its reverse proxy; if they run, the network may block this "
            "machine from its own public address: check from outside: curl -sS %(url)s/healthz",
            url=public_url,
        ),
    )


def _certificate_problem(error: BaseException | None) -> str | None:
    """Why a certificate was rejected, or None for other failures."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLCertVerificationError):
            return Quoted(error.verify_message)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
