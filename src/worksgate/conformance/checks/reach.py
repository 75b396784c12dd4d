"""Whether LINE WORKS reaches the addresses at all: https, the certificate, ports and times."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.target import is_local
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import Exchange, Failure

REACH: Final = Family("reach", official="sso-sp-oauth", page="protocol.md#endpoints")
TIME: Final = Family(
    "time", official="sso-sp-oauth-token", page="protocol.md#access-token-return-api"
)
"""Judges the calls of the others, so it comes last."""

_PATIENCE: Final = 10.0
_FAILED: Final = (Failure.TLS_FAILED, Failure.CONNECT_FAILED)
_TIMED: Final = (None, Failure.NOT_JSON, Failure.ANSWER_TIMEOUT)
"""The ends of a call whose time says something about the answer."""


@REACH.check(
    "https",
    "Every address begins with https://",
    "Passwords, codes and the client secret pass through them. LINE WORKS' pages demand https for "
    "the IMAP/CalDAV Login API, the Japanese ones for all.",
)
async def https(run: Run) -> None:
    plain = [url for url in run.target.urls if urlsplit(url).scheme != "https"]
    for url in plain:
        if not run.target.stays_here(url):
            raise Finding("plain_http", address=urlsplit(url).path)
    if plain:
        raise Untested("local")


@REACH.check(
    "port",
    "Every address is at port 443, or 80 for http",
    "LINE WORKS connects to no other port.",
)
async def port(run: Run) -> None:
    public = [url for url in run.target.urls if not is_local(url)]
    for url in public:
        parts = urlsplit(url)
        if parts.port not in (None, 443 if parts.scheme == "https" else 80):
            raise Finding("wrong_port", port=parts.port, address=parts.path)
    if len(public) < len(run.target.urls):
        raise Untested("local")


@REACH.check(
    "handshake",
    "TLS 1.2 or 1.3 is spoken",
    "Older versions are switched off in today's clients, and plain http at an https port is an "
    "error that no page explains.",
    page="install.md#behind-nginx",
)
async def handshake(run: Run) -> None:
    for found in await _examined(run):
        if found.leaf is None:
            raise Finding("no_handshake", host=found.host, got=found.error)


@REACH.check(
    "chain",
    "The certificate comes with its chain, up to an authority that everybody trusts",
    "Browsers fetch a missing intermediate certificate by themselves, servers such as LINE WORKS' "
    "do not: the page works, and the calls fail.",
    page="install.md#behind-nginx",
)
async def chain(run: Run) -> None:
    for found in await _examined(run):
        _with_certificate(found)
        if found.chain_error:
            raise Finding("untrusted", host=found.host, got=found.chain_error)


@REACH.check(
    "name",
    "The certificate is for the host name in the address",
    "Clients refuse a certificate for another name.",
    page="install.md#behind-nginx",
)
async def name(run: Run) -> None:
    for found in await _examined(run):
        _with_certificate(found)
        if found.name_error:
            raise Finding("wrong_name", host=found.host, got=found.name_error)


@REACH.check(
    "validity",
    "The certificate is valid today",
    "With one that is over, nobody gets in.",
    page="install.md#behind-nginx",
)
async def validity(run: Run) -> None:
    for found in await _examined(run):
        _with_certificate(found)
        if found.date_error:
            raise Finding("not_valid", host=found.host, got=found.date_error)


@TIME.check(
    "connect",
    "A connection stands within 1 second",
    "LINE WORKS gives up after that. Measured at every call of this run, name resolution included.",
)
async def connect(run: Run) -> None:
    calls = _calls(run)
    if not calls:
        calls = [await run.exchange_code("worksgate-check")]
    for exchange in calls:
        if exchange.failure in _FAILED:
            raise Finding("no_answer", exchange=exchange, got=f"value.{exchange.failure}")
        if not exchange.connected_in_time:
            raise Finding(
                "slow_connection",
                exchange=exchange,
                limit=f"{exchange.limits.connect:g}",
                took=_seconds(exchange.timings.connected),
            )


@TIME.check(
    "answer",
    "Each of LINE WORKS' calls is answered within 3 seconds",
    "LINE WORKS gives up after that, and the person sees its error page. Measured at every call of "
    "this run.",
)
async def answer(run: Run) -> None:
    calls = [each for each in _calls(run) if each.connected_in_time and each.failure in _TIMED]
    if not calls:
        calls = [await run.exchange_code("worksgate-check")]
    for exchange in calls:
        if not exchange.answered_in_time:
            raise Finding(
                "slow_answer",
                exchange=exchange,
                limit=f"{exchange.limits.answer:g}",
                took=_seconds(exchange.timings.answer),
            )


def _calls(run: Run) -> list[Exchange]:
    """Return the calls that LINE WORKS' servers would make, of all that were made."""
    ends = run.target.endpoints
    own = tuple(url for url in (ends.access_token, ends.user_info, ends.imap_login) if url)
    return [
        each
        for each in run.meter.exchanges
        if each.request.url.startswith(own) and each.limits == run.target.limits
    ]


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"


# The certificate


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was found at one host; errors are OpenSSL's words, empty if there is none.

    `leaf` is the server's own certificate in PEM, None if there was no handshake.
    """

    host: str
    leaf: str | None
    error: str = ""
    chain_error: str = ""
    name_error: str = ""
    date_error: str = ""


def _with_certificate(found: Certificate) -> None:
    if found.leaf is None:
        raise Untested("no_certificate")


async def _examined(run: Run) -> list[Certificate]:
    """Return the certificates of all hosts. Raises Untested where there is no https."""
    urls = [url for url in run.target.urls if urlsplit(url).scheme == "https"]
    if not urls:
        raise Untested("no_tls")
    by_host = {urlsplit(url)[:2]: url for url in urls}
    return await run.once("certificates", lambda run: _examine_all(run, list(by_host.values())))


async def _examine_all(run: Run, urls: list[str]) -> list[Certificate]:
    return [await _examine(run, url) for url in urls]


async def _examine(run: Run, url: str) -> Certificate:
    """Ask for the certificate, then verify one thing at a time.

    The name and the dates are verified as if the certificate itself were the authority: then the
    chain is no matter.
    """
    host = urlsplit(url).hostname or ""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE  # nothing is sent over it; the certificate is examined below
    leaf, error = await _shake(run, url, blind)
    if leaf is None:
        return Certificate(host, None, error=error)
    trusting = run.target.new_tls()
    trusting.check_hostname = False
    _, chain_error = await _shake(run, url, trusting)
    dated = _anchored(leaf)
    dated.check_hostname = False
    _, date_error = await _shake(run, url, dated)
    _, name_error = await _shake(run, url, _anchored(leaf))
    # OpenSSL reports the first error that it meets.
    return Certificate(
        host,
        leaf,
        chain_error="" if date_error and chain_error == date_error else chain_error,
        name_error="" if name_error == date_error else name_error,
        date_error=date_error,
    )


def _anchored(leaf: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=leaf)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def _shake(run: Run, url: str, context: ssl.SSLContext) -> tuple[str | None, str]:
    """Return the certificate in PEM, or None and why there is none."""
    host, port = run.target.address(url)
    async with run.meter.request():
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(
                    host, port, ssl=context, server_hostname=urlsplit(url).hostname
                )
        except ssl.SSLCertVerificationError as error:
            return None, error.verify_message
        except TimeoutError:
            return None, "value.connect_timeout"
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror
            return None, str(reason or type(error).__name__)
    connection = writer.get_extra_info("ssl_object")
    leaf = connection.getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    return ssl.DER_cert_to_PEM_cert(leaf), ""
