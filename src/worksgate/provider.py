"""The product on one page: what happens when LINE WORKS, or a person's browser, calls.

    authorize      a browser arrives from LINE WORKS: is a session enough, or must they sign in?
    log_in         they typed a name and a password
    depart, land   another provider says who they are
    use_passkey    a passkey does
    prove          they showed a second factor; enrol: they set one up first
    change_password  their password was temporary: they choose their own; resume: on with it
    continue_as    they are signed in already and said that this is who they mean to be
    exchange_code  LINE WORKS posts the code and gets an access token
    user_info      LINE WORKS posts the access token and learns who it is
    imap_login     LINE WORKS passes on what a mail client gave it
    log_out        a browser comes to have its session ended

``oauth`` says what the wire means, the store decides who wins, the sources say who people are; here
they meet. Nothing in this file knows HTTP.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from worksgate.audit import AuditLog, Event
from worksgate.clients import ClientRegistry, check_admitted
from worksgate.credentials import HashingBusy, digest, new_secret
from worksgate.directory import DirectoryUnavailable
from worksgate.factors.book import Factors
from worksgate.imap_login import ImapLogin
from worksgate.login_steps import LoginProgress, LoginSteps, Step
from worksgate.login_transaction import ForgedTransaction, LoginTransaction, TransactionSigner
from worksgate.oauth.authorization import AuthorizationRequest
from worksgate.oauth.errors import (
    AuthorizationError,
    InvalidAuthorization,
    OAuthError,
    TemporarilyUnavailable,
    UnknownClient,
)
from worksgate.oauth.imap_login import ImapLoginResponse
from worksgate.oauth.issuing import user_key
from worksgate.oauth.logout import parse_logout
from worksgate.oauth.model import (
    AccessToken,
    Client,
    RefreshToken,
    Session,
    SpentTransaction,
)
from worksgate.oauth.redirect_uri import check_redirect_uri, with_code, with_denial
from worksgate.oauth.token import TokenRequest, TokenResponse, check_grant
from worksgate.oauth.user_info import UserInfoRequest, UserInfoResponse, check_access_token
from worksgate.password_check import PasswordCheck
from worksgate.records import Records
from worksgate.session_keys import SessionKeys
from worksgate.sessions import Sessions
from worksgate.settings import Settings
from worksgate.sign_in import (
    AccountChoiceNeeded,
    AlreadySignedIn,
    Authorized,
    Browser,
    LoginDenied,
    LoginLost,
    NewPasswordNeeded,
    NoUserKey,
    PasswordNeeded,
    Proof,
    RecoveryCodesIssued,
    RefusedHere,
    SentElsewhere,
    SignedIn,
    WaysIn,
    is_meant,
)
from worksgate.sources import Person, PersonDisabled, RefusedUpstream, SourceUnavailable
from worksgate.sources_in_use import SourcesInUse
from worksgate.store import Outcome as Redeemed
from worksgate.store import Store, StoreUnavailable, Successors
from worksgate.throttle import Throttle
from worksgate.upstream_logins import UpstreamLogins

Form = dict[str, str]
Outcome = Authorized | PasswordNeeded | AccountChoiceNeeded | SentElsewhere | Step
"""What a browser gets next: to LINE WORKS with a code, to another provider, or a page."""

_OUTAGES = (StoreUnavailable, DirectoryUnavailable)


class IdentityProvider:
    """All that Worksgate does for LINE WORKS and for the people who sign in.

    Back-channel calls raise OAuthError alone. The browser's calls raise AuthorizationError or the
    refusal that they name; an outage is StoreUnavailable, DirectoryUnavailable or
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
        signer: TransactionSigner,
        session_keys: SessionKeys,
        mail_clients: ImapLogin,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.signer = signer
        self.clients = clients
        self.audit = audit
        self._store = store
        self._session_keys = session_keys
        self._clock = clock
        self._sessions = Sessions(settings, store, sources)
        self._records = Records(audit)
        self._sources = sources
        self._factors = factors
        self._mail_clients = mail_clients
        self._passwords = PasswordCheck(sources, factors, throttle, signer, self._records)
        self._upstream = UpstreamLogins(settings, store, signer)
        self._steps = LoginSteps(
            settings, store, factors, factor_throttle, self._passwords.known_device
        )
        self._loopback = settings.is_loopback

    # The browser's way: steps 2 to 6

    async def authorize(self, query: str, browser: Browser) -> Outcome:
        """Answer an authorization request with a code, or with what must happen first.

        Raises AuthorizationError (a page, never a redirect), NoUserKey, or an outage.
        """
        now = self._clock()
        clients = await self.clients.snapshot()
        try:
            request = AuthorizationRequest.parse(query, clients.get, loopback=self._loopback)
            client = clients[request.client_id]
            await self._session_keys.check(request, client, browser.secret, now)
        except AuthorizationError as error:
            self._records.not_authorized(now, error, browser)
            raise
        transaction = LoginTransaction.begin(request, client, browser.secret, now)
        found = await self._sessions.find(browser.session, now)
        self._records.requested(now, transaction, browser)
        if found is None or not browser.may_receive_code:
            return PasswordNeeded(transaction)
        session, person = found
        if not is_meant(transaction.works_id, person):
            return AccountChoiceNeeded(transaction, person)
        try:
            return await self._go_on(transaction, _of_session(session, person), browser, now)
        except PersonDisabled:  # this very moment; the session has ended with it
            return PasswordNeeded(LoginTransaction.begin(request, client, browser.secret, now))

    async def continue_as(self, transaction: LoginTransaction, browser: Browser) -> Outcome:
        """Go on as the person of the live session, who was asked and said yes.

        Raises AlreadySignedIn, NoUserKey, PersonDisabled, LoginDenied, UnknownClient, or an
        outage.
        """
        now = self._clock()
        found = await self._sessions.find(browser.session, now)
        if found is None:  # it has ended meanwhile
            return PasswordNeeded(transaction)
        session, person = found
        return await self._go_on(transaction, _of_session(session, person), browser, now)

    async def log_in(
        self, transaction: LoginTransaction, username: str, password: str, browser: Browser
    ) -> Outcome:
        """Check a name and a password; a right one gets a code and a session, or the next step.

        Raises WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, AlreadySignedIn,
        NoUserKey, LoginDenied, or an outage.
        """
        now = self._clock()
        await self._check_unspent(transaction)
        client = await self._client_of(transaction)
        if elsewhere := self._sources.elsewhere(client, username):
            return await self._upstream.depart(transaction, elsewhere, username)
        source, person = await self._passwords.check(
            transaction, client, username, password, browser, now
        )
        progress = LoginProgress(source=source, person=person, typed=username)
        return await self._go_on(transaction, progress, browser, now)

    async def leads_elsewhere(self, transaction: LoginTransaction, username: str) -> bool:
        """Whether another provider is asked for this name, so that no password is needed here.

        Raises UnknownClient, or an outage.
        """
        client = await self._client_of(transaction)
        return self._sources.elsewhere(client, username) is not None

    async def depart(self, transaction: LoginTransaction, source: str) -> SentElsewhere:
        """Send the browser to another provider of this client's.

        Raises UnknownSource, AlreadySignedIn, UnknownClient, or an outage.
        """
        await self._check_unspent(transaction)
        elsewhere = self._sources.redirect(await self._client_of(transaction), source)
        return await self._upstream.depart(transaction, elsewhere, transaction.works_id)

    async def land(self, source: str, query: Mapping[str, str], browser: Browser) -> Outcome:
        """Go on with who comes back from another provider.

        Raises ForgedTransaction, ExpiredTransaction, RefusedHere (they may try another way), and
        what ``log_in`` does.
        """
        now = self._clock()
        if not browser.may_receive_code:
            raise ForgedTransaction("a provider sends people back, not pictures")
        login = await self._upstream.returned(source, query, browser, now)
        transaction = login.transaction
        await self._check_unspent(transaction)
        elsewhere = self._sources.redirect(await self._client_of(transaction), source)
        try:
            person = await self._upstream.finish(login, elsewhere, query)
        except (PersonDisabled, RefusedUpstream) as refusal:
            detail = f"{source}: {str(refusal) or 'the person is disabled'}"
            self._records.login(Event.LOGIN_FAILED, now, transaction, browser, detail=detail)
            raise RefusedHere(transaction, refusal) from refusal
        except SourceUnavailable as outage:
            raise RefusedHere(transaction, outage) from outage
        progress = LoginProgress(source=source, person=person)
        return await self._go_on(transaction, progress, browser, self._clock())

    async def use_passkey(
        self, transaction: LoginTransaction, assertion: str, browser: Browser
    ) -> Outcome:
        """Sign in by a passkey alone, which stands for the password and for a second factor.

        Raises WrongPassword, TooManyAttempts, and what ``log_in`` does.
        """
        now = self._clock()
        await self._check_unspent(transaction)
        client = await self._client_of(transaction)
        source, person = await self._passwords.check_passkey(
            transaction, client, assertion, browser, now
        )
        progress = LoginProgress(source=source, person=person, second_factor_at=now)
        return await self._go_on(transaction, progress, browser, now)

    async def prove(
        self,
        transaction: LoginTransaction,
        proof: Proof,
        browser: Browser,
        *,
        remember: bool = False,
    ) -> Outcome:
        """Go on with a second factor; ``remember`` spares this browser the next one.

        Raises WrongFactor, TooManyWrongFactors, LoginLost, and what ``log_in`` does.
        """
        now = self._clock()
        await self._check_unspent(transaction)
        progress = await self._steps.resume(transaction, now)
        progress = await self._steps.answer(transaction, progress, proof, browser, now)
        return await self._go_on(transaction, progress, browser, now, remember=remember)

    async def enrol(
        self, transaction: LoginTransaction, proof: Proof, browser: Browser
    ) -> RecoveryCodesIssued:
        """Set up a first factor, which counts as given. Raises as ``prove`` does."""
        now = self._clock()
        await self._check_unspent(transaction)
        progress = await self._steps.resume(transaction, now)
        codes = await self._steps.enrol(transaction, progress, proof, browser, now)
        return RecoveryCodesIssued(transaction, codes)

    async def change_password(
        self, transaction: LoginTransaction, new_password: str, browser: Browser
    ) -> Outcome:
        """Replace a temporary password.

        Raises WeakPassword, LoginLost, and what ``log_in`` does.
        """
        now = self._clock()
        await self._check_unspent(transaction)
        progress = await self._steps.resume(transaction, now)
        rulers = await self._rulers(await self._client_of(transaction), progress.source)
        due = await self._steps.next(rulers, transaction, progress, browser, now)
        if not isinstance(due, NewPasswordNeeded):
            raise LoginLost  # nobody has asked for a new one
        person = await self._sources.change_password(progress.source, progress.person, new_password)
        if person is None:
            raise PersonDisabled
        self._records.login(
            Event.PASSWORD_CHANGED, now, transaction, browser, person, detail="was temporary"
        )
        await self._store.forget(person.subject_id)  # whoever else was signed in by the old one
        done = replace(progress, person=person, password_changed=True)
        return await self._go_on(transaction, done, browser, now)

    async def choosing_password(self, transaction: LoginTransaction) -> Person | None:
        """Who is to replace a temporary password in this login, or None; nothing goes on by it.

        Raises LoginLost or an outage.
        """
        progress = await self._steps.resume(transaction, self._clock())
        is_due = progress.person.must_change_password and not progress.password_changed
        return progress.person if is_due else None

    async def resume(self, transaction: LoginTransaction, browser: Browser) -> Outcome:
        """Go on where the login stands. Raises LoginLost, and what ``log_in`` does."""
        now = self._clock()
        await self._check_unspent(transaction)
        progress = await self._steps.resume(transaction, now)
        return await self._go_on(transaction, progress, browser, now)

    async def read_transaction(
        self, text: str, anti_forgery_token: str, browser: Browser
    ) -> LoginTransaction:
        """The transaction of a posted form, if its client may still receive a code.

        Raises ForgedTransaction, ExpiredTransaction, AuthorizationError, or an outage.
        """
        now = self._clock()
        transaction = self.signer.read(text, anti_forgery_token, browser.secret, now)
        client = await self._client_of(transaction)
        if not transaction.is_for_account:
            check_redirect_uri(
                transaction.redirect_uri,
                client.redirect_uris,
                require_state=client.require_state,
                loopback=self._loopback,
            )
        return transaction

    @property
    def landing_names(self) -> Sequence[str]:
        """The names of the other providers, which send browsers back."""
        return tuple(self._sources.redirects)

    async def ways_in(self, transaction: LoginTransaction) -> WaysIn:
        """How the people of a transaction's client can say who they are.

        Raises UnknownClient, or an outage.
        """
        client = await self._client_of(transaction)
        buttons = [(each.name, each.label) for each in self._sources.buttons(client)]
        options = None
        if self.settings.passkeys and self._factors.passkeys_usable:
            challenge = self.signer.passkey_challenge(transaction).encode()
            with suppress(HashingBusy):  # then the password must do
                options = await self._factors.passkey_options(
                    None, challenge, require_user_verification=True
                )
        return WaysIn(self._sources.takes_passwords(client), buttons, options)

    def begin_for_account(self, browser: Browser) -> LoginTransaction:
        """A login that leads to the person's own account."""
        url = self.settings.public_url.rstrip("/") + self.settings.account_path
        return LoginTransaction.begin_for_account(url, browser.secret, self._clock())

    async def denial(self, transaction: LoginTransaction) -> str | None:
        """Where a person who gives up is sent, or None where the client does not want to know."""
        client = await self._client_of(transaction)
        return with_denial(transaction.redirect_uri) if client.redirect_denials else None

    async def domain_of(self, client_id: str) -> str | None:
        """The client's LINE WORKS domain, if it is known: a login can start again there."""
        client = (await self.clients.snapshot()).get(client_id)
        return client.domain if client else None

    async def log_out(self, query: str, browser: Browser) -> str | None:
        """End the browser's session; return where it wants to go, if it may (R-66 to R-69).

        Who has signed in by another provider that is to be signed out of goes there first.
        """
        now = self._clock()
        session = await self._sessions.end(browser.session)
        clients = (await self.clients.snapshot()).values()
        enabled = (client for client in clients if client.enabled)
        wanted = parse_logout(query, enabled, loopback=self._loopback)
        if session is None:
            return wanted or await self._upstream.wanted_after_logout(browser, now)
        self._records.logout(now, session, browser)
        source = self._sources.redirects.get(session.source)
        if source is None:
            return wanted
        return await self._upstream.log_out(source, wanted, browser, now) or wanted

    # The back channel: steps 7 to 10

    async def exchange_code(self, form: Form, address: str) -> TokenResponse:
        """Verify a code, consume it and create its access token, in one step of the store.

        Raises OAuthError; the checks come in the order of the contract.
        """
        now = self._clock()
        try:
            request = TokenRequest.parse(form)
            client = await self.clients.authenticate(
                request.client_id, request.client_secret, address, now
            )
            secret = check_grant(request, client)
            check_admitted(client, address)
            return await self._redeem(request, secret, client, address, now)
        except OAuthError as error:
            client_id = form.get("client_id", "")
            self._records.refused(Event.CODE_REFUSED, now, error, client_id, address)
            raise
        except _OUTAGES as outage:
            raise TemporarilyUnavailable(str(outage)) from outage

    async def user_info(self, form: Form, address: str) -> UserInfoResponse:
        """Say whose access token this is. Raises OAuthError."""
        now = self._clock()
        try:
            request = UserInfoRequest.parse(form)
            client = await self.clients.authenticate(
                request.client_id, request.client_secret, address, now
            )
            check_admitted(client, address)
            found = await self._store.find(AccessToken, digest(request.access_token))
            token = check_access_token(found, client, now)
        except OAuthError as error:
            client_id = form.get("client_id", "")
            self._records.refused(Event.USER_INFO_REFUSED, now, error, client_id, address)
            raise
        except _OUTAGES as outage:
            raise TemporarilyUnavailable(str(outage)) from outage
        self._records.artifact(Event.USER_INFO_RETURNED, now, token, address)
        return UserInfoResponse(token.user_id)

    async def imap_login(
        self, client_id: str | None, query: bytes, address: str
    ) -> ImapLoginResponse:
        """Let a mail client in. Raises OAuthError."""
        return await self._mail_clients.log_in(client_id, query, address)

    async def ping(self) -> None:
        """Return if the store and the directory answer. Raises an outage."""
        await self._store.ping()
        await self.clients.snapshot()

    # How it is done

    async def _redeem(
        self, request: TokenRequest, secret: str, client: Client, address: str, now: float
    ) -> TokenResponse:
        access_token = new_secret()
        refresh_token = new_secret() if client.refresh_tokens else None
        successors = Successors(
            digest(access_token),
            digest(refresh_token) if refresh_token else None,
            client.refresh_token_lifetime,
        )
        try:
            redemption = await self._store.redeem(
                request.kind, digest(secret), client.client_id, successors, now
            )
        except asyncio.CancelledError:
            # The deadline: a commit that hangs in the disk cannot be taken back (F-06).
            unknown = TemporarilyUnavailable("no answer in time; whether it was used is not known")
            self._records.refused(Event.CODE_REFUSED, now, unknown, client.client_id, address)
            raise
        artifact = redemption.artifact
        if redemption.outcome is Redeemed.REPLAYED and artifact is not None:
            self._records.artifact(Event.CODE_REPLAYED, now, artifact, address)
        if redemption.outcome is not Redeemed.REDEEMED or artifact is None:
            raise InvalidAuthorization(f"the {request.kind.kind} is {redemption.outcome}")
        refreshed = request.kind is RefreshToken
        event = Event.TOKEN_REFRESHED if refreshed else Event.CODE_REDEEMED
        self._records.artifact(event, now, artifact, address)
        return TokenResponse(access_token, artifact.expires_in, refresh_token)

    async def _go_on(
        self,
        transaction: LoginTransaction,
        progress: LoginProgress,
        browser: Browser,
        now: float,
        *,
        remember: bool = False,
    ) -> Outcome:
        """Complete a login, or say what is missing."""
        client, person = await self._client_of(transaction), progress.person
        if client.sources and progress.source not in client.sources:
            return PasswordNeeded(transaction)  # their session is of a source that is not for it
        self._check_user_key(client, transaction, person, browser, now)
        try:
            rulers = await self._rulers(client, progress.source)
            step = await self._steps.next(rulers, transaction, progress, browser, now)
        except LoginDenied as denied:
            self._records.login(
                Event.LOGIN_REFUSED, now, transaction, browser, person, detail=f"rule: {denied}"
            )
            raise
        if step is not None:
            return step
        if progress.from_session and progress.second_factor_at == progress.known_factor_at:
            return await self._issue(transaction, progress.source, person, browser, now)
        secret = new_secret()
        session = self._sessions.opened(
            secret,
            progress.source,
            person,
            self._clock(),
            second_factor_at=progress.second_factor_at,
            authenticated_at=progress.authenticated_at,
        )
        authorized = await self._issue(transaction, progress.source, person, browser, now, session)
        await self._steps.end(transaction)
        await self._sessions.end(browser.session)
        self._records.login(Event.LOGIN_SUCCEEDED, now, transaction, browser, person)
        trusted = await self._steps.trust(person, now) if remember else None
        device = self._passwords.new_device(progress.typed) if progress.typed else None
        return SignedIn(authorized.location, secret, device, trusted)

    async def _check_unspent(self, transaction: LoginTransaction) -> None:
        if await self._store.find(SpentTransaction, digest(transaction.id)) is not None:
            raise AlreadySignedIn

    async def _issue(
        self,
        transaction: LoginTransaction,
        source: str,
        person: Person,
        browser: Browser,
        now: float,
        session: Session | None = None,
    ) -> Authorized:
        """Issue the one code of a transaction, and keep what goes with it."""
        if transaction.is_for_account:
            return await self._open_account(transaction, source, person, session)
        client = await self._client_of(transaction)
        user_id = self._check_user_key(client, transaction, person, browser, now)
        if not await self._store.add(transaction.spent()):
            raise AlreadySignedIn
        code = new_secret()
        issued_at = self._clock()
        issued = transaction.authorization_code(
            digest(code), client, person.subject_id, user_id, issued_at
        )
        await self._store.save(issued, *([session] if session else ()))
        # Who was disabled, or given another user key, a moment ago may have been searched for
        # before this was saved.
        present = await self._sessions.person(source, person)
        if present is None or _user_key(client, present) != user_id:
            await self._store.forget(person.subject_id)
            raise PersonDisabled
        self._records.login(Event.CODE_ISSUED, issued_at, transaction, browser, person)
        return Authorized(with_code(transaction.redirect_uri, code))

    def _check_user_key(
        self,
        client: Client,
        transaction: LoginTransaction,
        person: Person,
        browser: Browser,
        now: float,
    ) -> str:
        """The key by which LINE WORKS knows the person; empty for their own account.

        Raises NoUserKey, recorded: before anything else is asked of who cannot get in.
        """
        user_id = "" if client is _ACCOUNT else _user_key(client, person)
        if user_id is None:
            self._records.login(
                Event.LOGIN_REFUSED, now, transaction, browser, person, detail="no user key"
            )
            raise NoUserKey
        return user_id

    async def _open_account(
        self, transaction: LoginTransaction, source: str, person: Person, session: Session | None
    ) -> Authorized:
        """Let a person in to their own account: a session, and no code."""
        if not await self._store.add(transaction.spent()):
            raise AlreadySignedIn
        if session is not None:
            await self._store.save(session)
        if await self._sessions.person(source, person) is None:
            await self._store.forget(person.subject_id)
            raise PersonDisabled
        return Authorized(transaction.redirect_uri)

    async def _rulers(self, client: Client, source: str) -> Sequence[Client]:
        """The clients whose rules hold: of a person's own account, all that they may use."""
        if client is not _ACCOUNT:
            return (client,)
        clients = (await self.clients.snapshot()).values()
        theirs = [
            each
            for each in clients
            if each.enabled and (not each.sources or source in each.sources)
        ]
        return theirs or (client,)

    async def _client_of(self, transaction: LoginTransaction) -> Client:
        if transaction.is_for_account:
            return _ACCOUNT
        client = (await self.clients.snapshot()).get(transaction.client_id)
        if client is None or not client.enabled:
            raise UnknownClient("the client was removed or disabled meanwhile")
        return client


_ACCOUNT = Client(client_id="", name="account")
"""Stands for the client where people look after their own account."""


def _of_session(session: Session, person: Person) -> LoginProgress:
    return LoginProgress(
        source=session.source,
        person=person,
        second_factor_at=session.second_factor_at,
        known_factor_at=session.second_factor_at,
        from_session=True,
        authenticated_at=session.authenticated_at,
    )


def _user_key(client: Client, person: Person) -> str | None:
    return user_key(client, person.external_key, person.works_account)
