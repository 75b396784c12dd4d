"""Links with a secret that works once, for password resets and notices.

A link contains 256 random bits. The store keeps their digest, and the purpose of the link. Opening
a link does not use it up, since mail scanners open links too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from worksgate.credentials.secrets import digest, new_ordered_id, new_secret
from worksgate.oauth.model import Interim
from worksgate.store import Store

TOKEN_PARAMETER: Final = "token"
"""The query parameter with the secret; see docs/decisions/0014-reset-links.md."""

B = TypeVar("B", bound=msgspec.Struct)


class LinkNotValid(Exception):
    """The link is unknown, used or expired, or what it was made for has changed."""


@dataclass(frozen=True, slots=True)
class OneTimeLink(Generic[B]):
    """A valid link: as stored, and what it was made for."""

    kept: Interim
    bound: B


class OneTimeLinks(Generic[B]):
    """The links of one purpose; ``bound`` is the type of what each was made for.

    Every method may raise StoreUnavailable.
    """

    def __init__(self, store: Store, purpose: str, bound: type[B]) -> None:
        self._store = store
        self._purpose = purpose
        self._read: Callable[[str], B] = msgspec.json.Decoder(bound).decode

    async def make(self, url: str, bound: B, *, owner: str, expires_at: float) -> str:
        """A new link: ``url`` with a secret, valid until a time in seconds since the epoch.

        It is deleted with everything that the store holds for ``owner``.
        """
        secret = new_secret()
        await self.keep(secret, bound, owner=owner, expires_at=expires_at)
        return f"{url}?{urlencode({TOKEN_PARAMETER: secret})}"

    async def keep(self, secret: str, bound: B, *, owner: str, expires_at: float) -> None:
        """Store what a secret stands for; it must be too long to guess until it expires."""
        await self._store.save(
            Interim(
                key=digest(secret),
                grant_id=new_ordered_id(),
                subject_id=owner,
                client_id="",
                expires_at=expires_at,
                purpose=self._purpose,
                data=msgspec.json.encode(bound).decode(),
            )
        )

    async def find(self, secret: str, now: float) -> OneTimeLink[B]:
        """The link with this secret, which stays valid. Raises LinkNotValid."""
        kept = await self._store.find(Interim, digest(secret))
        if kept is None or kept.purpose != self._purpose or kept.expires_at <= now:
            raise LinkNotValid
        return OneTimeLink(kept, self._read(kept.data))

    async def use_up(self, link: OneTimeLink[B]) -> None:
        """Use a link up; of several callers exactly one succeeds, the others get LinkNotValid."""
        if await self._store.take(Interim, link.kept.key) is None:
            raise LinkNotValid

    async def restore(self, link: OneTimeLink[B]) -> None:
        """Restore a link whose use failed."""
        await self._store.save(link.kept)
