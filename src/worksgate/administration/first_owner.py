"""The first owner of the console: a one-time link, and the account that it makes.

A link is shown once, by a command on the machine; only its digest is stored. It ends by its use,
by the next one, after half an hour, or when there is an owner. Nobody is an owner before a password
and a code of an authenticator app have been given, and all of it is one commit (R-153).
"""

from dataclasses import dataclass, field, replace

import structlog

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused, refusals
from worksgate.administration.roles import Role
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.directory import Account
from worksgate.directory.account_rules import check_account, check_password
from worksgate.directory.database import Directory
from worksgate.directory.factors import TotpSecret
from worksgate.directory.transaction import Transaction
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER
from worksgate.settings.options import Settings

_log = structlog.get_logger("worksgate.console")

LINK_LIFETIME = 1_800.0
"""Seconds."""
LINK_PATH = "/first"
"""The path of a link; its secret is in the query, which no log of ours or of a proxy holds."""


@dataclass(frozen=True, slots=True)
class NewOwner:
    """What the person behind the link has chosen; ``totp`` was confirmed by a code."""

    username: str
    name: str
    password: str = field(repr=False)
    totp_secret: bytes = field(repr=False)
    totp_step: int
    recovery_digests: tuple[str, ...] = field(repr=False)


class FirstOwner:
    """Makes links, and the owner of whoever opens one."""

    def __init__(
        self, settings: Settings, directory: Directory, hashing: PasswordHashing, actor: Actor
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._hashing = hashing
        self._actor = actor

    async def issue_link(self, *, recovers: bool = False) -> str:
        """A new link, as a URL; any previous one ends.

        Raises Refused if there is an owner, unless it ``recovers``: then its account is one more.
        """
        secret, now = new_secret(), self._actor.now()
        what = "another owner" if recovers else "the first owner"
        event = self._actor.event(Event.SYSTEM, f"a link for {what} of the console was made")
        if not await self._directory.administrators.issue_link(
            digest(secret), now, now + LINK_LIFETIME, event, recovers=recovers
        ):
            raise Refused(
                "there is an owner already; if none of them can sign in: worksgate admin recover"
            )
        address = self._settings.console_address.rstrip("/")
        return f"{address}{LINK_PATH}?{TOKEN_PARAMETER}={secret}"

    async def is_usable(self, secret: str) -> bool:
        """Whether a link can be used."""
        return await self._directory.administrators.is_link(digest(secret), self._actor.now())

    async def make(self, secret: str, chosen: NewOwner) -> Account:
        """The owner, with their second factor; the link is used up by that.

        Raises Refused, HashingBusy, or Conflict if the name belongs to somebody else.
        """
        if not await self.is_usable(secret):  # before the hash, which is expensive
            raise Refused("this link has been used, or is too old")
        with refusals():
            account = check_account(self._account(chosen))
            check_password(chosen.password, account, self._settings.company_name)
            hashed = await self._hashing.hash(chosen.password)
        return await self._commit(secret, replace(account, password_hash=hashed), chosen)

    @retried_on_conflict
    async def _commit(self, secret: str, account: Account, chosen: NewOwner) -> Account:
        now = self._actor.now()
        async with self._directory.changing() as transaction:
            if not await transaction.use_first_link(digest(secret), now):
                raise Refused("this link has been used, or is too old")
            await _check_free(transaction, account)
            await transaction.add_accounts([account])
            await self._directory.factors.add_first(
                transaction.connection,
                TotpSecret(
                    subject_id=account.person.subject_id,
                    secret=chosen.totp_secret,
                    last_step=chosen.totp_step,
                    created_at=now,
                ),
                chosen.recovery_digests,
                now,
            )
            await transaction.record(
                self._actor.account_event(account, "an owner of the console, by a one-time link")
            )
        _log.warning("console.owner_by_link", username=account.username)
        return account

    def _account(self, chosen: NewOwner) -> Account:
        now = self._actor.now()
        return Account(
            id=new_id(),
            username=chosen.username,
            name=chosen.name,
            administrator=True,
            role=Role.OWNER.value,
            created_at=now,
            password_changed_at=now,
        )


async def _check_free(transaction: Transaction, account: Account) -> None:
    """Raises Conflict if the username belongs to somebody."""
    taken = await transaction.taken_names([account])
    taken.check(account, reuse_retired_keys=False)
