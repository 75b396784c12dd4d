"""Steps of a sign-in after the person is known: a new password, a second factor.

    refuse_early          refuses what no person could change, before the password is checked
    next                  the next step, or the completed sign-in: the code may be issued
    verify_second_factor  a second factor was used
    enrol                 a factor was set up during the sign-in

``access_rules`` defines the requirements, ``required_steps`` the next step. A sign-in in progress
is an ``Interim`` of the store under its transaction: it is the person's, so it is revoked with
everything they hold, and it expires with the transaction. It is not in the form. Its browser finds
the page of a step again by a handle, which reveals nothing and is worthless in another browser.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hmac import compare_digest

import msgspec

from worksgate.clients.access_rules import (
    Action,
    Decision,
    Situation,
    decide_by_texts,
    decide_without_person_by_texts,
)
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import digest, new_secret
from worksgate.directory.read_ahead import ReadAhead
from worksgate.oauth.model import Client, Interim, LoginKind, SessionKeyCheck
from worksgate.provider.assurance import Factor, Strength
from worksgate.provider.factors import (
    MAX_FACTOR_FAILURES,
    Enrolled,
    FactorRefused,
    Holder,
    factor_account,
)
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.sign_in.attempt import (
    Browser,
    Proof,
    ProofKind,
    SignInAttempt,
    SignInProgress,
)
from worksgate.provider.sign_in.errors import (
    NoPasskey,
    SignInDenied,
    SignInLost,
    TooManyWrongFactors,
    WrongFactor,
)
from worksgate.provider.sign_in.outcomes import (
    EnrolmentNeeded,
    FactorPurpose,
    NewPasswordNeeded,
    PasswordNeeded,
    SecondFactorNeeded,
)
from worksgate.provider.sign_in.required_steps import Due, SignInState, due
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.throttle import Attempt, Throttle, TooManyAttempts, is_device_of
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import ArtifactKey, Store

_PENDING = "pending_login"
_TRUSTED = "trusted_device"

Step = NewPasswordNeeded | SecondFactorNeeded | EnrolmentNeeded | PasswordNeeded

_PURPOSES = {
    Due.SECOND_FACTOR: FactorPurpose.ANY,
    Due.FACTOR_BEFORE_PASSKEY: FactorPurpose.BEFORE_PASSKEY,
    Due.PASSKEY: FactorPurpose.PASSKEY,
    Due.PASSKEY_OR_RECOVERY_CODE: FactorPurpose.ACCOUNT,
}
"""The purpose of a second factor, by step."""


_STRENGTHS = {
    Action.ALLOW: Strength.SINGLE_FACTOR,
    Action.ASK: Strength.TWO_FACTORS,
    Action.REQUIRE: Strength.TWO_FACTORS,
    Action.REQUIRE_PASSKEY: Strength.PHISHING_RESISTANT,
}
"""The strength with which a sign-in can be complete, whatever else the person has."""

_PROOFS_OF_ENROLMENT = {
    Due.ENROLMENT: (ProofKind.CODE, ProofKind.PASSKEY),
    Due.PASSKEY_ENROLMENT: (ProofKind.PASSKEY,),
}
"""What can be set up during a sign-in."""


@dataclass(frozen=True, slots=True)
class _Whose:
    """The transaction that is stored with the progress; the previous release stored none."""

    transaction: SignInTransaction | None = None


class SignInSteps:
    """Decides the next step, and stores sign-ins between two requests."""

    def __init__(
        self,
        settings: Settings,
        clients: ClientRegistry,
        store: Store,
        factors: Factors,
        throttle: Throttle,
        known_device: Callable[[str, Browser], str | None],
        read_ahead: ReadAhead | None = None,
    ) -> None:
        self._remembered_for = settings.remember_device_lifetime
        self._passkeys = settings.passkeys
        self._clients = clients
        self._store = store
        self._factors = factors
        self._throttle = throttle
        self._known_device = known_device
        self._read_ahead = read_ahead or ReadAhead()

    async def refuse_early(
        self, transaction: SignInTransaction, client: Client, browser: Browser, now: float
    ) -> None:
        """Refuse what no person could change: by network, time and kind of sign-in (R-125).

        So a refusal does not reveal whether a password was right. Raises SignInDenied or an outage.
        """
        for ruler in await self._certain_rulers(transaction, client):
            for kind in _possible_kinds(ruler, transaction.login_kind):
                here = Situation(kind=kind, address=browser.address, at=now)
                decision = decide_without_person_by_texts(ruler.rules, ruler.second_factor, here)
                if decision is not None:
                    _check_not_denied(decision)

    async def next(self, attempt: SignInAttempt) -> Step | SignInProgress:
        """The person's next step, stored until they have done it; or the completed sign-in.

        Raises SignInDenied, NoPasskey, or an outage.
        """
        state = await self._state(attempt)
        step = due(state)
        transaction, progress = attempt.transaction, attempt.progress
        match step:
            case Due.NOTHING:
                is_spared = state.remembered and not progress.from_session
                factor = partial(progress.with_factor, Factor.REMEMBERED_BROWSER, attempt.now)
                return factor() if is_spared else progress
            case Due.NO_PASSKEY:
                raise NoPasskey
            case Due.LOGIN:
                return PasswordNeeded(transaction)
            case Due.ENROLMENT:
                return await self._enrolment(attempt)
            case Due.PASSKEY_ENROLMENT:
                return await self._passkey_enrolment(attempt)
            case Due.NEW_PASSWORD:
                await self._keep(transaction, progress)
                return NewPasswordNeeded(transaction, attempt.person)
            case _:
                await self._keep(transaction, progress)
                return await self._question(attempt, state.enrolled, _PURPOSES[step])

    async def _state(self, attempt: SignInAttempt) -> SignInState:
        """The sign-in's current state; only facts that can matter are read. Raises SignInDenied."""
        progress, for_account = attempt.progress, attempt.transaction.is_for_account
        usable = self._factors.passkeys_usable
        state = SignInState(
            action=_strictest(await self._rulers(attempt), attempt),
            assurance=progress.assurance,
            for_account=for_account,
            from_session=progress.from_session,
            needs_new_password=progress.needs_new_password,
            passkeys_usable=usable,
            passkeys_offered=self._passkeys and usable,
        )
        if for_account or progress.assurance.strength < _STRENGTHS[state.action]:
            subject_id = attempt.person.subject_id
            await self._read_ahead.factors(subject_id)
            enrolled = await self._factors.of(subject_id)
            state = replace(state, enrolled=enrolled)
        if due(state) is Due.SECOND_FACTOR and not for_account:
            state = replace(state, remembered=await self._is_trusted(attempt))
        return state

    async def _rulers(self, attempt: SignInAttempt) -> Sequence[Client]:
        """The clients whose rules apply: for a person's own account, all that they may use."""
        if not attempt.transaction.is_for_account:
            return (attempt.client,)
        together = await self._clients.together()
        return together.rulers(attempt.progress.source) or (attempt.client,)

    async def _certain_rulers(
        self, transaction: SignInTransaction, client: Client
    ) -> Sequence[Client]:
        """The clients whose rules apply to anybody: for an own account, those for all sources."""
        if not transaction.is_for_account:
            return (client,)
        return (await self._clients.together()).rulers(None)

    # Between two requests

    async def _keep(self, transaction: SignInTransaction, progress: SignInProgress) -> None:
        """Store the progress of a sign-in."""
        kept = {**msgspec.to_builtins(progress), "transaction": transaction}
        await self._store.save(
            Interim(
                key=handle_of(transaction),
                grant_id=transaction.id,
                subject_id=progress.person.subject_id,
                client_id=transaction.client_id,
                expires_at=transaction.expires_at,
                purpose=_PENDING,
                data=msgspec.json.encode(kept).decode(),
            )
        )

    async def resume(self, transaction: SignInTransaction, now: float) -> SignInProgress:
        """The progress of a sign-in. Raises SignInLost if nothing of it is known (any more)."""
        found = await self._pending(handle_of(transaction), now)
        return msgspec.json.decode(found.data, type=SignInProgress)

    async def transaction_of(self, handle: str, browser: Browser, now: float) -> SignInTransaction:
        """The sign-in in progress with this handle in this browser (R-19).

        Raises SignInLost if there is none (any more), or an outage.
        """
        found = await self._pending(handle, now)
        transaction = msgspec.json.decode(found.data, type=_Whose).transaction
        if transaction is None or not compare_digest(transaction.browser, digest(browser.secret)):
            raise SignInLost
        return transaction

    def codes_to_keep(self, progress: SignInProgress) -> Sequence[str]:
        """New recovery codes whose person has not confirmed yet that they stored them."""
        if progress.sealed_codes is None:
            return ()
        subject_id = progress.person.subject_id
        codes = self._factors.pending_secrets.unseal(progress.sealed_codes, subject_id)
        return codes.split() if codes else ()

    async def _pending(self, handle: str, now: float) -> Interim:
        found = await self._store.find(Interim, handle)
        if found is None or found.purpose != _PENDING or found.expires_at <= now:
            raise SignInLost
        return found

    def kept_of(self, transaction: SignInTransaction) -> ArtifactKey:
        """Where the progress of a sign-in is stored, to be removed with what completes it."""
        return ArtifactKey(Interim, handle_of(transaction))

    # The second factor

    async def _question(
        self, attempt: SignInAttempt, enrolled: Enrolled, why: FactorPurpose
    ) -> SecondFactorNeeded:
        if why in (FactorPurpose.PASSKEY, FactorPurpose.ACCOUNT):
            enrolled = replace(enrolled, totp=False)
        if why is FactorPurpose.PASSKEY:
            enrolled = replace(enrolled, recovery_codes_left=0)
        options = None
        if enrolled.passkeys:
            options = await self._factors.passkey_options(
                attempt.person.subject_id,
                attempt.progress.challenge_bytes,
                require_user_verification=False,
            )
        return SecondFactorNeeded(attempt.transaction, attempt.person, enrolled, options, why)

    async def verify_second_factor(self, attempt: SignInAttempt, proof: Proof) -> SignInProgress:
        """The progress after a valid second factor.

        Raises WrongFactor, TooManyWrongFactors (the sign-in is over), TooManyAttempts, or an
        outage.
        """
        holder, browser, now = _holder(attempt), attempt.browser, attempt.now
        known = self._known_device(attempt.progress.typed or attempt.person.username, browser)
        if known is not None and not is_device_of(known, holder.subject_id):
            known = None  # of somebody else who has this name in another source
        throttled = Attempt(factor_account(holder.subject_id), browser.address, known)
        if proof.kind is ProofKind.CODE:
            counters = self._throttle.first_counters(throttled)
            await self._read_ahead.totp(counters, holder.subject_id, now)
        try:
            async with self._throttle.attempt(throttled, now) as admission:
                left = MAX_FACTOR_FAILURES - await admission.count(*_tries_of(attempt))
                if left < 0:
                    self._factors.refused_unseen(holder, now)
                if left < 0 or not await self._is_right(holder, attempt.progress, proof, now):
                    admission.refused()
                    raise await self._wrong(attempt, proof, left)
                admission.succeeded()
        except TooManyAttempts:
            self._factors.refused_unseen(holder, now)
            raise
        return attempt.progress.with_factor(proof.factor, now)

    async def _is_right(
        self, holder: Holder, progress: SignInProgress, proof: Proof, now: float
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

    async def _wrong(
        self, attempt: SignInAttempt, proof: Proof, left: int
    ) -> WrongFactor | TooManyWrongFactors:
        """The consequence of a wrong answer: another try, with a new challenge, or the end."""
        transaction = attempt.transaction
        if left > 0:
            await self._keep(transaction, replace(attempt.progress, challenge=new_secret()))
            return WrongFactor(proof.kind, left)
        await self._store.take(Interim, handle_of(transaction))
        return TooManyWrongFactors()

    # Enrolment during a sign-in

    async def _enrolment(self, attempt: SignInAttempt) -> EnrolmentNeeded:
        """The offer to set up a first factor; its secret is stored with the sign-in."""
        transaction, progress, person = attempt.transaction, attempt.progress, attempt.person
        totp = await self._factors.begin_totp(person.username, self._pending_totp(progress))
        sealed = self._factors.pending_secrets.seal(totp.secret, person.subject_id)
        await self._keep(transaction, replace(progress, sealed_totp=sealed))
        options = None
        if self._passkeys and self._factors.passkeys_usable:
            options = await self._registration_options(attempt)
        return EnrolmentNeeded(transaction, person, totp, options)

    async def _passkey_enrolment(self, attempt: SignInAttempt) -> EnrolmentNeeded:
        """The offer to set up a passkey, without which the sign-in cannot continue."""
        await self._keep(attempt.transaction, attempt.progress)
        options = await self._registration_options(attempt)
        return EnrolmentNeeded(attempt.transaction, attempt.person, None, options)

    async def _registration_options(self, attempt: SignInAttempt) -> str:
        return await self._factors.passkey_registration_options(
            attempt.person, attempt.progress.challenge_bytes
        )

    async def enrol(
        self, attempt: SignInAttempt, proof: Proof
    ) -> tuple[SignInProgress, Sequence[str]]:
        """Set up a factor, which then counts as used; and new recovery codes, if they had none.

        Raises WrongFactor, TooManyWrongFactors, SignInLost if no enrolment is due (any more: a
        factor has been set up meanwhile, which is required now), or an outage.
        """
        holder, progress, now = _holder(attempt), attempt.progress, attempt.now
        step = due(await self._state(attempt))
        if step not in _PROOFS_OF_ENROLMENT or proof.kind not in _PROOFS_OF_ENROLMENT[step]:
            raise SignInLost
        if not await self._is_set_up(holder, progress, proof, now):
            tries = await self._store.bump(*_tries_of(attempt), now)
            raise await self._wrong(attempt, proof, MAX_FACTOR_FAILURES - tries)
        codes: Sequence[str] = ()
        enrolled = await self._factors.of(holder.subject_id)
        if not enrolled.recovery_codes_left and not enrolled.is_of_console:
            codes = await self._factors.renew_recovery_codes(holder, now, with_factor=True)
        sealed = self._factors.pending_secrets.seal("\n".join(codes), holder.subject_id)
        done = replace(
            progress.with_factor(proof.factor, now),
            sealed_totp=None,
            sealed_codes=sealed if codes else None,
        )
        await self._keep(attempt.transaction, done)
        return done, codes

    def _pending_totp(self, progress: SignInProgress) -> str | None:
        """The secret in this sign-in's QR code, if it has shown one."""
        if progress.sealed_totp is None:
            return None
        return self._factors.pending_secrets.unseal(
            progress.sealed_totp, progress.person.subject_id
        )

    async def _is_set_up(
        self, holder: Holder, progress: SignInProgress, proof: Proof, now: float
    ) -> bool:
        if not proof.passkey:
            secret = self._pending_totp(progress)
            if secret is None:
                raise SignInLost  # no secret was shown yet
            return await self._factors.confirm_totp(holder, secret, proof.code, now)
        try:
            await self._factors.add_passkey(
                holder, proof.passkey, progress.challenge_bytes, "", now
            )
        except FactorRefused:
            return False
        return True

    # Trusted browsers

    def trusted_device(self, secret: str, person: Person, now: float) -> Interim:
        """What makes a browser with this secret in its cookie a trusted one, once saved."""
        return Interim(
            key=trusted_key(secret),
            grant_id=secrets.token_hex(16),
            subject_id=person.subject_id,
            client_id="",
            expires_at=now + self._remembered_for,
            purpose=_TRUSTED,
            data="",
        )

    async def _is_trusted(self, attempt: SignInAttempt) -> bool:
        for secret in attempt.browser.trusted:
            found = await self._store.find(Interim, trusted_key(secret))
            if (
                found is not None
                and found.purpose == _TRUSTED
                and found.subject_id == attempt.person.subject_id
                and found.expires_at > attempt.now
            ):
                return True
        return False


def trusted_key(secret: str) -> str:
    """The key of what makes a browser with this secret a trusted one."""
    return digest(secret)


async def forget_trusted_devices(store: Store, subject_id: str) -> None:
    """Distrust all browsers of a person, so that the second factor is required again.

    They were trusted after a factor that the person does not have any more.
    """
    for each in await store.held(Interim, subject_id):
        if each.purpose == _TRUSTED:
            await store.take(Interim, each.key)


def _strictest(rulers: Sequence[Client], attempt: SignInAttempt) -> Action:
    """The rules' decision. Raises SignInDenied."""
    decision = max(_decisions(rulers, attempt), key=lambda each: each.action.strictness)
    _check_not_denied(decision)
    return decision.action


def _decisions(rulers: Sequence[Client], attempt: SignInAttempt) -> Iterator[Decision]:
    for client in rulers:
        for kind in _possible_kinds(client, attempt.transaction.login_kind):
            here = Situation(
                kind=kind,
                address=attempt.browser.address,
                at=attempt.now,
                groups=attempt.person.groups,
                source=attempt.progress.source,
            )
            yield decide_by_texts(client.rules, client.second_factor, here)


def _check_not_denied(decision: Decision) -> None:
    """Raises SignInDenied."""
    if decision.action is Action.DENY:
        raise SignInDenied(str(decision.rule or "; ".join(decision.reasons)))


def _possible_kinds(client: Client, kind: LoginKind) -> Sequence[LoginKind]:
    """An app may in fact be a browser, unless LINE WORKS confirms it."""
    confirmed = client.session_key_check is SessionKeyCheck.FAIL_CLOSED
    return (kind,) if kind is not LoginKind.APP or confirmed else (kind, LoginKind.WEB)


def _tries_of(attempt: SignInAttempt) -> tuple[str, float]:
    """The counter of a sign-in's tries at a factor, and its window in seconds."""
    transaction = attempt.transaction
    return f"factor {digest(transaction.id)[:32]}", transaction.lifetime


def handle_of(transaction: SignInTransaction) -> str:
    """The handle of a sign-in in progress: a digest, which may be in a URL."""
    return digest(f"{_PENDING} {transaction.id}")


def _holder(attempt: SignInAttempt) -> Holder:
    return Holder(
        subject_id=attempt.person.subject_id,
        username=attempt.person.username,
        address=attempt.browser.address,
        login_id=attempt.transaction.login_id,
        client_id=attempt.transaction.client_id or None,
        began=attempt.browser.arrived,
    )
