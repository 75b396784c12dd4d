"""The people of a source as LINE WORKS would know them, and what prevents them from signing in.

An LDAP directory is searched with its service account, so people are listed whether they have
signed in or not; the same goes for the built-in directory and for a company's own class with
``people``. Of an OpenID provider, people who have signed in are listed.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worksgate.directory.key_ownership import KEY_KINDS, UserKey, keys_of
from worksgate.doctor.queried_source import CannotBeQueried, queried
from worksgate.oauth.model import Client
from worksgate.oauth.model import UserKey as KeyKind
from worksgate.settings.options import Settings
from worksgate.settings.sources import SourceSettings
from worksgate.sources import ListedPerson, Person, SourceUnavailable

if TYPE_CHECKING:
    from worksgate.administration import Administration, LineWorksKey
    from worksgate.administration.going_live import AtSources
    from worksgate.administration.set_up import KeyCount
    from worksgate.administration.user_keys import KeyAdministration
    from worksgate.directory.people_list import Listed


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePerson:
    """A person of a source. ``problems`` are sentences; without any, LINE WORKS knows them.

    ``keys`` is the key that each client would receive, ``refused`` are the kinds of keys that
    cannot be used, ``shared`` those that somebody else of the source has too. ``is_out`` is whether
    they could not sign in, whatever their password.
    """

    person: Person
    problems: tuple[str, ...] = ()
    refused: frozenset[KeyKind] = frozenset()
    shared: frozenset[str] = frozenset()
    keys: tuple["LineWorksKey", ...] = ()
    is_out: bool = False

    def usable(self, kind: KeyKind) -> str | None:
        """Their key of a kind, if LINE WORKS could be told it."""
        is_bad = kind in self.refused or kind.value in self.shared
        return None if is_bad else getattr(self.person, kind.value)


async def people_of_source(settings: Settings, source: SourceSettings) -> list[SourcePerson]:
    """All people of a source. Raises CannotBeQueried or SourceUnavailable."""
    from worksgate.bootstrap.administration import open_administration

    found: list[SourcePerson] = []
    async with AsyncExitStack() as stack:
        administration = await stack.enter_async_context(open_administration(settings))
        view = await _View.of(administration, source.name)
        async for page in queried(settings, source, stack).people(administration):
            found += await view.seen(page)
    return found if settings.allow_similar_keys else _with_twins(found)


async def person_in_source(
    settings: Settings, source: SourceSettings, username: str
) -> SourcePerson | None:
    """The person who would sign in with a name, if the source can be asked without a password.

    Raises CannotBeQueried or SourceUnavailable.
    """
    from worksgate.bootstrap.administration import open_administration

    async with AsyncExitStack() as stack:
        listed = await queried(settings, source, stack).look_up(username)
        if listed is None:
            return None
        administration = await stack.enter_async_context(open_administration(settings))
        view = await _View.of(administration, source.name)
        (seen,) = await view.seen([listed])
        return seen


async def people_at_sources(
    settings: Settings, names: Collection[str] = (), *, within: float | None = None
) -> "AtSources":
    """The people of these sources, or of all of them but the built-in one.

    A source that does not list them, or not ``within`` so many seconds each, is unasked.
    """
    from worksgate.administration.going_live import AtSources
    from worksgate.bootstrap.source_types import type_of

    people: list[Listed] = []
    asked, unasked = set(), []
    for source in settings.all_sources:
        if source.is_built_in or (names and source.name not in names):
            continue
        seen = None
        if type_of(source).takes_password:
            with suppress(CannotBeQueried, SourceUnavailable, TimeoutError):
                async with asyncio.timeout(within):
                    seen = await people_of_source(settings, source)
        if seen is None:
            unasked.append(source.name)
        else:
            asked.add(source.name)
            people += [_in_list(each, source.name) for each in seen]
    return AtSources(people, frozenset(asked), tuple(unasked))


def _in_list(each: SourcePerson, source: str) -> "Listed":
    from worksgate.directory.people_list import Listed

    person = each.person
    return Listed(
        sort_key=person.name or person.username,
        subject_id=person.subject_id,
        source=source,
        username=person.username,
        name=person.name,
        external_key=each.usable(KeyKind.EXTERNAL_KEY),
        works_account=each.usable(KeyKind.WORKS_ACCOUNT),
        email=person.email,
        enabled=not each.is_out,
        has_factor=False,
        role=None,
        last_login_at=None,
        reading=person.reading,
    )


def count_keys(people: Iterable[SourcePerson], kind: KeyKind) -> "KeyCount":
    """How many of these people have a usable key of a kind, and what is wrong with the others'.

    Whoever could not sign in anyway needs none, such as a disabled or a technical account.
    """
    from worksgate.administration.set_up import KeyCount

    counts = Counter(_state_of_key(each, kind) for each in people if not each.is_out)
    return KeyCount(
        people=counts.total(),
        ready=counts["ready"],
        none=counts["none"],
        twins=counts["twins"],
        refused=counts["refused"],
    )


def _state_of_key(each: SourcePerson, kind: KeyKind) -> str:
    """As a field of ``KeyCount``."""
    if kind.value in each.shared:
        return "twins"
    if kind in each.refused:
        return "refused"
    return "none" if getattr(each.person, kind.value) is None else "ready"


class _View:
    """What this installation knows about people: their keys, and who is disabled here."""

    def __init__(
        self,
        user_keys: "KeyAdministration",
        clients: Sequence[Client],
        disabled: Collection[str],
    ) -> None:
        self._user_keys = user_keys
        self._clients = clients
        self._kinds = {client.user_key.value for client in clients}
        self._disabled = disabled

    @classmethod
    async def of(cls, administration: "Administration", source: str) -> "_View":
        clients = await administration.clients.of_source(source)
        people = await administration.people.remembered(source)
        disabled = {each.person.subject_id for each in people if not each.enabled}
        return cls(administration.user_keys, clients, disabled)

    async def seen(self, page: Sequence[ListedPerson]) -> list[SourcePerson]:
        """The people with everything that prevents them from signing in."""
        from worksgate.administration import line_works_keys

        taken = await self._user_keys.conflicts([each.person for each in page])
        seen = []
        for each, conflicts in zip(page, taken, strict=True):
            about_keys = (*each.key_problems, *conflicts)
            seen.append(
                SourcePerson(
                    person=each.person,
                    problems=(
                        *each.problems,
                        *map(str, each.key_problems),
                        *self._missing(each),
                        *map(str, conflicts),
                        *self._out(each),
                    ),
                    refused=frozenset(problem.kind for problem in about_keys),
                    keys=line_works_keys(each.person, self._clients, about_keys),
                    is_out=each.is_out or self._is_disabled(each),
                )
            )
        return seen

    def _missing(self, listed: ListedPerson) -> Iterable[str]:
        has = {key.kind for key in keys_of(listed.person)}
        unusable = {problem.kind for problem in listed.key_problems}
        for kind in sorted(self._kinds or ({"external_key"} if not has else set())):
            if kind not in has and kind not in unusable:
                yield f"there is no {KEY_KINDS[kind]}"

    def _out(self, listed: ListedPerson) -> Iterable[str]:
        if self._is_disabled(listed):
            yield "disabled here"

    def _is_disabled(self, listed: ListedPerson) -> bool:
        return listed.person.subject_id in self._disabled


def _with_twins(people: list[SourcePerson]) -> list[SourcePerson]:
    """The people; if two share a key, in any spelling, both get a problem."""
    holders: Mapping[tuple[str, str], list[tuple[UserKey, int]]] = defaultdict(list)
    for number, each in enumerate(people):
        for key in keys_of(each.person):
            holders[key.kind, key.folded].append((key, number))
    words: Mapping[int, dict[str, str]] = defaultdict(dict)
    for group in holders.values():
        for key, number in group:
            for other, another in group:
                if number != another and key.is_similar_to(other):
                    name = people[another].person.username
                    words[number][key.kind] = f"the {key} also belongs to {name}"
                    break
    return [_with_shared(each, words.get(number, {})) for number, each in enumerate(people)]


def _with_shared(each: SourcePerson, words: Mapping[str, str]) -> SourcePerson:
    """The person with a problem for each kind of key that somebody else has too."""
    return replace(each, problems=(*each.problems, *words.values()), shared=frozenset(words))
