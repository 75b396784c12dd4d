"""What a login still needs once it is known who it is: a password of their own, a second factor.

    next                  what is missing, or None: then the code may be issued
    verify_second_factor  a second factor was shown
    enrol                 a first factor was set up, midway through the login

A login under way is an ``Interim`` of the store under its transaction: it is the person's, so it
ends with all that they hold, and it dies with the transaction. Nothing of it is in the form.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from worksgate.access_rules import Action, Situation, decide_by_texts
from worksgate.clients import ClientRegistry
from worksgate.credentials import digest, new_secret
from worksgate.factors import MAX_FACTOR_FAILURES, Enrolled, FactorRefused, Holder, factor_account
from worksgate.factors.book import Factors
from worksgate.login_transaction import LoginTransaction
from worksgate.oauth.model import Client, Interim, LoginKind, SessionKeyCheck
from worksgate.settings import Settings
from worksgate.sign_in import (
    Browser,
    EnrolmentNeeded,
    LoginAttempt,
    LoginDenied,
    LoginLost,
    LoginProgress,
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


class LoginSteps:
    """Decides what comes next, and keeps logins between two requests."""

    def __init__(
        self,
        settings: Settings,
        clients: ClientRegistry,
        store: Store,
        factors: Factors,
        throttle: Throttle,
        known_device: Callable[[str, Browser], str | None],
    ) -> None:
        self._remembered_for = settings.remember_device_lifetime
        self._passkeys = settings.passkeys
        self._clients = clients
        self._store = store
        self._factors = factors
        self._throttle = throttle
        self._known_device = known_device

    async def next(self, client: Client, attempt: LoginAttempt) -> Step | None:
        """What the person has to do next, or None; it is kept until they have.

        Raises LoginDenied, or an outage.
        """
        transaction, progress = attempt.transaction, attempt.progress
        action = _strictest(await self._rulers(client, attempt), attempt)
        is_asked = progress.second_factor_at is None and action is not Action.ALLOW
        enrolled = await self._factors.of(attempt.person.subject_id) if is_asked else Enrolled()
        if enrolled.any and not await self._is_spared(attempt):
            await self._keep(transaction, progress)
            return await self._question(attempt, enrolled)
        if progress.needs_new_password:
            await self._keep(transaction, progress)
            return NewPasswordNeeded(transaction, attempt.person)
        if is_asked and not enrolled.any and action is Action.REQUIRE:
            if progress.from_session:  # what is set up now must be the person's: the password first
                return PasswordNeeded(transaction)
            return await self._enrolment(attempt)
        return None

    async def _rulers(self, client: Client, attempt: LoginAttempt) -> Sequence[Client]:
        """The clients whose rules hold: of a person's own account, all that they may use."""
        if not attempt.transaction.is_for_account:
            return (client,)
        clients = (await self._clients.snapshot()).values()
        theirs = [
            each
            for each in clients
            if each.enabled and (not each.sources or attempt.progress.source in each.sources)
        ]
        return theirs or (client,)

    async def _is_spared(self, attempt: LoginAttempt) -> bool:
        """Whether this browser is not asked; a full login is wanted for the account (R-83)."""
        return not attempt.transaction.is_for_account and await self._is_trusted(attempt)

    # Between two requests

    async def _keep(self, transaction: LoginTransaction, progress: LoginProgress) -> None:
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

    async def _question(self, attempt: LoginAttempt, enrolled: Enrolled) -> SecondFactorNeeded:
        options = None
        if enrolled.passkeys:
            options = await self._factors.passkey_options(
                attempt.person.subject_id,
                attempt.progress.challenge_bytes,
                require_user_verification=False,
            )
        return SecondFactorNeeded(attempt.transaction, attempt.person, enrolled, options)

    async def verify_second_factor(self, attempt: LoginAttempt, proof: Proof) -> LoginProgress:
        """How far the login is with its second factor given.

        Raises WrongFactor, TooManyWrongFactors (the login is over), TooManyAttempts, or an outage.
        """
        holder, browser, now = _holder(attempt), attempt.browser, attempt.now
        known = self._known_device(attempt.person.username, browser)
        throttled = Attempt(factor_account(holder.subject_id), browser.address, known)
        await self._throttle.admit(throttled, now)
        left = await self._tries_left(attempt)
        if left < 0 or not await self._is_right(holder, attempt.progress, proof, now):
            await self._throttle.failed(throttled, now)
            raise await self._wrong(attempt, proof, left)
        await self._throttle.succeeded(throttled, now)
        # What was signed once is not taken twice.
        return replace(attempt.progress, second_factor_at=now, challenge=new_secret())

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

    async def _tries_left(self, attempt: LoginAttempt) -> int:
        """Count one more try; how many are left after it, -1 where it is one too many."""
        transaction = attempt.transaction
        counter = f"factor {digest(transaction.id)[:32]}"
        tries = await self._store.bump(counter, transaction.lifetime, attempt.now)
        return max(-1, MAX_FACTOR_FAILURES - tries)

    async def _wrong(
        self, attempt: LoginAttempt, proof: Proof, left: int
    ) -> WrongFactor | TooManyWrongFactors:
        """What a wrong answer leads to: another try, with a new challenge, or the end."""
        transaction = attempt.transaction
        if left > 0:
            await self._keep(transaction, replace(attempt.progress, challenge=new_secret()))
            return WrongFactor(proof.kind, left)
        await self.end(transaction)
        return TooManyWrongFactors()

    # Setting one up midway

    async def _enrolment(self, attempt: LoginAttempt) -> EnrolmentNeeded:
        """The offer to set up a first factor; its secret is kept with the login."""
        transaction, progress, person = attempt.transaction, attempt.progress, attempt.person
        totp = await self._factors.begin_totp(person.username, progress.totp_secret)
        await self._keep(transaction, replace(progress, totp_secret=totp.secret))
        options = None
        if self._passkeys and self._factors.passkeys_usable:
            options = await self._factors.passkey_registration_options(
                person, progress.challenge_bytes
            )
        return EnrolmentNeeded(transaction, person, totp, options)

    async def enrol(self, attempt: LoginAttempt, proof: Proof) -> Sequence[str]:
        """Set up a factor, which then counts as given; the person's new recovery codes.

        Raises WrongFactor, TooManyWrongFactors, LoginLost where no setting up had begun, or an
        outage.
        """
        holder, progress, now = _holder(attempt), attempt.progress, attempt.now
        if progress.totp_secret is None or (await self._factors.of(holder.subject_id)).any:
            raise LoginLost  # somebody else has set one up meanwhile: it is asked for
        if not await self._is_set_up(holder, progress, progress.totp_secret, proof, now):
            raise await self._wrong(attempt, proof, await self._tries_left(attempt))
        codes = await self._factors.renew_recovery_codes(holder, now)
        done = replace(
            progress,
            second_factor_at=now,
            totp_secret=None,
            challenge=new_secret(),
        )
        await self._keep(attempt.transaction, done)
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

    def trusted_device(self, secret: str, person: Person, now: float) -> Interim:
        """What spares a browser with this secret in its cookie the second factor, once kept."""
        return Interim(
            key=digest(secret),
            grant_id=secrets.token_hex(16),
            subject_id=person.subject_id,
            client_id="",
            expires_at=now + self._remembered_for,
            purpose=_TRUSTED,
            data="",
        )

    async def _is_trusted(self, attempt: LoginAttempt) -> bool:
        for secret in attempt.browser.trusted:
            found = await self._store.find(Interim, digest(secret))
            if (
                found is not None
                and found.purpose == _TRUSTED
                and found.subject_id == attempt.person.subject_id
                and found.expires_at > attempt.now
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


def _strictest(rulers: Sequence[Client], attempt: LoginAttempt) -> Action:
    """What the rules say. Raises LoginDenied."""
    decisions = [
        decide_by_texts(
            client.rules,
            client.second_factor,
            Situation(
                kind=kind,
                address=attempt.browser.address,
                groups=attempt.person.groups,
                source=attempt.progress.source,
                at=attempt.now,
            ),
        )
        for client in rulers
        for kind in _possible_kinds(client, attempt.transaction.login_kind)
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


def _holder(attempt: LoginAttempt) -> Holder:
    return Holder(
        subject_id=attempt.person.subject_id,
        username=attempt.person.username,
        address=attempt.browser.address,
        login_id=attempt.transaction.login_id,
        client_id=attempt.transaction.client_id or None,
    )
