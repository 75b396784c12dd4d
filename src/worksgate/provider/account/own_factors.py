"""A person's own second factors: they set them up and remove them at the account page.

What is not finished yet, such as the secret of an app that is being set up, is kept for the session
in the store.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import structs

from worksgate.credentials.secrets import (
    digest,
    new_ordered_secret,
    new_secret,
)
from worksgate.limits.outages import Unavailable
from worksgate.oauth.model import Interim, Session
from worksgate.provider.account.values import (
    EnrolmentLost,
    FactorAdded,
    NotOffered,
    NotSignedIn,
    Visitor,
    WrongCode,
    renewed_session,
)
from worksgate.provider.assurance import Assurance, Factor, kept_in
from worksgate.provider.factors import (
    Enrolled,
    Factors,
    NewTotp,
    new_app_account,
)
from worksgate.provider.sign_in.steps import forget_trusted_devices
from worksgate.provider.throttle import Attempt, Throttle
from worksgate.store import Store

ENROLMENT_LIFETIME: Final = 600.0
"""Seconds to set up a factor after its page was opened."""
_TOTP: Final = "account_sealed_totp"
_PASSKEY: Final = "account_passkey"


class OwnFactors:
    """The second factors of a visitor.

    What changes something raises SignInTooOld without a fresh sign-in, by ``check_fresh``, which
    returns the factors of the visitor. ``takes_own_password``: whether their mail programs may use
    their own password, as long as they have no second factor.
    """

    def __init__(
        self,
        factors: Factors,
        store: Store,
        throttle: Throttle,
        *,
        check_fresh: Callable[[Visitor], Awaitable[Enrolled]],
        takes_own_password: Callable[[Visitor], Awaitable[bool]],
    ) -> None:
        self._factors = factors
        self._store = store
        self._throttle = throttle
        self._check_fresh = check_fresh
        self._takes_own_password = takes_own_password

    async def begin_totp(self, visitor: Visitor) -> NewTotp:
        """A secret for an authenticator app: the same one until it is confirmed or expires.

        Raises NotOffered for whoever sets it up in the console, or SignInTooOld.
        """
        await self._check_set_up_here(visitor)
        kept = await self._kept(visitor, _TOTP)
        secret = None if kept is None else self._pending_totp(visitor, kept)
        totp = await self._factors.begin_totp(visitor.person.username, secret)
        if secret is None:
            sealed = self._factors.pending_secrets.seal(totp.secret, visitor.person.subject_id)
            await self._keep(visitor, _TOTP, sealed)
        return totp

    async def confirm_totp(self, visitor: Visitor, code: str) -> FactorAdded:
        """Enable the authenticator app with its first code; it replaces the previous one.

        Wrong codes are counted. Raises WrongCode, TooManyAttempts, SignInTooOld, NotOffered as
        ``begin_totp``, or EnrolmentLost: for all but one of those who confirm the same app
        concurrently.
        """
        enrolled = await self._check_set_up_here(visitor)
        attempt = Attempt(new_app_account(visitor.person.subject_id), visitor.browser.address)
        async with self._throttle.attempt(attempt, visitor.at) as admission:
            kept = await self._kept(visitor, _TOTP)
            secret = None if kept is None else self._pending_totp(visitor, kept)
            if kept is None or secret is None:
                raise EnrolmentLost
            totp = self._factors.confirmed_totp(visitor.holder, secret, code, visitor.at)
            if totp is None:
                admission.refused()
                raise WrongCode
            admission.succeeded()
        if await self._store.take(Interim, kept.key) is None:
            raise EnrolmentLost
        try:
            await self._factors.keep_totp(visitor.holder, totp, visitor.at)
        except Unavailable:  # the app has this secret: the person tries again
            await self._store.save(kept)
            raise
        if enrolled.totp:  # a browser trusted after the old app's code has not seen the new one
            await forget_trusted_devices(self._store, visitor.person.subject_id)
        return await self._added(visitor, enrolled, Factor.TOTP)

    def _pending_totp(self, visitor: Visitor, kept: Interim) -> str | None:
        return self._factors.pending_secrets.unseal(kept.data, visitor.person.subject_id)

    async def remove_totp(self, visitor: Visitor) -> bool:
        """Remove the authenticator app; False if there is none. Raises SignInTooOld."""
        await self._check_fresh(visitor)
        removed = await self._factors.remove_totp(visitor.holder, visitor.at)
        return await self._removed(visitor, removed=removed)

    async def begin_passkey(self, visitor: Visitor) -> str:
        """Options for the browser to create a passkey (JSON), with a challenge for one response.

        Raises NotOffered or SignInTooOld.
        """
        if not self._factors.passkeys_usable:
            raise NotOffered
        await self._check_fresh(visitor)
        challenge = new_secret()
        await self._keep(visitor, _PASSKEY, challenge)
        # A discoverable passkey can also replace the password.
        return await self._factors.passkey_registration_options(
            visitor.person, challenge.encode(), require_discoverable=True
        )

    async def add_passkey(self, visitor: Visitor, answer: str, name: str) -> FactorAdded:
        """Store the passkey that the browser created.

        Raises FactorRefused, EnrolmentLost or SignInTooOld.
        """
        enrolled = await self._check_fresh(visitor)
        kept = await self._store.take(Interim, _interim_key(visitor, _PASSKEY))
        if kept is None or kept.expires_at <= visitor.at:
            raise EnrolmentLost
        await self._factors.add_passkey(
            visitor.holder, answer, kept.data.encode(), name, visitor.at
        )
        return await self._added(visitor, enrolled, Factor.PASSKEY)

    async def remove_passkey(self, visitor: Visitor, passkey_id: str) -> bool:
        """Remove one of the person's passkeys; False if they have none with this ID."""
        await self._check_fresh(visitor)
        removed = await self._factors.remove_passkey(visitor.holder, passkey_id, visitor.at)
        return await self._removed(visitor, removed=removed)

    async def rename_passkey(self, visitor: Visitor, passkey_id: str, name: str) -> bool:
        """Give one of the person's passkeys another name; False if they have none with this ID.

        Raises NameRefused or SignInTooOld.
        """
        await self._check_fresh(visitor)
        return await self._factors.rename_passkey(visitor.holder, passkey_id, name, visitor.at)

    async def renew_recovery_codes(self, visitor: Visitor) -> Sequence[str]:
        """New recovery codes instead of the previous ones.

        Raises NotOffered for a person without a second factor, or as ``begin_totp``; or
        SignInTooOld.
        """
        await self.check_may_renew_codes(visitor)
        return await self._factors.renew_recovery_codes(visitor.holder, visitor.at)

    async def check_may_renew_codes(self, visitor: Visitor) -> None:
        """Raise as ``renew_recovery_codes``."""
        if not (await self._check_set_up_here(visitor)).any:
            raise NotOffered

    async def _check_set_up_here(self, visitor: Visitor) -> Enrolled:
        """The factors of somebody who may change now what opens the console, too (R-258)."""
        enrolled = await self._check_fresh(visitor)
        if enrolled.is_of_console:
            raise NotOffered
        return enrolled

    async def _added(self, visitor: Visitor, before: Enrolled, factor: Factor) -> FactorAdded:
        """The consequences of a new factor, which counts as used by the person who set it up."""
        codes: Sequence[str] = ()
        if not before.recovery_codes_left and not before.is_of_console:
            codes = await self._factors.renew_recovery_codes(
                visitor.holder, visitor.at, with_factor=True
            )
        known = kept_in(visitor.session)
        assurance = known.with_factor(factor, visitor.at)
        session = (
            await self._raise(visitor, assurance) if assurance.strength > known.strength else None
        )
        cuts_off = not before.any and await self._takes_own_password(visitor)
        return FactorAdded(session, codes, cuts_off)

    async def _removed(self, visitor: Visitor, *, removed: bool) -> bool:
        """The consequences of a removed factor: no browser is trusted that it may have opened."""
        if removed:
            await forget_trusted_devices(self._store, visitor.person.subject_id)
        return removed

    async def _raise(self, visitor: Visitor, assurance: Assurance) -> str:
        """Note the factor in the session, which gets a new secret (R-28)."""
        secret = new_ordered_secret()
        renewed = structs.replace(
            renewed_session(visitor.session, secret),
            second_factor_at=assurance.second_factor_at,
            assurance=str(assurance),
        )
        await self._store.save(renewed)
        if await self._store.take(Session, visitor.session.key) is None:
            # It was ended at this moment, and must not survive under another name.
            await self._store.take(Session, renewed.key)
            raise NotSignedIn
        return secret

    async def _keep(self, visitor: Visitor, purpose: str, data: str) -> None:
        """Keep something for this session until its next request."""
        await self._store.save(
            Interim(
                key=_interim_key(visitor, purpose),
                grant_id=visitor.session.grant_id,
                subject_id=visitor.person.subject_id,
                client_id="",
                expires_at=visitor.at + ENROLMENT_LIFETIME,
                purpose=purpose,
                data=data,
            )
        )

    async def _kept(self, visitor: Visitor, purpose: str) -> Interim | None:
        found = await self._store.find(Interim, _interim_key(visitor, purpose))
        return found if found is not None and found.expires_at > visitor.at else None


def _interim_key(visitor: Visitor, purpose: str) -> str:
    return digest(f"{purpose} {visitor.session.key}")
