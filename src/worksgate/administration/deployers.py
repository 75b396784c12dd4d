"""Tokens of deployers: a pipeline makes clients as a file says, and can do nothing else (R-236).

A token is made by an owner, is shown once and kept as a digest. It is accepted until it expires or
is ended, and only while the owner who made it is one; what a command has made hangs on nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.actor import Actor
from worksgate.administration.console.rights import may_still_own
from worksgate.administration.errors import Forbidden, NotFound, Refused, refusals
from worksgate.administration.first_owner import AskSource, as_stored
from worksgate.administration.roles import Permission, Role, may
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.secrets import digest, new_id, new_secret
from worksgate.database import ConcurrentChange, Conflict
from worksgate.directory.account_rules import check_display_name
from worksgate.directory.console_groups import ConsoleGroups
from worksgate.directory.database import Directory
from worksgate.directory.deployer_tokens import DeployerToken, MadeToken
from worksgate.limits.networks import network_of
from worksgate.limits.rate_limit import WINDOW, RateLimit
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import TooManyAttempts

PREFIX: Final = "wgd_"
"""What each token begins with: scanners find one that was published."""
LIFETIME: Final = 90 * 86_400.0
"""Seconds, unless another one is asked for."""
LONGEST_LIFETIME: Final = 3_650 * 86_400.0
KEPT_EXPIRED: Final = 30 * 86_400.0
"""Seconds for which the list still says that a token has expired."""
WRONG_A_MINUTE: Final = 30
"""Wrong tokens from one network; beyond that the answer says to wait. A right one always counts."""
NOTED_EVERY: Final = 60.0
"""Seconds between two notes of the last use."""


class TokenState(StrEnum):
    """Whether a token is accepted, and why not."""

    ACCEPTED = auto()
    EXPIRED = auto()
    OWNERLESS = auto()
    """Whoever made it is no owner any more."""


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token as owners see it."""

    token: DeployerToken
    state: TokenState


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, and its secret, which is shown once and not stored."""

    token: DeployerToken
    secret: str = field(repr=False)


class UnknownToken(Exception):
    """It is no token that is accepted."""


class DeployerAdministration:
    """Makes tokens of deployers, and ends them."""

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._rows = directory.deployer_tokens
        self._groups = directory.console_groups
        self._actor = actor

    async def make(self, name: str, *, lifetime: float | None = LIFETIME) -> NewToken:
        """Make a token; None as its ``lifetime`` in seconds is until it is ended.

        The name is that of the changes it makes. Raises Refused, or Forbidden for whoever may not
        give roles.
        """
        self._check()
        with refusals():
            check_display_name(name)
        if not name or name != name.strip():
            raise Refused("a token needs a name, which its changes are recorded under")
        if lifetime is not None and not 0 < lifetime <= LONGEST_LIFETIME:
            raise Refused("a token is valid for up to ten years")
        secret, now = PREFIX + new_secret(), self._actor.now()
        made = DeployerToken(
            id=new_id(),
            name=name,
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
            used_at=None,
            maker=self._actor.subject_id,
            actor=self._actor.name,
        )
        event = self._actor.event(Event.SYSTEM, f"the deployer token {name} was made", at=now)
        try:
            await self._rows.add(digest(secret), made, event)
        except ConcurrentChange:
            raise
        except Conflict:
            raise Refused(f"there is a deployer token {name} already") from None
        return NewToken(made, secret)

    async def all(self) -> list[ListedToken]:
        """All by name; expired ones for a while."""
        now = self._actor.now()
        found = await self._rows.all()
        return [ListedToken(each.token, state_of(each, self._groups, now)) for each in found]

    async def end(self, id_or_name: str) -> DeployerToken:
        """End a token at once. Raises NotFound, or Forbidden."""
        self._check()
        for each in await self._rows.all():
            token = each.token
            if id_or_name in (token.id, token.name):
                event = self._actor.event(Event.SYSTEM, f"the deployer token {token.name} ended")
                if await self._rows.end(token.id, event):
                    return token
        raise NotFound("there is no such deployer token any more")

    def _check(self) -> None:
        role = self._actor.role
        if role is not None and not may(role, Permission.OWN):
            raise Forbidden("your role cannot make or end the tokens of deployers")


class DeployerAccess:
    """Recognizes the tokens of deployers at requests, and bounds wrong ones.

    ``ask_source`` is asked for whoever made a token, before it counts (R-253).
    """

    def __init__(
        self,
        directory: Directory,
        strangers: StrangerRecords,
        clock: Callable[[], float],
        ask_source: AskSource = as_stored,
    ) -> None:
        self._ask_source = ask_source
        self._rows = directory.deployer_tokens
        self._groups = directory.console_groups
        self._strangers = strangers
        self._clock = clock
        self._wrong = RateLimit(WRONG_A_MINUTE)

    async def find(self, secret: str, address: str) -> Actor:
        """Whoever has this token, for what they do now.

        Raises UnknownToken, TooManyAttempts, or an outage, also of the source of its owner.
        """
        now = self._clock()
        found = await self._rows.find(digest(secret)) if secret.startswith(PREFIX) else None
        if found is None:
            raise self._refused("an unknown deployer token", address, now)
        if found.maker is not None:
            found = replace(found, maker=await self._ask_source(found.maker))
        token, state = found.token, state_of(found, self._groups, now)
        if state is TokenState.EXPIRED:
            raise self._refused(f"the deployer token {token.name} has expired", address, now)
        if state is TokenState.OWNERLESS:
            raise self._refused(
                f"the deployer token {token.name} was made by somebody who is no owner any more",
                address,
                now,
            )
        if token.used_at is None or not 0 <= now - token.used_at < NOTED_EVERY:
            await self._rows.use(token.id, now)
        return Actor(f"deployer:{token.name}", self._clock, role=Role.DEPLOYER)

    def _refused(self, detail: str, address: str, now: float) -> Exception:
        """Anybody can cause these: a flood of them is counted, not written."""
        event = AuditEvent(
            event=Event.CONSOLE_REFUSED, at=now, address=address or None, detail=detail
        )
        self._strangers.record(event)
        if self._wrong.exceeded(network_of(address), now):
            return TooManyAttempts(WINDOW)
        return UnknownToken(detail)


def state_of(made: MadeToken, groups: ConsoleGroups, now: float) -> TokenState:
    """Whether a token is accepted now, and why not."""
    token = made.token
    if token.expires_at is not None and not token.created_at <= now < token.expires_at:
        return TokenState.EXPIRED
    if not may_still_own(token.maker, made.maker, groups):
        return TokenState.OWNERLESS
    return TokenState.ACCEPTED
