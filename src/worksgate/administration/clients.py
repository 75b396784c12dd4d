"""Clients: the tenants of LINE WORKS, their secrets and their settings.

A disabled client is refused at every call until it is enabled again; its unexpired artifacts are
valid again then. A removed client is unknown, with everything it held.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Outdated, Refused, found, refusals
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import AuditEvent, Event
from worksgate.catalogues import sentence_of
from worksgate.clients.validation import (
    LINE_WORKS_ORIGIN,
    PROFILE_DEFAULTS,
    check_client,
    problems_of,
    read_changes,
)
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.directory.change_log import Author
from worksgate.directory.database import Directory
from worksgate.oauth.model import Client, ClientSecret, Profile, UserKey
from worksgate.settings.options import Settings

_LONGEST_OVERLAP = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client and its new secret, which is shown once and not stored."""

    client: Client
    client_secret: str = field(repr=False)
    urls: Mapping[str, str]


class ClientAdministration:
    """The clients of an installation; every change is recorded in the audit log."""

    def __init__(self, settings: Settings, directory: Directory, actor: Actor) -> None:
        self._settings = settings
        self._directory = directory
        self._actor = actor

    def urls(self, client_id: str) -> dict[str, str]:
        """The addresses for the Developer Console; ``imap_login`` is off until it is wanted."""
        settings, base = self._settings, self._settings.public_url.rstrip("/")
        return {
            "web_login": base + settings.web_login_path,
            "app_login": base + settings.web_login_path,
            "access_token": base + settings.access_token_path,
            "user_info": base + settings.user_info_path,
            "imap_login": f"{base}{settings.imap_login_path}/{client_id}",
            "logout": base + settings.logout_path,
        }

    @retried_on_conflict
    async def add(
        self,
        /,
        name: str,
        *,
        profile: Profile = Profile.LINE_WORKS,
        redirect_uris: Iterable[str] = (),
        user_key: UserKey | None = None,
        **changes: Any,
    ) -> NewClient:
        """Register a LINE WORKS tenant, with the defaults of its profile.

        Without ``redirect_uris`` codes may be sent to LINE WORKS' own address. ID and secret are
        generated here, never chosen (R-46). Raises Refused or Conflict.
        """
        values_given: dict[str, Any] = {**changes, "name": name, "profile": profile}
        values_given["redirect_uris"] = tuple(redirect_uris) or (LINE_WORKS_ORIGIN,)
        if user_key is not None:
            values_given["user_key"] = user_key
        secret = new_secret()
        with refusals():
            values = read_changes(values_given)
            client = self._checked(
                Client(
                    client_id=new_id(),
                    secrets=(ClientSecret(digest(secret), created_at=self._actor.now()),),
                    **{**PROFILE_DEFAULTS[values["profile"]], **values},
                )
            )
        author = self._actor.author()
        async with self._directory.changing(author) as transaction:
            client = await transaction.add_client(client)
            await transaction.record(self._client_event(client, "added", author))
        return NewClient(client, secret, self.urls(client.client_id))

    async def all(self) -> tuple[Client, ...]:
        """All clients, by name."""
        return await self._directory.clients()

    async def page(
        self, text: str = "", after: str | None = None, *, limit: int
    ) -> tuple[Client, ...]:
        """The next clients by name, after the one with this name; ``text`` is part of theirs.

        The ID of a client is a text that only it has.
        """
        return await self._directory.clients_page(text, after, limit)

    async def get(self, name_or_id: str) -> Client:
        """The client with this id or name. Raises NotFound."""
        return found(await self._directory.client(name_or_id), "client", name_or_id)

    async def chosen(self, name_or_id: str | None) -> Client:
        """The client with this id or name, or without one the only enabled client.

        Raises NotFound, or Refused.
        """
        return await chosen_client(self._directory, name_or_id)

    async def of_source(self, source: str) -> list[Client]:
        """The enabled clients that people of this source may use, by name."""
        enabled = [each for each in await self.all() if each.enabled]
        return [each for each in enabled if not each.sources or source in each.sources]

    async def change(
        self,
        name_or_id: str,
        /,
        *,
        expected_version: int | None = None,
        undoes: int | None = None,
        **changes: Any,
    ) -> Client:
        """Change settings of a client: any but ids and secrets.

        ``expected_version`` is that of the client whose values the caller has seen; ``undoes`` is
        the number of the change that this one undoes. Raises NotFound, Refused, Conflict, or
        Outdated if the client has changed since.
        """
        with refusals():
            values = read_changes(changes)
        return await self._change(
            name_or_id,
            f"set {', '.join(sorted(values))}",
            lambda client: replace(client, **values),
            expected_version=expected_version,
            undoes=undoes,
        )

    def read(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a client with their types. Raises Refused."""
        with refusals():
            return read_changes(changes)

    def blank(self, changes: Mapping[str, Any]) -> Client:
        """A client of the profile that is chosen with nothing set, to compare a new one with."""
        profile = self.read({"profile": changes.get("profile", Profile.LINE_WORKS)})["profile"]
        return Client(
            client_id="",
            name="",
            redirect_uris=(LINE_WORKS_ORIGIN,),
            **{**PROFILE_DEFAULTS[profile], "profile": profile},
        )

    def problems(self, client: Client, changes: Mapping[str, Any]) -> dict[str, str]:
        """What a client cannot be changed to, by field: a sentence for each; empty if it can."""
        found: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name, value in changes.items():
            try:
                values |= read_changes({name: value})
            except ValueError as problem:
                found[name] = sentence_of(problem)
        changed = replace(client, **values)
        return {**problems_of(changed, loopback=self._settings.is_loopback), **found}

    async def rotate_secret(
        self, name_or_id: str, *, overlap: float, expected_version: int | None = None
    ) -> NewClient:
        """Give a client a new secret; the previous one stays valid for ``overlap`` seconds.

        At most two are valid at once (R-47): one left from an earlier rotation ends now.
        ``expected_version`` is as for ``change``. Raises NotFound, Refused or Outdated.
        """
        if not (math.isfinite(overlap) and 0 <= overlap <= _LONGEST_OVERLAP):
            raise Refused("the overlap must be a number of seconds, at most a year")
        secret, now = new_secret(), self._actor.now()

        def rotated(client: Client) -> Client:
            kept = _outgoing(client.secrets, now, now + overlap) if overlap else ()
            return replace(client, secrets=(*kept, ClientSecret(digest(secret), created_at=now)))

        client = await self._change(
            name_or_id, "secret rotated", rotated, expected_version=expected_version
        )
        return NewClient(client, secret, self.urls(client.client_id))

    async def disable(self, name_or_id: str, *, expected_version: int | None = None) -> Client:
        """Refuse a client's calls and sign-ins from now on.

        Raises NotFound, or Outdated as ``change``.
        """
        return await self._change(
            name_or_id,
            "disabled",
            lambda client: replace(client, enabled=False),
            expected_version=expected_version,
        )

    async def enable(self, name_or_id: str, *, expected_version: int | None = None) -> Client:
        """Enable a client again. Raises NotFound, or Outdated as ``change``."""
        return await self._change(
            name_or_id,
            "enabled",
            lambda client: replace(client, enabled=True),
            expected_version=expected_version,
        )

    @retried_on_conflict
    async def remove(self, name_or_id: str) -> Client:
        """Remove a client; its ID is never reused. Raises NotFound."""
        author = self._actor.author()
        async with self._directory.changing(author) as transaction:
            client = found(await transaction.client(name_or_id), "client", name_or_id)
            await transaction.remove_client(client)
            await transaction.record(self._client_event(client, "removed", author))
        return client

    @retried_on_conflict
    async def _change(
        self,
        name_or_id: str,
        detail: str,
        change: Callable[[Client], Client],
        *,
        expected_version: int | None = None,
        undoes: int | None = None,
    ) -> Client:
        author = self._actor.author(undoes=undoes)
        async with self._directory.changing(author) as transaction:
            before = found(await transaction.client(name_or_id), "client", name_or_id)
            if expected_version not in (None, before.version):
                raise Outdated(f"{before.name} has been changed by somebody else meanwhile")
            with refusals():
                after = self._checked(change(before))
            if after == before:
                return before
            after = await transaction.change_client(before, after)
            await transaction.record(self._client_event(after, author.detail(detail), author))
        return after

    def _checked(self, client: Client) -> Client:
        return check_client(client, loopback=self._settings.is_loopback)

    def _client_event(self, client: Client, detail: str, author: Author) -> AuditEvent:
        return self._actor.event(
            Event.CLIENT_CHANGED,
            f"{client.name}: {detail}",
            client_id=client.client_id,
            at=author.at,
        )


async def chosen_client(directory: Directory, name_or_id: str | None) -> Client:
    """The client with this id or name, or without one the only enabled client.

    Raises NotFound, or Refused.
    """
    if name_or_id is not None:
        return found(await directory.client(name_or_id), "client", name_or_id)
    clients = [each for each in await directory.clients() if each.enabled]
    if not clients:
        raise Refused("there is no client that is enabled; add one first")
    if len(clients) > 1:
        names = ", ".join(each.name for each in clients[:10])
        raise Refused(f"there are several clients; name one of {names}")
    return clients[0]


def _outgoing(
    secrets: tuple[ClientSecret, ...], now: float, until: float
) -> tuple[ClientSecret, ...]:
    """The newest secret that is still valid, ending no later than ``until``."""
    valid = [secret for secret in secrets if secret.expires_at is None or secret.expires_at > now]
    if not valid:
        return ()
    newest = max(valid, key=lambda secret: secret.created_at)
    return (replace(newest, expires_at=min(newest.expires_at or until, until)),)
