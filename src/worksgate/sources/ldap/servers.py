"""The servers of one directory: their order, and the service account's connections."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from worksgate.settings.sources.ldap import LdapSettings, Server
from worksgate.sources import PersonDisabled, SourceFault
from worksgate.sources.ldap.connection import (
    INVALID_DN_SYNTAX,
    Budget,
    LdapConnection,
    ServerDown,
    Terms,
)
from worksgate.sources.ldap.people import reason_of_refusal
from worksgate.sources.sentences import said

R = TypeVar("R")

_KEPT_FOR = 30.0
"""Seconds for which a connection is kept: firewalls silently drop idle ones."""

_log = structlog.get_logger("worksgate.sources.ldap")


class ServiceRefused(ServerDown):
    """The service account may not bind: other servers would refuse too, and count the failure."""


class Servers:
    """The servers in the order in which to try them: those that were just down come last."""

    def __init__(self, settings: LdapSettings) -> None:
        self._settings = settings
        self._servers = [Server.parse(url) for url in settings.servers]
        self._down_until: dict[Server, float] = {}

    def try_each(self, budget: Budget, work: Callable[[Server, Budget], R]) -> R:
        """Do the work with the first server that can. Raises ServerDown.

        Each has an equal part of the time, so that a silent one leaves some for the next. The
        fault is known if one was silent.
        """
        servers = self._in_order()
        fault = None
        for position, server in enumerate(servers):
            try:
                result = work(server, budget.share(len(servers) - position))
            except ServiceRefused as error:
                self._log_down(server, error)
                raise
            except ServerDown as error:
                self._down_until[server] = time.monotonic() + self._settings.circuit_seconds
                self._log_down(server, error)
                fault = SourceFault.SILENT if error.fault is SourceFault.SILENT else fault
            else:
                self._down_until.pop(server, None)
                return result
        raise ServerDown(said("no server has responded"), fault)

    def _in_order(self) -> list[Server]:
        now = time.monotonic()
        return sorted(self._servers, key=lambda server: self._down_until.get(server, 0.0) > now)

    def _log_down(self, server: Server, error: Exception) -> None:
        _log.warning(
            "ldap.server_down", source=self._settings.name, server=str(server), detail=str(error)
        )


class ServiceAccount:
    """Work under the service account, on pooled connections."""

    def __init__(self, settings: LdapSettings, terms: Terms) -> None:
        self._settings = settings
        self._terms = terms
        self._kept = _KeptConnections()

    def work(self, server: Server, budget: Budget, work: Callable[[LdapConnection], R]) -> R:
        """Return the work's result, or raise its exception, ServerDown or ServiceRefused.

        A pooled connection may have ended meanwhile: then everything is repeated on a new one.
        """
        kept = self._kept.take(server)
        if kept is not None:
            try:
                kept.renew(budget)
                return self._worked(server, kept, work)
            except ServerDown:
                pass
        return self._worked(server, self.connect(server, budget), work)

    def connect(self, server: Server, budget: Budget) -> LdapConnection:
        """A new connection, bound; the caller closes it. Raises ServerDown or ServiceRefused."""
        connection = LdapConnection.open(server, self._terms, budget)
        try:
            answer = connection.bind(self._settings.bind_dn, self._settings.bind_password)
        except BaseException:
            connection.close()
            raise
        if answer.accepted:
            return connection
        connection.close()
        reason = reason_of_refusal(answer, self._settings)
        malformed = answer.code == INVALID_DN_SYNTAX
        raise ServiceRefused(
            f"the service account is refused ({reason})",
            SourceFault.SERVICE_NAME_MALFORMED if malformed else SourceFault.SERVICE_REFUSED,
        )

    def close(self) -> None:
        self._kept.close()

    def _worked(
        self, server: Server, connection: LdapConnection, work: Callable[[LdapConnection], R]
    ) -> R:
        try:
            result = work(connection)
        except PersonDisabled:
            self._kept.keep(server, connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._kept.keep(server, connection)
        return result


class _KeptConnections:
    """Idle connections of the service account, the most recently used first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[Server, LdapConnection, float]] = []
        self._closed = False

    def take(self, server: Server) -> LdapConnection | None:
        """Take a connection to this server, if there is a recent one."""
        while (taken := self._pop(server)) is not None:
            connection, since = taken
            if time.monotonic() - since < _KEPT_FOR:
                return connection
            connection.close()
        return None

    def _pop(self, server: Server) -> tuple[LdapConnection, float] | None:
        with self._lock:
            for place in reversed(range(len(self._kept))):
                if self._kept[place][0] == server:
                    return self._kept.pop(place)[1:]
        return None

    def keep(self, server: Server, connection: LdapConnection) -> None:
        with self._lock:
            if not self._closed:
                self._kept.append((server, connection, time.monotonic()))
                return
        connection.close()

    def close(self) -> None:
        """Close idle connections, and those returned later."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
        for _, connection, _ in kept:
            connection.close()
