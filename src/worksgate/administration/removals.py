"""People who were removed from the built-in directory: brought back, or removed for good.

``users.remove`` takes an account out of the directory and keeps it for ``KEPT_FOR`` seconds. Until
then everybody but an administrator finds nobody. Whoever comes back is as they were, with their
second factors, but without what had ended, nor the tokens and invitations that they made (R-230).
What is removed for good does not come back; its user keys stay its own even then (R-115).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Outdated, found
from worksgate.administration.transactions import retried_on_conflict
from worksgate.administration.users import UserAdministration
from worksgate.audit import Event
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.change_log import RecordedChange
from worksgate.directory.database import Directory
from worksgate.directory.removed_accounts import PURGED, RemovedAccount
from worksgate.store import Store


class RemovalAdministration:
    """Removed people; ``users`` removes them. ``store`` opens the store on first use."""

    def __init__(
        self,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        users: UserAdministration,
        actor: Actor,
    ) -> None:
        self._directory = directory
        self._store = store
        self._users = users
        self._actor = actor

    async def page(
        self, text: str = "", after: tuple[float, str] | None = None, limit: int = 1_000
    ) -> Sequence[RemovedAccount]:
        """The next who can be brought back; as ``RemovedAccounts.page``."""
        return await self._directory.removed_accounts.page(text, after, limit)

    async def by_subject(self, subject_id: str) -> RemovedAccount | None:
        """The removed person with this subject."""
        account_id = subject_id.removeprefix(SUBJECT_PREFIX)
        return await self._directory.removed_accounts.by_id(account_id)

    async def restore(self, username: str) -> Account:
        """Bring back the person with this username; of several, the last to be removed.

        Raises as ``restore_by_subject``.
        """
        removed = await self._directory.removed_accounts.named(username)
        there = found(removed, "removed person", username)
        return await self._restore(there.account.id)

    async def restore_by_subject(
        self, subject_id: str, *, expected_version: int | None = None, undoes: int | None = None
    ) -> Account:
        """Bring back a removed person as they were.

        Raises NotFound, Forbidden, Outdated, StoreUnavailable, or Conflict if somebody else has
        their name or key.
        """
        account_id = subject_id.removeprefix(SUBJECT_PREFIX)
        return await self._restore(account_id, expected_version=expected_version, undoes=undoes)

    async def undo(self, change: RecordedChange) -> Account:
        """Bring back whom a change has removed. Raises as ``restore_by_subject``."""
        return await self.restore_by_subject(
            change.subject, expected_version=change.version, undoes=change.number
        )

    async def remove_for_good(self, username: str) -> Account:
        """Remove a person, or somebody who was removed, so that they cannot be brought back.

        Raises NotFound, Forbidden, Refused for the last owner of the console, or Unfinished: then
        the call is repeated.
        """
        account = await self._users.remove(username)
        await self.purge_by_subject(account.person.subject_id)
        return account

    @retried_on_conflict
    async def purge_by_subject(self, subject_id: str) -> Account:
        """Remove somebody for good who was removed. Raises NotFound or Forbidden."""
        account_id = subject_id.removeprefix(SUBJECT_PREFIX)
        async with self._directory.changing() as transaction:
            removed = found(
                await transaction.removed_account(account_id), "removed person", account_id
            )
            self._actor.check_may_change(removed.account)
            await transaction.purge_account(removed.account)
            await transaction.record(self._actor.account_event(removed.account, PURGED))
        return removed.account

    @retried_on_conflict
    async def _restore(
        self, account_id: str, *, expected_version: int | None = None, undoes: int | None = None
    ) -> Account:
        author = self._actor.author(undoes=undoes)
        # What an outage has left behind must not come back with them.
        await (await self._store()).forget(SUBJECT_PREFIX + account_id)
        async with self._directory.changing(author) as transaction:
            removed = await transaction.removed_account(account_id)
            account = found(removed, "removed person", account_id).account
            self._actor.check_may_change(account)
            if expected_version not in (None, account.version):
                raise Outdated(f"{account.username} has been changed by somebody else meanwhile")
            taken = await transaction.taken_names([account])
            replace(taken, removed={}).check(account)
            restored = await transaction.restore_account(account, author.at)
            event = self._actor.account_event(restored, author.detail("restored"), at=author.at)
            ended = [
                self._actor.event(
                    Event.SYSTEM, f"{each} ended: its maker was removed", at=author.at
                )
                for each in await transaction.end_made_by(restored.person.subject_id)
            ]
            await transaction.record(event, *ended)
        return restored
