"""Alerts to administrators, by mail, webhook or bot.

    watching     what to alert of now: from the audit log and the certificate
    certificate  when the certificate of the public address ends
    delivery     mail, webhook and bot
    bot          a bot of LINE WORKS, and to whom it sends
    testing      a test of these channels
    schedule     all of it once a minute, in one process of all nodes

Nothing here delays a sign-in: it reads a bounded number of records, and sends in the background.
Each occurrence is a row (``directory.alerts``), so it is sent once, whichever process has its turn
(R-173).
"""

from enum import StrEnum, auto


class AlertKind(StrEnum):
    """What happened; also in the table and in the webhook."""

    CODE_REPLAYED = auto()
    """A code was presented twice: somebody may have intercepted it."""
    GUESSING = auto()
    """Many passwords or codes are wrong."""
    SOURCE_DOWN = auto()
    """An identity source does not respond."""
    CERTIFICATE = auto()
    """The certificate of the public address ends soon, or has ended."""
    SLOW = auto()
    """Responses to LINE WORKS are slow."""
    SILENCE = auto()
    """SSO was applied at LINE WORKS, and no sign-in has started."""
    CONSOLE_SIGN_IN = auto()
    """An administrator signed in to the console from an address that is new for them."""
    OWNER_LINK = auto()
    """A link for another owner of the console was made, by ``worksgate admin recover``."""
    TEST = auto()
    """Nothing: somebody tries whether alerts arrive. It is not in the table."""
