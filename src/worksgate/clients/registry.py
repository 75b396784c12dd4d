"""The registered clients, held in memory, and the authentication of their calls.

Calls of LINE WORKS look a client up in a snapshot of all of them, so an unknown client costs as
much as a known one (R-49). The database is queried only when the snapshot is too old, and then only
for changes (``directory.client_list``). An administrator's change takes effect everywhere within
``MAX_AGE``.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from worksgate.credentials.secrets import matches_any
from worksgate.database import DatabaseUnavailable
from worksgate.directory.branding_versions import (
    NOTHING_PUBLISHED,
    BrandingVersion,
    PublishedBrandings,
)
from worksgate.limits.networks import is_within, network_of
from worksgate.limits.rate_limit import RateLimit
from worksgate.oauth.errors import AccessDenied, Cause, TooManyWrongSecrets, UnauthorizedClient
from worksgate.oauth.logout import LogoutAddresses
from worksgate.oauth.model import Client, ErrorStatus, ErrorStyle, ImapPasswords

MAX_AGE = 0.2
"""Seconds for which a snapshot is valid."""
RENEW_AFTER = 0.75
"""The fraction of that time after which a call refreshes it in the background."""

WRONG_SECRETS_A_MINUTE = 3_000
"""Beyond this many for one client from one peer the response is 429 (R-48)."""

_NO_SECRETS: tuple[str, ...] = ("0" * 64, "1" * 64)
"""Compared with the secret sent for an unknown client, so that it costs the same (R-49)."""

Load = Callable[[], Awaitable[Mapping[str, Client]]]
"""Returns all current clients by ID; the same mapping if nothing has changed."""


@dataclass(frozen=True, slots=True)
class ClientsTogether:
    """What the enabled clients have in common, computed once per snapshot.

    It answers questions about all clients: no request iterates over ten thousand of them.
    """

    logout_addresses: LogoutAddresses
    mail_clients: Sequence[Client]
    """Those with the IMAP login enabled."""
    _own_passwords: frozenset[str | None]
    _rulers: Mapping[str | None, Sequence[Client]]
    _usable: Mapping[str | None, tuple[str, ...]]
    """The first two clients by source, None for those that everybody may use."""

    @classmethod
    def of(cls, clients: Iterable[Client]) -> Self:
        enabled = [each for each in clients if each.enabled]
        mail = [each for each in enabled if each.imap_login]
        by_own = [each for each in mail if each.imap_passwords is ImapPasswords.ALL]
        rulers: dict[str | None, dict[object, Client]] = {}
        usable: dict[str | None, list[str]] = {}
        for each in enabled:
            rules = (each.rules, each.second_factor, each.session_key_check)
            for source in _sources_of(each):
                rulers.setdefault(source, {}).setdefault(rules, each)
                usable.setdefault(source, []).append(each.client_id)
        return cls(
            LogoutAddresses.of(enabled),
            tuple(mail),
            frozenset(source for each in by_own for source in _sources_of(each)),
            {source: tuple(found.values()) for source, found in rulers.items()},
            {source: tuple(ids[:2]) for source, ids in usable.items()},
        )

    def takes_own_password(self, source: str) -> bool:
        """Whether a client accepts this source's people's own password in mail programs."""
        return not self._own_passwords.isdisjoint((source, None))

    def only_client_of(self, source: str) -> str | None:
        """The ID of the one client that people of a source may use; None if it is not one."""
        usable = (*self._usable.get(None, ()), *self._usable.get(source, ()))
        return usable[0] if len(usable) == 1 else None

    def rulers(self, source: str | None) -> Sequence[Client]:
        """The clients that people of a source may use, or None for those that everybody may use.

        Of clients with identical rules, one stands for all.
        """
        for_all = self._rulers.get(None, ())
        return for_all if source is None else (*for_all, *self._rulers.get(source, ()))


def _sources_of(client: Client) -> Sequence[str | None]:
    """The sources whose people may use a client; None stands for all sources."""
    return client.sources or (None,)


class ClientRegistry:
    """All clients by ``client_id``; ``load`` fetches them and may raise DatabaseUnavailable.

    ``brandings`` are those that it fetched with them.
    """

    def __init__(
        self,
        load: Load,
        *,
        brandings: Callable[[], PublishedBrandings] = lambda: NOTHING_PUBLISHED,
        max_age: float = MAX_AGE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._brandings = brandings
        self._max_age = max_age
        self._monotonic = monotonic
        self._clients: Mapping[str, Client] = {}
        self._forms: set[tuple[ErrorStyle, ErrorStatus]] = set()
        self._together: tuple[Mapping[str, Client], ClientsTogether] | None = None
        self._good_until = self._renew_at = float("-inf")
        self._read_at: float | None = None
        self._changes = 0
        self._loading: asyncio.Task[Mapping[str, Client]] | None = None
        self._wrong_secrets = RateLimit(WRONG_SECRETS_A_MINUTE)

    @property
    def count(self) -> int:
        """Number of clients at the last read."""
        return len(self._clients)

    @property
    def age(self) -> float | None:
        """Seconds since the last read, or None. It grows while there are no calls."""
        return None if self._read_at is None else self._monotonic() - self._read_at

    async def snapshot(self) -> Mapping[str, Client]:
        """All clients, at most ``max_age`` seconds old. Raises what ``load`` raises."""
        if (clients := self.current) is not None:
            return clients
        loading = self._renew()
        if self._monotonic() < self._good_until:
            return self._clients
        # A caller that is cancelled must not take the result from the others.
        return await asyncio.shield(loading)

    async def together(self) -> ClientsTogether:
        """What all clients of the snapshot have in common. Raises what ``load`` raises."""
        clients = await self.snapshot()
        if self._together is None or self._together[0] is not clients:
            self._together = (clients, ClientsTogether.of(clients.values()))
        return self._together[1]

    def branding(self, client_id: str) -> BrandingVersion | None:
        """The branding that an enabled client shows: a lookup in memory, as of the last read."""
        client = self._clients.get(client_id)
        shown = self._brandings().by_client.get(client_id)
        return shown if client is not None and client.enabled else None

    def branding_of_logo(self, logo_id: str) -> BrandingVersion | None:
        """The branding that shows this logo at present."""
        found = self._brandings().by_logo.get(logo_id)
        return None if found is None else self.branding(found.client_id)

    def expire(self) -> None:
        """Read the database at the next call: a change is known."""
        self._good_until = self._renew_at = float("-inf")
        self._loading = None  # it may have read before the change
        self._changes += 1

    def _renew(self) -> asyncio.Task[Mapping[str, Client]]:
        """The read that is in progress."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._refresh())
            # The caller may have been cancelled: then nobody else would retrieve the exception.
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._loading

    @property
    def current(self) -> Mapping[str, Client] | None:
        """The snapshot, if it need not be refreshed first."""
        return self._clients if self._monotonic() < self._renew_at else None

    def authenticate(
        self, clients: Mapping[str, Client], client_id: str, secret: str, peer: str, now: float
    ) -> Client:
        """The client that has this secret, enabled or not. Raises UnauthorizedClient."""
        client = clients.get(client_id)
        digests = _NO_SECRETS if client is None else _valid_digests(client, now)
        if not matches_any(secret, digests) or client is None:
            if self._wrong_secrets.exceeded(f"{client_id[:64]} {network_of(peer)}", now):
                raise TooManyWrongSecrets("far too many wrong secrets from this address")
            raise UnauthorizedClient("the client ID is unknown or the secret is wrong")
        return client

    async def error_form(self, client_id: str) -> tuple[ErrorStyle, ErrorStatus]:
        """The error style for a client.

        An unauthenticated caller gets the style that all clients share, if they do, so that the
        form of a response does not reveal whether a client exists (R-49).
        """
        with suppress(DatabaseUnavailable):  # use the last known state
            await self.snapshot()
        client = self._clients.get(client_id)
        if client is not None:
            return client.error_style, client.error_status
        forms = self._forms
        return next(iter(forms)) if len(forms) == 1 else (ErrorStyle.CODE, ErrorStatus.STANDARD)

    async def _refresh(self) -> Mapping[str, Client]:
        began, changes = self._monotonic(), self._changes
        clients = await self._load()
        if changes == self._changes:
            if clients is not self._clients:
                self._forms = {(each.error_style, each.error_status) for each in clients.values()}
            self._clients, self._read_at = clients, began
            self._good_until = began + self._max_age
            self._renew_at = began + self._max_age * RENEW_AFTER
        return clients


def check_admitted(client: Client, address: str) -> None:
    """Admit an authenticated client. Raises AccessDenied."""
    if not client.enabled:
        raise AccessDenied("the client is disabled")
    if client.allowed_addresses and not is_within(address, client.allowed_addresses):
        raise AccessDenied(
            "the source address is not on the client's allowlist", Cause.ADDRESS_NOT_ALLOWED
        )


def _valid_digests(client: Client, now: float) -> tuple[str, ...]:
    secrets = client.secrets
    return tuple([each.digest for each in secrets if not each.expires_at or now < each.expires_at])
