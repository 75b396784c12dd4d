"""The end of a sign-in: the missing steps, or a session and the one code of its transaction.

Every way in ends here as soon as the person is known, whatever authenticated them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from worksgate.audit import AuditEvent, Event, Reason
from worksgate.credentials.secrets import new_ordered_secret, new_secret
from worksgate.oauth.model import Artifact
from worksgate.oauth.redirect_uri import with_code
from worksgate.oauth.user_key import is_refused, why_no_user_key
from worksgate.provider.code_issuing import (
    REVOKED,
    Admitted,
    AlreadyIssued,
    NoLongerAdmitted,
    SignInCommit,
    issue,
    user_key_of,
)
from worksgate.provider.sessions import Sessions
from worksgate.provider.sign_in.attempt import SignInAttempt, SignInProgress
from worksgate.provider.sign_in.audit_trail import AuditTrail, of_login, of_request
from worksgate.provider.sign_in.errors import (
    AlreadySignedIn,
    NoPasskey,
    NoUserKey,
    SignInDenied,
)
from worksgate.provider.sign_in.outcomes import Authorized, NextStep, PasswordNeeded, SignedIn
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.steps import SignInSteps
from worksgate.provider.sign_in.transaction_check import TransactionCheck
from worksgate.sources import Person, PersonDisabled
from worksgate.store import Store


class SignInCompletion:
    """Completes sign-ins; ``clock`` is in seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        transactions: TransactionCheck,
        steps: SignInSteps,
        passwords: PasswordCheck,
        records: AuditTrail,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._transactions = transactions
        self._steps = steps
        self._passwords = passwords
        self._records = records
        self._clock = clock

    async def complete_or_next_step(
        self, attempt: SignInAttempt, *, remember: bool = False
    ) -> NextStep:
        """Complete a sign-in, or return the next step; ``remember`` makes the browser trusted.

        The client is looked up once more before a code is issued. Raises AlreadySignedIn,
        NoUserKey, PersonDisabled, SignInDenied, NoPasskey, AuthorizationError, or an outage.
        """
        client, transaction, progress = attempt.client, attempt.transaction, attempt.progress
        if client.sources and progress.source not in client.sources:
            # Their session is of a source that this client does not use.
            return PasswordNeeded(transaction)
        if not transaction.is_for_account:
            self._check_user_key(attempt)  # first: people who cannot get in are asked nothing else
        try:
            step = await self._steps.next(attempt)
        except SignInDenied as denied:
            self._refused(attempt, f"rule: {denied}", Reason.RULE)
            raise
        except NoPasskey:
            self._refused(attempt, "a passkey is required", Reason.PASSKEY_REQUIRED)
            raise
        if not isinstance(step, SignInProgress):
            return step
        current = await self._transactions.check_client(transaction)
        if current != client:  # changed during the request: the new one decides
            again = replace(attempt, client=current)
            return await self.complete_or_next_step(again, remember=remember)
        attempt = attempt.advanced_to(step)
        if not step.adds_to_session:
            spent = attempt.transaction.spent()
            return await self._authorize(attempt, SignInCommit(spent=spent, use=attempt.use))
        return await self._sign_in(attempt, remember=remember)

    async def _sign_in(self, attempt: SignInAttempt, *, remember: bool) -> SignedIn:
        """Authorize; a new session replaces the browser's one (R-28)."""
        progress, person = attempt.progress, attempt.person
        secret = new_ordered_secret()
        session = self._sessions.opened(
            secret,
            progress.source,
            person,
            self._clock(),
            assurance=progress.assurance,
            authenticated_at=progress.authenticated_at,
        )
        trusted = new_secret() if remember else None
        kept: list[Artifact] = [session]
        if trusted is not None:
            kept.append(self._steps.trusted_device(trusted, person, attempt.now))
        replaced = self._sessions.replaced_by_next(attempt.browser.session)
        commit = SignInCommit(
            spent=attempt.transaction.spent(),
            kept=kept,
            removed=(self._steps.kept_of(attempt.transaction), *replaced),
            records=(_of(Event.LOGIN_SUCCEEDED, attempt, detail=attempt.browser.name or None),),
            admission=attempt.admission,
        )
        authorized = await self._authorize(attempt, commit)
        self._sessions.note_login(person)
        device = None
        if progress.typed:
            device = self._passwords.new_device(progress.typed, person.subject_id)
        return SignedIn(authorized.location, secret, device, trusted)

    async def _authorize(self, attempt: SignInAttempt, commit: SignInCommit) -> Authorized:
        """Let the person in; ``commit`` is what this sign-in writes beside its code.

        Raises AlreadySignedIn for all but one of several at once.
        """
        try:
            if attempt.transaction.is_for_account:
                return await self._open_account(attempt, commit)
            return await self._issue_code(attempt, commit)
        except AlreadyIssued:
            raise AlreadySignedIn from None

    async def _issue_code(self, attempt: SignInAttempt, commit: SignInCommit) -> Authorized:
        """Issue the one code of a transaction."""
        transaction, person = attempt.transaction, attempt.person
        user_id = self._check_user_key(attempt)
        now = self._clock()
        admitted = Admitted(
            client=attempt.client,
            person=person,
            user_id=user_id,
            login_id=transaction.login_id,
            login_kind=transaction.login_kind,
        )
        requested = of_request(transaction, attempt.browser)
        issued = _of(Event.CODE_ISSUED, attempt, at=now)
        try:
            code = await issue(
                self._store,
                admitted,
                partial(self._present, attempt),
                now,
                replace(commit, records=(requested, issued, *commit.records)),
                revoked=_revoked(attempt),
            )
        except NoLongerAdmitted:
            raise PersonDisabled from None
        return Authorized(with_code(transaction.redirect_uri, code))

    async def _open_account(self, attempt: SignInAttempt, commit: SignInCommit) -> Authorized:
        """Admit a person to their own account: a session, and no code."""
        await commit.write(self._store)
        if await self._present(attempt) is None:
            await self._store.forget(attempt.person.subject_id, records=(_revoked(attempt),))
            raise PersonDisabled
        return Authorized(attempt.transaction.redirect_uri)

    async def _present(self, attempt: SignInAttempt) -> Person | None:
        """The person at this very moment, or None if they may not sign in."""
        return await self._sessions.person(attempt.progress.source, attempt.person)

    def _check_user_key(self, attempt: SignInAttempt) -> str:
        """The key by which LINE WORKS knows the person. Raises NoUserKey, which is recorded."""
        user_id = user_key_of(attempt.client, attempt.person)
        if user_id is None:
            refused = attempt.person.refused_keys
            is_anothers = is_refused(attempt.client, refused)
            reason = Reason.KEY_OF_ANOTHER if is_anothers else Reason.NO_USER_KEY
            self._refused(attempt, why_no_user_key(attempt.client, refused), reason)
            raise NoUserKey
        return user_id

    def _refused(self, attempt: SignInAttempt, detail: str, reason: Reason) -> None:
        self._records.login(
            Event.LOGIN_REFUSED,
            attempt.now,
            attempt.transaction,
            attempt.browser,
            attempt.person,
            detail=detail,
            reason=reason,
        )


def _revoked(attempt: SignInAttempt) -> AuditEvent:
    return _of(Event.LOGIN_REFUSED, attempt, detail=REVOKED, reason=Reason.REVOKED)


def _of(
    event: Event,
    attempt: SignInAttempt,
    *,
    at: float | None = None,
    detail: str | None = None,
    reason: Reason | None = None,
) -> AuditEvent:
    moment = attempt.now if at is None else at
    transaction, browser, person = attempt.transaction, attempt.browser, attempt.person
    return of_login(event, moment, transaction, browser, person, detail=detail, reason=reason)
