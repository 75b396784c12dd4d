"""Everybody whom a client takes, of every source, with the external key that they would bring.

A source that lists its people is asked, so that those are there who have never signed in; of the
others, those who have. An outage of a source is no answer: nobody is missing because of it.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worksgate.administration.command_lines import command_line
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.doctor.queried_source import CannotBeQueried, queried
from worksgate.oauth.model import Client, UserKey
from worksgate.oauth.user_key import KeyProblem
from worksgate.settings.options import Settings
from worksgate.settings.sources import SourceSettings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import ListedPerson

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory.people_list import Listed


@dataclass(frozen=True, slots=True)
class KeyHolders:
    """The people of a client. ``unasked`` are sentences on sources that do not list theirs."""

    client: Client
    people: Sequence[KeyHolder]
    unasked: tuple[str, ...] = ()


async def key_holders(settings: Settings, client_name: str | None) -> KeyHolders:
    """The people of a client, which has to be named if there are several.

    Raises NotFound, Refused (also if the client goes by LINE WORKS accounts), or SourceUnavailable.
    """
    from worksgate.administration import Refused
    from worksgate.bootstrap.administration import open_administration

    async with open_administration(settings) as administration:
        client = await administration.clients.chosen(client_name)
        if client.user_key is not UserKey.EXTERNAL_KEY:
            options = ("--user-key", "external_key")
            command = command_line("client", "set", name=client.name, options=options)
            raise Refused(
                f"{client.name} gives LINE WORKS accounts to LINE WORKS, so there are no external "
                f"keys; {command} changes that"
            )
        gathering = _Gathering(settings, administration, client)
        await gathering.take_the_known()
        for source in settings.all_sources:
            await gathering.ask(source)
        return gathering.holders()


class _Gathering:
    """People by source; those of a source that lists them take the place of those known here."""

    def __init__(
        self, settings: Settings, administration: "Administration", client: Client
    ) -> None:
        self._settings = settings
        self._administration = administration
        self._client = client
        self._by_source: defaultdict[str, list[KeyHolder]] = defaultdict(list)
        self._disabled: set[str] = set()
        self._unasked: list[str] = []

    async def take_the_known(self) -> None:
        """Accounts of the built-in directory, and those who have signed in."""
        async for page in self._administration.people_list.everybody():
            for each in page:
                self._by_source[each.source].append(_known(each))
                if not each.enabled:
                    self._disabled.add(each.subject_id)

    async def ask(self, source: SourceSettings) -> None:
        """Have a source list its people, if it is one that can."""
        from worksgate.bootstrap.source_types import type_of

        if not type_of(source).takes_password or not self._takes(source.name):
            return
        listed: list[KeyHolder] = []
        async with AsyncExitStack() as stack:
            try:
                pages = queried(self._settings, source, stack).people(self._administration)
                async for page in self._with_problems(pages):
                    listed += page
            except CannotBeQueried as why:
                self._unasked.append(str(why))
                return
        self._by_source[source.name] = listed

    def holders(self) -> KeyHolders:
        people = [
            each
            for source, holders in self._by_source.items()
            if self._takes(source)
            for each in holders
        ]
        return KeyHolders(self._client, people, tuple(self._unasked))

    def _takes(self, source: str) -> bool:
        is_on = source != BUILT_IN or any(each.is_built_in for each in self._settings.all_sources)
        return is_on and (not self._client.sources or source in self._client.sources)

    async def _with_problems(
        self, pages: AsyncIterator[Sequence[ListedPerson]]
    ) -> AsyncIterator[list[KeyHolder]]:
        """The people, none with a key that belongs to somebody else here."""
        async for page in pages:
            people = [each.person for each in page]
            conflicts = await self._administration.user_keys.conflicts(people)
            yield [
                _listed(each, theirs, self._disabled)
                for each, theirs in zip(page, conflicts, strict=True)
            ]


def _known(each: "Listed") -> KeyHolder:
    return KeyHolder(
        username=each.username,
        external_key=each.external_key,
        works_account=each.works_account,
        email=each.email,
        enabled=each.enabled,
    )


def _listed(
    each: ListedPerson, conflicts: Sequence[KeyProblem], disabled: Collection[str]
) -> KeyHolder:
    person = each.person
    problems = (*each.key_problems, *conflicts)
    about = [problem.text for problem in problems if problem.kind is UserKey.EXTERNAL_KEY]
    return KeyHolder(
        username=person.username,
        external_key=None if about else person.external_key,
        works_account=person.works_account,
        email=person.email,
        enabled=not each.is_out and person.subject_id not in disabled,
        problem="; ".join(about) or None,
    )
