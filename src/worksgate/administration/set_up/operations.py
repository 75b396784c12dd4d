"""The set-up as operations: every answer and result is kept here, with an audit record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from worksgate.administration.actor import Actor
from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.errors import NotFound, Outdated, Refused
from worksgate.administration.set_up.console_values import (
    ASKED,
    NAMES,
    ConsoleField,
    answer_name,
    console_fields,
    suspicious,
)
from worksgate.administration.set_up.outside_check import Outside, command, judge
from worksgate.administration.set_up.steps import SOURCE_PREFIX, SetUp
from worksgate.administration.set_up.trial import PATIENCE, TRIALS, Trial, spans_of, with_span
from worksgate.audit import Event
from worksgate.directory.database import Directory
from worksgate.directory.people_list import PeopleFilter
from worksgate.directory.wizard_answers import Answer
from worksgate.oauth.model import DAY, Client, Profile, UserKey
from worksgate.settings.options import Settings

LONGEST: Final = 500
"""Characters of a finding that are kept."""
MOST_FINDINGS: Final = 20
SEVERITIES: Final = ("ok", "warn", "fail")
"""Those of ``doctor``, which builds on this room; the worst is the last."""
ANY_CLIENT: Final = "urls"
NOT_SAID: Final[Mapping[str, Sequence[tuple[str, str]]]] = MappingProxyType({})


class Plan(StrEnum):
    """What the tenant pays for: only a paid plan has the Directory API."""

    FREE = auto()
    PAID = auto()
    UNKNOWN = auto()


class ConsoleLanguage(StrEnum):
    """The language of the Developer Console, by which its menus are named."""

    EN = auto()
    JA = auto()
    KO = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCount:
    """How many people of all sources have a usable key of the client's kind, and why others don't.

    ``twins`` share theirs with somebody, ``refused`` have one that cannot be used or belongs to
    somebody else. ``unasked`` are sources that could not be counted.
    """

    people: int = 0
    ready: int = 0
    none: int = 0
    twins: int = 0
    refused: int = 0
    unasked: tuple[str, ...] = ()

    def __add__(self, other: "KeyCount") -> "KeyCount":
        return KeyCount(
            people=self.people + other.people,
            ready=self.ready + other.ready,
            none=self.none + other.none,
            twins=self.twins + other.twins,
            refused=self.refused + other.refused,
            unasked=(*self.unasked, *other.unasked),
        )


class SetUpAdministration:
    """Reads how far the set-up is, and keeps what was answered and found.

    Every method may raise DatabaseUnavailable.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        clients: ClientAdministration,
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._clients = clients
        self._actor = actor

    async def overview(self) -> SetUp:
        """What is known of the set-up."""
        answers = await self._directory.set_up.answers()
        clients = await self._clients.all()
        client = _chosen(clients, answers.get("client"))
        people = await self._directory.people_list.count(PeopleFilter())
        known: dict[str, Any] = {}
        if client is not None:
            spans = spans_of(answers.get(TRIALS), client.client_id)
            seen = await self._directory.set_up.last_events(client.client_id, spans)
            urls = self._clients.urls(client.client_id)
            known["fields"] = console_fields(client, urls, seen, answers)
            known["suspicious"] = suspicious(seen, self._actor.now())
        return SetUp(
            public_url=self._settings.public_url,
            answers=answers,
            clients=clients,
            client=client,
            people=people,
            **known,
        )

    async def has_client(self) -> bool:
        """Whether there is a client at all."""
        return bool(await self._clients.all())

    async def place(
        self, *, profile: str, domain: str, plan: str, language: str, expected_version: int
    ) -> None:
        """Keep where the tenant is; an existing client gets the domain.

        ``expected_version`` is that of the client that the caller has seen; no two clients have
        the same. Raises Refused for a product, a plan or a language that does not exist, or a bad
        domain; Outdated if the client has changed since, or is another one.
        """
        if (
            profile not in list(Profile)
            or plan not in list(Plan)
            or language not in list(ConsoleLanguage)
        ):
            raise Refused("there is no such product, plan or language")
        domain = domain.strip().lower()
        client = (await self.overview()).client
        if client is not None and domain and domain != client.domain:
            await self._clients.change(
                client.client_id, expected_version=expected_version, domain=domain
            )
        value = {"profile": profile, "domain": domain, "plan": plan, "language": language}
        await self._keep("where", value, f"{profile}, plan {plan}, domain {domain or 'unknown'}")

    async def choose_key(self, kind: str, *, expected_version: int) -> None:
        """Keep which user key LINE WORKS gets; an existing client is changed at once.

        ``expected_version`` is as for ``place``. Raises Refused or Outdated.
        """
        if kind not in list(UserKey):
            raise Refused("there is no such kind of user key")
        client = (await self.overview()).client
        if client is not None and client.user_key.value != kind:
            await self._clients.change(
                client.client_id, expected_version=expected_version, user_key=kind
            )
        await self._keep("key_kind", {"kind": kind}, f"the user key is the {kind}")

    async def choose_client(self, client_id: str) -> None:
        """Set up this client from now on. Raises NotFound."""
        client = await self._clients.get(client_id)
        await self._keep("client", {"id": client.client_id}, f"goes on with {client.name}")

    async def create_client(self, name: str) -> NewClient:
        """Register the tenant with what was answered so far; its secret is in the result only.

        Raises Refused or Conflict.
        """
        known = await self.overview()
        if known.client is not None:
            raise Refused(f"there is a client already: {known.client.name}")
        new = await self._clients.add(
            name.strip(),
            profile=known.profile,
            user_key=known.user_key,
            domain=known.domain or None,
        )
        await self._keep("client", {"id": new.client.client_id}, f"goes on with {new.client.name}")
        return new

    async def renew_secret(self, made_at: float) -> NewClient:
        """A new secret of the client; the one before it stays valid for a day.

        ``made_at`` is when the secret was made that the caller replaces: a form that is sent twice
        would end the one that LINE WORKS has. Raises NotFound or Outdated.
        """
        client = (await self.overview()).client
        if client is None:
            raise NotFound("there is no client yet")
        if made_at != newest_secret_at(client):
            raise Outdated("the secret has been renewed meanwhile")
        return await self._clients.rotate_secret(client.client_id, overlap=DAY)

    async def confirm(self, name: str, *, is_so: bool) -> None:
        """Keep what somebody says about a field that cannot be seen from here.

        Raises NotFound or Refused.
        """
        client = (await self.overview()).client
        if client is None:
            raise NotFound("there is no client yet")
        if name not in [each.value for each in ASKED]:
            raise Refused("this field is not asked about")
        field = ConsoleField(name)
        value = {"client": client.client_id, "is_so": is_so}
        says = "is as it must be" if is_so else "is not as it must be"
        await self._keep(answer_name(field), value, f"{NAMES[field][0]} {says}")

    async def record_inside(
        self,
        findings: Sequence[tuple[str, str, str]],
        said: Mapping[str, Sequence[tuple[str, str]]] = NOT_SAID,
    ) -> None:
        """Keep what was found at the public address from here: severity, text, advice of each.

        ``said`` are the texts and advices in other languages.
        """
        worst = _worst([severity for severity, _, _ in findings])
        kept = [[text[:LONGEST] for text in each] for each in findings[:MOST_FINDINGS]]
        others = {
            language: [[text[:LONGEST] for text in each] for each in texts[:MOST_FINDINGS]]
            for language, texts in said.items()
        }
        value = {
            "url": self._settings.public_url,
            "worst": worst,
            "findings": kept,
            "said": others,
        }
        await self._keep("address.inside", value, f"public address, from inside: {worst}")

    async def record_outside(self, pasted: str) -> Outside:
        """Judge the answer of the command line for outside, and keep the judgement alone."""
        judged = judge(pasted, self.access_token_url)
        value = {"url": self._settings.public_url, **asdict(judged)}
        await self._keep(
            "address.outside", value, f"public address, from outside: {judged.outcome}"
        )
        return judged

    @property
    def outside_command(self) -> str:
        """The line to run on a machine outside."""
        return command(self.access_token_url)

    @property
    def access_token_url(self) -> str:
        """The address that LINE WORKS calls first, and a check from outside, too."""
        return self._clients.urls(ANY_CLIENT)["access_token"]

    async def record_source(
        self, name: str, severities: Sequence[str], asked: str = "", *, by_password: bool = False
    ) -> None:
        """Keep how a source answered.

        ``asked`` is the name that it was asked about, ``by_password`` whether with a password.
        """
        worst = _worst(severities)
        about = f" about {asked}" if asked else ""
        how = ", with a password" if by_password else ""
        detail = f"source {name} was asked{about}{how}: {worst}"
        await self._keep(f"{SOURCE_PREFIX}{name}", {"worst": worst}, detail)

    async def record_keys(self, kind: UserKey, count: KeyCount) -> None:
        """Keep how many people have which key."""
        value = {"kind": kind.value, **asdict(count)}
        detail = f"{count.ready} of {count.people} people have a usable {kind.value}"
        await self._keep("keys", value, detail)

    async def told(self) -> None:
        """Keep that somebody has given the keys to LINE WORKS."""
        await self._keep("told", {"way": "file"}, "LINE WORKS was given the keys, by file")

    async def trial(self, client_secret: str, username: str, password: str) -> Trial:
        """A sign-in to try at the client that is set up, after a record of who tries whom.

        Raises NotFound without a client.
        """
        client = (await self.overview()).client
        if client is None:
            raise NotFound("there is no client yet")
        trial = Trial(
            client_id=client.client_id,
            client_name=client.name,
            client_secret=client_secret,
            username=username,
            password=password,
            redirect_uri=_with_path(client.redirect_uris[0]),
            urls=self._clients.urls(client.client_id),
            began=self._actor.now(),
        )
        detail = f"tries a sign-in at {client.name} as LINE WORKS would"
        await self._keep_span(trial, trial.began + PATIENCE, detail)
        return trial

    async def end_trial(self, trial: Trial, works: int) -> None:
        """Keep that a trial has ended, and how many values work.

        What the server has recorded meanwhile is no sign that LINE WORKS has these values.
        """
        name = trial.client_name
        detail = f"the sign-in that was tried at {name} has ended; values that work: {works}"
        await self._keep_span(trial, self._actor.now(), detail)

    async def _keep_span(self, trial: Trial, ended: float, detail: str) -> None:
        answers = await self._directory.set_up.answers()
        value = {"spans": with_span(answers.get(TRIALS), trial, ended)}
        await self._keep(TRIALS, value, detail, username=trial.username, client_id=trial.client_id)

    async def record_key_file(self, count: int) -> None:
        """Record that somebody takes the keys of so many people away, before they get them."""
        event = self._actor.event(Event.SYSTEM, f"the user keys of {count} people were exported")
        await self._directory.record([event])

    async def _keep(
        self,
        name: str,
        value: Mapping[str, Any],
        detail: str,
        *,
        username: str | None = None,
        client_id: str | None = None,
    ) -> None:
        """The one place that writes an answer."""
        answer = Answer(value, self._actor.now(), self._actor.name)
        event = self._actor.event(
            Event.SYSTEM, f"set-up: {detail}", username=username, client_id=client_id
        )
        await self._directory.set_up.keep(name, answer, event)


def _worst(severities: Sequence[str]) -> str:
    """The worst of these; of none, ``ok``."""
    return max(severities, key=SEVERITIES.index, default=SEVERITIES[0])


def _with_path(redirect_uri: str) -> str:
    """An address for a code; of an origin, its first page."""
    return redirect_uri if urlsplit(redirect_uri).path else f"{redirect_uri}/"


def newest_secret_at(client: Client | None) -> float | None:
    """When the newest secret of a client was made."""
    secrets = () if client is None else client.secrets
    return max((each.created_at for each in secrets), default=None)


def _chosen(clients: Sequence[Client], answer: Answer | None) -> Client | None:
    """The client of the set-up: as chosen, or else the first one that is enabled."""
    wanted = None if answer is None else answer.value.get("id")
    ordered = sorted(clients, key=lambda each: (each.client_id != wanted, not each.enabled))
    return next(iter(ordered), None)
