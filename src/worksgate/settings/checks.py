"""What each setting may hold.

A check returns the value, perhaps in a tidier form, or raises ValueError with the end of a
sentence that begins with the setting's name. It never repeats a value that could be a secret.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import SplitResult, urlsplit

from worksgate.settings.addresses.mail import SmtpServer, check_address
from worksgate.settings.addresses.postgres import PostgresAddress, is_postgres
from worksgate.settings.addresses.valkey import ValkeyAddress, is_valkey
from worksgate.settings.master_key_text import master_key_bytes, master_key_text
from worksgate.settings.options import Settings

RESERVED_PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

_SQLITE = "sqlite:///"
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def _public_url(value: str) -> str:
    parts = _split_url(value)
    if "?" in value or "#" in value:
        raise ValueError("must have no query and no fragment")
    if parts.path.strip("/"):
        _path(parts.path.rstrip("/"))
    authority = parts.netloc.lower().removesuffix(_USUAL_PORTS[parts.scheme])
    return f"{parts.scheme}://{authority}{parts.path}".rstrip("/")


def _split_url(value: str) -> SplitResult:
    """An absolute address; plain http is accepted for loopback hosts alone."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError("must be an address that begins with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user name and no password")
    if not value.isascii() or not value.isprintable() or set(value) & set(' "<>\\^`|'):
        raise ValueError("holds a character that an address cannot hold; a host may need xn--")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+", host):
        raise ValueError("the host is not a name or an address")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise ValueError("must begin with https://; plain http is for this machine alone")
    return parts


def database_url_from(folder: Path, value: str) -> str:
    """An address whose relative path, if it has one, begins at this folder. Checks nothing."""
    path = value.removeprefix(_SQLITE)
    return value if path in (value, "", ":memory:") else f"{_SQLITE}{folder / path}"


def _database_url(value: str) -> str:
    if is_postgres(value):
        return _postgres_url(value)
    path = value.removeprefix(_SQLITE)
    if path == value or not path or path == ":memory:":
        raise ValueError(
            "must be sqlite:///relative.db, sqlite:////absolute/path.db or "
            "postgresql://user:password@host/name"
        )
    if "?" in path or "\0" in path:
        raise ValueError("the path of the database must not hold ? or NUL")
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


def _file(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold NUL")
    return value


def _master_key(value: str) -> str:
    return master_key_text(master_key_bytes(value)) if value else value


def _store_url(value: str) -> str:
    if value in ("", "memory:"):
        return value
    if not is_valkey(value):
        raise ValueError("must be empty (the database), redis://host, rediss://host or memory:")
    try:
        ValkeyAddress.parse(value)
    except ValueError as problem:
        raise ValueError(f"cannot be used: {problem}") from None
    return value


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", value):
        raise ValueError("must be an address or a host name, without port")
    if ":" in value:
        try:
            IPv6Address(value)
        except ValueError:
            raise ValueError("must be an address or a host name, without port") from None
    return value


def _port(value: int) -> int:
    if not 1 <= value <= 65_535:
        raise ValueError("must be between 1 and 65535")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_network(entry) for entry in value)


def _network(entry: str) -> str:
    try:
        network = ip_network(entry)
    except ValueError:
        raise ValueError(f"{entry!r} is not a network such as 10.0.0.0/8 or 10.1.2.3") from None
    if network.prefixlen == 0:
        raise ValueError(f"{entry!r} would believe everybody; name the proxies")
    return str(network)


def _path(value: str) -> str:
    if not value.startswith("/") or value == "/":
        raise ValueError("must begin with / and go on")
    for segment in value[1:].split("/"):
        if segment in (".", "..") or not re.fullmatch(r"[A-Za-z0-9._~-]+", segment):
            raise ValueError("must be made of letters, digits and . _ ~ - between single slashes")
    return value


def _line_of_text(value: str) -> str:
    if not value.isprintable() or value != value.strip() or len(value) > 100:
        raise ValueError("must be at most 100 printable characters, without blanks around them")
    return value


def _product_name(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return _line_of_text(value)


def _support_url(value: str) -> str:
    if value.startswith("mailto:"):
        if not re.fullmatch(r"mailto:[^@\s\"<>]+@[^@\s\"<>]+", value):
            raise ValueError("must have one address after mailto:")
    elif value:
        if not value.startswith("https://"):
            raise ValueError("must begin with https:// or mailto:")
        _split_url(value)
    return value


def _fixed_url(value: str) -> str:
    _split_url(value)
    return value


def _url_to_append_to(value: str) -> str:
    parts = _split_url(value)
    if parts.query or parts.fragment or not value.endswith("/"):
        raise ValueError("must end with /, for something is added to it")
    return value


def _start_over_url(value: str) -> str:
    try:
        names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
    except ValueError:
        names = {"{"}
    if names - {"domain", "service"}:
        raise ValueError("the only placeholders are {domain} and {service}")
    _split_url(value.replace("{domain}", "example.com").replace("{service}", "https%3A%2F%2Fa"))
    return value


def _between(least: float, most: float) -> Callable[[Any], Any]:
    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"must be between {least:g} and {most:g}")
        return value

    return check


def _at_least(least: float) -> Callable[[Any], Any]:
    def check(value: float) -> float:
        if value < least:
            raise ValueError(f"must be {least:g} or more")
        return value

    return check


def _smtp_url(value: str) -> str:
    if value:
        SmtpServer.parse(value)
    return value


def _mail_from(value: str) -> str:
    if value:
        check_address(value)
    return value


def _one_of(*choices: str) -> Callable[[Any], Any]:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {', '.join(choices[:-1])} or {choices[-1]}")
        return value

    return check


LINE_WORKS_WAITS = 3.0
"""Seconds that LINE WORKS waits for an answer."""


def _answer_deadline(value: float) -> float:
    if not 0 < value < LINE_WORKS_WAITS:
        raise ValueError("must be more than 0 and less than 3, for LINE WORKS waits 3 seconds")
    return value


def _worker_timeout(value: float) -> float:
    if value and value < _SHORTEST_WORKER_TIMEOUT:
        raise ValueError(f"must be 0, or {_SHORTEST_WORKER_TIMEOUT:g} or more")
    return value


_SHORTEST_WORKER_TIMEOUT = 5.0
"""Seconds: a busy machine holds up a worker for some of them, and it is well."""

CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "public_url": _public_url,
    "database_url": _database_url,
    "master_key_file": _file,
    "previous_master_key_file": _file,
    "master_key": _master_key,
    "previous_master_key": _master_key,
    "store_url": _store_url,
    "host": _host_name,
    "port": _port,
    "trusted_proxies": _networks,
    "product_name": _product_name,
    "company_name": _line_of_text,
    "support_url": _support_url,
    "web_login_path": _path,
    "access_token_path": _path,
    "user_info_path": _path,
    "imap_login_path": _path,
    "logout_path": _path,
    "account_path": _path,
    "answer_deadline": _answer_deadline,
    "session_idle_limit": _at_least(60),
    "session_absolute_limit": _at_least(60),
    "login_free_failures": _between(1, 100),  # never more than 100 in a row
    "login_longest_delay": _at_least(60),
    "login_failures_per_address": _at_least(1),
    "hashing_threads": _between(0, 256),
    "hashing_queue": _at_least(1),
    "database_connections": _between(1, 1_000),
    "fresh_login_lifetime": _between(60, 86_400),
    "remember_device_lifetime": _between(0, 400 * 86_400),  # browsers keep no cookie for longer
    "passkeys": bool,
    "temporary_password_lifetime": _between(600, 90 * 86_400),
    "app_password_lapse": _at_least(0),
    "smtp_url": _smtp_url,
    "mail_from": _mail_from,
    "mail_language": _one_of("en", "ja", "ko"),
    "password_reset": bool,
    "reset_link_lifetime": _between(60, 86_400),
    "built_in_directory": bool,
    "allow_similar_keys": bool,
    "session_key_check_url": _url_to_append_to,
    "start_over_url": _start_over_url,
    "service_url": _fixed_url,
    "audit_retention": _at_least(0),
    "purge_interval": _at_least(0),
    "worker_timeout": _worker_timeout,
    "max_requests_in_flight": _at_least(1),
    "max_connections": _at_least(1),
    "max_connections_per_address": _at_least(0),
    "log_format": _one_of("auto", "json", "text"),
    "log_level": _one_of("debug", "info", "warning", "error"),
    "admin_host": _host_name,
    "admin_port": _between(0, 65_535),
    "metrics_public": bool,
}


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong though each value is right: the setting to blame, and why."""
    names = [each.name for each in fields(Settings) if each.name.endswith("_path")]
    taken = dict.fromkeys(RESERVED_PATHS, "a path that Worksgate keeps for itself")
    for name in names:
        path = getattr(settings, name)
        if path in taken:
            yield name, f"is {taken[path]}"
        elif path.startswith(settings.imap_login_path + "/"):
            yield name, "lies under imap_login_path, where the client's ID follows"
        elif path.startswith(settings.account_path + "/"):
            yield name, "lies under account_path, which has pages there"
        taken[path] = f"the same as {name}"
    if settings.session_idle_limit > settings.session_absolute_limit:
        yield "session_idle_limit", "must not be more than session_absolute_limit"
    if settings.previous_master_key and not settings.master_key:
        yield "previous_master_key", "must not be given without master_key"
    if settings.previous_master_key and settings.previous_master_key == settings.master_key:
        yield "previous_master_key", "must not be the same as master_key"
    if settings.smtp_url and not settings.mail_from:
        yield "mail_from", "must be given with smtp_url"
    if not settings.all_sources:
        yield (
            "built_in_directory",
            "must not be false without a [[source]], or nobody could sign in",
        )
    if not settings.built_in_directory and "directory" in {each.name for each in settings.sources}:
        yield "built_in_directory", "must not be false with a [[source]] of the type directory"
    if settings.admin_port and settings.admin_port == settings.port:
        yield "admin_port", "must not be the same as port"
    if not settings.is_https and not _is_this_machine(settings.host):
        yield (
            "host",
            (
                "must be 127.0.0.1 or ::1 while public_url is plain http, or passwords would cross "
                "the network for all to read; give public_url its https:// address"
            ),
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_HOSTS
