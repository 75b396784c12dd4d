"""Checks a username and a password: the sources in order, behind the throttle."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from worksgate.audit import Reason
from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.credentials.secrets import storage_key
from worksgate.credentials.usernames import username_key
from worksgate.directory.read_ahead import ReadAhead
from worksgate.oauth.model import Client
from worksgate.provider.factors import FactorRefused, Holder
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.password_refusals import why_disabled, why_wrong
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.audit_trail import AuditTrail
from worksgate.provider.sign_in.errors import UnknownPasskey, WrongPassword
from worksgate.provider.sign_in.transaction import SignInTransaction, TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import (
    Admission,
    Attempt,
    Throttle,
    TooManyAttempts,
    new_device_id,
)
from worksgate.sources import Person, PersonDisabled


class PasswordCheck:
    """Checks passwords, and passkeys that replace one."""

    def __init__(
        self,
        sources: SourcesInUse,
        factors: Factors,
        throttle: Throttle,
        signer: TransactionSigner,
        records: AuditTrail,
        read_ahead: ReadAhead | None = None,
    ) -> None:
        self._sources = sources
        self._factors = factors
        self._throttle = throttle
        self._signer = signer
        self._records = records
        self._read_ahead = read_ahead or ReadAhead()

    async def read_ahead(
        self, transaction: SignInTransaction, username: str, browser: Browser, now: float
    ) -> None:
        """Read together what is looked at before a password is checked. Raises an outage."""
        attempt = Attempt(username, browser.address, self.known_device(username, browser))
        counters = self._throttle.first_counters(attempt)
        await self._read_ahead.password(storage_key(transaction.id), counters, username, now)

    async def check(
        self,
        transaction: SignInTransaction,
        client: Client,
        username: str,
        password: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """The name of the source and the person; raises like ``checking``."""
        async with self.checking(transaction, client, username, password, browser, now) as checked:
            source, person, _ = checked
        return source, person

    @asynccontextmanager
    async def checking(
        self,
        transaction: SignInTransaction,
        client: Client,
        username: str,
        password: str,
        browser: Browser,
        now: float,
    ) -> AsyncIterator[tuple[str, Person, Admission]]:
        """The name of the source, the person, and the admission of the attempt.

        What that demands is written at the end of the block, unless the block has. Raises
        WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, or an outage; all but the last
        two are recorded, and so is BusyRefusal.
        """
        device = self.known_device(username, browser)
        # In a flood most are refused: at little cost.
        self._sources.check_capacity(client, username, is_known=device is not None)
        attempt = Attempt(username, browser.address, device)
        try:
            async with self._throttle.attempt(attempt, now) as admission:
                source, person = await self._checked(
                    transaction, client, username, password, browser, now, admission
                )
                yield source, person, admission
        except TooManyAttempts as too_many:
            self._records.throttled(now, transaction, browser, username, too_many)
            raise

    async def _checked(
        self,
        transaction: SignInTransaction,
        client: Client,
        username: str,
        password: str,
        browser: Browser,
        now: float,
        admission: Admission,
    ) -> tuple[str, Person]:
        """Raises what ``checking`` does, once it is recorded."""
        try:
            found = await self._found(client, username, password, admission)
        except BusyRefusal as refusal:
            self._failed(now, transaction, browser, username, str(refusal), Reason.NOT_CHECKED)
            raise
        except PersonDisabled as refusal:
            self._failed(now, transaction, browser, username, *why_disabled(refusal))
            raise
        if found is None:
            self._failed(now, transaction, browser, username, *why_wrong(admission))
            raise WrongPassword
        return found

    async def check_passkey(
        self,
        transaction: SignInTransaction,
        client: Client,
        assertion: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """The name of the source and the person of a passkey that replaces the password.

        Raises UnknownPasskey, TooManyAttempts, or an outage.
        """
        attempt = Attempt(f"passkey {transaction.id}", browser.address)
        challenge = self._signer.passkey_challenge(transaction).encode()
        holder = Holder(
            subject_id="",
            address=browser.address,
            login_id=transaction.login_id,
            client_id=transaction.client_id or None,
            began=browser.arrived,
        )
        async with self._throttle.attempt(attempt, now) as admission:
            try:
                subject = await self._factors.check_passkey(
                    holder, assertion, challenge, now, require_user_verification=True
                )
            except FactorRefused:
                admission.refused()
                raise UnknownPasskey from None
            found = await self._sources.by_subject(subject)
            if found is None or found[0] not in self._allowed(client):
                admission.refused()
                self._failed(
                    now,
                    transaction,
                    browser,
                    "",
                    "passkey: nobody of this client's",
                    Reason.SOURCE_NOT_ALLOWED,
                )
                raise UnknownPasskey
            admission.succeeded()
        return found

    def _allowed(self, client: Client) -> Collection[str]:
        return client.sources or {*self._sources.passwords, *self._sources.redirects}

    def new_device(self, username: str, subject_id: str) -> tuple[str, str]:
        """A device ID and its signature, for the cookie of who signed in with this name."""
        device_id = new_device_id(subject_id)
        return device_id, self._signer.sign_device(username_key(username), device_id)

    def _failed(
        self,
        now: float,
        transaction: SignInTransaction,
        browser: Browser,
        username: str,
        detail: str,
        reason: Reason,
    ) -> None:
        is_known = self.known_device(username, browser) is not None
        self._records.failed(now, transaction, browser, username, detail, reason, is_known=is_known)

    async def _found(
        self, client: Client, username: str, password: str, admission: Admission
    ) -> tuple[str, Person] | None:
        """The name of the source and the person. Raises PersonDisabled, or an outage."""
        try:
            found = await self._sources.check_password(client, username, password, admission)
        except PersonDisabled:  # the password was right
            admission.succeeded()
            raise
        if found is not None:
            admission.succeeded()
        return found

    def known_device(self, username: str, browser: Browser) -> str | None:
        """The ID of a device cookie that this browser got when this person signed in."""
        account = username_key(username)
        for device_id, signature in browser.devices:
            if self._signer.knows_device(account, device_id, signature):
                return device_id
        return None
