"""The interface for the pages: showing, verifying and changing a person's second factors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from worksgate.audit import AuditEvent, AuditLog, Event, Reason
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.database import Conflict
from worksgate.directory.audit.writer import log_events
from worksgate.directory.credential_changes import Change
from worksgate.directory.factors import Enrolled, FactorRows, LastFactor, Passkey, TotpSecret
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.provider.factors import passkeys, recovery, totp
from worksgate.provider.factors.codes import checked_name, clean_name
from worksgate.provider.factors.model import FactorRefused, Holder, KnownPasskey, TooMany
from worksgate.provider.factors.passkeys import Assertion, RelyingParty, Used
from worksgate.provider.factors.pending_secrets import PendingSecrets
from worksgate.provider.factors.totp import NewTotp
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.sources import Person

T = TypeVar("T")

MAX_PASSKEYS = 20
"""Per person."""

_WAITING = 32


class Factors:
    """The second factors of everybody.

    Every method may raise DatabaseUnavailable, and those that compute may raise HashingBusy. A
    success is recorded together with its change, a failure in ``audit``. The caller must count
    failures, and must require a fresh sign-in before changes (R-83).
    """

    def __init__(
        self,
        rows: FactorRows,
        audit: AuditLog,
        party: RelyingParty,
        pending_secrets: PendingSecrets | None = None,
        strangers: StrangerRecords | None = None,
    ) -> None:
        """``pending_secrets`` is the same in all processes; by default, each has its own."""
        self.pending_secrets = pending_secrets or PendingSecrets.new()
        self._rows = rows
        self._audit = audit
        self._party = party
        self._passkeys_usable = party.is_usable
        self._discoverable_options: tuple[str, str] | None = None
        self._strangers = strangers or StrangerRecords(audit)
        # One thread for drawings, signatures, and the imports that they need; and one for slow
        # hashes, ten of them for new recovery codes, which must not delay a QR code.
        self._pool = ThreadPool(1, _WAITING, name="second-factors")
        self._hashing = ThreadPool(1, _WAITING, name="recovery-codes")

    def close(self) -> None:
        """Stop the threads; waiting work is dropped, running work is not awaited."""
        self._pool.close()
        self._hashing.close()

    @property
    def passkeys_usable(self) -> bool:
        """Whether browsers support passkeys for our address: it has a name, and https."""
        return self._passkeys_usable

    async def of(self, subject_id: str) -> Enrolled:
        """The person's factors."""
        return await self._rows.enrolled(subject_id)

    async def has_second_factor(self, subject_id: str) -> bool:
        """Whether this person uses more than a password to sign in (R-63)."""
        return (await self._rows.enrolled(subject_id)).any

    # TOTP

    async def totp_times(self, subject_id: str) -> tuple[float, float | None] | None:
        """When the person's app was set up and last used; None without one."""
        return await self._rows.totp_times(subject_id)

    async def begin_totp(self, account_name: str, secret: str | None = None) -> NewTotp:
        """A new secret, or the QR code of one that is being set up already.

        The caller keeps the secret until ``confirm_totp``, sealed by ``pending_secrets``. Raises
        ValueError if ``secret`` is invalid.
        """
        return await self._compute(partial(totp.new_totp, account_name, self._party.name, secret))

    async def confirm_totp(self, holder: Holder, secret: str, code: str, now: float) -> bool:
        """Store a secret, replacing the previous one, after the first code of the app.

        False if the code is wrong. Raises ValueError if ``secret`` is not one of ours.
        """
        confirmed = self.confirmed_totp(holder, secret, code, now)
        if confirmed is not None:
            await self.keep_totp(holder, confirmed, now)
        return confirmed is not None

    def confirmed_totp(
        self, holder: Holder, secret: str, code: str, now: float
    ) -> TotpSecret | None:
        """The record for ``keep_totp``, if this is a code of the app; the code is used up by that.

        A wrong one is recorded. Raises ValueError if ``secret`` is not one of ours.
        """
        kept = totp.decode_secret(secret)
        step = totp.matching_step(kept, code, now)
        if step is None:
            reason, why = _why_wrong(kept, code, now)
            self._failed(holder, now, f"TOTP: wrong code at the enrolment{why}", reason)
            return None
        return TotpSecret(subject_id=holder.subject_id, secret=kept, last_step=step, created_at=now)

    async def keep_totp(self, holder: Holder, confirmed: TotpSecret, now: float) -> None:
        """Store a secret that a code has confirmed, replacing the previous one."""
        event = holder.event(Event.FACTOR_ADDED, now, "TOTP")
        await self._rows.keep_totp(confirmed, event)
        log_events([event])

    async def check_totp(self, holder: Holder, code: str, now: float) -> bool:
        """Whether this is an unused code of the current 30 s or the previous 30 s (R-80)."""
        kept = await self._rows.totp(holder.subject_id)
        step = None if kept is None else totp.matching_step(kept.secret, code, now)
        if kept is None or step is None:
            wrong = (Reason.WRONG_CODE, "")
            reason, why = wrong if kept is None else _why_wrong(kept.secret, code, now)
            self._failed(holder, now, f"TOTP: wrong code{why}", reason)
            return False
        event = holder.event(Event.FACTOR_USED, now, "TOTP")
        if not await self._rows.use_totp(kept, step, now, event):
            self._failed(holder, now, "TOTP: the code was used before", Reason.CODE_USED)
            return False
        log_events([event])
        return True

    async def remove_totp(self, holder: Holder, now: float) -> bool:
        """Remove the secret; False if there is none.

        Raises FactorRefused for the last second factor in the console.
        """
        event = holder.event(Event.FACTOR_REMOVED, now, "TOTP")
        with _keeping_the_last():
            removed = await self._rows.remove_totp(holder.subject_id, event)
        if removed:
            log_events([event])
        return removed

    # Recovery codes

    async def renew_recovery_codes(
        self, holder: Holder, now: float, *, with_factor: bool = False
    ) -> tuple[str, ...]:
        """Ten new codes for display, once; the previous ones become void.

        ``with_factor`` is true if they come with a factor that was set up just now.
        """
        codes = recovery.new_recovery_codes()
        digests = await _run(self._hashing, partial(recovery.digests_of, codes))
        event = holder.event(Event.RECOVERY_CODES_RENEWED, now, f"{len(codes)} codes")
        change = Change.RECOVERY_CODES_MADE if with_factor else Change.RECOVERY_CODES_RENEWED
        await self._rows.replace_recovery_codes(holder.subject_id, digests, now, event, change)
        log_events([event])
        return codes

    async def check_recovery_code(self, holder: Holder, code: str, now: float) -> bool:
        """Whether this is one of the person's codes; it is used up (R-81)."""
        kept = await self._rows.recovery_digests(holder.subject_id)
        possible = await _run(self._hashing, partial(recovery.possible_digests, code, kept))
        event = holder.event(Event.FACTOR_USED, now, f"recovery code, one of {len(kept)}")
        for digest in possible:
            if await self._rows.use_recovery_code(holder.subject_id, digest, event):
                log_events([event])
                return True
        self._failed(holder, now, "recovery code: wrong or used", Reason.WRONG_RECOVERY_CODE)
        return False

    # Passkeys

    async def passkey_registration_options(
        self,
        person: Person,
        challenge: bytes,
        *,
        require_user_verification: bool = False,
        require_discoverable: bool = False,
    ) -> str:
        """The JSON for ``navigator.credentials.create``; ``challenge`` is random bytes."""
        known = await self._rows.enrolled(person.subject_id)
        return await self._compute(
            partial(
                passkeys.registration_options,
                self._party,
                person,
                known.passkeys,
                challenge,
                require_user_verification=require_user_verification,
                require_discoverable=require_discoverable,
            )
        )

    async def add_passkey(
        self,
        holder: Holder,
        response_json: str,
        challenge: bytes,
        name: str,
        now: float,
        *,
        require_user_verification: bool = False,
    ) -> Passkey:
        """Store the passkey that the browser created.

        ``challenge`` is valid for one response. Raises FactorRefused: TooMany, KnownPasskey,
        UntrustedAuthenticator, or for an invalid response.
        """
        with self._refusals(holder, now, "passkey not added", Reason.FACTOR_NOT_ADDED):
            passkey = await self._made(
                holder, response_json, challenge, name, now, verified=require_user_verification
            )
            event = holder.event(Event.FACTOR_ADDED, now, _named(passkey))
            await self._keep(passkey, event)
        return passkey

    async def made_passkey(
        self, holder: Holder, response_json: str, challenge: bytes, name: str, now: float
    ) -> Passkey:
        """The passkey that the browser created, verified with its person, and not stored.

        Raises FactorRefused.
        """
        with self._refusals(holder, now, "passkey not added", Reason.FACTOR_NOT_ADDED):
            return await self._made(holder, response_json, challenge, name, now, verified=True)

    async def passkey_options(
        self,
        subject_id: str | None,
        challenge: bytes,
        *,
        require_user_verification: bool,
    ) -> str:
        """The JSON for ``navigator.credentials.get``; ``challenge`` is random bytes.

        Without a ``subject_id`` the browser offers all its passkeys for us, and the passkey
        identifies the person; then user verification is always required.
        """
        if subject_id is None:  # every sign-in page has these
            if self._discoverable_options is None:
                make = partial(passkeys.discoverable_options, self._party)
                self._discoverable_options = await self._compute(make)
            return passkeys.with_challenge(self._discoverable_options, challenge)
        enrolled = await self._rows.enrolled(subject_id)
        return await self._compute(
            partial(
                passkeys.authentication_options,
                self._party,
                enrolled.passkeys,
                challenge,
                require_user_verification=require_user_verification,
            )
        )

    async def check_passkey(
        self,
        holder: Holder,
        response_json: str,
        challenge: bytes,
        now: float,
        *,
        require_user_verification: bool,
    ) -> str:
        """The subject of the passkey: the holder's, if the holder is known (R-82).

        ``challenge`` is valid for one response. Without a known holder user verification is always
        required: the passkey is then the only proof. Raises FactorRefused.
        """
        with self._refusals(holder, now, "passkey"):
            assertion = await self._compute(partial(passkeys.read_assertion, response_json))
            passkey = await self._named_by(assertion, holder.subject_id)
            used = await self._compute(
                partial(
                    passkeys.check_assertion,
                    self._party,
                    assertion,
                    passkey,
                    challenge,
                    require_user_verification=require_user_verification or not holder.subject_id,
                )
            )
        owner = replace(holder, subject_id=passkey.subject_id)
        with self._refusals(owner, now, _named(passkey)):
            await self._use(passkey, used, now, owner)
        return passkey.subject_id

    async def remove_passkey(self, holder: Holder, passkey_id: str, now: float) -> bool:
        """Remove one of this person's; False if they have none with this ID."""
        enrolled = await self._rows.enrolled(holder.subject_id)
        passkey = next((each for each in enrolled.passkeys if each.id == passkey_id), None)
        if passkey is None:
            return False
        event = holder.event(Event.FACTOR_REMOVED, now, _named(passkey))
        with _keeping_the_last():
            removed = await self._rows.remove_passkey(holder.subject_id, passkey.id, event)
        if removed:
            log_events([event])
        return removed

    async def rename_passkey(self, holder: Holder, passkey_id: str, name: str, now: float) -> bool:
        """Give one of this person's another name; False if they have none with this ID.

        No notice is sent: it signs in as before. Raises NameRefused.
        """
        wanted, enrolled = checked_name(name), await self._rows.enrolled(holder.subject_id)
        passkey = next((each for each in enrolled.passkeys if each.id == passkey_id), None)
        if passkey is None:
            return False
        if passkey.name == wanted:
            return True
        detail = f"passkey renamed: {passkey.name or '–'} → {wanted or '–'}"
        event = holder.event(Event.FACTOR_RENAMED, now, detail)
        renamed = await self._rows.rename_passkey(holder.subject_id, passkey.id, wanted, event)
        if renamed:
            log_events([event])
        return renamed

    async def _made(
        self,
        holder: Holder,
        response_json: str,
        challenge: bytes,
        name: str,
        now: float,
        *,
        verified: bool,
    ) -> Passkey:
        made = await self._compute(
            partial(
                passkeys.read_registration,
                self._party,
                response_json,
                challenge,
                require_user_verification=verified,
            )
        )
        return made.owned_by(holder.subject_id, clean_name(name), now)

    async def _keep(self, passkey: Passkey, event: AuditEvent) -> None:
        try:
            kept = await self._rows.add_passkey(passkey, MAX_PASSKEYS, event)
        except Conflict:
            raise KnownPasskey("the passkey is already registered") from None
        if not kept:
            raise TooMany(f"there are {MAX_PASSKEYS} passkeys already")
        log_events([event])

    async def _named_by(self, assertion: Assertion, subject_id: str) -> Passkey:
        """The passkey that a response names, if the person who is signing in may use it."""
        passkey = await self._rows.passkey(assertion.credential_id)
        if passkey is None:
            raise FactorRefused("it is not registered here", Reason.PASSKEY_UNKNOWN)
        if not subject_id and assertion.user_handle is None:
            raise FactorRefused("it does not identify its owner")
        if subject_id not in ("", passkey.subject_id):
            raise FactorRefused("it belongs to somebody else", Reason.PASSKEY_FOREIGN)
        return passkey

    async def _use(self, passkey: Passkey, used: Used, now: float, owner: Holder) -> None:
        """Store a verified use with its counter."""
        event = owner.event(Event.FACTOR_USED, now, _named(passkey))
        if not await self._rows.use_passkey(
            passkey, used.sign_count, now, event, backed_up=used.backed_up
        ):
            raise FactorRefused(
                "the counter went back, or it was removed at this moment", Reason.PASSKEY_COUNTER
            )
        log_events([event])

    @contextmanager
    def _refusals(
        self, holder: Holder, now: float, what: str, reason: Reason | None = None
    ) -> Iterator[None]:
        """Record refusals raised in the block, with their reason or this one."""
        try:
            yield
        except FactorRefused as refused:
            self._failed(holder, now, f"{what}: {refused}", reason or refused.reason)
            raise

    def refused_unseen(self, holder: Holder, now: float) -> None:
        """Record that a factor was not even checked: there were too many wrong ones before.

        Whoever has the password may go on and on, so these are limited as unauthenticated ones are.
        """
        detail = "not checked: too many wrong answers before"
        self._strangers.record(
            holder.event(Event.FACTOR_FAILED, now, detail, Reason.TOO_MANY_TRIES)
        )

    def _failed(self, holder: Holder, now: float, detail: str, reason: Reason) -> None:
        """Record a failure; those of unauthenticated callers are limited, to keep a flood cheap."""
        failed = holder.event(Event.FACTOR_FAILED, now, detail, reason)
        if holder.subject_id:
            self._audit.record(failed)
        else:
            self._strangers.record(failed)

    async def _compute(self, work: Callable[[], T]) -> T:
        return await _run(self._pool, work)


async def _run(pool: ThreadPool, work: Callable[[], T]) -> T:
    try:
        return await pool.run(work)
    except PoolFull:
        raise HashingBusy("too many second factors are waiting to be checked") from None


@contextmanager
def _keeping_the_last() -> Iterator[None]:
    try:
        yield
    except LastFactor:  # another one was removed at this moment
        raise FactorRefused("it is the last second factor") from None


def _why_wrong(secret: bytes, code: str, now: float) -> tuple[Reason, str]:
    """Whether a wrong code would be right by a clock that is minutes off, and by how much."""
    steps = totp.clock_error(secret, code, now)
    if steps is None:
        return Reason.WRONG_CODE, ""
    seconds = abs(steps) * totp.INTERVAL
    if steps > 0:
        return Reason.CLOCK_AHEAD, f", the clock of the phone is {seconds} s fast"
    return Reason.CLOCK_BEHIND, f", the clock of the phone is {seconds} s slow"


def _named(passkey: Passkey) -> str:
    return f"passkey {passkey.name}".rstrip()
