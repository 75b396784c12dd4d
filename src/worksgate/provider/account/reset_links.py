"""One-time links and codes with which people choose a new password.

A link (``one_time_links``) belongs to one account, is valid for half an hour, works once (R-84),
and becomes void when the password, the e-mail address or the role in the console changes.

A code is a shorter link, to be read out on the phone (R-233): the person types it on a page, which
leads to that of the link with this secret. Nobody has to type a name beside it: 60 random bits for
15 minutes cannot be guessed.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from worksgate.audit import AuditEvent, Event
from worksgate.directory import Account
from worksgate.directory.transaction import Transaction
from worksgate.provider.account.one_time_links import LinkNotValid, OneTimeLink, OneTimeLinks
from worksgate.provider.factors.codes import grouped, new_code
from worksgate.settings.options import Settings
from worksgate.store import Store

RESET_PATH: Final = "/reset"
"""Path of the page of a link, under ``account_path``."""

CODE_PATH: Final = "/code"
"""Path of the page on which people type a code, under ``account_path``."""
CODE_LENGTH: Final = 12
"""Characters of a code, five random bits each."""
CODE_LIFETIME: Final = 900.0
"""Seconds: for the time of one phone call."""

PURPOSE: Final = "password_reset"


class Accounts(Protocol):
    """The part of the directory that a password reset needs."""

    async def account_by_username(self, username: str) -> Account | None: ...

    async def account_by_id(self, id: str) -> Account | None: ...  # noqa: A002  # as there

    async def accounts_by_email(self, email: str, limit: int) -> Sequence[Account]: ...

    def changing(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def record(self, events: Sequence[AuditEvent]) -> None: ...


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a link was made for; it is void for an account that has changed since."""

    account_id: str
    revision: str | None
    email: str | None
    role: str | None = None
    """In the console: whoever made a link for a person may not for an administrator (R-158)."""


@dataclass(frozen=True, slots=True)
class ResetLink:
    """A valid link, and the account as it is now."""

    found: OneTimeLink[_Bound]
    account: Account


class ResetLinks:
    """Makes links and resolves them."""

    def __init__(self, settings: Settings, accounts: Accounts, store: Store) -> None:
        self._url = settings.account_url + RESET_PATH
        self._lifetime = settings.reset_link_lifetime
        self._accounts = accounts
        self._links = OneTimeLinks(store, PURPOSE, _Bound)

    async def issue(
        self,
        account: Account,
        *,
        actor: str,
        now: float,
        lifetime: float | None = None,
        mailed: bool = False,
    ) -> str:
        """A link that an administrator gives or sends to the person, valid for so many seconds.

        It is never made without its audit record. Raises ValueError if the person is disabled,
        DatabaseUnavailable or StoreUnavailable.
        """
        detail = "to be sent by e-mail" if mailed else None
        await self._record_issue(account, actor, now, detail)
        return await self.make(account, now, lifetime, mailed=mailed)

    async def issue_code(self, account: Account, *, actor: str, identified: str, now: float) -> str:
        """A code that somebody reads out to the person; ``identified`` is how they know who it is.

        It is never made without its audit record. Raises as ``issue``.
        """
        await self._record_issue(account, actor, now, f"a code to read out; {identified}")
        code = new_code(CODE_LENGTH)
        await self._links.keep(
            code,
            _bound(account),
            owner=account.person.subject_id,
            expires_at=now + CODE_LIFETIME,
        )
        return grouped(code)

    async def _record_issue(
        self, account: Account, actor: str, now: float, detail: str | None
    ) -> None:
        if not account.enabled:
            raise ValueError(f"{account.username} is disabled; a link would not work")
        person = account.person
        event = AuditEvent(
            event=Event.RESET_LINK_ISSUED,
            at=now,
            subject_id=person.subject_id,
            username=person.username,
            actor=actor,
            detail=detail,
        )
        await self._accounts.record([event])

    async def make(
        self, account: Account, now: float, lifetime: float | None = None, *, mailed: bool
    ) -> str:
        """A new link; one that is ``mailed`` is void once the account's address changes.

        Raises StoreUnavailable.
        """
        expires_at = now + (self._lifetime if lifetime is None else lifetime)
        owner = account.person.subject_id
        bound = _bound(account, mailed=mailed)
        return await self._links.make(self._url, bound, owner=owner, expires_at=expires_at)

    async def find(self, secret: str, now: float) -> ResetLink:
        """What a link stands for; it is not used up.

        Raises LinkNotValid, DatabaseUnavailable or StoreUnavailable.
        """
        found = await self._links.find(secret, now)
        account = await self._accounts.account_by_id(found.bound.account_id)
        if account is None or not account.enabled or not _is_as_bound(account, found.bound):
            raise LinkNotValid
        return ResetLink(found, account)

    async def use_up(self, link: ResetLink) -> None:
        """Use a link up; of several callers exactly one succeeds.

        The others get LinkNotValid. Raises StoreUnavailable.
        """
        await self._links.use_up(link.found)

    async def restore(self, link: ResetLink) -> None:
        """Restore a link whose use failed. Raises StoreUnavailable."""
        await self._links.restore(link.found)


def _bound(account: Account, *, mailed: bool = False) -> _Bound:
    return _Bound(
        account_id=account.id,
        revision=account.person.revision,
        email=account.email if mailed else None,
        role=account.role,
    )


def _is_as_bound(account: Account, bound: _Bound) -> bool:
    is_same_address = bound.email is None or bound.email == account.email
    is_same_password = account.person.revision == bound.revision
    return is_same_address and is_same_password and account.role == bound.role
