"""People of another source, remembered at each sign-in and possibly disabled here.

Wraps one source. People whom the source authenticates are stored in the directory by issuer and
subject, with the time of the sign-in; an administrator can disable them here even if the source
accepts them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from worksgate.database import DatabaseUnavailable
from worksgate.directory.account_rules import presentable
from worksgate.directory.last_sign_ins import LastSignIns
from worksgate.directory.people import People, RememberedPerson
from worksgate.sources import (
    AuthorizationRedirect,
    Identified,
    Person,
    PersonDisabled,
    RedirectSource,
    Source,
    SourceUnavailable,
    identify,
    verify,
)


class _Remembering:
    def __init__(self, name: str, people: People, clock: Callable[[], float]) -> None:
        self.name = name
        self._people = people
        self._clock = clock

    async def _admit(self, person: Person) -> Person:
        try:
            admitted = await self._people.remember(self.name, presentable(person), self._clock())
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error
        if admitted is None:
            raise PersonDisabled
        return admitted

    async def _still(self, subject_id: str, present: Person | None) -> Person | None:
        """A person as their source has them now, with their rightful user keys."""
        if present is None:
            return None
        try:
            remembered = await self._people.find(subject_id)
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error
        present = presentable(present)
        if remembered is None:
            return present
        if not remembered.enabled:
            return None
        kept = remembered.person
        return replace(
            present,
            external_key=present.external_key and kept.external_key,
            works_account=present.works_account and kept.works_account,
        )


class RememberedSource(_Remembering):
    """A ``Source`` whose people are remembered."""

    def __init__(
        self, source: Source, people: People, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(source.name, people, clock)
        self._source = source

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Like the source; raises PersonDisabled also for people disabled here."""
        person = await self._source.authenticate(username, password)
        return None if person is None else await self._admit(person)

    async def identify(self, username: str) -> Identified:
        return await identify(self._source, username)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        person = await verify(self._source, identified, password, admitted=admitted)
        return None if person is None else await self._admit(person)

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """Like the source, but None also for people disabled here. Raises SourceUnavailable."""
        present = await self._source.find(subject_id, last_seen)
        return await self._still(subject_id, present)


class RememberedRedirect(_Remembering):
    """A ``RedirectSource`` whose people are remembered."""

    def __init__(
        self, source: RedirectSource, people: People, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(source.name, people, clock)
        self._source = source

    @property
    def label(self) -> str:
        return self._source.label

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        return await self._source.begin(return_url, login_hint, reauthenticate=reauthenticate)

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        """Like the source; raises PersonDisabled also for people disabled here."""
        return await self._admit(await self._source.finish(return_url, kept, query))

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        present = await self._source.find(subject_id, last_seen)
        return await self._still(subject_id, present)

    async def logout_url(self, return_url: str) -> str | None:
        return await self._source.logout_url(return_url)


VALID_FOR = 40 * 86_400.0
"""Seconds for which a source's word is trusted for a sign-in by passkey.

App passwords have a setting of their own, ``app_password_lapse``.

Many sources cannot be asked about a person who has left. LINE WORKS keeps apps signed in for 30
days, so people who still work there have signed in since."""


class RememberedPeople:
    """The remembered people, by subject."""

    def __init__(
        self, people: People, last_sign_ins: LastSignIns, clock: Callable[[], float] = time.time
    ) -> None:
        self._people = people
        self._last_sign_ins = last_sign_ins
        self._clock = clock

    def note_login(self, subject_id: str) -> None:
        """Note that somebody has been let in, soon and in the background."""
        self._last_sign_ins.add(subject_id)

    async def last_seen(self, subject_id: str, trusted_for: float | None = None) -> Person | None:
        """The person's data from the last sign-in, less than ``trusted_for`` seconds ago, or None.

        Raises SourceUnavailable.
        """
        remembered = await self._found(subject_id)
        period = VALID_FOR if trusted_for is None else trusted_for
        if remembered is None or remembered.vouched_at + period <= self._clock():
            return None
        return remembered.person

    async def last_sign_in(self, subject_id: str) -> float | None:
        """When the person's source last authenticated them. Raises SourceUnavailable."""
        remembered = await self._found(subject_id)
        return None if remembered is None else remembered.vouched_at

    async def _found(self, subject_id: str) -> RememberedPerson | None:
        try:
            return await self._people.find(subject_id)
        except DatabaseUnavailable as error:
            raise SourceUnavailable(str(error)) from error
