"""What the pages call: a person's second factors, looked at, proved and changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from worksgate.audit import AuditEvent, AuditLog, Event
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.database import Conflict
from worksgate.directory.audit.writer import log_events
from worksgate.directory.credential_changes import Change
from worksgate.directory.factors import Enrolled, FactorRows, Passkey, TotpSecret
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.provider.factors import passkeys, recovery, totp
from worksgate.provider.factors.codes import clean_name
from worksgate.provider.factors.model import FactorRefused, Holder, KnownPasskey, TooMany
from worksgate.provider.factors.on_its_way import SecretsOnTheirWay
from worksgate.provider.factors.passkeys import Assertion, RelyingParty, Used
from worksgate.provider.factors.totp import NewTotp
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.sources import Person

T = TypeVar("T")

MAX_PASSKEYS = 20
"""For each person."""

_WAITING = 32


class Factors:
    """The second factors of everybody.

    Every verb may raise DatabaseUnavailable, and those that compute may raise HashingBusy. What
    succeeds is recorded together with what it changes, what fails in ``audit``. Whoever calls
    must count failures, and must let nobody change anything without a fresh login (R-83).
    """

    def __init__(
        self,
        rows: FactorRows,
        audit: AuditLog,
        party: RelyingParty,
        on_its_way: SecretsOnTheirWay | None = None,
        strangers: StrangerRecords | None = None,
    ) -> None:
        """``on_its_way`` is the same in all processes; without it, each has its own."""
        self.on_its_way = on_its_way or SecretsOnTheirWay.new()
        self._rows = rows
        self._audit = audit
        self._party = party
        self._passkeys_usable = party.is_usable
        self._options_of_anybody: tuple[str, str] | None = None
        self._strangers = strangers or StrangerRecords(audit)
        # A thread each: drawings, signatures, and the imports that those need; and slow hashes,
        # ten of them for new recovery codes, for which no QR code should wait.
        self._pool = ThreadPool(1, _WAITING, name="second-factors")
        self._hashing = ThreadPool(1, _WAITING, name="recovery-codes")

    def close(self) -> None:
        """Stop the threads; what waits is dropped, and what runs is not waited for."""
        self._pool.close()
        self._hashing.close()

    @property
    def passkeys_usable(self) -> bool:
        """Whether browsers know passkeys under our address: it has a name, and https."""
        return self._passkeys_usable

    async def of(self, subject_id: str) -> Enrolled:
        """What this person has."""
        return await self._rows.enrolled(subject_id)

    async def has_second_factor(self, subject_id: str) -> bool:
        """Whether this person gives more than a password when they sign in (R-63)."""
        return (await self._rows.enrolled(subject_id)).any

    # TOTP

    async def begin_totp(self, account_name: str, secret: str | None = None) -> NewTotp:
        """A new secret, or the QR code of one that is on its way already.

        The caller keeps the secret until ``confirm_totp``, sealed by ``on_its_way``. Raises
        ValueError where ``secret`` is none.
        """
        return await self._compute(partial(totp.new_totp, account_name, self._party.name, secret))

    async def confirm_totp(self, holder: Holder, secret: str, code: str, now: float) -> bool:
        """Keep a secret, instead of one from before, by the first code of the app.

        False where the code is wrong. Raises ValueError where ``secret`` is none of ours.
        """
        confirmed = self.confirmed_totp(holder, secret, code, now)
        if confirmed is not None:
            await self.keep_totp(holder, confirmed, now)
        return confirmed is not None

    def confirmed_totp(
        self, holder: Holder, secret: str, code: str, now: float
    ) -> TotpSecret | None:
        """What ``keep_totp`` keeps, where this is a code of the app; the code is used by it.

        A wrong one is recorded. Raises ValueError where ``secret`` is none of ours.
        """
        kept = totp.decode_secret(secret)
        step = totp.matching_step(kept, code, now)
        if step is None:
            self._failed(holder, now, "TOTP: wrong code at the enrolment")
            return None
        return TotpSecret(subject_id=holder.subject_id, secret=kept, last_step=step, created_at=now)

    async def keep_totp(self, holder: Holder, confirmed: TotpSecret, now: float) -> None:
        """Keep a secret that a code has confirmed, instead of one from before."""
        event = holder.event(Event.FACTOR_ADDED, now, "TOTP")
        await self._rows.keep_totp(confirmed, event)
        log_events([event])

    async def check_totp(self, holder: Holder, code: str, now: float) -> bool:
        """Whether this is a code of the present 30 s, or the 30 s before, not used yet (R-80)."""
        kept = await self._rows.totp(holder.subject_id)
        step = None if kept is None else totp.matching_step(kept.secret, code, now)
        if kept is None or step is None:
            self._failed(holder, now, "TOTP: wrong code")
            return False
        event = holder.event(Event.FACTOR_USED, now, "TOTP")
        if not await self._rows.use_totp(kept, step, now, event):
            self._failed(holder, now, "TOTP: the code was used before")
            return False
        log_events([event])
        return True

    async def remove_totp(self, holder: Holder, now: float) -> bool:
        """Remove the secret; False where there is none."""
        event = holder.event(Event.FACTOR_REMOVED, now, "TOTP")
        removed = await self._rows.remove_totp(holder.subject_id, event)
        if removed:
            log_events([event])
        return removed

    # Recovery codes

    async def renew_recovery_codes(
        self, holder: Holder, now: float, *, with_factor: bool = False
    ) -> tuple[str, ...]:
        """Ten new codes as they are shown, once; those from before are void.

        ``with_factor`` says that they come with a factor that was set up just now.
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
        self._failed(holder, now, "recovery code: wrong or used")
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
        """Keep the passkey that the browser made.

        ``challenge`` is good for one answer. Raises FactorRefused: TooMany, KnownPasskey,
        UntrustedAuthenticator, or for an answer that proves nothing.
        """
        with self._refusals(holder, now, "passkey not added"):
            made = await self._compute(
                partial(
                    passkeys.read_registration,
                    self._party,
                    response_json,
                    challenge,
                    require_user_verification=require_user_verification,
                )
            )
            passkey = made.owned_by(holder.subject_id, clean_name(name), now)
            event = holder.event(Event.FACTOR_ADDED, now, _named(passkey))
            await self._keep(passkey, event)
        return passkey

    async def passkey_options(
        self,
        subject_id: str | None,
        challenge: bytes,
        *,
        require_user_verification: bool,
    ) -> str:
        """The JSON for ``navigator.credentials.get``; ``challenge`` is random bytes.

        Without a ``subject_id`` the browser offers all that it has for us, and the passkey says
        who it is; then user verification is required in any case.
        """
        if subject_id is None:  # each sign-in page has these
            if self._options_of_anybody is None:
                make = partial(passkeys.options_of_anybody, self._party)
                self._options_of_anybody = await self._compute(make)
            return passkeys.with_challenge(self._options_of_anybody, challenge)
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
        """The subject whose passkey has answered: the holder's, if one is known (R-82).

        ``challenge`` is good for one answer. Without a known holder user verification is required
        in any case: the passkey is all that the person gives. Raises FactorRefused.
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
        """Remove one of this person's; False where they have none with this id."""
        enrolled = await self._rows.enrolled(holder.subject_id)
        passkey = next((each for each in enrolled.passkeys if each.id == passkey_id), None)
        if passkey is None:
            return False
        event = holder.event(Event.FACTOR_REMOVED, now, _named(passkey))
        removed = await self._rows.remove_passkey(holder.subject_id, passkey.id, event)
        if removed:
            log_events([event])
        return removed

    async def _keep(self, passkey: Passkey, event: AuditEvent) -> None:
        try:
            kept = await self._rows.add_passkey(passkey, MAX_PASSKEYS, event)
        except Conflict:
            raise KnownPasskey("the passkey is known here already") from None
        if not kept:
            raise TooMany(f"there are {MAX_PASSKEYS} passkeys already")
        log_events([event])

    async def _named_by(self, assertion: Assertion, subject_id: str) -> Passkey:
        """The passkey that an answer names, if it may be used by whoever is signing in."""
        passkey = await self._rows.passkey(assertion.credential_id)
        if passkey is None:
            raise FactorRefused("it is not known here")
        if not subject_id and assertion.user_handle is None:
            raise FactorRefused("it does not say whose it is")
        if subject_id not in ("", passkey.subject_id):
            raise FactorRefused("it is another person's")
        return passkey

    async def _use(self, passkey: Passkey, used: Used, now: float, owner: Holder) -> None:
        """Keep a use that is proved, and the counter with it."""
        event = owner.event(Event.FACTOR_USED, now, _named(passkey))
        if not await self._rows.use_passkey(
            passkey, used.sign_count, now, event, backed_up=used.backed_up
        ):
            raise FactorRefused("the counter went back, or it was removed at this moment")
        log_events([event])

    @contextmanager
    def _refusals(self, holder: Holder, now: float, what: str) -> Iterator[None]:
        """Record what is refused in the block."""
        try:
            yield
        except FactorRefused as refused:
            self._failed(holder, now, f"{what}: {refused}")
            raise

    def _failed(self, holder: Holder, now: float, detail: str) -> None:
        """Record a failure; those of strangers within a bound, so that a flood stays cheap."""
        failed = holder.event(Event.FACTOR_FAILED, now, detail)
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


def _named(passkey: Passkey) -> str:
    return f"passkey {passkey.name}".rstrip()
