"""Clients as a file says they should be: what is missing is added, what differs is changed.

A setting that is not named stays as it is, and so does a client that is not: nothing is ever
removed. The whole file is checked before anything is changed; each client is then one change, on
the version that was compared, so that applying the same file again goes on where it stopped.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.errors import NotFound, Refused
from worksgate.credentials.usernames import username_key
from worksgate.oauth.model import Client

MOST: Final = 10_000
"""Clients of one file."""
_NOT_SET: Final = frozenset(("client_id", "version", "secrets", "urls"))
"""What a list of clients has besides their settings."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is to be changed; of a new client ``before`` is its default."""

    setting: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Planned:
    """What a file wants of one client; ``client`` is None for one that is to be added."""

    name: str
    client: Client | None
    differences: tuple[Difference, ...]
    values: Mapping[str, Any] = field(repr=False)

    @property
    def action(self) -> str:
        if self.client is None:
            return "add"
        return "change" if self.differences else "keep"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to one client; ``made`` has the secret of one that was added."""

    planned: Planned
    client: Client
    made: NewClient | None = None


class ApplyAdministration:
    """Compares clients with a file, and makes them so."""

    def __init__(self, clients: ClientAdministration) -> None:
        self._clients = clients

    async def plan(self, wanted: Sequence[object]) -> list[Planned]:
        """What would be done, in the order of the file.

        A client is found by ``client_id``, or else by its ``name``. Raises NotFound, or Refused
        with what is wrong.
        """
        if len(wanted) > MOST:
            raise Refused(f"a file has at most {MOST} clients")
        planned = [await self._planned(each) for each in wanted]
        named = Counter(username_key(each.name) for each in planned)
        found = Counter[str | None](
            each.client.client_id for each in planned if each.client is not None
        )
        for each in planned:
            client_id = None if each.client is None else each.client.client_id
            if named[username_key(each.name)] > 1 or found[client_id] > 1:
                raise Refused(f"{each.name} is there twice")
        return planned

    async def apply(self, planned: Sequence[Planned]) -> AsyncIterator[Applied]:
        """Do it, one client after the other; those that are as wanted are left alone.

        Raises Refused or Conflict, or Outdated for a client that has changed since.
        """
        for each in planned:
            if each.client is None:
                made = await self._clients.add(**each.values)
                yield Applied(each, made.client, made)
            elif each.differences:
                changed = await self._clients.change(
                    each.client.client_id,
                    expected_version=each.client.version,
                    **{one.setting: one.after for one in each.differences},
                )
                yield Applied(each, changed)
            else:
                yield Applied(each, each.client)

    async def _planned(self, wanted: object) -> Planned:
        if not isinstance(wanted, Mapping):
            raise Refused("each client is a table of settings")
        values = {name: value for name, value in wanted.items() if name not in _NOT_SET}
        client = await self._found(wanted)
        name = values.get("name") or (client.name if client is not None else "")
        if not isinstance(name, str) or not name:
            raise Refused("each client has a name")
        compared = client or self._clients.blank(values)
        for setting, problem in self._clients.problems(compared, values).items():
            raise Refused(f"{name}: {setting}: {problem}")
        await self._check_free(name, client)
        read = self._clients.read(values)
        differences = tuple(
            Difference(setting, getattr(compared, setting), value)
            for setting, value in read.items()
            if getattr(compared, setting) != value
        )
        return Planned(name, client, differences, read)

    async def _check_free(self, name: str, client: Client | None) -> None:
        """Raise Refused for a name that means another client: it would be refused too late."""
        try:
            holder = await self._clients.get(name)
        except NotFound:
            return
        if client is None or holder.client_id != client.client_id:
            raise Refused(f"{name}: that is another client, {holder.name} ({holder.client_id})")

    async def _found(self, wanted: Mapping[str, Any]) -> Client | None:
        client_id, name = wanted.get("client_id"), str(wanted.get("name", ""))
        if client_id is not None:
            client = await self._clients.get(str(client_id))
            if client.client_id != client_id:
                raise NotFound(f"there is no client {client_id!r}")
            return client
        try:
            client = await self._clients.get(name)
        except NotFound:
            return None
        return client if client.name == name else None
