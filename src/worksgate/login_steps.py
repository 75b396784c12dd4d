"""What a login still needs once it is known who it is: a password of their own, a second factor.

    next       what is missing, or None: then the code may be issued
    answer     a second factor was shown
    enrolment  midway through a login a person is to set up their first factor
    enrol      they did

A login under way is an ``Interim`` of the store under its transaction: it is the person's, so it
ends with all that they hold, and it dies with the transaction. Nothing of it is in the form.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from worksgate.access_rules import Action, Situation, decide_by_texts
from worksgate.credentials import digest, new_secret
from worksgate.factors import MAX_FACTOR_FAILURES, Enrolled, FactorRefused, Holder, factor_account
from worksgate.factors.book import Factors
from worksgate.login_transaction import LoginTransaction
from worksgate.oauth.model import Client, Interim, LoginKind, SessionKeyCheck
from worksgate.settings import Settings
from worksgate.sign_in import (
    Browser,
    EnrolmentNeeded,
    LoginDenied,
    LoginLost,
    NewPasswordNeeded,
    PasswordNeeded,
    Proof,
    SecondFactorNeeded,
    TooManyWrongFactors,
    WrongFactor,
)
from worksgate.sources import Person
from worksgate.store import Store
from worksgate.throttle import Attempt, Throttle

_PENDING = "pending_login"
_TRUSTED = "trusted_device"

Step = NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded | PasswordNeeded

_BY_STRICTNESS = (Action.ALLOW, Action.ASK, Action.REQUIRE, Action.DENY)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProgress:
    """How far a login has come; ``challenge`` is this login's own for passkeys (base64url).

    ``totp_secret`` is there while the person sets up an authenticator app. ``from_session`` says
    that the person was known by a session, ``authenticated_at`` since when: what it learns of a
    second factor makes it no younger (R-29). ``typed`` is the name that a password was typed for:
    its browser is known at the end (R-79).
    """

    source: str
    person: Person
    typed: str | None = None
    second_factor_at: float | None = None
    password_changed: bool = False
    from_session: bool = False
    known_factor_at: float | None = None
    authenticated_at: float | None = None
    challenge: str = field(default_factory=new_secret, repr=False)
    totp_secret: str | None = field(default=None, repr=False)

    @property
    def challenge_bytes(self) -> bytes:
        return self.challenge.encode()


class LoginSteps:
    """Decides what comes next, and keeps logins between two requests."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        factors: Factors,
        throttle: Throttle,
        known_device: Callable[[str, Browser], str | None],
    ) -> None:
        self._remembered_for = settings.remember_device_lifetime
        self._passkeys = settings.passkeys
        self._store = store
        self._factors = factors
        self._throttle = throttle
        self._known_device = known_device

    async def next(
        self,
        rulers: Sequence[Client],
        transaction: LoginTransaction,
        progress: LoginProgress,
        browser: Browser,
        now: float,
    ) -> Step | None:
        """What the person has to do next, or None; it is kept until they have.

        ``rulers`` are the clients whose rules hold: the strictest of them counts. Raises
        LoginDenied, or an outage.
        """
        person = progress.person
        action = _strictest(rulers, transaction, progress, browser, now)
        is_asked = progress.second_factor_at is None and action is not Action.ALLOW
        enrolled = await self._factors.of(person.subject_id) if is_asked else Enrolled()
        if enrolled.any and not await self._is_spared(transaction, person, browser, now):
            await self.keep(transaction, progress)
            return await self.question(transaction, progress, enrolled)
        if person.must_change_password and not progress.password_changed:
            await self.keep(transaction, progress)
            return NewPasswordNeeded(transaction, person)
        if is_asked and not enrolled.any and action is Action.REQUIRE:
            if progress.from_session:  # what is set up now must be the person's: the password first
                return PasswordNeeded(transaction)
            return await self.enrolment(transaction, progress)
        return None

    async def _is_spared(
        self, transaction: LoginTransaction, person: Person, browser: Browser, now: float
    ) -> bool:
        """Whether this browser is not asked; a full login is wanted for the account (R-83)."""
        return not transaction.is_for_account and await self._is_trusted(person, browser, now)

    # Between two requests

    async def keep(self, transaction: LoginTransaction, progress: LoginProgress) -> None:
        """Keep how far a login has come."""
        await self._store.save(
            Interim(
                key=_key_of(transaction),
                grant_id=transaction.id,
                subject_id=progress.person.subject_id,
                client_id=transaction.client_id,
                expires_at=transaction.expires_at,
                purpose=_PENDING,
                data=msgspec.json.encode(progress).decode(),
            )
        )

    async def resume(self, transaction: LoginTransaction, now: float) -> LoginProgress:
        """How far a login has come. Raises LoginLost where nothing of it is known (any more)."""
        found = await self._store.find(Interim, _key_of(transaction))
        if found is None or found.purpose != _PENDING or found.expires_at <= now:
            raise LoginLost
        return msgspec.json.decode(found.data, type=LoginProgress)

    async def end(self, transaction: LoginTransaction) -> None:
        """Forget how far a login has come: it is over."""
        await self._store.take(Interim, _key_of(transaction))

    # The second factor

    async def question(
        self, transaction: LoginTransaction, progress: LoginProgress, enrolled: Enrolled
    ) -> SecondFactorNeeded:
        """The question for a second factor."""
        options = None
        if enrolled.passkeys:
            options = await self._factors.passkey_options(
                progress.person.subject_id,
                progress.challenge_bytes,
                require_user_verification=False,
            )
        return SecondFactorNeeded(transaction, progress.person, enrolled, options)

    async def answer(
        self,
        transaction: LoginTransaction,
        progress: LoginProgress,
        proof: Proof,
        browser: Browser,
        now: float,
    ) -> LoginProgress:
        """The login with its second factor given.

        Raises WrongFactor, TooManyWrongFactors (the login is over), TooManyAttempts, or an outage.
        """
        holder = _holder(transaction, progress.person, browser)
        known = self._known_device(progress.person.username, browser)
        attempt = Attempt(factor_account(holder.subject_id), browser.address, known)
        await self._throttle.admit(attempt, now)
        left = await self._tries_left(transaction, now)
        if left < 0 or not await self._is_right(holder, progress, proof, now):
            await self._throttle.failed(attempt, now)
            raise await self._wrong(transaction, progress, left)
        await self._throttle.succeeded(attempt, now)
        # What was signed once is not taken twice.
        return replace(progress, second_factor_at=now, challenge=new_secret())

    async def _is_right(
        self, holder: Holder, progress: LoginProgress, proof: Proof, now: float
    ) -> bool:
        if proof.passkey:
            try:
                await self._factors.check_passkey(
                    holder,
                    proof.passkey,
                    progress.challenge_bytes,
                    now,
                    require_user_verification=False,
                )
            except FactorRefused:
                return False
            return True
        if proof.recovery_code:
            return await self._factors.check_recovery_code(holder, proof.recovery_code, now)
        return await self._factors.check_totp(holder, proof.code, now)

    async def _tries_left(self, transaction: LoginTransaction, now: float) -> int:
        """Count one more try; how many are left after it, -1 where it is one too many."""
        counter = f"factor {digest(transaction.id)[:32]}"
        tries = await self._store.bump(counter, transaction.lifetime, now)
        return max(-1, MAX_FACTOR_FAILURES - tries)

    async def _wrong(
        self, transaction: LoginTransaction, progress: LoginProgress, left: int
    ) -> WrongFactor | TooManyWrongFactors:
        """What a wrong answer leads to: another try, with a new challenge, or the end."""
        if left > 0:
            await self.keep(transaction, replace(progress, challenge=new_secret()))
            return WrongFactor(left)
        await self.end(transaction)
        return TooManyWrongFactors()

    # Setting one up midway

    async def enrolment(
        self, transaction: LoginTransaction, progress: LoginProgress
    ) -> EnrolmentNeeded:
        """The offer to set up a first factor; its secret is kept with the login."""
        person = progress.person
        totp = await self._factors.begin_totp(person.username, progress.totp_secret)
        await self.keep(transaction, replace(progress, totp_secret=totp.secret))
        options = None
        if self._passkeys and self._factors.passkeys_usable:
            options = await self._factors.passkey_registration_options(
                person, progress.challenge_bytes
            )
        return EnrolmentNeeded(transaction, person, totp, options)

    async def enrol(
        self,
        transaction: LoginTransaction,
        progress: LoginProgress,
        proof: Proof,
        browser: Browser,
        now: float,
    ) -> Sequence[str]:
        """Set up a factor, which then counts as given; the person's new recovery codes.

        Raises WrongFactor, TooManyWrongFactors, LoginLost where no setting up had begun, or an
        outage.
        """
        holder = _holder(transaction, progress.person, browser)
        if progress.totp_secret is None or (await self._factors.of(holder.subject_id)).any:
            raise LoginLost  # somebody else has set one up meanwhile: it is asked for
        if not await self._is_set_up(holder, progress, progress.totp_secret, proof, now):
            raise await self._wrong(transaction, progress, await self._tries_left(transaction, now))
        codes = await self._factors.renew_recovery_codes(holder, now)
        done = replace(
            progress,
            second_factor_at=now,
            totp_secret=None,
            challenge=new_secret(),
        )
        await self.keep(transaction, done)
        return codes

    async def _is_set_up(
        self, holder: Holder, progress: LoginProgress, secret: str, proof: Proof, now: float
    ) -> bool:
        if not proof.passkey:
            return await self._factors.confirm_totp(holder, secret, proof.code, now)
        try:
            await self._factors.add_passkey(
                holder, proof.passkey, progress.challenge_bytes, "", now
            )
        except FactorRefused:
            return False
        return True

    # Devices that are not asked again

    async def trust(self, person: Person, now: float) -> str:
        """A secret for the cookie of a browser that is not to be asked for a second factor."""
        secret = new_secret()
        await self._store.save(
            Interim(
                key=digest(secret),
                grant_id=secrets.token_hex(16),
                subject_id=person.subject_id,
                client_id="",
                expires_at=now + self._remembered_for,
                purpose=_TRUSTED,
                data="",
            )
        )
        return secret

    async def _is_trusted(self, person: Person, browser: Browser, now: float) -> bool:
        for secret in browser.trusted:
            found = await self._store.find(Interim, digest(secret))
            if (
                found is not None
                and found.purpose == _TRUSTED
                and found.subject_id == person.subject_id
                and found.expires_at > now
            ):
                return True
        return False


async def forget_trusted_devices(store: Store, subject_id: str) -> int:
    """Ask a person for a second factor in every browser again; the number of those that end.

    What spared them the question was a factor that they do not have any more.
    """
    held = await store.held(Interim, subject_id)
    trusted = [each for each in held if each.purpose == _TRUSTED]
    return sum([await store.take(Interim, each.key) is not None for each in trusted])


def _strictest(
    rulers: Sequence[Client],
    transaction: LoginTransaction,
    progress: LoginProgress,
    browser: Browser,
    now: float,
) -> Action:
    """What the rules say. Raises LoginDenied."""
    decisions = [
        decide_by_texts(
            client.rules,
            client.second_factor,
            Situation(
                kind=kind,
                address=browser.address,
                groups=progress.person.groups,
                source=progress.source,
                at=now,
            ),
        )
        for client in rulers
        for kind in _possible_kinds(client, transaction.login_kind)
    ]
    decision = max(decisions, key=lambda each: _BY_STRICTNESS.index(each.action))
    if decision.action is Action.DENY:
        raise LoginDenied(str(decision.rule or "; ".join(decision.reasons)))
    return decision.action


def _possible_kinds(client: Client, kind: LoginKind) -> Sequence[LoginKind]:
    """Who says that they are the app may be a browser, unless LINE WORKS confirms it."""
    confirmed = client.session_key_check is SessionKeyCheck.FAIL_CLOSED
    return (kind,) if kind is not LoginKind.APP or confirmed else (kind, LoginKind.WEB)


def _key_of(transaction: LoginTransaction) -> str:
    return digest(f"{_PENDING} {transaction.id}")


def _holder(transaction: LoginTransaction, person: Person, browser: Browser) -> Holder:
    return Holder(
        subject_id=person.subject_id,
        username=person.username,
        address=browser.address,
        login_id=transaction.login_id,
        client_id=transaction.client_id or None,
    )
