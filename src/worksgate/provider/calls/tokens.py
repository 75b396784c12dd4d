"""The calls that resolve a code to a person: steps 7 to 10.

LINE WORKS waits 3 seconds for each, so each takes one lookup in the client list, which is in
memory, and one operation of the store. Nothing in this file knows HTTP.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

from worksgate.audit import Event, elapsed_ms
from worksgate.clients.registry import ClientRegistry, check_admitted
from worksgate.credentials.secrets import new_ordered_secret, storage_key
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import (
    Cause,
    InvalidAuthorization,
    OAuthError,
    TemporarilyUnavailable,
)
from worksgate.oauth.model import AccessToken, Client, RefreshToken
from worksgate.oauth.token import TokenRequest, TokenResponse, check_grant
from worksgate.oauth.user_info import UserInfoRequest, UserInfoResponse, check_access_token
from worksgate.provider.calls.audit_trail import CallAuditTrail
from worksgate.store import RedemptionOutcome, RedemptionRecord, Store, Successors

Form = dict[str, str]

_REASONS = {
    RedemptionOutcome.UNKNOWN: ("is unknown", Cause.CODE_UNKNOWN),
    RedemptionOutcome.FOREIGN: ("belongs to another client", Cause.CODE_FOREIGN),
    RedemptionOutcome.EXPIRED: ("has expired", Cause.CODE_EXPIRED),
    RedemptionOutcome.REPLAYED: ("was used before", Cause.CODE_REPLAYED),
}
"""The log's explanation of an artifact that cannot be redeemed."""


class LineWorksCalls:
    """Answers the back-channel calls; they raise only OAuthError."""

    def __init__(
        self,
        clients: ClientRegistry,
        store: Store,
        records: CallAuditTrail,
        clock: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._store = store
        self._records = records
        self._clock = clock

    async def exchange_code(self, form: Form, address: str) -> TokenResponse:
        """Verify a code, redeem it and create its access token, in one operation of the store.

        Raises OAuthError; the checks are in the order of the contract.
        """
        now = self._clock()
        try:
            await self._records.room()
            request = TokenRequest.parse(form)
            clients = self._clients.current or await self._clients.snapshot()
            client = self._clients.authenticate(
                clients, request.client_id, request.client_secret, address, now
            )
            secret = check_grant(request, client)
            check_admitted(client, address)
            return await self._redeem(request, secret, client, address, now)
        except OAuthError as error:
            client_id = form.get("client_id", "")
            self._records.refused(Event.CODE_REFUSED, now, error, client_id, address)
            raise
        except Unavailable as outage:
            raise TemporarilyUnavailable(str(outage)) from outage

    async def _redeem(
        self, request: TokenRequest, secret: str, client: Client, address: str, now: float
    ) -> TokenResponse:
        access_token = new_ordered_secret()
        refresh_token = new_ordered_secret() if client.refresh_tokens else None
        successors = Successors(
            storage_key(access_token),
            storage_key(refresh_token) if refresh_token else None,
            client.refresh_token_lifetime,
        )
        refreshed = request.kind is RefreshToken
        record = RedemptionRecord(
            Event.TOKEN_REFRESHED if refreshed else Event.CODE_REDEEMED, address
        )
        try:
            redemption = await self._store.redeem(
                request.kind, storage_key(secret), client.client_id, successors, now, record
            )
        except asyncio.CancelledError:
            # The deadline: a commit that hangs in the disk cannot be undone (F-06).
            unknown = TemporarilyUnavailable("no answer in time; whether it was used is not known")
            self._records.refused(Event.CODE_REFUSED, now, unknown, client.client_id, address)
            raise
        except Unavailable as outage:  # recorded when the database responds again
            unknown = TemporarilyUnavailable(str(outage))
            self._records.refused(Event.CODE_REFUSED, now, unknown, client.client_id, address)
            raise
        artifact = redemption.artifact
        if redemption.outcome is not RedemptionOutcome.REDEEMED or artifact is None:
            reason, cause = _REASONS[redemption.outcome]
            raise InvalidAuthorization(f"the {request.kind.kind} {reason}", cause)
        return TokenResponse(access_token, artifact.expires_in, refresh_token)

    async def user_info(self, form: Form, address: str) -> UserInfoResponse:
        """Return the person of this access token. Raises OAuthError."""
        now, began = self._clock(), perf_counter()
        try:
            await self._records.room()
            request = UserInfoRequest.parse(form)
            clients = self._clients.current or await self._clients.snapshot()
            client = self._clients.authenticate(
                clients, request.client_id, request.client_secret, address, now
            )
            check_admitted(client, address)
            found = await self._store.find(AccessToken, storage_key(request.access_token))
            token = check_access_token(found, client, now)
        except OAuthError as error:
            client_id = form.get("client_id", "")
            self._records.refused(Event.USER_INFO_REFUSED, now, error, client_id, address)
            raise
        except Unavailable as outage:
            raise TemporarilyUnavailable(str(outage)) from outage
        self._records.user_info(now, token, address, elapsed_ms(began))
        return UserInfoResponse(token.user_id)
