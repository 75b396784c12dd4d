"""What is examined, and with which accounts: all that a check may use."""

import re
import ssl
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from worksgate.conformance.exchange import TimeLimits
from worksgate.conformance.line_works import Credentials, Endpoints

REDIRECT_URI: Final = "https://auth.worksmobile.com/"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The name and the password that the test person's mail client has."""

    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An implementation, and what is known of it.

    `user_key` is what LINE WORKS must be told about the person, if that is known; whether it is
    their LINE WORKS account says `key_is_account`. `disabled` and `barred` are clients that must be
    refused with 101, `other` is a second client in good standing. `wrong_mail_passwords` may be
    sent for the mailbox without consequences for the sign-in page. `code_lifetime` and
    `token_lifetime` are in seconds: after that time a code, or an access token, must have expired.
    `overload` is how many calls are sent at once, to see what an overloaded server says; 0: none.
    `late_after` is how many seconds a sign-in must have taken to be refused, if that is tested.
    `connect_to` is a host and a port to connect to in place of those in the URLs, as before a
    change of DNS. `allows_plain_http` lets secrets be sent unencrypted to other machines than this
    one.
    """

    endpoints: Endpoints
    credentials: Credentials
    redirect_uri: str = REDIRECT_URI
    person: Person | None = None
    user_key: str | None = None
    mailbox: Mailbox | None = None
    disabled: Credentials | None = None
    barred: Credentials | None = None
    other: Credentials | None = None
    key_is_account: bool = False
    wrong_mail_passwords: int = 0
    code_lifetime: float | None = None
    token_lifetime: float | None = None
    late_after: float | None = None
    overload: int = 0
    limits: TimeLimits = field(default_factory=TimeLimits)
    connect_to: tuple[str, int] | None = None
    ca_file: Path | None = None
    allows_plain_http: bool = False

    @property
    def named_urls(self) -> tuple[tuple[str, str], ...]:
        """Every address that LINE WORKS is given, by the fields of the Developer Console."""
        ends = self.endpoints
        found = (
            ("web_login", ends.web_login),
            ("app_login", ends.app_login),
            ("access_token", ends.access_token),
            ("user_info", ends.user_info),
            ("logout", ends.logout),
            ("imap_login", ends.imap_login if self.mailbox else None),
        )
        return tuple((name, url) for name, url in found if url)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address that LINE WORKS is given, each once."""
        return tuple(dict.fromkeys(url for _, url in self.named_urls))

    @property
    def waits(self) -> float:
        """Seconds that checks wait until something must have expired."""
        return (self.code_lifetime or 0) + (self.token_lifetime or 0)

    @property
    def secrets(self) -> tuple[str, ...]:
        clients = (self.credentials, self.disabled, self.barred, self.other)
        accounts = (self.person, self.mailbox)
        return (
            *(client.client_secret for client in clients if client),
            *(account.password for account in accounts if account),
        )

    def address(self, url: str) -> tuple[str, int]:
        """Return the host and the port to connect to."""
        parts = urlsplit(url)
        if self.connect_to is not None and parts.hostname in self.hosts:
            return self.connect_to
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def hosts(self) -> frozenset[str]:
        """The names of the implementation: `connect_to` stands in for these alone."""
        return frozenset(urlsplit(url).hostname or "" for url in self.urls)

    def stays_here(self, url: str) -> bool:
        """Whether the URL names this machine, and `connect_to` leads nowhere else."""
        host, _ = self.address(url)
        return is_local(url) and _is_loopback(host)

    def tls(self) -> ssl.SSLContext:
        """Return the context for every call: nobody may change it, see `new_tls`."""
        return _shared_tls(self.ca_file)

    def new_tls(self) -> ssl.SSLContext:
        """Return a context that trusts what a browser would, or the given authority alone."""
        return _new_tls(self.ca_file)

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return the way to the server for httpx2; no connection is used twice."""
        limits = httpx2.Limits(max_keepalive_connections=0)
        direct = httpx2.AsyncHTTPTransport(verify=self.tls(), trust_env=False, limits=limits)
        if self.connect_to is not None:
            return _Elsewhere(direct, self)
        return _OnThisMachine(direct) if is_local(self.endpoints.web_login) else direct


def _new_tls(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx2.create_ssl_context(trust_env=False)
    return ssl.create_default_context(cafile=ca_file)


_shared_tls = cache(_new_tls)
"""Reading all authorities takes longer than a call."""


class _OnThisMachine(httpx2.AsyncBaseTransport):
    """Lets Secure cookies be sent over plain http, as browsers do for this machine alone."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if is_local(str(request.url)):
            pairs = response.headers.raw  # in bytes: no other is sure to take any value
            response.headers = httpx2.Headers([(name, _unsecured(name, v)) for name, v in pairs])
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _unsecured(name: bytes, value: bytes) -> bytes:
    is_cookie = name.lower() == b"set-cookie"
    return re.sub(rb";\s*secure\b", b"", value, flags=re.IGNORECASE) if is_cookie else value


class _Elsewhere(httpx2.AsyncBaseTransport):
    """Connects to another address; the server sees the name that is in the URL."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, target: Target) -> None:
        self._inner, self._target = inner, target

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = self._target.address(str(request.url))
        moved = httpx2.Request(
            request.method,
            request.url.copy_with(host=host, port=port),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self._inner.handle_async_request(moved)

    async def aclose(self) -> None:
        await self._inner.aclose()


def endpoints_of(base: str, client_id: str, **paths: str | None) -> Endpoints:
    """Return the addresses below a URL; a path that is a whole URL stays as it is."""

    def at(name: str, default: str) -> str:
        path = (paths.get(name) or default).replace("{client_id}", client_id)
        if "://" in path:
            return path
        return urljoin(f"{base.rstrip('/')}/", path.lstrip("/"))

    return Endpoints(
        web_login=at("web_login", "login"),
        app_login=at("app_login", paths.get("web_login") or "login"),
        access_token=at("access_token", "accessToken"),
        user_info=at("user_info", "userInfo"),
        logout=at("logout", "logout"),
        imap_login=at("imap_login", "apiLogin/{client_id}"),
    )


def is_local(url: str) -> bool:
    """Whether the URL names this machine: then it is a trial, and needs no certificate."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
