"""Whose name and password these are: the sources, asked in their order, behind the throttle."""

import asyncio
from collections.abc import Collection

from worksgate.audit import Event
from worksgate.credentials import new_id
from worksgate.factors import FactorRefused, Holder
from worksgate.factors.book import Factors
from worksgate.login_transaction import LoginTransaction, TransactionSigner
from worksgate.oauth.model import Client
from worksgate.outages import Unavailable
from worksgate.records import Records
from worksgate.sign_in import Browser, UnknownPasskey, WrongPassword
from worksgate.sources import PasswordExpired, Person, PersonDisabled, SourceUnavailable
from worksgate.sources_in_use import SourcesInUse
from worksgate.throttle import Attempt, Throttle, TooManyAttempts
from worksgate.usernames import username_key


class PasswordCheck:
    """Checks passwords, and passkeys that stand for one."""

    def __init__(
        self,
        sources: SourcesInUse,
        factors: Factors,
        throttle: Throttle,
        signer: TransactionSigner,
        records: Records,
    ) -> None:
        self._sources = sources
        self._factors = factors
        self._throttle = throttle
        self._signer = signer
        self._records = records

    async def check(
        self,
        transaction: LoginTransaction,
        client: Client,
        username: str,
        password: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """The name of the source and the person.

        Raises WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, or an outage; each but
        the last two is recorded.
        """
        self._sources.check_room(client, username)  # in a flood most are refused: at little cost
        attempt = Attempt(username, browser.address, self.known_device(username, browser))
        try:
            await self._throttle.admit(attempt, now)
        except TooManyAttempts:
            self._records.throttled(now, transaction, browser, username)
            raise
        try:
            found = await self._ask(client, username, password)
        except PersonDisabled as refusal:
            await self._throttle.succeeded(attempt, now)
            expired = isinstance(refusal, PasswordExpired)
            detail = "the password has expired" if expired else "the person is disabled"
            self._failed(now, transaction, browser, username, detail)
            raise
        except (Unavailable, asyncio.CancelledError):
            await self._throttle.withdrawn(attempt)
            raise
        if found is None:
            await self._throttle.failed(attempt, now)
            self._failed(now, transaction, browser, username, "wrong name or password")
            raise WrongPassword
        await self._throttle.succeeded(attempt, now)
        return found

    async def check_passkey(
        self,
        transaction: LoginTransaction,
        client: Client,
        assertion: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """The name of the source and the person of a passkey that stands for the password.

        Raises UnknownPasskey, TooManyAttempts, or an outage.
        """
        attempt = Attempt(f"passkey {transaction.id}", browser.address)
        await self._throttle.admit(attempt, now)
        challenge = self._signer.passkey_challenge(transaction).encode()
        holder = Holder(
            subject_id="",
            address=browser.address,
            login_id=transaction.login_id,
            client_id=transaction.client_id or None,
        )
        try:
            subject = await self._factors.check_passkey(
                holder, assertion, challenge, now, require_user_verification=True
            )
        except FactorRefused:
            await self._throttle.failed(attempt, now)
            raise UnknownPasskey from None
        found = await self._sources.by_subject(subject)
        if found is None or found[0] not in self._allowed(client):
            self._failed(now, transaction, browser, "", "passkey: nobody of this client's")
            raise UnknownPasskey
        await self._throttle.succeeded(attempt, now)
        return found

    def _allowed(self, client: Client) -> Collection[str]:
        return client.sources or {*self._sources.passwords, *self._sources.redirects}

    def new_device(self, username: str) -> tuple[str, str]:
        """A device id and its signature, for the cookie of who has signed in by this name."""
        device_id = new_id()
        return device_id, self._signer.sign_device(username_key(username), device_id)

    def _failed(
        self,
        now: float,
        transaction: LoginTransaction,
        browser: Browser,
        username: str,
        detail: str,
    ) -> None:
        self._records.login(
            Event.LOGIN_FAILED, now, transaction, browser, username=username, detail=detail
        )

    async def _ask(self, client: Client, username: str, password: str) -> tuple[str, Person] | None:
        """The first source that knows the password; an outage counts only where none does."""
        outage: SourceUnavailable | None = None
        for source in self._sources.for_password(client, username):
            try:
                person = await source.authenticate(username, password)
            except SourceUnavailable as error:
                outage = outage or error
                continue
            if person is not None:
                return source.name, person
        if outage is not None:
            raise outage
        return None

    def known_device(self, username: str, browser: Browser) -> str | None:
        """The id of a device cookie that this browser got when this person signed in."""
        account = username_key(username)
        for device_id, signature in browser.devices:
            if self._signer.knows_device(account, device_id, signature):
                return device_id
        return None
