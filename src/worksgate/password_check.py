"""Whose name and password these are: the sources, asked in their order, behind the throttle."""

import asyncio
from collections.abc import Mapping

from worksgate.audit import Event
from worksgate.credentials import HashingBusy, new_id
from worksgate.directory import DirectoryUnavailable
from worksgate.login_transaction import LoginTransaction, TransactionSigner
from worksgate.records import Records
from worksgate.sign_in import Browser, WrongPassword
from worksgate.sources import Person, PersonDisabled, Source, SourceUnavailable
from worksgate.throttle import Attempt, Throttle, TooManyAttempts, account_key


class PasswordCheck:
    """Checks passwords; ``sources`` are by name."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        throttle: Throttle,
        signer: TransactionSigner,
        records: Records,
    ) -> None:
        self._sources = sources
        self._throttle = throttle
        self._signer = signer
        self._records = records

    async def check(
        self,
        transaction: LoginTransaction,
        username: str,
        password: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """The name of the source and the person.

        Raises WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, or an outage; each but
        the last two is recorded.
        """
        attempt = Attempt(username, browser.address, self._known_device(username, browser))
        try:
            await self._throttle.admit(attempt, now)
        except TooManyAttempts:
            self._records.throttled(now, transaction, browser, username)
            raise
        try:
            found = await self._ask(username, password)
        except PersonDisabled:
            await self._throttle.succeeded(attempt, now)
            self._failed(now, transaction, browser, username, "the person is disabled")
            raise
        except (SourceUnavailable, HashingBusy, DirectoryUnavailable, asyncio.CancelledError):
            await self._throttle.withdrawn(attempt)
            raise
        if found is None:
            await self._throttle.failed(attempt, now)
            self._failed(now, transaction, browser, username, "wrong name or password")
            raise WrongPassword
        await self._throttle.succeeded(attempt, now)
        return found

    def new_device(self, username: str) -> tuple[str, str]:
        """A device id and its signature, for the cookie of who has signed in by this name."""
        device_id = new_id()
        return device_id, self._signer.sign_device(account_key(username), device_id)

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

    async def _ask(self, username: str, password: str) -> tuple[str, Person] | None:
        for name, source in self._sources.items():
            person = await source.authenticate(username, password)
            if person is not None:
                return name, person
        return None

    def _known_device(self, username: str, browser: Browser) -> str | None:
        account = account_key(username)
        for device_id, signature in browser.devices:
            if self._signer.knows_device(account, device_id, signature):
                return device_id
        return None
