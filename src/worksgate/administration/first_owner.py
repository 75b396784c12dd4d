"""The first owner of the console: a one-time link, and the account that a link makes.

The first link is shown once, by a command on the machine; only its digest is stored. It ends by its
use, by the next one, after half an hour, or when there is an owner. Nobody is an owner before a
passkey has verified them, or a password and a code of an authenticator app have been given, and all
of it is one commit (R-153). An invitation (``invitations``) is used in the same way.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import structlog

from worksgate.administration.actor import Actor
from worksgate.administration.console.rights import is_vouched_for
from worksgate.administration.errors import Refused, refusals
from worksgate.administration.roles import Role, role_named
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.database import Conflict
from worksgate.directory import SUBJECT_PREFIX, Account
from worksgate.directory.account_rules import check_account, check_password
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.database import Directory
from worksgate.directory.factors import Passkey, TotpSecret
from worksgate.directory.invitations import Invitation, Invited
from worksgate.directory.transaction import Transaction
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER
from worksgate.settings.options import Settings

_log = structlog.get_logger("worksgate.console")

LINK_LIFETIME = 1_800.0
"""Seconds."""
LINK_PATH = "/first"
"""The path of a link; its secret is in the query, which no log of ours or of a proxy holds."""
FIRST_LINK = "a link for the first owner of the console was made"
ANOTHER_LINK = "a link for another owner of the console was made"
"""In the record of a link that recovers the console; an alert is sent."""

AskSource = Callable[[AdministratorAccount], Awaitable[AdministratorAccount | None]]
"""Somebody as their source has them now, or None; may raise an outage."""


async def as_stored(account: AdministratorAccount) -> AdministratorAccount:
    """Asks no source."""
    return account


@dataclass(frozen=True, slots=True)
class PasswordAndApp:
    """A password, and an authenticator app that a code has confirmed."""

    password: str = field(repr=False)
    totp_secret: bytes = field(repr=False)
    totp_step: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link gives: a role, and the person whom an ``invitation`` is for."""

    role: Role
    invitation: Invitation | None = None

    @property
    def name(self) -> str:
        return "" if self.invitation is None else self.invitation.name

    def described(self, how: str) -> str:
        """For the audit log."""
        if self.invitation is None:
            return f"an owner of the console, by a one-time link, with {how}"
        by = self.invitation.actor
        return f"the role {self.role.value} in the console, by an invitation of {by}, with {how}"


@dataclass(frozen=True, slots=True)
class NewAdministrator:
    """What the person behind the link has chosen.

    ``way`` is how they sign in: a passkey that was verified belongs to the account that it names.
    """

    username: str
    name: str
    way: PasswordAndApp | Passkey
    recovery_digests: tuple[str, ...] = field(repr=False)


class FirstOwner:
    """Makes the first link, and an administrator of whoever opens one, or an invitation.

    ``ask_source`` is asked for whoever made an invitation, before it counts (R-249).
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        hashing: PasswordHashing,
        actor: Actor,
        ask_source: AskSource = as_stored,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._hashing = hashing
        self._actor = actor
        self._ask_source = ask_source
        host = urlsplit(settings.console_address).hostname or ""
        self._factors = directory.factors.in_console(host)

    async def issue_link(self, *, recovers: bool = False) -> str:
        """A new link, as a URL; any previous one ends.

        Raises Refused if there is an owner, unless it ``recovers``: then its account is one more.
        """
        secret, now = new_secret(), self._actor.now()
        event = self._actor.event(Event.SYSTEM, ANOTHER_LINK if recovers else FIRST_LINK)
        if not await self._directory.first_links.issue(
            digest(secret), now, now + LINK_LIFETIME, event, recovers=recovers
        ):
            raise Refused(
                "there is an owner already; if none of them can sign in: worksgate admin recover"
            )
        return url_of_link(self._settings, secret)

    async def offer(self, secret: str) -> Offer | None:
        """What a link gives; None if it cannot be used.

        Raises an outage, also of the source of whoever made an invitation.
        """
        key, now = digest(secret), self._actor.now()
        if await self._directory.first_links.is_usable(key, now):
            return Offer(Role.OWNER)
        invited = await self._directory.invitations.find(key, now)
        if invited is not None and invited.inviter is not None:
            invited = replace(invited, inviter=await self._ask_source(invited.inviter))
        return self._offer_of(invited)

    async def check_names(self, username: str, name: str) -> None:
        """Raise Refused or Conflict if an administrator cannot have these names."""
        with refusals():
            account = check_account(self._account(username, name, new_id()))
        async with self._directory.changing() as transaction:
            await _check_free(transaction, account)

    async def make(self, secret: str, chosen: NewAdministrator) -> Account:
        """The administrator, with their second factor; the link is used up by that.

        Raises Refused, HashingBusy, or Conflict if the name belongs to somebody else.
        """
        if await self.offer(secret) is None:  # before the hash, which is expensive
            raise Refused("this link has been used, or is too old")
        return await self._commit(secret, await self._checked(chosen), chosen)

    async def _checked(self, chosen: NewAdministrator) -> Account:
        """The account that was chosen; without a password if a passkey is there instead."""
        way = chosen.way
        own_id = (
            way.subject_id.removeprefix(SUBJECT_PREFIX) if isinstance(way, Passkey) else new_id()
        )
        with refusals():
            account = check_account(self._account(chosen.username, chosen.name, own_id))
            if isinstance(way, Passkey):
                return account
            check_password(way.password, account, self._settings.company_name)
            hashed = await self._hashing.hash(way.password)
        return replace(account, password_hash=hashed, password_changed_at=account.created_at)

    @retried_on_conflict
    async def _commit(self, secret: str, account: Account, chosen: NewAdministrator) -> Account:
        now = self._actor.now()
        async with self._directory.changing() as transaction:
            offer = await self._use(transaction, digest(secret), now)
            if offer is None:
                raise Refused("this link has been used, or is too old")
            account = _with(account, offer)
            await _check_free(transaction, account)
            await transaction.add_accounts([account])
            factor = _factor(account, chosen.way)
            await self._factors.add_first(
                transaction.connection, factor, chosen.recovery_digests, now
            )
            how = (
                "a passkey"
                if isinstance(chosen.way, Passkey)
                else "a password and an authenticator app"
            )
            await transaction.record(self._actor.account_event(account, offer.described(how)))
        if offer.invitation is None:
            _log.warning("console.owner_by_link", username=account.username)
        else:
            _log.warning("console.invited", username=account.username, role=account.role)
        return account

    async def _use(self, transaction: Transaction, key: str, now: float) -> Offer | None:
        """Use up a link of either kind; what it gives, or None if it is too late."""
        if await transaction.use_first_link(key, now):
            return Offer(Role.OWNER)
        return self._offer_of(await transaction.use_invitation(key, now))

    def _offer_of(self, invited: Invited | None) -> Offer | None:
        """None also for a role of a later version, and if the inviter is no owner any more."""
        if invited is None or not is_vouched_for(invited, self._directory.console_groups):
            return None
        role = role_named(invited.invitation.role)
        return None if role is None else Offer(role, invited.invitation)

    def _account(self, username: str, name: str, own_id: str) -> Account:
        return Account(
            id=own_id,
            username=username,
            name=name,
            created_at=self._actor.now(),
        )


def url_of_link(settings: Settings, secret: str) -> str:
    """The address of a link."""
    address = settings.console_address.rstrip("/")
    return f"{address}{LINK_PATH}?{TOKEN_PARAMETER}={secret}"


def _with(account: Account, offer: Offer) -> Account:
    """An account with what its link gives."""
    email = None if offer.invitation is None else offer.invitation.email
    is_first = offer.invitation is None
    return replace(account, role=offer.role.value, administrator=is_first, email=email)


def _factor(account: Account, way: PasswordAndApp | Passkey) -> TotpSecret | Passkey:
    if isinstance(way, Passkey):
        return way
    return TotpSecret(
        subject_id=account.person.subject_id,
        secret=way.totp_secret,
        last_step=way.totp_step,
        created_at=account.created_at,
    )


async def _check_free(transaction: Transaction, account: Account) -> None:
    """Raises Conflict if the username belongs to somebody; it does not say of whom (R-229)."""
    taken = await transaction.taken_names([account])
    try:
        taken.check(account)
    except Conflict:
        raise Conflict(f"there is already a person called {account.username}") from None
