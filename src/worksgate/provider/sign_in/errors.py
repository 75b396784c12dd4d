"""Refusals of a sign-in."""

from worksgate.provider.sign_in.attempt import ProofKind
from worksgate.provider.sign_in.transaction import SignInTransaction


class SignInDenied(Exception):
    """A rule of the client denies it; the text is the rule."""


class NoPasskey(Exception):
    """A passkey is required, and the person neither has one nor can set one up here."""


class UpstreamSignInFailed(Exception):
    """A sign-in at another provider failed: ``why``, and the sign-in that can continue here."""

    def __init__(self, transaction: SignInTransaction, why: Exception) -> None:
        super().__init__(type(why).__name__)
        self.transaction = transaction
        self.why = why


class SignInLost(Exception):
    """Nothing is known of this sign-in any more: it must begin again with the password."""


class WrongFactor(Exception):
    """The ``proof`` second factor is wrong; ``left`` more tries."""

    def __init__(self, proof: ProofKind, left: int) -> None:
        super().__init__(f"{left} tries are left")
        self.proof = proof
        self.left = left


class TooManyWrongFactors(Exception):
    """The second factor was wrong too often: this sign-in is over."""


class WrongPassword(Exception):
    """The name is unknown or the password wrong; never which."""


class UnknownPasskey(WrongPassword):
    """The passkey is not registered here, or its signature is wrong."""


class AlreadySignedIn(Exception):
    """This transaction has issued its code already: the form was sent twice."""


class NoUserKey(Exception):
    """The person may sign in, but has no user key of the kind that the client is set to."""
