"""A person who does what each page requires until the sign-in ends."""

from dataclasses import dataclass

from tests.provider.sign_in.world import NEW_PASSWORD, Visit, signed

from worksgate.provider.factors import Enrolled
from worksgate.provider.sign_in.attempt import Proof
from worksgate.provider.sign_in.errors import NoPasskey, SignInDenied
from worksgate.provider.sign_in.outcomes import (
    Authorized,
    EnrolmentNeeded,
    NewPasswordNeeded,
    NextStep,
    PasswordNeeded,
    RecoveryCodesIssued,
    SecondFactorNeeded,
)

MOST_STEPS = 6
"""The password, a factor, a new password, a passkey that is set up, the codes that come with it."""


class AskedForTooMuch(AssertionError):
    """The page asks for something that the person does not have."""


@dataclass(frozen=True)
class Walk:
    """How a sign-in ended: what it ended with, and the pages on the way."""

    end: NextStep | Exception
    pages: tuple[str, ...]

    @property
    def is_in(self) -> bool:
        return isinstance(self.end, Authorized)


async def walk(visit: Visit, step: NextStep, way: str = "password") -> Walk:
    """Go on from a step to the end. Raises AssertionError where there is none within bounds."""
    pages: list[str] = []
    try:
        while not isinstance(step, Authorized):
            pages.append(type(step).__name__)
            assert len(pages) <= MOST_STEPS, f"this does not end: {pages}"
            step = visit.kept(await _answered(visit, step, way))
    except (SignInDenied, NoPasskey) as refusal:
        return Walk(refusal, tuple(pages))
    return Walk(step, tuple(pages))


async def _answered(visit: Visit, step: NextStep, way: str) -> NextStep:
    provider, browser, subject_id = visit.provider, visit.browser, visit.person.subject_id
    match step:
        case PasswordNeeded(transaction):
            if way == "passkey":
                challenge = (await provider.ways_in(transaction)).passkey_options
                assert challenge is not None
                return await provider.use_passkey(
                    transaction, signed(subject_id, challenge), browser
                )
            if way == "partner":
                return await visit.come_from_partner(transaction)
            return await visit.log_in(transaction)
        case SecondFactorNeeded(transaction):
            has = await visit.world.factors.of(subject_id)
            proof = _proof(step, has, subject_id)
            return await provider.verify_second_factor(transaction, proof, browser)
        case EnrolmentNeeded(transaction, totp=totp, passkey_options=options):
            if totp is not None:
                return await provider.enrol(transaction, Proof(code="totp"), browser)
            assert options is not None
            proof = Proof(passkey=signed(subject_id, options))
            return await provider.enrol(transaction, proof, browser)
        case NewPasswordNeeded(transaction):
            return await provider.change_password(transaction, NEW_PASSWORD, browser)
        case RecoveryCodesIssued(transaction):
            return await provider.resume(transaction, browser)
    raise AssertionError(f"nobody can answer {step}")


def _proof(step: SecondFactorNeeded, has: Enrolled, subject_id: str) -> Proof:
    """What this person can give of what the page offers; it offers nothing that they lack."""
    offered = step.enrolled
    assert offered.totp <= has.totp
    assert offered.recovery_codes_left <= has.recovery_codes_left
    if step.passkey_options is not None and has.passkeys:
        return Proof(passkey=signed(subject_id, step.passkey_options))
    if offered.totp:
        return Proof(code="totp")
    if offered.recovery_codes_left:
        return Proof(recovery_code="recovery")
    raise AskedForTooMuch(step.why)
