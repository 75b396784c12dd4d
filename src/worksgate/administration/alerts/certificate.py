"""When the certificate of the public address ends, as whoever connects to it sees it."""

import asyncio
import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

TIMEOUT: Final = 5.0
"""Seconds to connect."""


async def certificate_ends_at(url: str) -> float | None:
    """When it ends, in seconds since the epoch; None if nothing answers there.

    It is read and not verified: one that has ended must be seen as well.
    """
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent to whoever is there
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 443, ssl=context, server_hostname=parts.hostname
            )
    except (OSError, TimeoutError, ValueError):
        return None
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    presented = tls.getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    return None if presented is None else _end_of(presented)


def _end_of(certificate: bytes) -> float | None:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except ValueError:
        return None
