"""Users: the accounts of the built-in directory.

Revocations that a change requires, such as of a disabled person's sessions and tokens, follow right
after the commit (R-30).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Any

from worksgate.administration.actor import Actor
from worksgate.administration.administrators import check_owner_stays
from worksgate.administration.errors import (
    Forbidden,
    NotFound,
    Outdated,
    Refused,
    found,
    refusals,
)
from worksgate.administration.people_import.importer import (
    changes_between,
    must_sign_in_again,
    with_former_owners,
)
from worksgate.administration.revoking import Revoker
from worksgate.administration.roles import Permission, may
from worksgate.administration.transactions import retried_on_conflict
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import new_id
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.account_rules import check_account, check_password, generated_password
from worksgate.directory.change_log import RecordedChange
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.directory.key_ownership import KEY_KINDS, KeyOwner
from worksgate.directory.transaction import Transaction
from worksgate.provider.account.reset_links import ResetLinks
from worksgate.settings.options import Settings
from worksgate.store import Store

_ACCOUNT_FIELDS = frozenset(
    (
        *("username", "name", "reading", "external_key", "works_account", "email"),
        *("groups", "administrator"),
    )
)


class Identified(StrEnum):
    """How somebody knows who is calling, before a code is read out to them."""

    CALLED_BACK = auto()
    """Called back at a number of the company's own records."""
    IN_PERSON = auto()
    """They stand there, and are known or have shown a document."""
    VOUCHED_FOR = auto()
    """Somebody who knows them, such as their manager, was asked at a known number."""


_IDENTIFIED = {
    Identified.CALLED_BACK: "they were called back at a number of the company's records",
    Identified.IN_PERSON: "they were there in person",
    Identified.VOUCHED_FOR: "somebody who knows them was asked",
}
"""As the audit log says it."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account, and its password if that was generated; it is not stored."""

    account: Account
    password: str | None = field(default=None, repr=False)


class UserAdministration:
    """The accounts of the built-in directory. Calls that end sessions may raise Unfinished.

    ``store`` opens the store on first use.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        revoker: Revoker,
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._hashing = hashing
        self._revoker = revoker
        self._actor = actor

    @retried_on_conflict
    async def add(
        self,
        username: str,
        *,
        password: str | None = None,
        name: str = "",
        reading: str = "",
        external_key: str | None = None,
        works_account: str | None = None,
        email: str | None = None,
        groups: Iterable[str] = (),
        administrator: bool = False,
        temporary: bool = False,
        reuse_retired_keys: bool = False,
    ) -> NewUser:
        """Add a person; without a password one is generated.

        A ``temporary`` password must be changed at the first sign-in, and soon (R-85).
        ``reuse_retired_keys`` assigns a user key that was somebody else's before, and with it that
        person's place in LINE WORKS. Raises Refused, Conflict, or StoreUnavailable.
        """
        generated = generated_password() if password is None else None
        now = self._actor.now()
        account = Account(
            id=new_id(),
            username=username,
            name=name,
            reading=reading,
            external_key=external_key or None,
            works_account=works_account or None,
            email=email or None,
            groups=tuple(groups),
            administrator=administrator,
            created_at=now,
            password_changed_at=now,
            must_change_password=temporary,
        )
        with refusals():
            check_account(account)
        hashed = await self._hashed(password or generated or "", account)
        account = replace(account, password_hash=hashed)
        async with self._directory.changing() as transaction:
            former = await _check_free(transaction, account, reuse_retired_keys=reuse_retired_keys)
            await self._end_issued_to(former)
            await transaction.add_accounts([account])
            event = self._actor.account_event(account, with_former_owners("added", former))
            await transaction.record(event)
        return NewUser(account, generated)

    def all(self) -> AsyncIterator[Account]:
        """All people, by username."""
        return self._directory.accounts()

    async def get(self, username: str) -> Account:
        """The person with this username in any spelling. Raises NotFound."""
        account = await self._directory.account_by_username(username)
        return await self._found(account, username)

    async def get_to_change(self, username: str) -> Account:
        """Like ``get``. Raises Forbidden if the acting administrator may not change them."""
        return await self._changeable(await self._directory.account_by_username(username), username)

    async def by_id(self, account_id: str) -> Account:
        """The account with this ID. Raises NotFound."""
        return found(await self._directory.account_by_id(account_id), "person", account_id)

    async def change(
        self,
        username: str,
        /,
        *,
        reuse_retired_keys: bool = False,
        expected_version: int | None = None,
        **changes: Any,
    ) -> Account:
        """Change the username, name, reading, keys, e-mail address, groups or ``administrator``.

        A user key that is given up is retired. ``expected_version`` is that of the account whose
        values the caller has seen. Raises NotFound, Refused, Conflict, or Outdated if the account
        has changed since.
        """
        unknown = sorted(changes.keys() - _ACCOUNT_FIELDS)
        if unknown:
            raise Refused(f"a person has no setting {', '.join(unknown)} that could be changed")
        with refusals():
            values = {name: _read_account_field(name, value) for name, value in changes.items()}
        return await self._change(
            username,
            lambda account: replace(account, **values),
            reuse_retired_keys=reuse_retired_keys,
            expected_version=expected_version,
        )

    async def undo(self, change: RecordedChange) -> Account:
        """Set back what an administrator changed of a person; a password stays as it is.

        Raises NotFound, Refused, Conflict, or Outdated if they have changed since.
        """
        account = await self.by_id(change.subject.removeprefix(SUBJECT_PREFIX))
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in change.restored.items()
        }
        return await self._change(
            account.username,
            lambda account: replace(account, **values),
            closes=values.get("enabled") is False,
            expected_version=change.version,
            undoes=change.number,
        )

    async def set_password(
        self, username: str, password: str | None = None, *, temporary: bool = False
    ) -> NewUser:
        """Set a new password, generated if none is given.

        All their sessions and app passwords end. A ``temporary`` password must be changed at the
        next sign-in (R-85). Raises NotFound or Refused.
        """
        generated = generated_password() if password is None else None
        account = await self.get_to_change(username)
        hashed = await self._hashed(password or generated or "", account)
        now = self._actor.now()
        changed = await self._change(
            username,
            lambda account: replace(
                account,
                password_hash=hashed,
                password_changed_at=now,
                must_change_password=temporary,
            ),
        )
        return NewUser(changed, generated)

    async def disable(
        self, username: str, *, also_last_owner: bool = False, expected_version: int | None = None
    ) -> Account:
        """Disable a person, and revoke everything they hold (R-30), including app passwords.

        Raises NotFound, Refused for the last owner of the console unless ``also_last_owner``, or
        Outdated as ``change``.
        """
        return await self._change(
            username,
            lambda account: replace(account, enabled=False),
            closes=True,
            also_last_owner=also_last_owner,
            expected_version=expected_version,
        )

    async def enable(self, username: str, *, expected_version: int | None = None) -> Account:
        """Enable a person again. Raises NotFound, or Outdated as ``change``."""
        return await self._change(
            username,
            lambda account: replace(account, enabled=True),
            expected_version=expected_version,
        )

    async def remove(self, username: str, *, expected_version: int | None = None) -> Account:
        """Remove a person and revoke everything they hold; their user keys are retired (R-56).

        For a while ``removals`` can bring them back, with their second factors. Of somebody who was
        removed, what an outage has left is revoked. Raises NotFound, Forbidden, Refused for the
        last owner of the console, or Outdated as ``change``.
        """
        account = await self._remove(username, expected_version)
        await self._revoker.end_everything(account.person, Change.ACCOUNT_CLOSED)
        return account

    @retried_on_conflict
    async def _remove(self, username: str, expected_version: int | None) -> Account:
        author = self._actor.author()
        async with self._directory.changing(author) as transaction:
            present = await transaction.account(username)
            if present is None and (removed := await self._removed(username)) is not None:
                self._actor.check_may_change(removed)
                return removed
            account = await self._changeable(present, username)
            _check_version(account, expected_version)
            await check_owner_stays(transaction, account, None)
            event = self._actor.account_event(account, "removed", at=author.at)
            await transaction.remove_account(account, author.at, author.name)
            await transaction.record(event)
        return account

    async def _removed(self, username: str) -> Account | None:
        found = await self._directory.removed_accounts.named(username)
        return None if found is None else found.account

    @retried_on_conflict
    async def sign_out(self, username: str) -> int:
        """Revoke everything that a person holds: sessions, codes and tokens; return how many.

        They can sign in again. Raises NotFound.
        """
        async with self._directory.changing() as transaction:
            account = await self._changeable(await transaction.account(username), username)
            event = self._actor.account_event(account, "signed out")
            await transaction.end_console_sessions(account.person.subject_id)
            await transaction.record(event)
        return await self._revoker.sign_out(account.person)

    async def issue_reset_link(
        self, username: str, *, lifetime: float | None = None, mailed: bool = False
    ) -> str:
        """A URL with which a person chooses a new password, once; nobody else knows it.

        ``lifetime`` is in seconds; the default is ``reset_link_lifetime``. One that is ``mailed``
        is void once the address changes; a help desk gets no other (R-233). Raises NotFound,
        Forbidden, Refused or StoreUnavailable.
        """
        role = self._actor.role
        if not mailed and role is not None and not may(role, Permission.CHANGE_PEOPLE):
            raise Forbidden("your role sends a link only to the person's own mail address")
        account = await self.get_to_change(username)
        links = await self._reset_links()
        with refusals():
            return await links.issue(
                account,
                actor=self._actor.name,
                now=self._actor.now(),
                lifetime=lifetime,
                mailed=mailed,
            )

    async def issue_reset_code(self, username: str, identified: Identified) -> str:
        """A code to read out to a person, with which they choose a new password, once (R-233).

        It is valid for ``CODE_LIFETIME`` seconds. Raises NotFound, Forbidden, Refused or
        StoreUnavailable.
        """
        account = await self.get_to_change(username)
        links = await self._reset_links()
        with refusals():
            return await links.issue_code(
                account,
                actor=self._actor.name,
                identified=_IDENTIFIED[identified],
                now=self._actor.now(),
            )

    async def _reset_links(self) -> ResetLinks:
        if self._settings.store_url == "memory:":
            raise Refused("with store_url = memory: the server would not know the link")
        return ResetLinks(self._settings, self._directory, await self._store())

    @retried_on_conflict
    async def _change(
        self,
        username: str,
        change: Callable[[Account], Account],
        *,
        reuse_retired_keys: bool = False,
        closes: bool = False,
        also_last_owner: bool = False,
        expected_version: int | None = None,
        undoes: int | None = None,
    ) -> Account:
        author = self._actor.author(undoes=undoes)
        async with self._directory.changing(author) as transaction:
            before = await self._changeable(await transaction.account(username), username)
            _check_version(before, expected_version)
            with refusals():
                after = check_account(change(before), before)
            if after != before:
                if not also_last_owner:
                    await check_owner_stays(transaction, before, after)
                former = await _check_free(
                    transaction, after, reuse_retired_keys=reuse_retired_keys
                )
                await self._end_issued_to(former)
                await transaction.change_account(before, after, author.at)
                detail = with_former_owners(changes_between(before, after), former)
                event = self._actor.account_event(after, author.detail(detail), at=author.at)
                await transaction.record(event)
                after = replace(after, version=before.version + 1)
        if closes:
            await self._revoker.end_everything(after.person, Change.ACCOUNT_CLOSED)
        elif must_sign_in_again(before, after):
            await self._revoker.sign_out(after.person)
        return after

    async def _end_issued_to(self, former: Iterable[KeyOwner]) -> None:
        """End what people of other sources hold whose key somebody else gets.

        Some of it may have been issued for that key. In the built-in directory it has ended when
        they gave the key up. Raises StoreUnavailable: nothing has changed then.
        """
        for subject in {each.subject_id for each in former}:
            if not subject.startswith(SUBJECT_PREFIX):
                await (await self._store()).forget(subject)

    async def _changeable(self, account: Account | None, username: str) -> Account:
        """The account, if the acting administrator may change it. Raises NotFound or Forbidden."""
        there = await self._found(account, username)
        self._actor.check_may_change(there)
        return there

    async def _found(self, account: Account | None, username: str) -> Account:
        """The account. Raises NotFound, which names sources with such a person."""
        if account is not None:
            return account
        if await self._removed(username) is not None:
            raise NotFound(
                f"{username} was removed: bring them back first, with worksgate user restore"
            )
        sources = sorted({each.source for each in await self._directory.people.named(username)})
        if not sources:
            return found(account, "person", username)
        raise NotFound(
            f"there is no person {username!r} in the built-in directory; somebody of this name "
            f"has come by the source {' and the source '.join(sources)} (--source "
            f"{sources[0]}, where the command has it)"
        )

    async def _hashed(self, password: str, account: Account) -> str:
        with refusals():
            check_password(password, account, self._settings.company_name)
            return await self._hashing.hash(password)


def _check_version(account: Account, expected: int | None) -> None:
    """Raise Outdated for an account that is not as somebody has seen it."""
    if expected not in (None, account.version):
        raise Outdated(f"{account.username} has been changed by somebody else meanwhile")


async def _check_free(
    transaction: Transaction, account: Account, *, reuse_retired_keys: bool
) -> list[KeyOwner]:
    """The owners whose user keys the account takes over. Raises Conflict."""
    taken = await transaction.taken_names([account])
    return taken.check(account, reuse_retired_keys=reuse_retired_keys)


def _read_account_field(name: str, value: Any) -> Any:
    if name == "administrator":
        if not isinstance(value, bool):
            raise Refused("administrator is either on or off")
        return value
    if name == "groups":
        if isinstance(value, str) or not all(isinstance(group, str) for group in value):
            raise Refused("groups must be a list of names")
        return tuple(value)
    if (name in KEY_KINDS or name == "email") and not value:
        return None
    if not isinstance(value, str):
        raise Refused(f"{name} must be text")
    return value
