"""Validation of a login transaction at each request of its browser.

It is ours and this browser's, its client may still receive a code at its address, and it has not
issued its one code yet.
"""

from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import storage_key
from worksgate.oauth.errors import UnknownClient
from worksgate.oauth.model import Client, SpentTransaction
from worksgate.oauth.redirect_uri import check_redirect_uri
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.errors import AlreadySignedIn
from worksgate.provider.sign_in.transaction import SignInTransaction, TransactionSigner
from worksgate.settings.options import Settings
from worksgate.store import Store

_ACCOUNT = Client(client_id="", name="account")
"""Replaces the client when people manage their own account."""


class TransactionCheck:
    """Checks transactions against the clients and the store."""

    def __init__(
        self,
        settings: Settings,
        clients: ClientRegistry,
        store: Store,
        signer: TransactionSigner,
    ) -> None:
        self._loopback = settings.is_loopback
        self._clients = clients
        self._store = store
        self._signer = signer

    async def read(
        self, text: str, anti_forgery_token: str, browser: Browser, now: float
    ) -> SignInTransaction:
        """The transaction of a posted form, if its client may still receive a code.

        Raises ForgedTransaction, ExpiredTransaction, AuthorizationError, or an outage.
        """
        transaction = self._signer.read(text, anti_forgery_token, browser.secret, now)
        await self.check_client(transaction)
        return transaction

    async def check_client(self, transaction: SignInTransaction) -> Client:
        """The current client, which may still receive a code at the transaction's address.

        Raises AuthorizationError, or an outage.
        """
        client = await self.client_of(transaction)
        if not transaction.is_for_account:
            check_redirect_uri(
                transaction.redirect_uri,
                client.redirect_uris,
                require_state=client.require_state,
                loopback=self._loopback,
            )
        return client

    async def client_of(self, transaction: SignInTransaction) -> Client:
        """The current client. Raises UnknownClient, or an outage."""
        if transaction.is_for_account:
            return _ACCOUNT
        client = (await self._clients.snapshot()).get(transaction.client_id)
        if client is None or not client.enabled:
            raise UnknownClient("the client was removed or disabled meanwhile")
        return client

    async def check_unspent(self, transaction: SignInTransaction) -> None:
        """Raises AlreadySignedIn where the transaction has issued its code, or an outage.

        An early look: of several at once the commit decides, in which the code is saved.
        """
        if await self._store.find(SpentTransaction, storage_key(transaction.id)) is not None:
            raise AlreadySignedIn
