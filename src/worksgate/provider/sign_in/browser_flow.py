"""Each step that a browser can take in a sign-in.

    authorize             a browser arrives from LINE WORKS: its session suffices, or they must
                          sign in
    log_in                they typed a username and a password
    use_passkey           a passkey identifies them
    begin_upstream_login  redirects to another provider; finish_upstream_login: they are back
    verify_second_factor  they used a second factor; enrol: they set one up first
    change_password       their password was temporary: they choose a new one; resume: continue
    return_to             their browser comes (back) to the page of a step
    continue_as           they are signed in already and confirmed that account
    log_out               a browser ends its session

A browser's way is here up to the point where the person is known; then all continue in
``completion``. ``oauth`` defines the wire, the store decides races, the sources identify people.
Nothing in this file knows HTTP.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from worksgate.audit import AuditLog, Event, Reason
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy
from worksgate.credentials.secrets import storage_key
from worksgate.database.read_ahead import reading_ahead
from worksgate.directory.read_ahead import ReadAhead
from worksgate.oauth.authorization import AuthorizationRequest
from worksgate.oauth.errors import AuthorizationError
from worksgate.oauth.logout import parse_logout
from worksgate.oauth.model import Client
from worksgate.oauth.redirect_uri import with_denial
from worksgate.provider.assurance import Assurance, Factor
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.password_refusals import why_disabled
from worksgate.provider.sessions import Sessions, SessionUse
from worksgate.provider.sign_in.attempt import (
    Browser,
    Proof,
    SignInAttempt,
    SignInProgress,
    is_meant,
)
from worksgate.provider.sign_in.audit_trail import AuditTrail, of_login, of_logout
from worksgate.provider.sign_in.completion import SignInCompletion
from worksgate.provider.sign_in.errors import SignInDenied, SignInLost, UpstreamSignInFailed
from worksgate.provider.sign_in.outcomes import (
    AccountChoiceNeeded,
    EnrolmentNeeded,
    NewPasswordNeeded,
    NextStep,
    PasswordNeeded,
    RecoveryCodesIssued,
    RedirectedUpstream,
    SecondFactorNeeded,
    WaysIn,
)
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.session_key import SessionKeys
from worksgate.provider.sign_in.steps import SignInSteps, handle_of, trusted_key
from worksgate.provider.sign_in.transaction import (
    ExpiredTransaction,
    ForgedTransaction,
    SignInTransaction,
    TransactionSigner,
)
from worksgate.provider.sign_in.transaction_check import TransactionCheck
from worksgate.provider.sign_in.upstream import UpstreamSignIns
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle
from worksgate.settings.options import Settings
from worksgate.sources import Person, PersonDisabled, RefusedUpstream, SourceUnavailable
from worksgate.store import Store

_DUE: Mapping[type[NextStep], Reason] = {
    SecondFactorNeeded: Reason.SECOND_FACTOR_DUE,
    EnrolmentNeeded: Reason.ENROLMENT_DUE,
    NewPasswordNeeded: Reason.NEW_PASSWORD_DUE,
}
"""What the audit log says of a step that is due after the password."""


P = ParamSpec("P")
T = TypeVar("T")


def step(verb: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Around a step of a browser: what it reads later is read with what it reads first."""

    @wraps(verb)
    async def begun(*args: P.args, **kwargs: P.kwargs) -> T:
        browser = next(each for each in (*args, *kwargs.values()) if isinstance(each, Browser))
        with reading_ahead([trusted_key(secret) for secret in browser.trusted]):
            return await verb(*args, **kwargs)

    return begun


class IdentityProvider:
    """Everything that Worksgate does for LINE WORKS and for people who sign in.

    Back-channel calls raise only OAuthError. The browser's calls raise AuthorizationError or the
    refusals that they name; an outage is StoreUnavailable, DatabaseUnavailable or
    SourceUnavailable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clients: ClientRegistry,
        store: Store,
        sources: SourcesInUse,
        throttle: Throttle,
        factors: Factors,
        factor_throttle: Throttle,
        audit: AuditLog,
        strangers: StrangerRecords,
        signer: TransactionSigner,
        session_keys: SessionKeys,
        read_ahead: ReadAhead | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.signer = signer
        self.clients = clients
        self.audit = audit
        self._store = store
        self._session_keys = session_keys
        self._clock = clock
        self._read_ahead = read_ahead = read_ahead or ReadAhead()
        self._sessions = Sessions(settings, store, sources, read_ahead)
        self._records = AuditTrail(audit, strangers)
        self._sources = sources
        self._factors = factors
        self._transactions = TransactionCheck(settings, clients, store, signer)
        self._passwords = PasswordCheck(
            sources, factors, throttle, signer, self._records, read_ahead
        )
        self._upstream = UpstreamSignIns(settings, store, signer)
        self._steps = SignInSteps(
            settings,
            clients,
            store,
            factors,
            factor_throttle,
            self._passwords.known_device,
            read_ahead,
        )
        self._completion = SignInCompletion(
            store,
            self._sessions,
            self._transactions,
            self._steps,
            self._passwords,
            self._records,
            clock,
        )
        self._loopback = settings.is_loopback

    # A browser arrives: step 2

    @step
    async def authorize(self, query: str, browser: Browser) -> NextStep:
        """Answer an authorization request with a code, or with the next step.

        Raises AuthorizationError (a page, never a redirect), NoUserKey, SignInDenied, or an outage.
        """
        now = self._clock()
        clients = await self.clients.snapshot()
        try:
            request = AuthorizationRequest.parse(query, clients.get, loopback=self._loopback)
            client = clients[request.client_id]
            await self._session_keys.check(request, client, browser, now)
        except AuthorizationError as error:
            self._records.not_authorized(now, error, browser)
            raise
        transaction = SignInTransaction.begin(
            request, client, browser.secret, now, arrived=browser.arrived
        )
        await self._check_open(transaction, client, browser, now)
        async with self._sessions.using(browser.session, now) as use:
            self._records.requested(now, browser)
            if use is None or not browser.may_receive_code:
                return PasswordNeeded(transaction)
            if not is_meant(transaction.works_id, use.person):
                return AccountChoiceNeeded(transaction, use.person)
            try:
                return await self._known(client, transaction, use, browser, now)
            except PersonDisabled:  # at this very moment; the session has ended with it
                return PasswordNeeded(SignInTransaction.begin(request, client, browser.secret, now))

    @step
    async def continue_as(self, transaction: SignInTransaction, browser: Browser) -> NextStep:
        """Continue as the person of the live session, who has confirmed that.

        Raises AlreadySignedIn, NoUserKey, PersonDisabled, SignInDenied, UnknownClient, or an
        outage.
        """
        now = self._clock()
        async with self._sessions.using(browser.session, now) as use:
            if use is None:  # it has ended meanwhile
                return PasswordNeeded(transaction)
            client = await self._transactions.client_of(transaction)
            return await self._known(client, transaction, use, browser, now)

    async def _known(
        self,
        client: Client,
        transaction: SignInTransaction,
        use: SessionUse,
        browser: Browser,
        now: float,
    ) -> NextStep:
        """Continue with the person of a session."""
        progress = SignInProgress.of_session(use.session, use.person)
        attempt = SignInAttempt(client, transaction, progress, browser, now, use=use)
        return await self._completion.complete_or_next_step(attempt)

    # Authentication: steps 3 to 6

    @step
    async def log_in(
        self, transaction: SignInTransaction, username: str, password: str, browser: Browser
    ) -> NextStep:
        """Check a username and a password; a right one gets a code and a session, or the next step.

        Raises WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, AlreadySignedIn,
        NoUserKey, SignInDenied, or an outage.
        """
        now = self._clock()
        await self._passwords.read_ahead(transaction, username, browser, now)
        client = await self._open_client(transaction, browser, now)
        if upstream := self._sources.upstream_of(client, username):
            return await self._upstream.begin(transaction, upstream, username)
        async with self._passwords.checking(
            transaction, client, username, password, browser, now
        ) as (source, person, admission):
            progress = SignInProgress(
                source=source,
                person=person,
                typed=username,
                assurance=Assurance().with_factor(Factor.PASSWORD, now),
            )
            attempt = SignInAttempt(client, transaction, progress, browser, now, admission)
            return await self._identified(attempt)

    async def is_upstream(self, transaction: SignInTransaction, username: str) -> bool:
        """Whether this name belongs to another provider, so that no password is needed here.

        Raises UnknownClient, or an outage.
        """
        client = await self._transactions.client_of(transaction)
        return self._sources.upstream_of(client, username) is not None

    async def begin_upstream_login(
        self, transaction: SignInTransaction, source: str, browser: Browser
    ) -> RedirectedUpstream:
        """Redirect the browser to another provider of this client's.

        Raises UnknownSource, AlreadySignedIn, SignInDenied, UnknownClient, or an outage.
        """
        client = await self._open_client(transaction, browser, self._clock())
        upstream = self._sources.redirect(client, source)
        return await self._upstream.begin(transaction, upstream, transaction.works_id)

    @step
    async def finish_upstream_login(
        self, source: str, query: Mapping[str, str], browser: Browser
    ) -> NextStep:
        """Continue with the person who returns from another provider.

        Raises ForgedTransaction, ExpiredTransaction, UpstreamSignInFailed (they may try another
        way), and what ``log_in`` does.
        """
        now = self._clock()
        if not browser.may_receive_code:
            raise ForgedTransaction("a provider redirects people, not images")
        with self._recording_unusable(now, browser):
            login = await self._upstream.read(source, query, browser, now)
        transaction = login.transaction
        await self._transactions.check_unspent(transaction)
        client = await self._transactions.client_of(transaction)
        upstream = self._sources.redirect(client, source)
        try:
            with self._recording_unusable(now, browser):
                person = await self._upstream.finish(login, upstream, query)
        except RefusedUpstream as refusal:
            detail, reason = f"{source}: {refusal}", Reason.REFUSED_UPSTREAM
            self._records.failed_upstream(now, transaction, browser, detail, reason)
            raise UpstreamSignInFailed(transaction, refusal) from refusal
        except PersonDisabled as refusal:
            why, reason = why_disabled(refusal)
            self._records.failed_upstream(now, transaction, browser, f"{source}: {why}", reason)
            raise UpstreamSignInFailed(transaction, refusal) from refusal
        except SourceUnavailable as outage:
            raise UpstreamSignInFailed(transaction, outage) from outage
        now = self._clock()
        assurance = Assurance().with_factor(Factor.UPSTREAM, now)
        progress = SignInProgress(source=source, person=person, assurance=assurance)
        attempt = SignInAttempt(client, transaction, progress, browser, now)
        try:
            return await self._identified(attempt)
        except PersonDisabled as refusal:  # at this very moment
            raise UpstreamSignInFailed(transaction, refusal) from refusal

    @step
    async def use_passkey(
        self, transaction: SignInTransaction, assertion: str, browser: Browser
    ) -> NextStep:
        """Sign in with a passkey alone, which counts as password and second factor.

        Raises WrongPassword, TooManyAttempts, and what ``log_in`` does.
        """
        now = self._clock()
        client = await self._open_client(transaction, browser, now)
        source, person = await self._passwords.check_passkey(
            transaction, client, assertion, browser, now
        )
        assurance = Assurance().with_factor(Factor.PASSKEY, now)
        progress = SignInProgress(source=source, person=person, assurance=assurance)
        return await self._identified(SignInAttempt(client, transaction, progress, browser, now))

    async def _identified(self, attempt: SignInAttempt) -> NextStep:
        """Continue with a person who has just been authenticated; a due step is recorded.

        Without that record nobody could tell a right password from a page that was left.
        """
        next_step = await self._completion.complete_or_next_step(attempt)
        if reason := _DUE.get(type(next_step)):
            self._records.login(
                Event.LOGIN_STEP_DUE,
                attempt.now,
                attempt.transaction,
                attempt.browser,
                attempt.person,
                reason=reason,
            )
        return next_step

    # Steps after the person is known

    @step
    async def verify_second_factor(
        self,
        transaction: SignInTransaction,
        proof: Proof,
        browser: Browser,
        *,
        remember: bool = False,
    ) -> NextStep:
        """Verify a second factor; ``remember`` makes the browser a trusted one.

        Raises WrongFactor, TooManyWrongFactors, SignInLost, and what ``log_in`` does.
        """
        attempt = await self._resumed(transaction, browser)
        progress = await self._steps.verify_second_factor(attempt, proof)
        return await self._completion.complete_or_next_step(
            attempt.advanced_to(progress), remember=remember
        )

    @step
    async def enrol(
        self, transaction: SignInTransaction, proof: Proof, browser: Browser
    ) -> NextStep:
        """Set up a required factor, which counts as used.

        Raises like ``verify_second_factor``.
        """
        attempt = await self._resumed(transaction, browser)
        progress, codes = await self._steps.enrol(attempt, proof)
        if codes:
            return RecoveryCodesIssued(transaction, codes)
        return await self._completion.complete_or_next_step(attempt.advanced_to(progress))

    @step
    async def change_password(
        self, transaction: SignInTransaction, new_password: str, browser: Browser
    ) -> NextStep:
        """Replace a temporary password.

        Raises WeakPassword, SignInLost, and what ``log_in`` does.
        """
        attempt = await self._resumed(transaction, browser)
        progress = attempt.progress
        due = await self._steps.next(attempt)
        if not isinstance(due, NewPasswordNeeded):
            raise SignInLost  # nobody has requested a new one
        person = await self._sources.change_password(progress.source, progress.person, new_password)
        if person is None:
            raise PersonDisabled
        record = of_login(
            Event.PASSWORD_CHANGED,
            attempt.now,
            transaction,
            browser,
            person,
            detail="was temporary",
        )
        # Sessions of others who know the old one.
        await self._store.forget(person.subject_id, records=(record,))
        done = replace(progress, person=person, password_changed=True)
        return await self._completion.complete_or_next_step(attempt.advanced_to(done))

    async def choosing_password(self, transaction: SignInTransaction) -> Person | None:
        """Who must replace a temporary password in this sign-in, or None; nothing changes.

        Raises SignInLost or an outage.
        """
        progress = await self._steps.resume(transaction, self._clock())
        return progress.person if progress.needs_new_password else None

    @step
    async def resume(self, transaction: SignInTransaction, browser: Browser) -> NextStep:
        """Continue a sign-in at its current step. Raises SignInLost, and what ``log_in`` does."""
        return await self._completion.complete_or_next_step(
            await self._resumed(transaction, browser)
        )

    @step
    async def transaction_at(self, handle: str, browser: Browser) -> SignInTransaction:
        """The sign-in in progress with this handle in this browser.

        Raises SignInLost if there is none (any more), AuthorizationError, or an outage.
        """
        transaction = await self._steps.transaction_of(handle, browser, self._clock())
        await self._transactions.check_client(transaction)
        return transaction

    @step
    async def return_to(self, transaction: SignInTransaction, browser: Browser) -> NextStep:
        """The current step, for a browser that opens its page, any number of times.

        A sign-in without missing steps is completed. Raises what ``resume`` does.
        """
        attempt = await self._resumed(transaction, browser)
        if codes := self._steps.codes_to_keep(attempt.progress):
            return RecoveryCodesIssued(transaction, codes)
        if not browser.may_receive_code:
            raise SignInLost
        return await self._completion.complete_or_next_step(attempt)

    async def _resumed(self, transaction: SignInTransaction, browser: Browser) -> SignInAttempt:
        """Raises AlreadySignedIn, SignInLost, UnknownClient, or an outage."""
        now = self._clock()
        await self._read_ahead.progress(storage_key(transaction.id), handle_of(transaction))
        await self._transactions.check_unspent(transaction)
        try:
            progress = await self._steps.resume(transaction, now)
        except SignInLost:
            detail, reason = "nothing is known of this sign-in any more", Reason.SIGN_IN_LOST
            self._records.unusable(now, browser, detail, reason, transaction)
            raise
        client = await self._transactions.client_of(transaction)
        return SignInAttempt(client, transaction, progress, browser, now)

    async def check_open(self, transaction: SignInTransaction, browser: Browser) -> None:
        """Refuse, before a form is shown, a sign-in that nobody could complete now and from here.

        Raises SignInDenied, UnknownClient, or an outage.
        """
        client = await self._transactions.client_of(transaction)
        await self._check_open(transaction, client, browser, self._clock())

    async def _open_client(
        self, transaction: SignInTransaction, browser: Browser, now: float
    ) -> Client:
        """The client of a sign-in in which somebody may authenticate now.

        Raises AlreadySignedIn, SignInDenied, UnknownClient, or an outage.
        """
        await self._transactions.check_unspent(transaction)
        client = await self._transactions.client_of(transaction)
        await self._check_open(transaction, client, browser, now)
        return client

    async def _check_open(
        self, transaction: SignInTransaction, client: Client, browser: Browser, now: float
    ) -> None:
        try:
            await self._steps.refuse_early(transaction, client, browser, now)
        except SignInDenied as denied:
            self._records.denied(now, transaction, browser, f"rule: {denied}")
            raise

    # Queries of the pages

    async def read_transaction(
        self, text: str, anti_forgery_token: str, browser: Browser
    ) -> SignInTransaction:
        """The transaction of a posted form, if its client may still receive a code.

        Raises ForgedTransaction, ExpiredTransaction, AuthorizationError, or an outage.
        """
        now = self._clock()
        with self._recording_unusable(now, browser):
            return await self._transactions.read(text, anti_forgery_token, browser, now)

    @contextmanager
    def _recording_unusable(self, now: float, browser: Browser) -> Iterator[None]:
        """Record that a form, or a way back, cannot be used."""
        try:
            yield
        except ForgedTransaction as forged:
            reason, transaction = forged.reason, forged.transaction
            forged.login_id = self._records.unusable(now, browser, str(forged), reason, transaction)
            raise
        except ExpiredTransaction as expired:
            reason, transaction = Reason.FORM_EXPIRED, expired.transaction
            self._records.unusable(now, browser, str(expired), reason, transaction)
            raise

    # Records of what only the pages can see

    def without_cookie(self, text: str, browser: Browser) -> str:
        """Record a form that came without our cookie; ``text`` is its transaction.

        Returns the ID of the sign-in in the audit log.
        """
        return self._records.unusable(
            self._clock(),
            browser,
            "the browser sent no cookie with the form",
            Reason.COOKIES_OFF,
            self.signer.signed(text),
        )

    def interrupted(
        self,
        browser: Browser,
        outage: Exception,
        transaction: SignInTransaction | None = None,
        username: str | None = None,
    ) -> None:
        """Record that a request of a sign-in met an outage, once the database responds again.

        ``username`` is what was typed, if anything. Returns at once and never raises.
        """
        if not isinstance(outage, BusyRefusal):  # that is recorded as a wrong password
            now = self._clock()
            self._records.interrupted(now, browser, outage, transaction, username or None)

    @property
    def callback_names(self) -> Sequence[str]:
        """The names of the other providers, which redirect browsers back."""
        return tuple(self._sources.redirects)

    async def ways_in(self, transaction: SignInTransaction) -> WaysIn:
        """The ways in which people of a transaction's client can authenticate.

        Raises UnknownClient, or an outage.
        """
        client = await self._transactions.client_of(transaction)
        buttons = [(each.name, each.label) for each in self._sources.buttons(client)]
        options = None
        if self.settings.passkeys and self._factors.passkeys_usable:
            challenge = self.signer.passkey_challenge(transaction).encode()
            with suppress(HashingBusy):  # then the password must do
                options = await self._factors.passkey_options(
                    None, challenge, require_user_verification=True
                )
        return WaysIn(self._sources.takes_passwords(client), buttons, options)

    def begin_for_account(self, browser: Browser) -> SignInTransaction:
        """A sign-in that leads to the person's own account."""
        return SignInTransaction.begin_for_account(
            self.settings.account_url, browser.secret, self._clock()
        )

    async def denial(self, transaction: SignInTransaction) -> str | None:
        """Where to redirect a person who cancels, or None if the client does not allow it."""
        client = await self._transactions.client_of(transaction)
        return with_denial(transaction.redirect_uri) if client.redirect_denials else None

    async def domain_of(self, client_id: str) -> str | None:
        """The client's LINE WORKS domain, if known: a sign-in can start again there."""
        client = (await self.clients.snapshot()).get(client_id)
        return client.domain if client else None

    # Signing out

    async def log_out(self, query: str, browser: Browser) -> str | None:
        """End the browser's session; return where to redirect it, if allowed (R-66 to R-69).

        People who signed in with another provider that supports sign-out are redirected there
        first.
        """
        now = self._clock()
        session = await self._sessions.end(
            browser.session, lambda session: of_logout(now, session, browser)
        )
        addresses = (await self.clients.together()).logout_addresses
        target = parse_logout(query, addresses, loopback=self._loopback)
        if session is None:
            return target or await self._upstream.return_address_after_logout(browser, now)
        source = self._sources.redirects.get(session.source)
        if source is None:
            return target
        return await self._upstream.log_out(source, target, browser, now) or target

    async def ping(self) -> None:
        """Return if the store and the directory respond. Raises an outage."""
        await self._store.ping()
        await self.clients.snapshot()
