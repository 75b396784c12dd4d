"""Upstream logins: another provider says who somebody is, between the way out and the way back.

What must be kept meanwhile is an ``Interim`` of the store under the digest of the ``state``: taken
once only, bound to the browser that left (R-91), and good for as long as its transaction.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from worksgate.credentials import digest
from worksgate.login_transaction import ForgedTransaction, LoginTransaction, TransactionSigner
from worksgate.oauth.model import Interim
from worksgate.settings import Settings
from worksgate.sign_in import Browser, RedirectedUpstream
from worksgate.sources import Person, RedirectSource
from worksgate.store import Store

CALLBACK_PATH = "/callback/"
"""Below the login address; the name of the source follows."""

LOGOUT_LIFETIME = 600.0
"""Seconds that a browser may be away to sign out upstream."""

_PURPOSE = "upstream_login"
_AFTER_LOGOUT = "after_logout"


@dataclass(frozen=True, slots=True)
class _Kept:
    source: str
    transaction: str = field(repr=False)
    kept: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpstreamLogin:
    """The login of a browser that is back, and what the source had kept for it."""

    transaction: LoginTransaction
    kept: str = field(repr=False)


class UpstreamLogins:
    """Sends browsers to other providers and takes them back."""

    def __init__(self, settings: Settings, store: Store, signer: TransactionSigner) -> None:
        public_url = settings.public_url.rstrip("/")
        self._login_url = public_url + settings.web_login_path
        self._logout_url = public_url + settings.logout_path
        self._store = store
        self._signer = signer

    def return_url(self, source: str) -> str:
        """The address to register with the provider: it brings the browser back."""
        return f"{self._login_url}{CALLBACK_PATH}{source}"

    async def begin(
        self,
        transaction: LoginTransaction,
        source: RedirectSource,
        login_hint: str | None,
    ) -> RedirectedUpstream:
        """Where to send the browser. Raises SourceUnavailable, or an outage."""
        redirect = await source.begin(
            self.return_url(source.name), login_hint, anew=transaction.is_for_account
        )
        kept = _Kept(source.name, self._signer.sign(transaction), redirect.kept)
        await self._store.save(
            Interim(
                key=_key_of(redirect.state),
                grant_id=transaction.id,
                subject_id="",
                client_id=transaction.client_id,
                expires_at=transaction.expires_at,
                purpose=_PURPOSE,
                data=msgspec.json.encode(kept).decode(),
            )
        )
        return RedirectedUpstream(redirect.url, source.label)

    async def take(
        self, source: str, query: Mapping[str, str], browser: Browser, now: float
    ) -> UpstreamLogin:
        """The login of a browser that is back; it can come back once.

        Raises ForgedTransaction, ExpiredTransaction, or an outage.
        """
        key = _key_of(query.get("state", ""))
        found = await self._store.find(Interim, key)
        if found is None or found.purpose != _PURPOSE:
            raise ForgedTransaction("the state is unknown or was used before")
        kept = msgspec.json.decode(found.data, type=_Kept)
        # Our own signature: what is checked is the browser, and the time. A stranger who has the
        # state must not use it up.
        transaction = self._signer.read_kept(kept.transaction, browser.secret, now)
        if await self._store.take(Interim, key) is None:
            raise ForgedTransaction("the state was used at this very moment", transaction)
        if not hmac.compare_digest(kept.source.encode(), source.encode("utf-8", "replace")):
            raise ForgedTransaction("the state is another source's", transaction)
        return UpstreamLogin(transaction, kept.kept)

    async def finish(
        self, login: UpstreamLogin, source: RedirectSource, query: Mapping[str, str]
    ) -> Person:
        """Who it is. Raises what ``RedirectSource.finish`` does."""
        return await source.finish(self.return_url(source.name), login.kept, query)

    async def log_out(
        self, source: RedirectSource, wanted: str | None, browser: Browser, now: float
    ) -> str | None:
        """Where the browser signs out of a provider too, or None where that is not to be.

        It comes back to our logout address; where it wanted to go is kept until then.
        """
        url = await source.logout_url(self._logout_url)
        if url is not None and wanted is not None:
            await self._store.save(
                Interim(
                    key=_key_after_logout(browser),
                    grant_id="",
                    subject_id="",
                    client_id="",
                    expires_at=now + LOGOUT_LIFETIME,
                    purpose=_AFTER_LOGOUT,
                    data=wanted,
                )
            )
        return url

    async def wanted_after_logout(self, browser: Browser, now: float) -> str | None:
        """Where a browser that is back from signing out upstream wanted to go, if anywhere."""
        kept = await self._store.take(Interim, _key_after_logout(browser))
        is_good = kept is not None and kept.purpose == _AFTER_LOGOUT and now < kept.expires_at
        return kept.data if kept is not None and is_good else None


def _key_after_logout(browser: Browser) -> str:
    return digest(f"{_AFTER_LOGOUT} {browser.secret}")


def _key_of(state: str) -> str:
    return digest(f"{_PURPOSE} {state}")
