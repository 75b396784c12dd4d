"""An administrator's own authenticator app and recovery codes, managed in the console (R-247).

They are those of the person's own sign-ins, too, whatever their source. Another app, or none, ends
all sessions in the console. The last second factor is never removed: its owner could not sign in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worksgate.directory.factors import Enrolled
from worksgate.provider.factors import FactorRefused, Holder, NewTotp, new_app_account
from worksgate.provider.factors.second_factors import Factors
from worksgate.provider.sign_in.steps import forget_trusted_devices
from worksgate.provider.throttle import Attempt, Throttle
from worksgate.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFactors:
    """What somebody has; times are in seconds since the epoch, None without an app."""

    enrolled: Enrolled
    app_since: float | None
    app_used_at: float | None


@dataclass(frozen=True, slots=True)
class PendingApp:
    """An app that is being set up; ``sealed`` comes back in the form."""

    totp: NewTotp = field(repr=False)
    sealed: str = field(repr=False)


class ConsoleFactors:
    """Sets up, replaces and removes an app, and makes codes; outages are raised.

    ``bound`` is the key of the session in which an app is set up.
    """

    def __init__(
        self, factors: Factors, throttle: Throttle, store: Store, clock: Callable[[], float]
    ) -> None:
        self._factors = factors
        self._throttle = throttle
        self._store = store
        self._clock = clock

    async def of(self, subject_id: str) -> OwnFactors:
        """What an administrator has."""
        since, used_at = await self._factors.totp_times(subject_id) or (None, None)
        enrolled = await self._factors.of(subject_id)
        return OwnFactors(enrolled=enrolled, app_since=since, app_used_at=used_at)

    async def begin_app(self, username: str, bound: str, sealed: str = "") -> PendingApp:
        """A new app, or the one of a form that comes back."""
        secrets = self._factors.pending_secrets
        kept = secrets.unseal(sealed, _place(bound))
        made = await self._factors.begin_totp(username, kept)
        return PendingApp(made, secrets.seal(made.secret, _place(bound)))

    async def confirm_app(
        self, holder: Holder, bound: str, sealed: str, code: str
    ) -> Sequence[str] | None:
        """Set an app up by its first code; the recovery codes to show, if there were none.

        It replaces the one before, and ends all sessions. None for a wrong code, or for an app of
        another session. Raises TooManyAttempts.
        """
        now, before = self._clock(), await self._factors.of(holder.subject_id)
        secret = self._factors.pending_secrets.unseal(sealed, _place(bound))
        if secret is None:
            return None
        attempt = Attempt(new_app_account(holder.subject_id), holder.address or "")
        async with self._throttle.attempt(attempt, now) as admission:
            confirmed = self._factors.confirmed_totp(holder, secret, code, now)
            if confirmed is None:
                admission.refused()
                return None
            admission.succeeded()
        await self._factors.keep_totp(holder, confirmed, now)
        if before.totp:  # a browser trusted after the old app's code has not seen the new one
            await forget_trusted_devices(self._store, holder.subject_id)
        if before.recovery_codes_left:
            return ()
        return await self._factors.renew_recovery_codes(holder, now, with_factor=True)

    async def remove_app(self, holder: Holder) -> bool:
        """Remove the app, which ends all sessions; False if there is none.

        Raises FactorRefused without a passkey for this console.
        """
        if not (await self._factors.of(holder.subject_id)).passkeys:
            raise FactorRefused("it is the last second factor")
        removed = await self._factors.remove_totp(holder, self._clock())
        if removed:
            await forget_trusted_devices(self._store, holder.subject_id)
        return removed

    async def renew_codes(self, holder: Holder) -> Sequence[str]:
        """New recovery codes in place of the ones before."""
        return await self._factors.renew_recovery_codes(holder, self._clock())


def _place(bound: str) -> str:
    """What binds the secret of an app to a session."""
    return f"console app {bound}"
