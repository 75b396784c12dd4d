"""The product on one page: what happens when LINE WORKS, or a person's browser, calls.

    authorize      a browser arrives from LINE WORKS: is a session enough, or must they sign in?
    log_in         they typed a name and a password
    continue_as    they are signed in already and said that this is who they mean to be
    exchange_code  LINE WORKS posts the code and gets an access token
    user_info      LINE WORKS posts the access token and learns who it is
    log_out        a browser comes to have its session ended

``oauth`` says what the wire means, the store decides who wins, the sources say who people are; here
they meet. Nothing in this file knows HTTP.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.clients import ClientRegistry, PeerTally
from worksgate.credentials import HashingBusy, digest, matches_any, new_id, new_secret
from worksgate.directory import DirectoryUnavailable
from worksgate.login_transaction import LoginTransaction, TransactionSigner
from worksgate.oauth.authorization import AuthorizationRequest
from worksgate.oauth.errors import (
    AccessDenied,
    AuthorizationError,
    InvalidAccess,
    InvalidAuthorization,
    OAuthError,
    TemporarilyUnavailable,
    TooManyWrongSecrets,
    UnauthorizedClient,
    UnknownClient,
)
from worksgate.oauth.logout import parse_logout
from worksgate.oauth.model import (
    AccessToken,
    AuthorizationCode,
    Client,
    ErrorStatus,
    ErrorStyle,
    LoginKind,
    Redeemable,
    RefreshToken,
    Session,
    SessionKeyCheck,
    SpentTransaction,
    UserKey,
)
from worksgate.oauth.redirect_uri import check_redirect_uri, with_code, with_denial
from worksgate.oauth.token import TokenRequest, TokenResponse, check_grant
from worksgate.oauth.user_info import UserInfoRequest, UserInfoResponse, check_access_token
from worksgate.session_keys import SessionKeyAnswer, SessionKeys
from worksgate.sessions import Sessions
from worksgate.settings import Settings
from worksgate.sources import Person, PersonDisabled, Source, SourceUnavailable
from worksgate.store import Outcome, Store, StoreUnavailable, Successors
from worksgate.throttle import Attempt, Throttle, TooManyAttempts, account_key

Form = dict[str, str]

WRONG_SECRETS_A_MINUTE = 3_000
"""Beyond so many of one client from one peer the answer is 429 (R-48)."""
RECORDS_OF_STRANGERS_A_MINUTE = 60
"""Beyond so many, what an unknown caller does is not recorded: it must not fill the disk."""

_NO_SECRETS: tuple[str, ...] = ("0" * 64, "1" * 64)
"""What the secret of an unknown client is compared with, so that it costs the same (R-49)."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""What is recorded as a client ID; what is longer may be a secret in the wrong field (R-106)."""

_OUTAGES = (StoreUnavailable, DirectoryUnavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Who is at the other end: the address as we trust it, and the secrets in its cookies.

    ``may_receive_code`` is False for anything but a top-level navigation (R-17). ``devices`` are
    pairs of id and signature from earlier sign-ins.
    """

    address: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)
    devices: Sequence[tuple[str, str]] = field(default=(), repr=False)
    may_receive_code: bool = True


@dataclass(frozen=True, slots=True)
class Authorized:
    """Send the browser to ``location``: it holds a fresh code."""

    location: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn(Authorized):
    """As Authorized, and the browser has a new session; ``device`` is a pair for its cookie."""

    session: str = field(repr=False)
    device: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """Show the login form."""

    transaction: LoginTransaction


@dataclass(frozen=True, slots=True)
class AccountChoiceNeeded:
    """Signed in as ``person``, but LINE WORKS was told of somebody else: ask which."""

    transaction: LoginTransaction
    person: Person


class WrongPassword(Exception):
    """The name is unknown or the password wrong; never which."""


class AlreadySignedIn(Exception):
    """This transaction has issued its code: the form was sent twice."""


class NoUserKey(Exception):
    """The person may sign in, but has no user key of the kind that the client is set to."""


class SessionKeyRefused(AuthorizationError):
    """LINE WORKS says that it never made this ``sessionKey``."""


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
        sources: Mapping[str, Source],
        throttle: Throttle,
        audit: AuditLog,
        signer: TransactionSigner,
        session_keys: SessionKeys,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.signer = signer
        self.clients = clients
        self._store = store
        self._sources = sources
        self._throttle = throttle
        self.audit = audit
        self._session_keys = session_keys
        self._clock = clock
        self._sessions = Sessions(settings, store, sources)
        self._wrong_secrets = PeerTally(WRONG_SECRETS_A_MINUTE)
        self._strangers = PeerTally(RECORDS_OF_STRANGERS_A_MINUTE)
        self._loopback = settings.is_loopback

    # The browser's way: steps 2 to 6

    async def authorize(
        self, query: str, browser: Browser
    ) -> Authorized | PasswordNeeded | AccountChoiceNeeded:
        """Answer an authorization request with a code, or with what must happen first.

        Raises AuthorizationError (a page, never a redirect), NoUserKey, or an outage.
        """
        now = self._clock()
        clients = await self.clients.snapshot()
        try:
            request = AuthorizationRequest.parse(query, clients.get, loopback=self._loopback)
            client = clients[request.client_id]
            await self._check_session_key(client, request, browser, now)
        except AuthorizationError as error:
            if not self._strangers.exceeded("", browser.address, now):
                unconfirmed = isinstance(error, SessionKeyRefused)
                event = Event.SESSION_KEY_REFUSED if unconfirmed else Event.LOGIN_REFUSED
                self._record(event, now, address=browser.address, detail=error.detail)
            raise
        transaction = LoginTransaction.begin(request, client, browser.secret, now)
        found = await self._sessions.find(browser.session, now)
        if not self._strangers.exceeded(request.client_id, browser.address, now):
            self._record_login(Event.LOGIN_REQUESTED, now, transaction, browser)
        if found is None or not browser.may_receive_code:
            return PasswordNeeded(transaction)
        session, person = found
        if not is_meant(transaction.works_id, person):
            return AccountChoiceNeeded(transaction, person)
        return await self._issue(transaction, session.source, person, browser, now)

    async def continue_as(self, transaction: LoginTransaction, browser: Browser) -> Authorized:
        """Issue the code for the person of the live session, who was asked and said yes.

        Raises WrongPassword where the session has ended meanwhile.
        """
        now = self._clock()
        found = await self._sessions.find(browser.session, now)
        if found is None:
            raise WrongPassword
        session, person = found
        return await self._issue(transaction, session.source, person, browser, now)

    async def log_in(
        self, transaction: LoginTransaction, username: str, password: str, browser: Browser
    ) -> SignedIn:
        """Check a name and a password; a right one gets a code and a session.

        Raises WrongPassword, PersonDisabled, TooManyAttempts, HashingBusy, AlreadySignedIn,
        NoUserKey, or an outage.
        """
        now = self._clock()
        if await self._store.find(SpentTransaction, digest(transaction.id)) is not None:
            raise AlreadySignedIn
        source, person = await self._authenticate(transaction, username, password, browser, now)
        secret = new_secret()
        session = self._sessions.opened(secret, source, person, self._clock())
        authorized = await self._issue(transaction, source, person, browser, now, session)
        await self._sessions.end(browser.session)
        self._record_login(Event.LOGIN_SUCCEEDED, now, transaction, browser, person)
        device_id = new_id()
        signature = self.signer.sign_device(account_key(username), device_id)
        return SignedIn(authorized.location, secret, (device_id, signature))

    async def read_transaction(
        self, text: str, anti_forgery_token: str, browser: Browser
    ) -> LoginTransaction:
        """The transaction of a posted form, if its client may still receive a code.

        Raises ForgedTransaction, ExpiredTransaction, AuthorizationError, or an outage.
        """
        now = self._clock()
        transaction = self.signer.read(text, anti_forgery_token, browser.secret, now)
        client = await self._client_of(transaction)
        check_redirect_uri(
            transaction.redirect_uri,
            client.redirect_uris,
            require_state=client.require_state,
            loopback=self._loopback,
        )
        return transaction

    async def denial(self, transaction: LoginTransaction) -> str | None:
        """Where a person who gives up is sent, or None where the client does not want to know."""
        client = await self._client_of(transaction)
        return with_denial(transaction.redirect_uri) if client.redirect_denials else None

    async def domain_of(self, client_id: str) -> str | None:
        """The client's LINE WORKS domain, if it is known: a login can start again there."""
        client = (await self.clients.snapshot()).get(client_id)
        return client.domain if client else None

    async def log_out(self, query: str, browser: Browser) -> str | None:
        """End the browser's session; return where it wants to go, if it may (R-66 to R-69)."""
        session = await self._sessions.end(browser.session)
        if session is not None:
            self._record(
                Event.LOGOUT,
                self._clock(),
                subject_id=session.subject_id,
                username=session.username,
                address=browser.address,
            )
        clients = await self.clients.snapshot()
        return parse_logout(query, clients.values(), loopback=self._loopback)

    # The back channel: steps 7 to 10

    async def exchange_code(self, form: Form, address: str) -> TokenResponse:
        """Verify a code, consume it and create its access token, in one step of the store.

        Raises OAuthError; the checks come in the order of the contract.
        """
        try:
            request = TokenRequest.parse(form)
            client = await self._authenticate_client(
                request.client_id, request.client_secret, address
            )
            secret = check_grant(request, client)
            self._check_admitted(client, address)
            return await self._redeem(request, secret, client, address)
        except OAuthError as error:
            self._record_refusal(Event.CODE_REFUSED, error, form, address)
            raise
        except _OUTAGES as outage:
            raise TemporarilyUnavailable(str(outage)) from outage

    async def user_info(self, form: Form, address: str) -> UserInfoResponse:
        """Say whose access token this is. Raises OAuthError."""
        try:
            request = UserInfoRequest.parse(form)
            client = await self._authenticate_client(
                request.client_id, request.client_secret, address
            )
            self._check_admitted(client, address)
            now = self._clock()
            found = await self._store.find(AccessToken, digest(request.access_token))
            token = check_access_token(found, client, now)
        except OAuthError as error:
            self._record_refusal(Event.USER_INFO_REFUSED, error, form, address)
            raise
        except _OUTAGES as outage:
            raise TemporarilyUnavailable(str(outage)) from outage
        self._record_artifact(Event.USER_INFO_RETURNED, now, token, address)
        return UserInfoResponse(token.user_id)

    async def error_form(self, client_id: str) -> tuple[ErrorStyle, ErrorStatus]:
        """How errors are written for a client.

        A stranger gets what all clients have in common, if they have, so that the form of an
        answer does not tell whether a client exists (R-49).
        """
        with suppress(*_OUTAGES):  # then what was known last has to do
            await self.clients.snapshot()
        return self.clients.error_form(client_id)

    async def ping(self) -> None:
        """Return if the store and the directory answer. Raises an outage."""
        await self._store.ping()
        await self.clients.snapshot()

    # How it is done

    async def _redeem(
        self, request: TokenRequest, secret: str, client: Client, address: str
    ) -> TokenResponse:
        now = self._clock()
        access_token = new_secret()
        refresh_token = new_secret() if client.refresh_tokens else None
        successors = Successors(
            digest(access_token),
            digest(refresh_token) if refresh_token else None,
            client.refresh_token_lifetime,
        )
        redemption = await self._store.redeem(
            request.kind, digest(secret), client.client_id, successors, now
        )
        artifact = redemption.artifact
        if redemption.outcome is Outcome.REPLAYED and artifact is not None:
            self._record_artifact(Event.CODE_REPLAYED, now, artifact, address)
        if redemption.outcome is not Outcome.REDEEMED or artifact is None:
            raise InvalidAuthorization(f"the {request.kind.kind} is {redemption.outcome}")
        refreshed = request.kind is RefreshToken
        event = Event.TOKEN_REFRESHED if refreshed else Event.CODE_REDEEMED
        self._record_artifact(event, now, artifact, address)
        return TokenResponse(access_token, artifact.expires_in, refresh_token)

    async def _authenticate_client(self, client_id: str, secret: str, address: str) -> Client:
        now = self._clock()
        client = (await self.clients.snapshot()).get(client_id)
        digests = _NO_SECRETS
        if client is not None:
            digests = tuple(
                kept.digest
                for kept in client.secrets
                if kept.expires_at is None or now < kept.expires_at
            )
        if not matches_any(secret, digests) or client is None:
            if self._wrong_secrets.exceeded(client_id, address, now):
                raise TooManyWrongSecrets("far too many wrong secrets from this address")
            raise UnauthorizedClient("the client ID is unknown or the secret is wrong")
        return client

    def _check_admitted(self, client: Client, address: str) -> None:
        if not client.enabled:
            raise AccessDenied("the client is disabled")
        if client.allowed_addresses and not _is_within(address, client.allowed_addresses):
            raise AccessDenied("the source address is not on the client's list")

    async def _authenticate(
        self,
        transaction: LoginTransaction,
        username: str,
        password: str,
        browser: Browser,
        now: float,
    ) -> tuple[str, Person]:
        """Ask the sources in their order, behind the throttle."""
        attempt = Attempt(username, browser.address, self._known_device(username, browser))
        try:
            await self._throttle.admit(attempt, now)
        except TooManyAttempts:
            self._record_login(Event.LOGIN_THROTTLED, now, transaction, browser, username=username)
            raise
        try:
            found = await self._ask_sources(username, password)
        except (SourceUnavailable, HashingBusy, DirectoryUnavailable):
            await self._throttle.withdrawn(attempt)
            raise
        except PersonDisabled:
            await self._throttle.succeeded(attempt)
            self._record_failure(transaction, browser, username, now, "the person is disabled")
            raise
        if found is None:
            await self._throttle.failed(attempt, now)
            self._record_failure(transaction, browser, username, now, "wrong name or password")
            raise WrongPassword
        await self._throttle.succeeded(attempt)
        return found

    async def _ask_sources(self, username: str, password: str) -> tuple[str, Person] | None:
        for name, source in self._sources.items():
            person = await source.authenticate(username, password)
            if person is not None:
                return name, person
        return None

    def _known_device(self, username: str, browser: Browser) -> str | None:
        account = account_key(username)
        for device_id, signature in browser.devices:
            if self.signer.knows_device(account, device_id, signature):
                return device_id
        return None

    async def _issue(
        self,
        transaction: LoginTransaction,
        source: str,
        person: Person,
        browser: Browser,
        now: float,
        *artifacts: Session,
    ) -> Authorized:
        """Issue the one code of a transaction, and keep what goes with it."""
        client = await self._client_of(transaction)
        user_id = _user_key(client, person)
        if user_id is None:
            self._record_login(
                Event.LOGIN_REFUSED, now, transaction, browser, person, detail="no user key"
            )
            raise NoUserKey
        if not await self._store.add(_spent(transaction)):
            raise AlreadySignedIn
        code = new_secret()
        issued_at = self._clock()
        await self._store.save(
            _authorization_code(digest(code), client, transaction, person, user_id, issued_at),
            *artifacts,
        )
        # Whoever was disabled a moment ago may have been searched for before this was saved.
        if await self._sessions.person(source, person) is None:
            await self._store.forget(person.subject_id)
            raise PersonDisabled
        self._record_login(Event.CODE_ISSUED, issued_at, transaction, browser, person)
        return Authorized(with_code(transaction.redirect_uri, code))

    async def _client_of(self, transaction: LoginTransaction) -> Client:
        client = (await self.clients.snapshot()).get(transaction.client_id)
        if client is None or not client.enabled:
            raise UnknownClient("the client was removed or disabled meanwhile")
        return client

    async def _check_session_key(
        self, client: Client, request: AuthorizationRequest, browser: Browser, now: float
    ) -> None:
        """Ask LINE WORKS about an app's sessionKey, where the client has that switched on."""
        policy = client.session_key_check
        if policy is SessionKeyCheck.OFF or request.login_kind is not LoginKind.APP:
            return
        answer = SessionKeyAnswer.UNKNOWN
        if request.session_key is not None:
            # LINE WORKS says yes only once; a reloaded page in the same browser asks us again.
            name = f"session_key:{digest(request.session_key + browser.secret)}"
            if await self._store.count(name, now):
                return
            answer = await self._session_keys.ask(request.session_key)
            if answer is SessionKeyAnswer.YES:
                await self._store.bump(name, 1_800.0, now)
                return
        if answer is SessionKeyAnswer.NO or policy is SessionKeyCheck.FAIL_CLOSED:
            raise SessionKeyRefused("LINE WORKS did not confirm the sessionKey")

    # What is remembered of it

    def _record(
        self,
        event: Event,
        at: float,
        *,
        login_id: str | None = None,
        client_id: str | None = None,
        subject_id: str | None = None,
        username: str | None = None,
        address: str | None = None,
        detail: str | None = None,
    ) -> None:
        self.audit.record(
            AuditEvent(
                event=event,
                at=at,
                login_id=login_id,
                client_id=client_id,
                subject_id=subject_id,
                username=username,
                address=address,
                detail=detail,
            )
        )

    def _record_login(
        self,
        event: Event,
        at: float,
        transaction: LoginTransaction,
        browser: Browser,
        person: Person | None = None,
        *,
        username: str | None = None,
        detail: str | None = None,
    ) -> None:
        self._record(
            event,
            at,
            login_id=transaction.login_id,
            client_id=transaction.client_id,
            subject_id=person.subject_id if person else None,
            username=person.username if person else username,
            address=browser.address,
            detail=detail,
        )

    def _record_failure(
        self,
        transaction: LoginTransaction,
        browser: Browser,
        username: str,
        now: float,
        detail: str,
    ) -> None:
        self._record_login(
            Event.LOGIN_FAILED, now, transaction, browser, username=username, detail=detail
        )

    def _record_artifact(
        self, event: Event, at: float, artifact: Redeemable | AccessToken, address: str
    ) -> None:
        self.audit.record(
            AuditEvent(
                event=event,
                at=at,
                login_id=artifact.login_id,
                client_id=artifact.client_id,
                subject_id=artifact.subject_id,
                address=address,
            )
        )

    def _record_refusal(self, event: Event, error: OAuthError, form: Form, address: str) -> None:
        """Record a refusal; those of callers that we don't know are bounded (R-48)."""
        now = self._clock()
        client_id = form.get("client_id", "")
        if not isinstance(error, InvalidAuthorization | InvalidAccess):
            event = Event.CLIENT_REFUSED
            if self._strangers.exceeded(client_id, address, now):
                return
        detail = f"{error.number} {error.message}: {error.detail}"
        recorded = client_id if _CLIENT_ID.fullmatch(client_id) else None
        self._record(event, now, client_id=recorded, address=address, detail=detail)


def is_meant(works_id: str | None, person: Person) -> bool:
    """Whether LINE WORKS' hint can mean this person; no hint means anybody.

    A hint is a whole LINE WORKS account or its local part; a person's works account may be kept
    either way, and a username may be the same address.
    """
    if works_id is None:
        return True
    hint = account_key(works_id)
    names = {account_key(name) for name in (person.works_account, person.username) if name}
    local_parts = {name.partition("@")[0] for name in names if "@" not in name or "@" not in hint}
    return hint in names or hint.partition("@")[0] in local_parts


def _user_key(client: Client, person: Person) -> str | None:
    if client.user_key is UserKey.EXTERNAL_KEY:
        return person.external_key
    return person.works_account


def _spent(transaction: LoginTransaction) -> SpentTransaction:
    return SpentTransaction(
        key=digest(transaction.id),
        grant_id=transaction.id,
        # It is nobody's: what a person holds may be forgotten, a spent transaction may not.
        subject_id="",
        client_id=transaction.client_id,
        expires_at=transaction.expires_at,
    )


def _authorization_code(
    key: str,
    client: Client,
    transaction: LoginTransaction,
    person: Person,
    user_id: str,
    now: float,
) -> AuthorizationCode:
    kind = transaction.login_kind
    return AuthorizationCode(
        key=key,
        grant_id=new_id(),
        subject_id=person.subject_id,
        client_id=client.client_id,
        expires_at=now + client.code_lifetime,
        user_id=user_id,
        login_id=transaction.login_id,
        login_kind=kind,
        lifetime=client.token_lifetime(kind),
        expires_in=client.expires_in(kind) if client.announce_expires_in else None,
    )


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return any(peer in ipaddress.ip_network(network) for network in networks)
