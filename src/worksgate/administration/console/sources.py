"""The identity sources of administrators: who they are, and whether their right still counts.

A source vouches for its people while they use a session (R-191), and for a role that a group there
gives them (R-226). While it is down, what it said last counts for a while.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from worksgate.administration.console.rights import right_of
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.database import Directory
from worksgate.provider.sources import SourcesInUse

SourcesOf = Callable[[frozenset[str]], Awaitable[SourcesInUse]]
"""Opens the built-in directory and the named sources.

Other sources are not asked: they must see no password, and their outage must keep nobody out.
"""


class AdministratorSources:
    """The identity sources in which administrators are, asked on their behalf."""

    def __init__(self, directory: Directory, sources: SourcesOf) -> None:
        self._rows = directory.administrators
        self._people = directory.people
        self._groups = directory.console_groups
        self._sources = sources

    async def in_use(self) -> SourcesInUse:
        """The sources that have administrators, or may have some by a group."""
        return await self._sources(await self._rows.sources() | self._groups.sources)

    async def with_role(self, subject_id: str) -> AdministratorAccount | None:
        """Somebody who may sign in here at this moment."""
        account = await self._rows.by_subject(subject_id)
        if account is None or not account.enabled:
            return None
        return None if right_of(account, self._groups).role is None else account

    async def ask(self, account: AdministratorAccount) -> AdministratorAccount | None:
        """Somebody as their source has them now, whose groups are kept; None if it has not.

        Raises SourceUnavailable.
        """
        present = await self.present(account)
        if present is not None and present.person.groups != account.person.groups:
            await self._people.note_groups(account.source, present.person)
        return present

    async def present(self, account: AdministratorAccount) -> AdministratorAccount | None:
        """Somebody with the groups that their source names now; None if it does not know them.

        One that cannot say is trusted for a while, with those of the last sign-in there. Raises
        SourceUnavailable.
        """
        if account.is_built_in:
            return account
        sources = await self._sources(frozenset({account.source}))
        found = await sources.by_subject(account.subject_id)
        if found is None:
            return None
        return replace(account, person=replace(account.person, groups=found[1].groups))

    def counts(self, account: AdministratorAccount, asked_at: float | None, now: float) -> bool:
        """Whether somebody's right counts still, without another word of their source (R-226)."""
        if account.is_built_in or account.role is not None:
            return True
        return now < self._groups.counts_until(account.source, asked_at, account.vouched_at)
