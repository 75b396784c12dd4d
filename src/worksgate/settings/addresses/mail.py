"""The address of a mail server, and e-mail addresses of senders and recipients."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

_MAX_ADDRESS = 254
_MAX_LOCAL_PART = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def check_address(address: str) -> str:
    """Return an e-mail address that a message can be sent to.

    Raises ValueError; the text does not repeat the address.
    """
    local_part = address.partition("@")[0]
    is_short = len(address) <= _MAX_ADDRESS and len(local_part) <= _MAX_LOCAL_PART
    if not is_short or not _ADDRESS.fullmatch(address):
        raise ValueError("must be an e-mail address such as name@example.com")
    return address


class Encryption(StrEnum):
    """How the connection to the mail server is encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """The mail server to submit to, and the credentials."""

    host: str
    port: int
    encryption: Encryption
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, smtp_url: str) -> Self:
        """Read ``smtp://user:password@host:587`` or ``smtps://user:password@host``.

        Raises ValueError with the end of a sentence that begins with the setting's name; it does
        not repeat the value, which may contain a password.
        """
        parts, port = _split(smtp_url)
        host, encryption = parts.hostname or "", Encryption.TLS
        if parts.scheme == "smtp":
            encryption = Encryption.NONE if _is_loopback(host) else Encryption.STARTTLS
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", host):
            raise ValueError("must name the host of a mail server")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("must contain both a user name and a password, or neither")
        return cls(
            host=host,
            port=port or _USUAL_PORTS[encryption],
            encryption=encryption,
            username=_unquoted(parts.username),
            password=_unquoted(parts.password),
        )


_USUAL_PORTS = {Encryption.NONE: 25, Encryption.STARTTLS: 587, Encryption.TLS: 465}


def _split(smtp_url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(smtp_url)
        port = parts.port
    except ValueError:
        raise ValueError(f"is not the address of a mail server; {_ESCAPE}") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise ValueError("must begin with smtp:// or smtps://")
    if parts.path not in ("", "/") or parts.query or parts.fragment or port == 0:
        raise ValueError(f"must end with the host and the port; {_ESCAPE}")
    return parts, port


_ESCAPE = "in a user name or password write @ : / ? # % as %40 %3A %2F %3F %23 %25"


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
