"""Clients as a file says they should be: what is missing is added, what differs is changed.

A setting that is not named stays as it is, and so does a client that is not: nothing is ever
removed. The whole file is checked before anything is changed; each client is then one change, on
the version that was compared, so that applying the same file again goes on where it stopped. How a
sign-in page looks is published at once, unless somebody works on a draft of it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from worksgate.administration.branding import BrandingAdministration
from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.errors import NotFound, Outdated, Refused
from worksgate.catalogues import LANGUAGES
from worksgate.clients.branding import NO_TEXTS, PLAIN, TEXT_NAMES, Branding, checked
from worksgate.credentials.usernames import username_key
from worksgate.oauth.model import Client

MOST: Final = 10_000
"""Clients of one file."""
_NOT_SET: Final = frozenset(("client_id", "version", "secrets", "urls"))
"""What a list of clients has besides their settings."""
_LOOK: Final = "branding"
"""How the sign-in page looks, beside the settings; its logo stays as it is."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is to be changed; of a new client ``before`` is its default."""

    setting: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Look:
    """How a sign-in page is to look; ``number`` is that of the version before, 0 without one."""

    branding: Branding
    number: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a file wants of one client; ``client`` is None for one that is to be added.

    ``look`` is None if that stays as it is.
    """

    name: str
    client: Client | None
    settings: tuple[Difference, ...]
    values: Mapping[str, Any] = field(repr=False)
    look: Look | None = None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that is to be changed."""
        return (*self.settings, *(() if self.look is None else self.look.differences))

    @property
    def action(self) -> str:
        if self.client is None:
            return "add"
        return "change" if self.differences else "keep"

    def document(self) -> dict[str, Any]:
        """What is to be done, as JSON has it."""
        return {
            "name": self.name,
            "client_id": None if self.client is None else self.client.client_id,
            "action": self.action,
            "settings": [
                {"setting": one.setting, "before": _plain(one.before), "after": _plain(one.after)}
                for one in self.differences
            ],
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to one client; ``made`` has the secret of one that was added."""

    planned: Planned
    client: Client
    made: NewClient | None = None

    def document(self) -> dict[str, Any]:
        """What was done, as JSON has it; of a new client also its addresses, never its secret."""
        urls = {} if self.made is None else {"urls": dict(self.made.urls)}
        return {**self.planned.document(), "client_id": self.client.client_id, **urls}


def plan_id(planned: Sequence[Planned]) -> str:
    """A digest of a plan: the same as long as file and clients are the same."""
    parts = [
        [
            each.document(),
            None if each.client is None else each.client.version,
            None if each.look is None else each.look.number,
        ]
        for each in planned
    ]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ApplyAdministration:
    """Compares clients with a file, and makes them so."""

    def __init__(self, clients: ClientAdministration, branding: BrandingAdministration) -> None:
        self._clients = clients
        self._branding = branding

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
            made = None
            if each.client is None:
                made = await self._clients.add(**each.values)
                client = made.client
            elif each.settings:
                client = await self._clients.change(
                    each.client.client_id,
                    expected_version=each.client.version,
                    **{one.setting: one.after for one in each.settings},
                )
            else:
                client = each.client
            if made is not None:  # its secret is nowhere else, whatever fails afterwards
                yield Applied(each, client, made)
            if each.look is not None:
                await self._publish(client.client_id, each.look)
            if made is None:
                yield Applied(each, client)

    async def _publish(self, client_id: str, look: Look) -> None:
        wanted = look.branding
        await self._branding.save(
            client_id,
            expected=look.number,
            name=wanted.name,
            light=wanted.light,
            dark=wanted.dark,
            texts=wanted.texts,
        )
        found = await self._branding.of_client(client_id)
        if found.edited.content() != wanted.content():
            raise Outdated(f"somebody else has changed how the pages of {found.client.name} look")
        await self._branding.publish(client_id, expected=found.number)

    async def _planned(self, wanted: object) -> Planned:
        if not isinstance(wanted, Mapping):
            raise Refused("each client is a table of settings")
        values = {name: value for name, value in wanted.items() if name not in (*_NOT_SET, _LOOK)}
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
        look = await self._look(name, client, wanted[_LOOK]) if _LOOK in wanted else None
        return Planned(name, client, differences, read, look)

    async def _look(self, name: str, client: Client | None, wanted: object) -> Look | None:
        """How a page is to look, if that is not as it does. Raises Refused."""
        found = None if client is None else await self._branding.of_client(client.client_id)
        shown = PLAIN if found is None or found.shown is None else found.shown.branding
        try:
            branding = checked(branding_with(shown, wanted))
        except ValueError as problem:
            raise Refused(f"{name}: {_LOOK}: {problem}") from None
        before, after = _flat(shown), _flat(branding)
        differences = tuple(
            Difference(setting, before.get(setting, ""), after.get(setting, ""))
            for setting in sorted(before.keys() | after.keys())
            if before.get(setting, "") != after.get(setting, "")
        )
        if not differences:
            return None
        if found is not None and found.draft is not None:
            raise Refused(f"{name}: {_LOOK}: there is a draft: publish or discard it first")
        return Look(branding, 0 if found is None else found.number, differences)

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


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def branding_with(branding: Branding, wanted: object) -> Branding:
    """A branding with what a file names of it: name, light, dark, and texts by language.

    Raises Refused.
    """
    if not isinstance(wanted, Mapping):
        raise Refused("it is a table")
    own: dict[str, Any] = _texts_in(wanted, ("name", "light", "dark", "texts"), {"texts"})
    texts = dict(branding.texts)
    given = wanted.get("texts", {})
    if not isinstance(given, Mapping):
        raise Refused("texts is a table of languages")
    for language, each in given.items():
        if language not in LANGUAGES or not isinstance(each, Mapping):
            raise Refused(f"texts has a table for each of {', '.join(LANGUAGES)}")
        texts[language] = replace(
            texts.get(language, NO_TEXTS), **_texts_in(each, TEXT_NAMES, frozenset())
        )
    return replace(branding, **own, texts=texts)


def _texts_in(
    table: Mapping[str, Any], known: Collection[str], tables: Collection[str]
) -> dict[str, str]:
    """The texts of a table. Raises Refused for others than are known, and for no text."""
    for name, value in table.items():
        if name not in known:
            raise Refused(f"there is no {name!r}; known are {', '.join(known)}")
        if name not in tables and not isinstance(value, str):
            raise Refused(f"{name} must be text")
    return {name: value for name, value in table.items() if name not in tables}


def _flat(branding: Branding) -> dict[str, str]:
    """What can be named in a file, each by its path."""
    texts = {
        f"{_LOOK}.texts.{language}.{name}": getattr(each, name)
        for language, each in branding.texts.items()
        for name in TEXT_NAMES
    }
    own = {f"{_LOOK}.{name}": getattr(branding, name) for name in ("name", "light", "dark")}
    return {**own, **texts}
