"""Why a sign-in is refused, or cannot go on."""

from worksgate.provider.sign_in.attempt import ProofKind
from worksgate.provider.sign_in.transaction import LoginTransaction


class LoginDenied(Exception):
    """A rule of the client says no; the text is the rule."""


class NoPasskey(Exception):
    """A passkey is demanded, and the person neither has one nor can set one up here."""


class UpstreamLoginFailed(Exception):
    """A login at another provider came to nothing: ``why``, and the login that can go on here."""

    def __init__(self, transaction: LoginTransaction, why: Exception) -> None:
        super().__init__(type(why).__name__)
        self.transaction = transaction
        self.why = why


class LoginLost(Exception):
    """Nothing is known of this login any more: it must begin again with the password."""


class WrongFactor(Exception):
    """The second factor that was ``given`` is wrong; ``left`` more tries."""

    def __init__(self, given: ProofKind, left: int) -> None:
        super().__init__(f"{left} tries are left")
        self.given = given
        self.left = left


class TooManyWrongFactors(Exception):
    """The second factor was wrong too often: this login is over."""


class WrongPassword(Exception):
    """The name is unknown or the password wrong; never which."""


class UnknownPasskey(WrongPassword):
    """The passkey is not known here, or what it signed is wrong."""


class AlreadySignedIn(Exception):
    """This transaction has issued its code: the form was sent twice."""


class NoUserKey(Exception):
    """The person may sign in, but has no user key of the kind that the client is set to."""
