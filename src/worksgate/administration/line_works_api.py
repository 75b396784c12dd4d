"""The LINE WORKS API of a client: the app that Worksgate uses there, and whether it works.

Its secrets are set, replaced and removed, and never shown.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from worksgate.administration.actor import Actor
from worksgate.administration.errors import NotFound, Refused, found, refusals
from worksgate.audit import AuditEvent, Event
from worksgate.directory.database import Directory
from worksgate.limits.egress import Egress
from worksgate.line_works_api.app import AUDIT, BOT_SCOPES, READ, USER, WRITE, ApiApp
from worksgate.line_works_api.errors import AccessRefused, ApiError
from worksgate.line_works_api.hosts import Hosts, NoHosts
from worksgate.line_works_api.pacing import Sleep
from worksgate.line_works_api.private_key import fingerprint
from worksgate.oauth.model import Client
from worksgate.settings.assumptions import Assumptions
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.line_works_api.directory_api import DirectoryApi

Send = Callable[["DirectoryApi"], Awaitable["Tested"]]
"""Has a bot send a message, and says whether LINE WORKS took it."""
Opener = Callable[[ApiApp, Hosts], "DirectoryApi"]
"""Opens the API as an app; tests have one that does not pace."""

_NO_APP = "has no app of the LINE WORKS API: worksgate line-works-api set"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownApp:
    """An app without its secrets. ``key`` is a fingerprint of the public key (SHA-256, hex).

    ``problem`` is why the API cannot be called, if the settings are why.
    """

    client: str
    app_client_id: str
    service_account: str
    scopes: tuple[str, ...]
    key: str
    domains: tuple[int, ...]
    api: str | None
    auth: str | None
    downloads: str | None
    scim: str | None
    problem: str | None
    set_at: float
    actor: str | None


class Step(StrEnum):
    """What a test of the API goes through, in this order."""

    KEY = auto()
    TOKEN = auto()
    SCOPE = auto()
    LISTING = auto()
    """Only with a scope for the directory."""
    MESSAGE = auto()
    """Only if it was wished."""


@dataclass(frozen=True, slots=True)
class Tested:
    """Whether a step works, in a sentence."""

    step: Step
    works: bool
    text: str


@dataclass(frozen=True, slots=True)
class Access:
    """What is needed to call the API of a client."""

    client: Client
    app: ApiApp
    hosts: Hosts
    opener: Opener
    sleep: Sleep = asyncio.sleep

    def open(self) -> "DirectoryApi":
        """The API, as an asynchronous context manager; its methods may raise ApiError."""
        return self.opener(self.app, self.hosts)

    def check_may(self, scope: str) -> None:
        """Raise Refused unless the app has this scope, or one that includes it."""
        allowed = (scope, WRITE) if scope == READ else (scope,)
        if not self.app.has_any(*allowed):
            raise Refused(
                f"the app of {self.client.name} lacks the scope {scope}: tick it in the Developer "
                "Console, then set the app with it again"
            )


class LineWorksApiAdministration:
    """The apps; every method may raise DatabaseUnavailable."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        actor: Actor,
        opener: Opener | None = None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._apps = directory.line_works_apps
        self._actor = actor
        self.assumed = Assumptions.of(settings.line_works_assumptions)
        egress = Egress(settings.outgoing_proxy, settings.outgoing_ca_file)
        self._opener = opener or partial(_opened, egress, self.assumed)

    async def set(self, client_name: str, app: ApiApp) -> Client:
        """Keep the app of a client, in place of an earlier one.

        Raises NotFound, or MasterKeyMissing if no master key is in force.
        """
        client = await self._client(client_name)
        detail = f"the app of the LINE WORKS API was set: scopes {' '.join(app.scopes)}"
        await self._apps.keep(client.client_id, app, self._event(client, detail))
        return client

    async def show(self, client_name: str) -> ShownApp:
        """The app of a client, without its secrets. Raises NotFound or MasterKeyMissing."""
        client = await self._client(client_name)
        kept = await self._apps.find(client.client_id)
        if kept is None:
            raise NotFound(f"{client.name} {_NO_APP}")
        hosts, problem = self._hosts(client)
        return ShownApp(
            client=client.name,
            app_client_id=kept.app.client_id,
            service_account=kept.app.service_account,
            scopes=kept.app.scopes,
            key=fingerprint(kept.app.private_key),
            domains=kept.app.domains,
            api=None if hosts is None else hosts.api,
            auth=None if hosts is None else hosts.auth,
            downloads=None if hosts is None else hosts.downloads or None,
            scim=None if hosts is None else hosts.scim or None,
            problem=problem,
            set_at=kept.set_at,
            actor=kept.actor,
        )

    async def remove(self, client_name: str) -> Client:
        """Forget the app of a client. Raises NotFound."""
        client = await self._client(client_name)
        event = self._event(client, "the app of the LINE WORKS API was removed")
        if not await self._apps.remove(client.client_id, event):
            raise NotFound(f"{client.name} {_NO_APP}")
        return client

    async def client_ids(self) -> frozenset[str]:
        """The clients that have an app."""
        return await self._apps.client_ids()

    async def access(self, client_name: str | None = None) -> Access:
        """What is needed to call the API of a client; without a name, of the only one with an app.

        Raises NotFound, Refused or MasterKeyMissing.
        """
        client = await self._client(client_name)
        kept = await self._apps.find(client.client_id)
        if kept is None:
            raise NotFound(f"{client.name} {_NO_APP}")
        with refusals():
            hosts = Hosts.of(self._settings, client.profile)
        return Access(client, kept.app, hosts, self._opener)

    async def test(
        self, client_name: str | None = None, message: Send | None = None
    ) -> AsyncIterator[Tested]:
        """What works, step by step; it ends after the first step that does not.

        ``message`` is what has the bot send a message, in the last step; otherwise nothing is
        changed at LINE WORKS. Raises NotFound, Refused or MasterKeyMissing.
        """
        access = await self.access(client_name)
        yield Tested(
            Step.KEY, works=True, text=f"the private key can be read: {_key_of(access.app)}"
        )
        async with access.open() as api:
            try:
                scopes = await api.authenticate()
            except ApiError as error:
                yield Tested(Step.TOKEN, works=False, text=str(error))
                return
            yield Tested(Step.TOKEN, works=True, text=f"{access.hosts.auth} gives an access token")
            scope = _tested_scope(scopes)
            yield scope
            if not scope.works:
                return
            if not scopes.isdisjoint((READ, WRITE)):
                listing = await _tested_listing(api)
                yield listing
                if not listing.works:
                    return
            if message is not None:
                yield await message(api)

    async def _client(self, name: str | None) -> Client:
        if name is not None:
            return found(await self._directory.client(name), "client", name)
        ids = await self._apps.client_ids()
        clients = await self._directory.clients() if ids else ()
        having = [each for each in clients if each.client_id in ids]
        if len(having) == 1:
            return having[0]
        if having:
            names = ", ".join(each.name for each in having[:10])
            raise Refused(f"several clients have an app of the LINE WORKS API; name one of {names}")
        raise Refused("no client has an app of the LINE WORKS API: worksgate line-works-api set")

    def _hosts(self, client: Client) -> tuple[Hosts | None, str | None]:
        try:
            return Hosts.of(self._settings, client.profile), None
        except NoHosts as problem:
            return None, str(problem)

    def _event(self, client: Client, detail: str) -> AuditEvent:
        return self._actor.event(Event.CLIENT_CHANGED, detail, client_id=client.client_id)


_ALLOWED: Final = {
    WRITE: "it may read and write external keys",
    READ: f"it may read; {WRITE} is needed to write external keys and sign people out",
    USER: "it may suspend people and sign them out",
    AUDIT: "it may download the audit log",
    **dict.fromkeys(BOT_SCOPES, "its bots may send messages"),
}


def _tested_scope(scopes: frozenset[str]) -> Tested:
    """What the granted scopes allow."""
    known = [each for each in _ALLOWED if each in scopes and not (each == READ and WRITE in scopes)]
    if known:
        text = "; ".join(f"{each}: {_ALLOWED[each]}" for each in known)
        return Tested(Step.SCOPE, works=True, text=text)
    granted = " ".join(sorted(scopes)) or "none"
    text = f"none of {', '.join(_ALLOWED)} was granted ({granted}); the free plan has no directory"
    return Tested(Step.SCOPE, works=False, text=text)


async def _tested_listing(api: "DirectoryApi") -> Tested:
    try:
        async for _ in api.key_holders(has_key=False):
            break
    except AccessRefused as error:
        text = f"{error}; the plan may lack the Directory API"
        return Tested(Step.LISTING, works=False, text=text)
    except ApiError as error:
        return Tested(Step.LISTING, works=False, text=str(error))
    return Tested(Step.LISTING, works=True, text="the list of external keys can be read")


def _key_of(app: ApiApp) -> str:
    return f"SHA-256 {fingerprint(app.private_key)[:16]}…"


def _opened(egress: Egress, assumed: Assumptions, app: ApiApp, hosts: Hosts) -> "DirectoryApi":
    from worksgate.line_works_api.directory_api import DirectoryApi

    return DirectoryApi.opened(app, hosts, transport=egress.transport(), assumed=assumed)
