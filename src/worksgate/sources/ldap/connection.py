"""One connection to an LDAP server, bounded in time whatever the server does.

ldap3 implements the protocol. This module adds bounds that it lacks: for a server that sends one
byte a second, or without end, or answers another question. All of that is ``ServerDown``, and so is
every response that is not clearly yes or no (R-90, F-18). Certificates and host names are always
verified, and referrals are never followed (R-88).

Imports ldap3, so it is only imported if a source of this kind exists.
"""

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import ldap3  # type: ignore[import-untyped]  # ldap3 has no types

from worksgate.catalogues import Quoted
from worksgate.settings.sources.ldap import Server
from worksgate.sources import SourceFault
from worksgate.sources.ldap.faults import fault_of, sentence_of_fault
from worksgate.sources.sentences import said

RawSocket = socket.socket
"""A name that the property of the same name does not shadow."""

SUCCESS = 0
INVALID_DN_SYNTAX = 34
_SIZE_LIMIT_EXCEEDED = 4
_REFUSALS = frozenset((19, 32, INVALID_DN_SYNTAX, 48, 49, 50, 53))
"""constraintViolation, noSuchObject, invalidDNSyntax, inappropriateAuthentication,
invalidCredentials, insufficientAccessRights and unwillingToPerform: this bind is refused."""
_ENCRYPTION_REQUIRED = frozenset((8, 13))
"""strongerAuthRequired, as Active Directory calls it, and confidentialityRequired."""
_PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
_PAGED_RESULTS = "1.2.840.113556.1.4.319"
_POLICY_ERROR_TAG = 0x81


_FAULTS = {32: SourceFault.BASE_NOT_FOUND, 50: SourceFault.MAY_NOT_READ}
"""The faults of the search results noSuchObject and insufficientAccessRights."""


class ServerDown(Exception):
    """The server is unusable: unreachable, slow, or its response is invalid. For the log.

    ``fault`` is the kind, if it is known.
    """

    def __init__(self, text: str, fault: SourceFault | None = None) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The parameters of connections to the servers."""

    tls: ssl.SSLContext
    start_tls: bool
    connect_timeout: float
    answer_limit: int


class Budget:
    """The remaining time for a piece of work, in seconds from now."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = clock() + seconds

    @property
    def has_ended(self) -> bool:
        """Whether no time is left."""
        return self._clock() >= self._ends_at

    def left(self) -> float:
        """The remaining time. Raises TimeoutError if there is none."""
        left = self._ends_at - self._clock()
        if left <= 0:
            raise TimeoutError("no response in time")
        return left

    def share(self, parts: int) -> "Budget":
        """The budget of one of so many equal parts of the remaining time. Raises ServerDown."""
        try:
            return Budget(self.left() / parts, self._clock)
        except TimeoutError:
            raise ServerDown(said("no response in time"), SourceFault.SILENT) from None


@dataclass(frozen=True, slots=True)
class BindAnswer:
    """The server's response to a bind: result code, message and password policy error."""

    code: int
    message: str = field(repr=False)
    policy_error: int | None

    @property
    def accepted(self) -> bool:
        return self.code == SUCCESS


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its DN, and values by attribute name in lower case."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]]

    def raw(self, attribute: str) -> bytes | None:
        """The first value, if there is one."""
        return next(iter(self.values.get(attribute.lower(), ())), None)

    def count(self, attribute: str) -> int:
        """How many values there are."""
        return len(self.values.get(attribute.lower(), ()))

    def texts(self, attribute: str) -> tuple[str, ...]:
        """All values that are text; no database of ours keeps a NUL."""
        return tuple(_texts(self.values.get(attribute.lower(), ())))

    def text(self, attribute: str) -> str | None:
        """The first value that is text, if there is one."""
        return next(iter(self.texts(attribute)), None)


class TooMany(Exception):
    """A search has more results than were asked for."""


class LdapConnection:
    """An open connection. Every method raises ServerDown if the server fails."""

    def __init__(self, connection: "_Connection", budget: Budget) -> None:
        self._connection = connection
        self._budget = budget

    @classmethod
    def open(cls, server: Server, terms: Terms, budget: Budget) -> Self:
        """Connect, and encrypt as configured."""
        connection = _Connection(server, terms, budget)
        opened = cls(connection, budget)
        try:
            opened._ask(lambda: connection.open(read_server_info=False))
            if terms.start_tls and not server.tls:
                opened._encrypt()
        except BaseException:
            opened.close()
            raise
        return opened

    def renew(self, budget: Budget) -> None:
        """Use the connection for another piece of work."""
        self._budget = budget
        self._connection.renew(budget)

    def bind(self, dn: str, password: str) -> BindAnswer:
        """Authenticate. The password is sent as typed, in full (R-73).

        Raises ValueError for an empty name or a password that some servers treat as empty (R-61),
        and ServerDown for a response that is neither yes nor no.
        """
        if not dn or not password or "\0" in password:
            raise ValueError("a bind needs a name and a password")
        connection = self._connection
        connection.authentication = ldap3.SIMPLE
        connection.user = dn
        connection.password = password.encode()  # ldap3 would modify text
        try:
            self._ask(
                lambda: connection.bind(
                    read_server_info=False, controls=[(_PASSWORD_POLICY, False, None)]
                )
            )
            result = self._result("bindResponse")
        finally:
            connection.user = connection.password = connection.request = None
        return _bind_answer(result)

    def search(
        self,
        base: str,
        condition: str,
        attributes: Sequence[str],
        *,
        limit: int,
        below: bool = True,
    ) -> list[Entry]:
        """The entries at and ``below`` a base that match a filter. Raises TooMany or ServerDown."""
        seconds = math.ceil(self._remaining())
        self._ask(
            lambda: self._connection.search(
                base,
                condition,
                ldap3.SUBTREE if below else ldap3.BASE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                size_limit=limit + 1,
                time_limit=seconds,
            )
        )
        result = self._result("searchResDone")
        # Anything but an entry is a referral to another server.
        found = [_entry(each) for each in self._connection.response or () if _is_entry(each)]
        if result["result"] == _SIZE_LIMIT_EXCEEDED or len(found) > limit:
            raise TooMany
        if result["result"] != SUCCESS:
            fault = _FAULTS.get(result["result"])
            raise ServerDown(_failed_search(result), fault)
        return found

    def pages(
        self, base: str, condition: str, attributes: Sequence[str], *, size: int, seconds: float
    ) -> Iterator[list[Entry]]:
        """All entries below a base that match a filter (RFC 2696); ``seconds`` limits each page.

        Raises ServerDown, also if the server limits their number.
        """
        cookie: bytes | None = None
        while cookie != b"":
            self.renew(Budget(seconds))
            question = partial(
                self._connection.search,
                base,
                condition,
                ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                time_limit=math.ceil(seconds),
                paged_size=size,
                paged_cookie=cookie,
            )
            self._ask(question)
            result = self._result("searchResDone")
            found = [_entry(each) for each in self._connection.response or () if _is_entry(each)]
            if result["result"] == _SIZE_LIMIT_EXCEEDED:
                raise ServerDown(
                    said(
                        "the server does not list them all: raise its size limit for the service "
                        "account"
                    )
                )
            if result["result"] != SUCCESS:
                fault = _FAULTS.get(result["result"])
                raise ServerDown(_failed_search(result), fault)
            yield found
            cookie = _next_page(result.get("controls") or {})

    def close(self) -> None:
        """Close the connection without an unbind: the server sees that it has ended."""
        self._connection.strategy.close()
        self._connection.socket = None

    def _encrypt(self) -> None:
        self._ask(lambda: self._connection.start_tls(read_server_info=False))
        if not self._connection.tls_started:
            raise ServerDown(said("the server does not start TLS"), SourceFault.NO_TLS)

    def _remaining(self) -> float:
        try:
            return self._budget.left()
        except TimeoutError:
            raise ServerDown(said("no response in time"), SourceFault.SILENT) from None

    def _ask(self, question: Callable[[], object]) -> None:
        try:
            question()
        except Exception as error:  # ldap3 lets exceptions of its decoder through
            words = self._reason(error)
            fault = SourceFault.SILENT if self._budget.has_ended else fault_of(words)
            raise ServerDown(sentence_of_fault(words, fault), fault) from None

    def _reason(self, error: Exception) -> str:
        """What went wrong, without the data that the server sent."""
        if isinstance(error, OSError | ldap3.core.exceptions.LDAPExceptionError):
            return str(self._connection.last_error or error or type(error).__name__)
        return f"the response is not LDAP ({type(error).__name__})"

    def _result(self, kind: str) -> Mapping[str, Any]:
        """The result of the last operation, if it has one of the expected types."""
        result: Mapping[str, Any] | None = self._connection.result
        if not result or result.get("type") != kind:
            raise ServerDown(said("the response belongs to another question"))
        return result


class _Connection(ldap3.Connection):  # type: ignore[misc]  # ldap3 has no types
    """ldap3's connection on a socket with our limits."""

    _bounded: "_BoundedSocket | None" = None

    def __init__(self, server: Server, terms: Terms, budget: Budget) -> None:
        self._terms = terms
        self._budget = budget
        # A server object of its own: ldap3 keeps the state of a connection in it.
        super().__init__(
            ldap3.Server(
                server.host,
                port=server.port,
                use_ssl=server.tls,
                get_info=ldap3.NONE,
                tls=_Tls(terms.tls, server.host),
            ),
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            auto_escape=False,
            return_empty_attributes=False,
        )

    @property
    def socket(self) -> "_BoundedSocket | None":
        return self._bounded

    @socket.setter
    def socket(self, made: RawSocket | None) -> None:
        if self._bounded is not None:
            self._bounded.close()  # ldap3 forgets one that did not connect
        self._bounded = None if made is None else _BoundedSocket(made, self._terms, self._budget)

    def renew(self, budget: Budget) -> None:
        self._budget = budget
        if self._bounded is not None:
            self._bounded.renew(budget)


class _Tls(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """Python's own verification, including the name, instead of ldap3's."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host

    def wrap_socket(self, connection: _Connection, do_handshake: bool = True) -> None:  # noqa: FBT001, FBT002  # ldap3's signature
        if connection.socket is None:
            raise OSError("there is nothing to encrypt")
        connection.socket.encrypt(self._context, self._host)


class _BoundedSocket:
    """A socket that ends with its budget, and receives a limited number of bytes."""

    def __init__(self, made: RawSocket, terms: Terms, budget: Budget) -> None:
        self._socket = made
        self._terms = terms
        self._budget = budget
        self._received = 0
        self.family = made.family
        self.bind, self.shutdown = made.bind, made.shutdown

    def renew(self, budget: Budget) -> None:
        self._budget = budget
        self._received = 0

    def connect(self, address: Any) -> None:
        self._socket.settimeout(min(self._terms.connect_timeout, self._budget.left()))
        self._socket.connect(address)

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        self._socket.settimeout(self._budget.left())
        self._socket = context.wrap_socket(self._socket, server_hostname=host)
        self.shutdown = self._socket.shutdown

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._budget.left())
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        self._socket.settimeout(self._budget.left())
        data = self._socket.recv(size)
        self._received += len(data)
        if self._received > self._terms.answer_limit:
            raise OSError("the response is too long")
        return data

    def close(self) -> None:
        self._socket.close()


def _bind_answer(result: Mapping[str, Any]) -> BindAnswer:
    """Interpret a yes or a no. Raises ServerDown for everything else."""
    code, error = int(result["result"]), _policy_error(result.get("controls") or {})
    if code in _ENCRYPTION_REQUIRED:
        raise ServerDown(
            said(
                "the server accepts passwords only over encrypted connections: use ldaps:// or "
                "start_tls"
            )
        )
    if code != SUCCESS and code not in _REFUSALS:
        raise ServerDown(said("the bind failed: %(detail)s", detail=Quoted(result["description"])))
    return BindAnswer(code, str(result["message"]), error)


def _failed_search(result: Mapping[str, Any]) -> str:
    return said("the search failed: %(detail)s", detail=Quoted(result["description"]))


def _policy_error(controls: Mapping[str, Any]) -> int | None:
    """The error in a password policy response, a sequence of [0] warning and [1] error.

    https://datatracker.ietf.org/doc/html/draft-behera-ldap-password-policy-11#section-6.2
    """
    value = controls.get(_PASSWORD_POLICY, {}).get("value") or b""
    # The error is the last element and one byte long; the sequence is too short for long lengths.
    if len(value) >= 5 and value[-3:-1] == bytes((_POLICY_ERROR_TAG, 1)):
        return int(value[-1])
    return None


def _next_page(controls: Mapping[str, Any]) -> bytes:
    """The cookie for the next page; empty if there is none."""
    cookie = (controls.get(_PAGED_RESULTS, {}).get("value") or {}).get("cookie")
    return bytes(cookie or b"")


def _is_entry(response: Mapping[str, Any]) -> bool:
    return response.get("type") == "searchResEntry" and bool(response.get("dn"))


def _entry(response: Mapping[str, Any]) -> Entry:
    attributes = response["raw_attributes"].items()
    return Entry(
        str(response["dn"]),
        {_without_range(str(name).lower()): tuple(values or ()) for name, values in attributes},
    )


def _without_range(name: str) -> str:
    """The name of an attribute, of which a server may send a part: ``member;range=0-1499``.

    Other options are part of the name: a server that is asked for ``mail`` also sends
    ``mail;lang-ja`` (RFC 4512, 2.5.2), which must not replace it (R-266).
    """
    return ";".join(part for part in name.split(";") if not part.startswith("range="))


def _texts(values: Iterable[bytes]) -> Iterable[str]:
    for value in values:
        with suppress(UnicodeDecodeError):
            if "\0" not in (text := value.decode()):
                yield text
