"""Passkeys of administrators, for the console only (R-190).

A browser binds a passkey to the host name at which it was made, and the console has an address of
its own: it has its own passkeys, which count for nothing at people's sign-ins, and the other way
round. One signs in alone, because the device must have verified its person: by a fingerprint, a
face or a PIN. The verification itself is ``provider.factors``'.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, auto
from hashlib import sha256
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.credentials.secrets import digest, new_secret
from worksgate.directory.factors import Passkey
from worksgate.provider.factors import FactorRefused, Holder
from worksgate.provider.factors.second_factors import Factors
from worksgate.sources import Person
from worksgate.store import Store


class Purpose(StrEnum):
    """What the answer of a passkey is for: one for another purpose is refused."""

    SIGN_IN = auto()
    PROVE = auto()
    ADD = auto()


ANSWERED_WITHIN: Final = {Purpose.SIGN_IN: 1_800.0, Purpose.PROVE: 300.0, Purpose.ADD: 300.0}
"""Seconds for which a challenge can be answered; the sign-in page may stay open for a while."""


class StaleChallenge(Exception):
    """The challenge is too old, was answered before, or was made for another browser."""


@dataclass(frozen=True, slots=True)
class PasskeyQuestion:
    """A question to a browser: ``options`` are for its script, ``asked`` comes back in the form."""

    options: str = field(repr=False)
    asked: str = field(repr=False)


class Challenges:
    """Challenges that nothing is stored for until they are answered; each is answered once."""

    def __init__(self, signing_key: bytes, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._signed = URLSafeSerializer(
            derived_key(signing_key, "console passkey"),
            salt="",
            signer_kwargs={"digest_method": sha256},
        )

    def issue(self, purpose: Purpose, bound: str) -> tuple[str, bytes]:
        """The text for the form, and the challenge, bound to a secret of this browser."""
        asked = self._signed.dumps([purpose.value, digest(bound), new_secret(), self._clock()])
        text = asked if isinstance(asked, str) else asked.decode()
        return text, _challenge(text)

    async def use(self, purpose: Purpose, bound: str, asked: str) -> bytes:
        """The challenge of a form, which is used up by that. Raises StaleChallenge."""
        try:
            named, owner, _, began = self._signed.loads(asked)
        except BadSignature:
            raise StaleChallenge from None
        now, lifetime = self._clock(), ANSWERED_WITHIN[purpose]
        if named != purpose or owner != digest(bound) or not 0 <= now - began <= lifetime:
            raise StaleChallenge
        if await self._store.bump(f"console passkey {digest(asked)}", lifetime, now) > 1:
            raise StaleChallenge
        return _challenge(asked)


class ConsolePasskeys:
    """Asks browsers for passkeys, and checks what they answer.

    ``bound`` is a secret of the browser, or the key of its session. The caller counts failures.
    """

    def __init__(
        self, factors: Factors, challenges: Challenges, clock: Callable[[], float]
    ) -> None:
        self._factors = factors
        self._challenges = challenges
        self._clock = clock

    @property
    def are_usable(self) -> bool:
        """Whether browsers support passkeys at the console's address: a name, and https."""
        return self._factors.passkeys_usable

    async def of(self, subject_id: str) -> tuple[Passkey, ...]:
        """An administrator's passkeys for this console."""
        return (await self._factors.of(subject_id)).passkeys

    async def ask_anybody(self, bound: str) -> PasskeyQuestion | None:
        """The question of the sign-in page; None if passkeys do not work here, or not now."""
        return await self._question(Purpose.SIGN_IN, bound, None)

    async def ask_again(self, subject_id: str, bound: str) -> PasskeyQuestion | None:
        """The question of step-up; None without a passkey."""
        if not await self.of(subject_id):
            return None
        return await self._question(Purpose.PROVE, bound, subject_id)

    async def check_anybody(self, asked: str, answer: str, bound: str, holder: Holder) -> str:
        """The subject of a passkey. Raises FactorRefused or StaleChallenge."""
        return await self._check(Purpose.SIGN_IN, asked, answer, bound, holder)

    async def check_again(self, asked: str, answer: str, bound: str, holder: Holder) -> str:
        """The same for a known holder. Raises FactorRefused or StaleChallenge."""
        return await self._check(Purpose.PROVE, asked, answer, bound, holder)

    async def begin_adding(self, person: Person, bound: str) -> PasskeyQuestion:
        """What the browser needs to make a passkey that signs in without a user name."""
        asked, challenge = self._challenges.issue(Purpose.ADD, bound)
        options = await self._factors.passkey_registration_options(
            person, challenge, require_user_verification=True, require_discoverable=True
        )
        return PasskeyQuestion(options, asked)

    async def add(self, holder: Holder, asked: str, answer: str, name: str, bound: str) -> Passkey:
        """Store what the browser has made. Raises FactorRefused or StaleChallenge."""
        challenge = await self._challenges.use(Purpose.ADD, bound, asked)
        return await self._factors.add_passkey(
            holder, answer, challenge, name, self._clock(), require_user_verification=True
        )

    async def made(self, holder: Holder, asked: str, answer: str, name: str, bound: str) -> Passkey:
        """The same, for a caller who stores it. Raises FactorRefused or StaleChallenge."""
        challenge = await self._challenges.use(Purpose.ADD, bound, asked)
        return await self._factors.made_passkey(holder, answer, challenge, name, self._clock())

    async def remove(self, holder: Holder, passkey_id: str, *, has_password: bool) -> bool:
        """Remove a passkey, which ends all sessions in the console; False if there is none.

        Raises FactorRefused for the last second factor, and for the last passkey of somebody
        without a password: its owner could not sign in any more.
        """
        enrolled = await self._factors.of(holder.subject_id)
        others = [each for each in enrolled.passkeys if each.id != passkey_id]
        if not others and not (enrolled.totp and has_password):
            raise FactorRefused("it is the last second factor")
        return await self._factors.remove_passkey(holder, passkey_id, self._clock())

    async def rename(self, holder: Holder, passkey_id: str, name: str) -> bool:
        """Give a passkey another name; False if there is none. Raises NameRefused."""
        return await self._factors.rename_passkey(holder, passkey_id, name, self._clock())

    async def _question(
        self, purpose: Purpose, bound: str, subject_id: str | None
    ) -> PasskeyQuestion | None:
        if not self.are_usable:
            return None
        asked, challenge = self._challenges.issue(purpose, bound)
        try:
            options = await self._factors.passkey_options(
                subject_id, challenge, require_user_verification=True
            )
        except HashingBusy:  # the other ways in remain
            return None
        return PasskeyQuestion(options, asked)

    async def _check(
        self, purpose: Purpose, asked: str, answer: str, bound: str, holder: Holder
    ) -> str:
        challenge = await self._challenges.use(purpose, bound, asked)
        return await self._factors.check_passkey(
            holder, answer, challenge, self._clock(), require_user_verification=True
        )


def _challenge(asked: str) -> bytes:
    return sha256(asked.encode()).digest()
