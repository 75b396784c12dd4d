"""Administrators who sign in at another provider: what their browser takes along and brings back.

The provider vouches for the person in place of a password; a second factor here is still needed
(R-191). What is kept until they come back is encrypted in a cookie, for one browser, one state and
some minutes, and counts once.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.master_key import DamagedSecret, MasterKey, Place
from worksgate.credentials.secrets import digest
from worksgate.sources import Person, RedirectSource
from worksgate.store import Store

RETURN_PATH: Final = "/sign-in/return"
"""Where a provider sends the browser; it must know this address of the console."""
BACK_WITHIN: Final = 600.0
"""Seconds in which somebody comes back."""


class NotSentThere(Exception):
    """The browser was not sent to the provider, or too long ago, or has come back before."""


@dataclass(frozen=True, slots=True)
class SentThere:
    """Where to send the browser, and what it keeps until it is back."""

    url: str = field(repr=False)
    kept: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    source: str
    browser: str
    at: float
    kept: str = field(repr=False)


class ConsoleProviders:
    """Sends browsers to other providers; ``address`` is the console's."""

    def __init__(
        self, address: str, signing_key: bytes, store: Store, clock: Callable[[], float]
    ) -> None:
        self._return_url = address.rstrip("/") + RETURN_PATH
        self._key = MasterKey(derived_key(signing_key, "console sign-in at another provider"))
        self._store = store
        self._clock = clock

    async def begin(self, source: RedirectSource, secret: str) -> SentThere:
        """Send a browser with this secret to a provider, to sign in anew. Raises an outage."""
        redirect = await source.begin(self._return_url, reauthenticate=True)
        kept = _Kept(source.name, digest(secret), self._clock(), redirect.kept)
        sealed = self._key.seal(msgspec.json.encode(kept), _place(redirect.state))
        return SentThere(redirect.url, urlsafe_b64encode(sealed).rstrip(b"=").decode())

    async def finish(
        self,
        sources: Mapping[str, RedirectSource],
        sealed: str,
        query: Mapping[str, str],
        secret: str,
    ) -> Person:
        """Whom the provider has signed in.

        Raises NotSentThere, RefusedUpstream, PersonDisabled or SourceUnavailable.
        """
        kept, now = self._opened(sealed, query.get("state", "")), self._clock()
        source = sources.get(kept.source)
        if source is None or kept.browser != digest(secret) or not 0 <= now - kept.at < BACK_WITHIN:
            raise NotSentThere
        if await self._store.bump(f"console came back {digest(sealed)}", BACK_WITHIN, now) > 1:
            raise NotSentThere
        return await source.finish(self._return_url, kept.kept, query)

    def _opened(self, sealed: str, state: str) -> _Kept:
        try:
            decoded = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            return msgspec.json.decode(self._key.unseal(decoded, _place(state)), type=_Kept)
        except (DamagedSecret, Error, ValueError, msgspec.MsgspecError):
            raise NotSentThere from None


def _place(state: str) -> Place:
    return Place("console", "provider", state)
