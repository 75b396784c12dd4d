"""Administrators: people with a role in the console, of the built-in directory or another source.

People of other sources are known here from their first sign-in, and can be given a role from then
on; a group of their source may give them one too (``console.rights``). The last owner who can sign
in with the built-in directory alone is neither removed nor disabled, and keeps the role: owners of
other sources do not count, since their source may be down, or take the group away. Nobody changes
their own role. Both are checked in the transaction of the change (R-151).
"""

from dataclasses import replace

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused, found
from worksgate.administration.roles import OF_PEOPLE, Permission, Role, may
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import Event
from worksgate.directory import Account
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.change_log import RecordedChange
from worksgate.directory.console_sessions import ConsoleSession
from worksgate.directory.database import Directory
from worksgate.directory.people import RememberedPerson
from worksgate.directory.transaction import Transaction
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN

MOST_SESSIONS = 100
"""Sessions that are listed."""


class AdministratorAdministration:
    """Who has which role, and their sessions in the console."""

    def __init__(self, settings: Settings, directory: Directory, actor: Actor) -> None:
        self._settings = settings
        self._directory = directory
        self._actor = actor

    async def all(self) -> list[AdministratorAccount]:
        """Everybody with a role, by name."""
        return await self._directory.administrators.all()

    async def sessions(self) -> list[tuple[ConsoleSession, AdministratorAccount]]:
        """The open sessions of the console and whose they are, the last used first."""
        sessions = self._directory.console_sessions
        found = await sessions.open(self._actor.now(), MOST_SESSIONS)
        by_subject = self._directory.administrators.by_subject
        whose = {each: await by_subject(each) for each in {each.subject_id for each in found}}
        return [(each, who) for each in found if (who := whose[each.subject_id]) is not None]

    async def end_sessions(self, subject_id: str, key: str | None = None) -> int:
        """End a session of an administrator, or all of theirs; return how many.

        Raises NotFound, or Forbidden.
        """
        role = self._actor.role
        if role is not None and not may(role, Permission.OWN):
            raise Forbidden("your role cannot end the sessions of others")
        present = await self._directory.administrators.by_subject(subject_id)
        account = found(present, "person", subject_id)
        event = self._actor.person_event(
            account.person, Event.CONSOLE_SIGNED_OUT, "ended by an owner"
        )
        return await self._directory.console_sessions.end(subject_id, key, event)

    async def find(self, username: str, source: str | None = None) -> AdministratorAccount:
        """Somebody by name, with or without a role. Raises NotFound, or Refused as ``set_role``."""
        if source in (None, BUILT_IN):
            account = await self._directory.account_by_username(username)
            if account is not None or source is not None:
                return AdministratorAccount.of(found(account, "person", username))
        remembered = await self._remembered(username, source)
        subject_id = remembered.person.subject_id
        person = await self._directory.administrators.by_subject(subject_id)
        return found(person, "person", username)

    async def set_role(
        self,
        username: str,
        role: Role | None,
        *,
        source: str | None = None,
        undoes: RecordedChange | None = None,
        expected_version: int | None = None,
    ) -> AdministratorAccount:
        """Give a person a role, or take it; their sessions in the console end.

        ``username`` may be the subject of a person of another source. Without a ``source`` an
        account of the built-in directory comes first. Raises NotFound, Refused for the last owner
        and for somebody who could not sign in to the console, Forbidden for one's own role, or
        Outdated if they have changed since the change that this ``undoes``, or since they had the
        version that is expected.
        """
        expected = expected_version if undoes is None else undoes.version
        check_of_people(role)
        if source is None and await self._directory.account_by_username(username) is None:
            remembered = await self._remembered(username, None)
        elif source in (None, BUILT_IN):
            return await self._set_role_of_account(username, role, undoes, expected)
        else:
            remembered = await self._remembered(username, source)
        return await self._set_role_of_person(remembered, role, undoes, expected)

    @retried_on_conflict
    async def _set_role_of_account(
        self,
        username: str,
        role: Role | None,
        undoes: RecordedChange | None,
        expected: int | None,
    ) -> AdministratorAccount:
        author = self._actor.author(undoes=None if undoes is None else undoes.number)
        async with self._directory.changing(author) as transaction:
            before = found(await transaction.account(username), "person", username)
            if expected not in (None, before.version):
                raise Outdated(f"{before.username} has been changed by somebody else meanwhile")
            self._check_not_own(before.person.subject_id)
            if before.role == role:
                return AdministratorAccount.of(before)
            if role is not None and not await _signs_in(transaction, before):
                raise Refused(f"{before.username} has no password, and could not sign in")
            after = replace(before, role=None if role is None else role.value)
            await check_owner_stays(transaction, before, after)
            await transaction.change_account(before, after, author.at)
            detail = author.detail(_described(role))
            await transaction.record(self._actor.account_event(after, detail, at=author.at))
        return AdministratorAccount.of(after)

    async def _set_role_of_person(
        self,
        remembered: RememberedPerson,
        role: Role | None,
        undoes: RecordedChange | None,
        expected: int | None,
    ) -> AdministratorAccount:
        person = remembered.person
        self._check_not_own(person.subject_id)
        if role is None and remembered.role is None and remembered.group_role is not None:
            raise Refused(
                f"{person.username} has the role {remembered.group_role} by a group of "
                f"{remembered.source} (console_groups): it is taken there"
            )
        if role is not None:
            self._check_signs_in_here(remembered)
        author = self._actor.author(undoes=None if undoes is None else undoes.number)
        if remembered.role != role:
            version = await self._directory.people.set_role(
                person.subject_id,
                None if role is None else role.value,
                self._actor.person_event(
                    person, Event.USER_CHANGED, author.detail(_described(role)), at=author.at
                ),
                author,
                expected_version=remembered.version if expected is None else expected,
            )
            if version is None:
                raise Outdated(f"{person.username} has been changed by somebody else meanwhile")
        return AdministratorAccount(
            person=person,
            source=remembered.source,
            enabled=remembered.enabled,
            role=None if role is None else role.value,
            group_role=remembered.group_role,
        )

    async def _remembered(self, name: str, source: str | None) -> RememberedPerson:
        """A person of another source. Raises NotFound, or Refused if several have this name."""
        named = await self._directory.people.named(name)
        matching = [each for each in named if source in (None, each.source)]
        if not matching:
            where = "" if source is None else f" of {source}"
            raise NotFound(
                f"there is no person {name!r}{where}; people of other sources are known from their "
                "first sign-in"
            )
        if len(matching) > 1:
            subjects = ", ".join(each.person.subject_id for each in matching)
            raise Refused(f"several people have this name; give one of {subjects}")
        return matching[0]

    def _check_not_own(self, subject_id: str) -> None:
        """Raise Forbidden for the acting administrator."""
        if subject_id == self._actor.subject_id:
            raise Forbidden("nobody can change their own role; ask another owner")

    def _check_signs_in_here(self, remembered: RememberedPerson) -> None:
        """Raise Refused for somebody whose source is not there any more."""
        sources = {each.name: each for each in self._settings.all_sources}
        source = sources.get(remembered.source)
        if source is None:
            raise Refused(f"there is no source {remembered.source} any more")


def check_of_people(role: Role | None) -> None:
    """Raise Refused for a role that only a token has."""
    if role is not None and role not in OF_PEOPLE:
        raise Refused("a deployer is a token, and not a person")


async def check_owner_stays(
    transaction: Transaction, before: Account, after: Account | None
) -> None:
    """Raise Refused if a change takes the last owner who can sign in; None is a removal."""
    if not _is_owner(before) or (after is not None and _is_owner(after)):
        return
    if not await transaction.has_other_owner(before.id):
        raise Refused(
            f"{before.username} is the last owner: give somebody else the role first "
            "(worksgate admin set-role)"
        )


async def _signs_in(transaction: Transaction, account: Account) -> bool:
    """Whether an account has a password, or a passkey for the console instead."""
    return account.password_hash is not None or await transaction.has_console_passkey(account.id)


def _is_owner(account: Account) -> bool:
    return account.enabled and account.role == Role.OWNER


def _described(role: Role | None) -> str:
    what = "no role" if role is None else f"the role {role.value}"
    return f"has {what} in the console"
