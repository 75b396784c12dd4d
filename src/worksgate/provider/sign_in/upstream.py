"""Upstream sign-ins: another provider authenticates, between the redirect and the return.

The state meanwhile is in a cookie of the browser, encrypted, bound to it and to the ``state``
(R-91), and valid as long as its transaction: anybody can begin such a sign-in, as often as they
like, and nothing is stored here (R-142). Only a successful return leaves a row, which marks this
``state`` as used.
"""

import hmac
from collections.abc import Mapping, Sequence

from worksgate.audit import Reason
from worksgate.credentials.secrets import digest
from worksgate.oauth.errors import BadAuthorizationRequest, Cause
from worksgate.oauth.model import Interim
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.outcomes import RedirectedUpstream
from worksgate.provider.sign_in.transaction import (
    ForgedTransaction,
    SignInTransaction,
    TransactionSigner,
    UpstreamState,
)
from worksgate.settings.options import Settings
from worksgate.sources import Person, RedirectSource
from worksgate.store import Store

CALLBACK_PATH = "/callback/"
"""Path below the sign-in page; the name of the source follows."""

LOGOUT_LIFETIME = 600.0
"""Seconds that a browser may be away to sign out upstream."""

MAX_SEALED = 2_700
"""Maximum length of one sign-in in the cookie, of which several make ``web.cookies.LONGEST``."""

_PURPOSE = "upstream_login"
_AFTER_LOGOUT = "after_logout"


class UpstreamSignIns:
    """Redirects browsers to other providers and handles their return."""

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
        transaction: SignInTransaction,
        source: RedirectSource,
        login_hint: str | None,
    ) -> RedirectedUpstream:
        """Where to redirect the browser, and what it takes along.

        Raises SourceUnavailable, or BadAuthorizationRequest if that is too long for a cookie.
        """
        redirect = await source.begin(
            self.return_url(source.name), login_hint, reauthenticate=transaction.is_for_account
        )
        along = UpstreamState(transaction, source.name, redirect.kept)
        sealed = self._signer.seal(along, redirect.state)
        if len(sealed) > MAX_SEALED:
            raise BadAuthorizationRequest(
                "redirect_uri is too long for another provider", Cause.TOO_LONG
            )
        return RedirectedUpstream(
            redirect.url, source.label, (name_of(redirect.state), sealed), transaction
        )

    async def read(
        self, source: str, query: Mapping[str, str], browser: Browser, now: float
    ) -> UpstreamState:
        """The sign-in of a returning browser, unless it has continued before.

        Raises ForgedTransaction, ExpiredTransaction, or an outage.
        """
        state = query.get("state", "")
        sealed = _of(browser.upstream, name_of(state))
        if sealed is None:
            raise ForgedTransaction(
                "the browser has kept nothing for this state", reason=Reason.STATE_UNKNOWN
            )
        along = self._signer.unseal(sealed, state, browser.secret, now)
        if not hmac.compare_digest(along.source.encode(), source.encode("utf-8", "replace")):
            raise ForgedTransaction(
                "the state is another source's", along.transaction, reason=Reason.STATE_UNKNOWN
            )
        if await self._store.find(Interim, _key_of(state)) is not None:
            raise ForgedTransaction("the state was used before", reason=Reason.STATE_USED)
        return along

    async def finish(
        self, login: UpstreamState, source: RedirectSource, query: Mapping[str, str]
    ) -> Person:
        """The person; the state is used up.

        Raises what ``RedirectSource.finish`` does, ForgedTransaction for all but one of concurrent
        returns, or an outage.
        """
        person = await source.finish(self.return_url(source.name), login.kept, query)
        transaction = login.transaction
        used = Interim(
            key=_key_of(query.get("state", "")),
            grant_id=transaction.id,
            # It belongs to nobody: a person's artifacts may be revoked, a used state may not.
            subject_id="",
            client_id=transaction.client_id,
            expires_at=transaction.expires_at,
            purpose=_PURPOSE,
            data="",
        )
        if not await self._store.add(used):
            raise ForgedTransaction(
                "the state was used at this very moment", transaction, reason=Reason.STATE_USED
            )
        return person

    async def log_out(
        self, source: RedirectSource, target: str | None, browser: Browser, now: float
    ) -> str | None:
        """Where the browser signs out of a provider too, or None if it should not.

        It returns to our logout address; its destination is stored until then.
        """
        url = await source.logout_url(self._logout_url)
        if url is not None and target is not None:
            await self._store.save(
                Interim(
                    key=_key_after_logout(browser),
                    grant_id="",
                    subject_id="",
                    client_id="",
                    expires_at=now + LOGOUT_LIFETIME,
                    purpose=_AFTER_LOGOUT,
                    data=target,
                )
            )
        return url

    async def return_address_after_logout(self, browser: Browser, now: float) -> str | None:
        """The destination of a browser that returns from signing out upstream, if any."""
        kept = await self._store.take(Interim, _key_after_logout(browser))
        is_good = kept is not None and kept.purpose == _AFTER_LOGOUT and now < kept.expires_at
        return kept.data if kept is not None and is_good else None


def _key_after_logout(browser: Browser) -> str:
    return digest(f"{_AFTER_LOGOUT} {browser.secret}")


def name_of(state: str) -> str:
    """The name of a browser's data for this state, which does not reveal the state."""
    return digest(f"upstream cookie {state}")[:16]


def _of(upstream: Sequence[tuple[str, str]], name: str) -> str | None:
    return next((sealed for found, sealed in upstream if found == name), None)


def _key_of(state: str) -> str:
    return digest(f"{_PURPOSE} {state}")
