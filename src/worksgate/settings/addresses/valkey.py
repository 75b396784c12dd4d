"""The address of a Valkey or Redis server.

    rediss://:password@host:6379/0?prefix=worksgate&ssl_ca_certs=/etc/ca.pem

``redis://`` is the same without TLS, ``unix:///path`` is a socket on this machine; ``valkey`` and
``valkeys`` are aliases of ``redis`` and ``rediss``. In the password every character but letters,
digits and ``-._~`` is percent-encoded. Query parameters:

    prefix              prefix of all keys of this installation (worksgate)
    max_connections     most connections that a process opens (20)
    db                  the number of the database, if it is not in the path
    ssl_ca_certs        a PEM file of trusted authorities, for a private CA
    ssl_certfile, ssl_keyfile
                        the client certificate and its key

Over TLS the server's certificate and host name are always verified; no option disables that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_SCHEMES = {
    "valkey": "redis",
    "valkeys": "rediss",
    **{name: name for name in ("redis", "rediss", "unix")},
}
"""Accepted schemes, and redis-py's name for each."""

_TLS_OPTIONS = frozenset(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))
_OPTIONS = frozenset(("db", *_TLS_OPTIONS))
"""Parts of an address that redis-py reads."""

_FORM = (
    "it must have the form redis://:password@host:port, rediss:// for TLS, or unix:///path, and "
    "its password must be percent-encoded"
)


@dataclass(frozen=True, slots=True)
class ValkeyAddress:
    """Where a server is and how it is used; the repr shows none of it.

    ``url`` is for redis-py; ``tag`` is the hash tag with which all keys of this installation begin.
    """

    url: str = field(repr=False)
    tag: str = "{worksgate}"
    max_connections: int = 20

    @property
    def place(self) -> str:
        """Host and port, or the path of a socket: the part of the address that may be shown."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"

    @property
    def has_password(self) -> bool:
        return bool(urlsplit(self.url).password)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises ValueError; its text repeats at most the name of an option."""
        parts = _split(text)
        options = _options(parts)
        prefix = options.pop("prefix", "worksgate")
        most = options.pop("max_connections", "20")
        if not prefix.isascii() or not prefix.replace("-", "").replace("_", "").isalnum():
            raise ValueError("prefix must be letters and digits, - and _")
        if not _is_number(most) or not 1 <= int(most) <= 1_000:
            raise ValueError("max_connections must be between 1 and 1000")
        _check_options(parts, options)
        query = f"?{urlencode(options)}" if options else ""
        url = f"{parts.scheme}://{parts.netloc}{parts.path}{query}"
        return cls(url, f"{{{prefix}}}", int(most))


def is_valkey(text: str) -> bool:
    """Whether this is the address of a Valkey or Redis server."""
    return text.partition("://")[0] in _SCHEMES


def _split(text: str) -> SplitResult:
    if not is_valkey(text):
        raise ValueError(_FORM)
    try:
        parts = urlsplit(text)
        _ = parts.port  # parsed only on access
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.fragment or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError(_FORM)
    return parts._replace(scheme=_SCHEMES[parts.scheme])


def _options(parts: SplitResult) -> dict[str, str]:
    if not parts.query:
        return {}
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        raise ValueError("its options must be name=value pairs") from None


def _check_options(parts: SplitResult, options: Mapping[str, str]) -> None:
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"there is no option {unknown[0][:40]!r}")
    if parts.scheme != "rediss" and (useless := sorted(options.keys() & _TLS_OPTIONS)):
        raise ValueError(f"{useless[0]} requires rediss://")
    path = parts.path.strip("/") if parts.scheme != "unix" else ""
    if not all(map(_is_number, (path or "0", options.get("db", "0")))):
        raise ValueError("its database must be a number: redis://host:6379/0")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
