"""What the console asks about the installation: the same examinations as the commands run."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import TYPE_CHECKING, Final

from worksgate.catalogues import sentence_of
from worksgate.doctor import Finding
from worksgate.doctor.sentences import said
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.administration.going_live import AtSources
    from worksgate.administration.set_up import KeyCount, Trial, Tried
    from worksgate.oauth.model import UserKey

_LONGEST_LIST: Final = 20.0
"""Seconds for the list of one source; after that the command line is the better way."""


class ConsoleExaminer:
    """Examines one installation for its console (``web.console.examiner``).

    ``everything`` examines the whole installation instead, if it has more than these settings to
    go by. Modules are imported at the first question: most consoles are never asked.
    """

    def __init__(
        self,
        settings: Settings,
        everything: Callable[[], AsyncIterator[Finding]] | None = None,
    ) -> None:
        self._settings = settings
        self._everything = everything

    def installation(self) -> AsyncIterator[Finding]:
        if self._everything is not None:
            return self._everything()
        from worksgate.doctor.examination import examine

        return examine(self._settings, None, if_missing=said("worksgate migrate creates it"))

    def public_address(self) -> AsyncIterator[Finding]:
        from worksgate.doctor.public_address_check import examine_public_address

        return examine_public_address(self._settings)

    async def source(
        self, name: str, username: str | None = None, password: str | None = None
    ) -> AsyncIterator[Finding]:
        from worksgate.administration.errors import Refused
        from worksgate.doctor.queried_source import CannotBeQueried, Question
        from worksgate.doctor.source_check import examine_source, source_of

        try:
            source = source_of(self._settings, name)
            question = Question(username, password)
            async for finding in examine_source(self._settings, source, question):
                yield finding
        except CannotBeQueried as problem:
            raise Refused(sentence_of(problem)) from None

    async def keys(self, name: str, kind: "UserKey") -> "KeyCount":
        from worksgate.administration.errors import Refused
        from worksgate.doctor.queried_source import CannotBeQueried
        from worksgate.doctor.source_check import source_of
        from worksgate.doctor.source_people import count_keys, people_of_source

        try:
            people = await people_of_source(self._settings, source_of(self._settings, name))
        except CannotBeQueried as problem:
            raise Refused(sentence_of(problem)) from None
        return count_keys(people, kind)

    async def people(self, names: Collection[str]) -> "AtSources":
        from worksgate.doctor.source_people import people_at_sources

        return await people_at_sources(self._settings, names, within=_LONGEST_LIST)

    def sign_in(self, trial: "Trial") -> "AsyncIterator[Tried]":
        from worksgate.doctor.sign_in_trial import try_sign_in

        return try_sign_in(trial, self._settings.outgoing_ca_file)
