"""Validation of each setting.

A check returns the value, perhaps normalized, or raises ValueError with the end of a sentence that
begins with the setting's name. It never repeats a value that could be a secret.
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import SplitResult, urlsplit

from worksgate.settings.addresses.mail import SmtpServer, check_address
from worksgate.settings.addresses.postgres import PostgresAddress, is_postgres
from worksgate.settings.addresses.valkey import ValkeyAddress, is_valkey
from worksgate.settings.assumptions import Assumptions
from worksgate.settings.master_key_text import master_key_bytes, master_key_text

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

_SQLITE = "sqlite:///"
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def public_url(value: str) -> str:
    parts = _split_url(value)
    if "?" in value or "#" in value:
        raise ValueError("must have no query and no fragment")
    if parts.path.strip("/"):
        url_path(parts.path.rstrip("/"))
    authority = parts.netloc.lower().removesuffix(_USUAL_PORTS[parts.scheme])
    return f"{parts.scheme}://{authority}{parts.path}".rstrip("/")


def _split_url(value: str) -> SplitResult:
    """An absolute address; plain http is accepted for loopback hosts only."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a valid address") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("must be an address that begins with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password")
    if not value.isascii() or not value.isprintable() or set(value) & set(' "<>\\^`|'):
        raise ValueError(
            "contains a character that is not allowed in an address; a host name "
            "may need its xn-- form"
        )
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", host):
        raise ValueError("its host is not a valid host name or IP address")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise ValueError("must begin with https://; plain http is allowed for this machine only")
    return parts


def database_url_from(folder: Path, value: str) -> str:
    """Resolve the relative path of an SQLite address against this folder. Checks nothing."""
    path = value.removeprefix(_SQLITE)
    return value if path in (value, "", ":memory:") else f"{_SQLITE}{folder / path}"


def database_url(value: str) -> str:
    if is_postgres(value):
        return _postgres_url(value)
    path = value.removeprefix(_SQLITE)
    if path == value or not path or path == ":memory:":
        raise ValueError(
            "must be sqlite:///relative.db, sqlite:////absolute/path.db or "
            "postgresql://user:password@host/name"
        )
    if "?" in path or "\0" in path:
        raise ValueError("the path of the database must not contain ? or NUL")
    absolute = Path.cwd() / path
    if not absolute.parent.is_dir():
        raise ValueError(f"the folder of the database, {absolute.parent}, does not exist")
    return f"{_SQLITE}{absolute}"


def _postgres_url(value: str) -> str:
    try:
        PostgresAddress.parse(value)
    except ValueError as problem:
        raise ValueError(f"cannot be used: {problem}") from None
    return value


def file_name(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


def authorities(value: str) -> str:
    """A file with certificates."""
    if value:
        import ssl

        try:
            is_empty = not ssl.create_default_context(cafile=file_name(value)).get_ca_certs()
        except ssl.SSLError:
            is_empty = True
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror or error}") from None
        if is_empty:
            raise ValueError("has no certificate of an authority (PEM)")
    return value


def proxy_url(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be the address of a proxy, such as http://proxy.example.com:3128")
    return value


def absolute_folder(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    if value and not value.startswith("/"):
        raise ValueError("must be an absolute path, such as /run/worksgate")
    return value


def master_key(value: str) -> str:
    return master_key_text(master_key_bytes(value)) if value else value


def store_url(value: str) -> str:
    if value in ("", "memory:"):
        return value
    if not is_valkey(value):
        raise ValueError("must be empty (the database), redis://host, rediss://host or memory:")
    try:
        ValkeyAddress.parse(value)
    except ValueError as problem:
        raise ValueError(f"cannot be used: {problem}") from None
    return value


def host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", value):
        raise ValueError("must be an IP address or a host name, without a port")
    if ":" in value:
        try:
            IPv6Address(value)
        except ValueError:
            raise ValueError("must be an IP address or a host name, without a port") from None
    return value


def port_number(value: int) -> int:
    if not 1 <= value <= 65_535:
        raise ValueError("must be between 1 and 65535")
    return value


def console_url(value: str) -> str:
    """The console is at the root of its address: its cookie could not be kept from a neighbour."""
    if not value:
        return value
    address = public_url(value)
    if urlsplit(address).path:
        raise ValueError("must have no path: the console needs a host name or a port of its own")
    return address


def address_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(entry)) for entry in value)
    except ValueError as error:
        raise ValueError(f"{error}; give networks such as 10.0.0.0/8 or 10.1.2.3") from None


def proxy_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_network(entry) for entry in value)


def _network(entry: str) -> str:
    try:
        network = ip_network(entry)
    except ValueError:
        raise ValueError(f"{entry!r} is not a network such as 10.0.0.0/8 or 10.1.2.3") from None
    if network.prefixlen == 0:
        raise ValueError(f"{entry!r} would trust everybody; list the proxies instead")
    return str(network)


def url_path(value: str) -> str:
    if not value.startswith("/") or value == "/":
        raise ValueError("must begin with / and must not be / alone")
    for segment in value[1:].split("/"):
        if segment in (".", "..") or not re.fullmatch(r"[A-Za-z0-9._~-]+", segment):
            raise ValueError("must consist of letters, digits and . _ ~ - between single slashes")
    return value


def line_of_text(value: str) -> str:
    if not value.isprintable() or value != value.strip() or len(value) > 100:
        raise ValueError(
            "must be at most 100 printable characters, without leading or trailing spaces"
        )
    return value


def product_name(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return line_of_text(value)


def support_url(value: str) -> str:
    if value.startswith("mailto:"):
        if not re.fullmatch(r"mailto:[^@\s\"<>]+@[^@\s\"<>]+", value):
            raise ValueError("must have exactly one address after mailto:")
    elif value:
        if not value.startswith("https://"):
            raise ValueError("must begin with https:// or mailto:")
        _split_url(value)
    return value


def fixed_url(value: str) -> str:
    _split_url(value)
    return value


def url_to_append_to(value: str) -> str:
    parts = _split_url(value)
    if parts.query or parts.fragment or not value.endswith("/"):
        raise ValueError("must end with /, since a value is appended to it")
    return value


def start_over_url(value: str) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
    except ValueError:
        names = {"{"}
    if names - {"domain", "service"}:
        raise ValueError("the only placeholders are {domain} and {service}")
    _split_url(value.replace("{domain}", "example.com").replace("{service}", "https%3A%2F%2Fa"))
    return value


def between(least: float, most: float) -> Callable[[Any], Any]:
    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"must be between {least:g} and {most:g}")
        return value

    return check


def at_least(least: float) -> Callable[[Any], Any]:
    def check(value: float) -> float:
        if value < least:
            raise ValueError(f"must be {least:g} or more")
        return value

    return check


def smtp_url(value: str) -> str:
    if value:
        SmtpServer.parse(value)
    return value


def mail_from(value: str) -> str:
    if value:
        check_address(value)
    return value


def mail_addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        check_address(each)
    return value


def webhook_url(value: str) -> str:
    if value:
        _split_url(value)
    return value


def webhook_secret(value: str) -> str:
    if value and len(value) < 32:
        raise ValueError("must have at least 32 characters, such as those of: openssl rand -hex 32")
    return value


def line_works_id(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
        raise ValueError("must be an ID of LINE WORKS: letters, digits, - and _")
    return value


def line_works_accounts(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > 20:
        raise ValueError("must be 20 at most")
    for each in value:
        if not re.fullmatch(r"[\x21-\x3f\x41-\x7e]{1,100}@[\x21-\x3f\x41-\x7e]{1,100}", each):
            raise ValueError("must be LINE WORKS accounts, of the form id@domain or id@group")
    return value


PROFILES = ("line_works", "naver_works", "naver_works_public", "workbox")
"""As in ``oauth.model``, which this room does not import; a test compares them."""


def profile_urls(value: tuple[str, ...]) -> tuple[str, ...]:
    """``profile=URL``, once for each profile; without a slash at the end."""
    entries = [entry.partition("=") for entry in value]
    profiles = [profile for profile, _, _ in entries]
    for profile, _, url in entries:
        if profile not in PROFILES:
            raise ValueError(f"each entry is profile=URL, where profile is {', '.join(PROFILES)}")
        parts = _split_url(url)
        if parts.query or parts.fragment or "?" in url or "#" in url:
            raise ValueError(f"the URL of {profile} must have no query and no fragment")
    if len(set(profiles)) != len(profiles):
        raise ValueError("a profile is listed twice")
    return tuple(f"{profile}={url.rstrip('/')}" for profile, _, url in entries)


def line_works_assumptions(value: tuple[str, ...]) -> tuple[str, ...]:
    Assumptions.of(value)
    return value


def one_of(*choices: str) -> Callable[[Any], Any]:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(choices[:-1])} or {choices[-1]}")
        return value

    return check


LINE_WORKS_WAITS = 3.0
"""Seconds that LINE WORKS waits for a response."""


def answer_deadline(value: float) -> float:
    if not 0 < value < LINE_WORKS_WAITS:
        raise ValueError("must be more than 0 and less than 3, since LINE WORKS waits 3 seconds")
    return value


def worker_timeout(value: float) -> float:
    if value and value < _SHORTEST_WORKER_TIMEOUT:
        raise ValueError(f"must be 0, or {_SHORTEST_WORKER_TIMEOUT:g} or more")
    return value


_SHORTEST_WORKER_TIMEOUT = 5.0
"""Seconds: a healthy worker on a busy machine can be stalled for some of them."""
