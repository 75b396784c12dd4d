"""The texts of the account pages: what was done, what went wrong, and lines of the history.

The English text is the key of its translation, as in ``wording``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from worksgate.audit import Event
from worksgate.web.pages.wording import Tone, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A message above a form or on a page by itself: what happened, and what to do next."""

    happened: str
    to_do: str = ""
    tone: Tone = Tone.BAD


class Success(StrEnum):
    """Messages after a redirect, as a code in the URL: never a text."""

    PASSWORD = "password"
    APP_ON = "app-on"
    APP_OFF = "app-off"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_REMOVED = "passkey-removed"
    PASSKEY_RENAMED = "passkey-renamed"
    APP_PASSWORD_REMOVED = "app-password-removed"
    SESSION_ENDED = "session-ended"
    GONE = "gone"
    LOST = "lost"


SUCCESSES: Final[Mapping[Success, Outcome]] = {
    Success.PASSWORD: Outcome(
        happened=text("Your password was changed."),
        to_do=text("You have been signed out everywhere else."),
        tone=Tone.GOOD,
    ),
    Success.APP_ON: Outcome(happened=text("The authenticator app is turned on."), tone=Tone.GOOD),
    Success.APP_OFF: Outcome(
        happened=text("The authenticator app is turned off."),
        to_do=text("You can remove the account from the app now."),
        tone=Tone.GOOD,
    ),
    Success.PASSKEY_ADDED: Outcome(happened=text("The passkey was added."), tone=Tone.GOOD),
    Success.PASSKEY_REMOVED: Outcome(
        happened=text("The passkey was removed."),
        to_do=text("Delete it on the device, too: it does not work here any more."),
        tone=Tone.GOOD,
    ),
    Success.PASSKEY_RENAMED: Outcome(happened=text("The passkey was renamed."), tone=Tone.GOOD),
    Success.APP_PASSWORD_REMOVED: Outcome(
        happened=text("The app password was removed."),
        to_do=text("The program that used it cannot sign in any more."),
        tone=Tone.GOOD,
    ),
    Success.SESSION_ENDED: Outcome(happened=text("That sign-in was ended."), tone=Tone.GOOD),
    Success.GONE: Outcome(
        happened=text("It had already been removed."),
        to_do=text("This page shows how things are now."),
        tone=Tone.INFO,
    ),
    Success.LOST: Outcome(
        happened=text("That took too long, so nothing was changed."),
        to_do=text("Please start again."),
        tone=Tone.WARN,
    ),
}

WRONG_CURRENT_PASSWORD: Final = Outcome(
    happened=text("The current password is not correct."), to_do=text("Please try again.")
)
WEAK_PASSWORD: Final = Outcome(happened=text("This password cannot be used."))
THROTTLED: Final = Outcome(
    happened=text("There were too many failed attempts to sign in."), tone=Tone.WARN
)
TOO_MANY_CODES: Final = Outcome(happened=text("Too many wrong codes were entered."), tone=Tone.WARN)
PASSWORD_MISSING: Final = Outcome(happened=text("Please enter both passwords."))
WRONG_CODE: Final = Outcome(
    happened=text("The code is not correct."),
    to_do=text("Use the newest code that the app shows, and check the clock of the device."),
)
WRONG_RESET_CODE: Final = Outcome(
    happened=text("This code is not valid."),
    to_do=text("It works once, for 15 minutes. Check each character, or ask for a new code."),
)
PASSKEY_REFUSED: Final = Outcome(
    happened=text("The passkey was not added."),
    to_do=text("Please try again, or use an authenticator app."),
)
PASSKEY_KNOWN: Final = Outcome(
    happened=text("This passkey has already been added."),
    to_do=text("You do not need to do anything."),
)
NAME_REFUSED: Final = Outcome(
    happened=text("This name cannot be used."),
    to_do=text("Use at most 64 characters, in one line."),
)
TOO_MANY: Final = Outcome(
    happened=text("You cannot add any more."),
    to_do=text("Remove one that you do not use any more."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A page without a form; ``label`` is that of its button."""

    title: str
    happened: str
    to_do: str
    label: str
    tone: Tone = Tone.WARN


FORM_TOO_OLD: Final = Message(
    title=text("Nothing was changed"),
    happened=text("The form that arrived does not belong to this sign-in, or is from before it."),
    to_do=text("Open your account again, and repeat what you wanted to do there."),
    label=text("Open your account"),
)
MAIL_IS_COMING: Final = Message(
    title=text("Check your email"),
    happened=text(
        "If an account matches what you entered, we have sent it an email with a link. The link "
        "works for %(minutes)s minutes."
    ),
    to_do=text(
        "If nothing arrives, check your spam folder. Not every account has an email address: your "
        "administrator can help, too."
    ),
    label=text("Back to signing in"),
    tone=Tone.INFO,
)
LINK_NOT_VALID: Final = Message(
    title=text("This link does not work any more"),
    happened=text("It was used already, is too old, or a newer one has taken its place."),
    to_do=text("Ask for a new one, or ask your administrator."),
    label=text("Ask for a new link"),
)
LINK_NOT_VALID_AND_NO_MAIL: Final = replace(
    LINK_NOT_VALID, to_do=text("Ask your administrator for a new one.")
)
"""The same, if people cannot request a link."""
PASSWORD_IS_NEW: Final = Message(
    title=text("Your password was changed"),
    happened=text("You have been signed out everywhere, so that nobody uses the old one."),
    to_do=text("Sign in with the new password from now on."),
    label=text("Sign in"),
    tone=Tone.GOOD,
)

NOT_ME_LINK_NOT_VALID: Final = replace(
    LINK_NOT_VALID,
    happened=text("It was used already, or is too old."),
    to_do=text(
        "If something is wrong with your account, contact your administrator. You can also sign "
        "in and look at your account yourself."
    ),
    label=text("Open your account"),
)
NOT_ME_TOO_OFTEN: Final = Message(
    title=text("Too many links were tried"),
    happened=text("Many links of this kind were opened from your network within the last hour."),
    to_do=text("Please try again in an hour, or contact your administrator now."),
    label=text("Open your account"),
)
SECURED: Final = Message(
    title=text("Everything has been ended"),
    happened=text(
        "You are signed out everywhere, your app passwords are removed, and your password does "
        "not work any more."
    ),
    to_do=text(
        "Choose a new password that you use nowhere else. Somebody else may know the old one: "
        "tell your administrator, too."
    ),
    label=text("Choose a new password"),
    tone=Tone.GOOD,
)
SECURED_WITHOUT_MAIL: Final = replace(
    SECURED,
    to_do=text(
        "Ask your administrator for a new password, and tell them what happened: somebody else "
        "may know the old one."
    ),
)
"""The same, if people cannot request a link."""
SECURED_AND_CLOSED: Final = replace(
    SECURED,
    happened=text(
        "You are signed out everywhere, your app passwords and any two-step verification that was "
        "added since are removed, and your password does not work any more. Your account stays "
        "closed."
    ),
    to_do=text(
        "Contact your administrator, who will make sure that it is you and open it again. Nobody "
        "can sign in until then."
    ),
)
SECURED_ELSEWHERE: Final = replace(
    SECURED,
    happened=text("You are signed out everywhere here, and your app passwords are removed."),
    to_do=text(
        "Your password is kept by %(keeper)s: change it there now, as somebody else may know it, "
        "and tell your administrator."
    ),
)
SECURED_ELSEWHERE_AND_CLOSED: Final = replace(
    SECURED_ELSEWHERE,
    happened=text(
        "You are signed out everywhere here. Your app passwords and any two-step verification "
        "that was added since are removed. Nobody can sign in here as you until your "
        "administrator opens your account again."
    ),
)
YOUR_COMPANY: Final = text("your company")
"""The owner of passwords of LDAP, or of a company's own function."""

EVENTS: Final[Mapping[Event, str]] = {
    Event.LOGIN_SUCCEEDED: text("Signed in"),
    Event.LOGIN_FAILED: text("Somebody tried to sign in, without success"),
    Event.LOGIN_REFUSED: text("A sign-in was refused by your company's rules"),
    Event.LOGOUT: text("Signed out"),
    Event.IMAP_SUCCEEDED: text("A mail program signed in"),
    Event.IMAP_FAILED: text("A mail program tried to sign in, without success"),
    Event.FACTOR_ADDED: text("A way of two-step verification was added"),
    Event.FACTOR_REMOVED: text("A way of two-step verification was removed"),
    Event.FACTOR_RENAMED: text("A passkey was renamed"),
    Event.FACTOR_FAILED: text("A wrong code or passkey was used"),
    Event.RECOVERY_CODES_RENEWED: text("New recovery codes were created"),
    Event.APP_PASSWORD_ADDED: text("An app password was created"),
    Event.APP_PASSWORD_REMOVED: text("An app password was removed"),
    Event.PASSWORD_CHANGED: text("The password was changed"),
    Event.RESET_LINK_ISSUED: text("An administrator created a link or a code for a new password"),
}
"""Lines of the history of an account."""

EVENTS_OF_ADMINISTRATORS: Final[Mapping[Event, str]] = {
    **EVENTS,
    Event.FACTOR_REMOVED: text("An administrator removed your two-step verification"),
}
"""The same, if somebody else did it."""

_IN_AN_APP: Final = text("App")
"""``browser_names.APP``: marked here, so that it is translated."""

WORRYING: Final = frozenset(
    {Event.LOGIN_FAILED, Event.LOGIN_REFUSED, Event.IMAP_FAILED, Event.FACTOR_FAILED}
)
"""Events that somebody else may have caused."""
