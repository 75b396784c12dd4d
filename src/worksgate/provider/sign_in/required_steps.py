"""The missing steps of a sign-in: one pure decision.

Nothing here reads a store or a clock. Each result but ``NOTHING`` and ``NO_PASSKEY`` is something
the person can do, after which the next result is closer to the end; a test walks through all
combinations.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from worksgate.clients.access_rules import Action
from worksgate.provider.assurance import Assurance, Strength, best_of, is_full
from worksgate.provider.factors import Enrolled


class Due(Enum):
    """The next step of a sign-in."""

    NOTHING = auto()
    """It is complete."""
    LOGIN = auto()
    """The session does not suffice: they sign in from the beginning."""
    SECOND_FACTOR = auto()
    """Any second factor of theirs."""
    FACTOR_BEFORE_PASSKEY = auto()
    """The second factor that they have, before they set up the passkey that they need."""
    PASSKEY = auto()
    """A passkey of theirs, and nothing else."""
    PASSKEY_OR_RECOVERY_CODE = auto()
    """The best that they have, for their own account."""
    NEW_PASSWORD = auto()
    """The password is temporary: they choose a new one."""
    ENROLMENT = auto()
    """They set up a first second factor."""
    PASSKEY_ENROLMENT = auto()
    """They set up a passkey."""
    NO_PASSKEY = auto()
    """A passkey is required, and there is no way to one: the sign-in is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInState:
    """A sign-in's current state: requirements of the rules, proofs, and the person's factors.

    ``remembered`` is true for a trusted browser. ``passkeys_usable`` is true if browsers support
    passkeys at our address, ``passkeys_offered`` if people may set them up, too.
    """

    action: Action
    assurance: Assurance
    enrolled: Enrolled = field(default_factory=Enrolled)
    for_account: bool = False
    from_session: bool = False
    remembered: bool = False
    needs_new_password: bool = False
    passkeys_usable: bool = False
    passkeys_offered: bool = False

    @property
    def best(self) -> Strength:
        """The highest strength that the person can reach."""
        return best_of(self.enrolled, passkeys_usable=self.passkeys_usable)

    @property
    def has_second_factor(self) -> bool:
        """Whether one was used."""
        return self.assurance.strength >= Strength.TWO_FACTORS


_PROOFS = (
    *(Due.SECOND_FACTOR, Due.FACTOR_BEFORE_PASSKEY, Due.PASSKEY, Due.PASSKEY_OR_RECOVERY_CODE),
    *(Due.LOGIN, Due.NO_PASSKEY),
)
"""Steps before a new password: knowing the password alone must not suffice to change it."""


def due(state: SignInState) -> Due:
    """The next step. A denied sign-in never gets here: that is decided before."""
    missing = _missing(state)
    if state.needs_new_password and missing not in _PROOFS:
        return Due.NEW_PASSWORD
    return missing


def _missing(state: SignInState) -> Due:
    if state.action is Action.REQUIRE_PASSKEY:
        return _missing_passkey(state)
    if state.for_account and not is_full(state.assurance, state.best):
        is_passkey = state.best is Strength.PHISHING_RESISTANT
        return Due.PASSKEY_OR_RECOVERY_CODE if is_passkey else Due.SECOND_FACTOR
    if state.action is Action.ALLOW or state.has_second_factor:
        return Due.NOTHING
    if state.enrolled.any:
        return Due.NOTHING if state.remembered else Due.SECOND_FACTOR
    if state.action is not Action.REQUIRE:
        return Due.NOTHING
    # A factor set up now must be the person's own: a session alone does not prove that.
    if state.from_session:
        return Due.LOGIN
    if not state.enrolled.is_of_console:
        return Due.ENROLMENT
    return Due.PASSKEY_ENROLMENT if state.passkeys_offered else Due.NO_PASSKEY


def _missing_passkey(state: SignInState) -> Due:
    if state.assurance.strength is Strength.PHISHING_RESISTANT:
        return Due.NOTHING
    if state.best is Strength.PHISHING_RESISTANT:
        return Due.PASSKEY
    if not state.passkeys_offered:
        return Due.NO_PASSKEY
    if state.from_session:
        return Due.LOGIN
    if state.enrolled.any and not state.has_second_factor:
        return Due.FACTOR_BEFORE_PASSKEY
    return Due.PASSKEY_ENROLMENT
