"""Why a password was refused, for the audit log: the page says less."""

from worksgate.audit import Reason
from worksgate.provider.throttle import Admission
from worksgate.sources import PasswordExpired, PersonDisabled, PersonNotAllowed

TOO_MANY_BEFORE = "not checked: too many failures of this person before"
"""The record of a guess whose person had no guesses left."""
TEMPORARY_EXPIRED = "right, but the password was temporary, and its time is over"
"""The record of a password that is refused like a wrong one."""


def why_disabled(refusal: PersonDisabled) -> tuple[str, Reason]:
    """Why somebody with a right password may not sign in: for people, and for programs."""
    if isinstance(refusal, PasswordExpired):
        return "the password has expired", Reason.PASSWORD_EXPIRED
    reason = Reason.NOT_ALLOWED if isinstance(refusal, PersonNotAllowed) else Reason.DISABLED
    return str(refusal) or "the person is disabled", reason


def why_wrong(admission: Admission) -> tuple[str, Reason]:
    """Why a password was refused, which is never shown to the person."""
    if admission.is_exhausted:
        return TOO_MANY_BEFORE, Reason.GUESSES_USED_UP
    if admission.was_temporary:
        return TEMPORARY_EXPIRED, Reason.TEMPORARY_EXPIRED
    return "wrong name or password", Reason.WRONG_PASSWORD
