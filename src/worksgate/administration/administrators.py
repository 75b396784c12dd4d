"""Administrators: accounts of the built-in directory with a role in the console.

The last owner who can sign in is neither removed nor disabled, and keeps the role; nobody changes
their own. Both are checked in the transaction of the change (R-151).
"""

from dataclasses import replace

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Forbidden, Outdated, Refused, found
from worksgate.administration.roles import Role
from worksgate.administration.transactions import retried_on_conflict
from worksgate.directory import Account
from worksgate.directory.change_log import RecordedChange
from worksgate.directory.database import Directory
from worksgate.directory.transaction import Transaction


class AdministratorAdministration:
    """Who has which role."""

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._directory = directory
        self._actor = actor

    async def all(self) -> list[Account]:
        """Everybody with a role, by name."""
        return await self._directory.administrators.all()

    @retried_on_conflict
    async def set_role(
        self, username: str, role: Role | None, *, undoes: RecordedChange | None = None
    ) -> Account:
        """Give a person of the built-in directory a role, or take it; their sessions end.

        Raises NotFound, Refused for the last owner, Forbidden for one's own role, or Outdated if
        they have changed since the change that this ``undoes``.
        """
        author = self._actor.author(undoes=None if undoes is None else undoes.number)
        async with self._directory.changing(author) as transaction:
            before = found(await transaction.account(username), "person", username)
            if undoes is not None and undoes.version != before.version:
                raise Outdated(f"{before.username} has been changed by somebody else meanwhile")
            if before.id == self._actor.account_id:
                raise Forbidden("nobody can change their own role; ask another owner")
            if before.role == role:
                return before
            if role is not None and before.password_hash is None:
                raise Refused(f"{before.username} has no password, and could not sign in")
            after = replace(before, role=None if role is None else role.value)
            await check_owner_stays(transaction, before, after)
            await transaction.change_account(before, after, author.at)
            what = "no role" if role is None else f"the role {role.value}"
            detail = author.detail(f"has {what} in the console")
            await transaction.record(self._actor.account_event(after, detail, at=author.at))
        return replace(after, version=before.version + 1)


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


def _is_owner(account: Account) -> bool:
    return account.enabled and account.role == Role.OWNER
