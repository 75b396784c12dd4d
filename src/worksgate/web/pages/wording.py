"""The texts of pages about problems: what happened, and what to do next.

The English text is the key of its translation in ``locale/``. ``%(product)s`` is the name of the
service that people sign in to. Information for the administrator is separate, so that employees do
not have to read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from worksgate.credentials.password_policy import Weakness


class Problem(StrEnum):
    """Why the sign-in form is shown again."""

    EMPTY = auto()
    WRONG_PASSWORD = auto()
    DISABLED = auto()
    NOT_ALLOWED = auto()
    THROTTLED = auto()
    BUSY = auto()
    UNAVAILABLE = auto()
    OUT_OF_ORDER = auto()
    PASSWORD_EXPIRED = auto()
    REFUSED_UPSTREAM = auto()
    PASSKEY_REFUSED = auto()
    WRONG_CODE = auto()
    WRONG_RECOVERY_CODE = auto()
    WRONG_PASSKEY = auto()
    TOO_MANY_WRONG_FACTORS = auto()
    LOGIN_LOST = auto()
    WEAK_PASSWORD = auto()


class Notice(StrEnum):
    """The subject of a page without a form."""

    UNKNOWN_CLIENT = auto()
    BAD_REDIRECT_URI = auto()
    BAD_REQUEST = auto()
    EXPIRED = auto()
    OVER = auto()
    COOKIES_OFF = auto()
    ALREADY_SIGNED_IN = auto()
    FORGED = auto()
    NO_USER_KEY = auto()
    SESSION_KEY_REFUSED = auto()
    DENIED = auto()
    NO_PASSKEY = auto()
    UNAVAILABLE = auto()
    NOT_FOUND = auto()
    SIGNED_OUT = auto()
    METHOD_NOT_ALLOWED = auto()
    CRASHED = auto()


class Tone(StrEnum):
    """Severity; also a class name in ``worksgate.css``."""

    GOOD = auto()
    INFO = auto()
    WARN = auto()
    BAD = auto()


def text(english: str) -> str:
    """Mark a text for translation (``locale/babel.cfg`` looks for this name)."""
    return english


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemWording:
    """A problem in the alert above the form. ``to_do`` of ``THROTTLED`` is the time to wait."""

    happened: str
    to_do: str = ""
    tone: Tone = Tone.BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWording:
    """A notice. The labels are those of the buttons to ``continue_url`` and ``start_over_url``."""

    title: str
    happened: str
    to_do: str
    for_administrator: str = ""
    tone: Tone = Tone.WARN
    continue_label: str = text("Continue to %(product)s")
    start_over_label: str = text("Start again in %(product)s")


EMPTY_USERNAME: Final = ProblemWording(happened=text("Please enter your user name and password."))

PROBLEMS: Final[Mapping[Problem, ProblemWording]] = {
    Problem.EMPTY: ProblemWording(happened=text("Please enter your password.")),
    Problem.WRONG_PASSWORD: ProblemWording(
        happened=text("The user name or the password is not correct."),
        to_do=text("Check both and try again."),
    ),
    Problem.DISABLED: ProblemWording(
        happened=text("Your account has been disabled, so you cannot sign in."),
        to_do=text("Please contact your administrator."),
    ),
    Problem.NOT_ALLOWED: ProblemWording(
        happened=text("Your account is not allowed to sign in here."),
        to_do=text("Please contact your administrator."),
    ),
    Problem.THROTTLED: ProblemWording(
        happened=text("There were too many failed attempts to sign in."),
        tone=Tone.WARN,
    ),
    Problem.BUSY: ProblemWording(
        happened=text(
            "Many people are signing in at this moment, so your password was not checked."
        ),
        to_do=text("Please try again in a few seconds."),
        tone=Tone.WARN,
    ),
    Problem.UNAVAILABLE: ProblemWording(
        happened=text(
            "The company’s sign-in system does not answer, so you could not be signed in."
        ),
        to_do=text("Please try again in a minute. If it still fails, contact your administrator."),
        tone=Tone.WARN,
    ),
    Problem.OUT_OF_ORDER: ProblemWording(
        happened=text(
            "Signing in is not possible right now, as part of the sign-in service does not answer."
        ),
        to_do=text("Please try again in a minute. If it still fails, contact your administrator."),
        tone=Tone.WARN,
    ),
    Problem.PASSWORD_EXPIRED: ProblemWording(
        happened=text("Your password has expired or must be changed."),
        to_do=text("Change it where you change your company password, then sign in here."),
        tone=Tone.WARN,
    ),
    Problem.REFUSED_UPSTREAM: ProblemWording(
        happened=text("The sign-in with the other service was not completed."),
        to_do=text("Please try again. If it still fails, tell your administrator."),
        tone=Tone.WARN,
    ),
    Problem.PASSKEY_REFUSED: ProblemWording(
        happened=text("This passkey is not registered here."),
        to_do=text("Sign in with your password."),
    ),
    Problem.WRONG_CODE: ProblemWording(
        happened=text("The code is not correct."),
        to_do=text("Use the newest code that the app shows. Each code works once."),
    ),
    Problem.WRONG_RECOVERY_CODE: ProblemWording(
        happened=text("The recovery code is not correct."),
        to_do=text("Compare it with your list and try again, or use another: each works once."),
    ),
    Problem.WRONG_PASSKEY: ProblemWording(
        happened=text("The passkey was not accepted."),
        to_do=text("Try again, or choose another way."),
    ),
    Problem.TOO_MANY_WRONG_FACTORS: ProblemWording(
        happened=text("The code was wrong too often, so this sign-in has ended."),
        to_do=text("Sign in again with your password."),
    ),
    Problem.LOGIN_LOST: ProblemWording(
        happened=text("This sign-in cannot be continued."),
        to_do=text("Please sign in again."),
        tone=Tone.INFO,
    ),
    Problem.WEAK_PASSWORD: ProblemWording(
        happened=text("This password cannot be used."),
    ),
}

WEAKNESSES: Final[Mapping[Weakness, str]] = {
    Weakness.TOO_SHORT: text("Use at least 15 characters. Several words do well."),
    Weakness.TOO_LONG: text("It is too long. Use at most 1024 characters."),
    Weakness.NUL: text("It contains a character that no keyboard can type. Type it by hand."),
    Weakness.COMMON: text("This password is too common. Choose another."),
    Weakness.NAMES: text("It is made of names that belong to you or to your company."),
    Weakness.SAME: text("It is the password that you have now. Choose another."),
}
"""Advice for a password that is not accepted."""

GRADES: Final = (
    text("Very weak"),
    text("Weak"),
    text("Not strong enough yet"),
    text("Strong"),
    text("Very strong"),
)
"""The strength of a new password, by ``Strength.score``; the last two are accepted."""

NOTICES: Final[Mapping[Notice, NoticeWording]] = {
    Notice.UNKNOWN_CLIENT: NoticeWording(
        title=text("This sign-in link is not known here"),
        happened=text(
            "The service that sent you to this page is not registered, or has been disabled."
        ),
        to_do=text("You cannot fix this yourself. Please tell your administrator."),
        for_administrator=text(
            "The client_id of the request belongs to no enabled client. Compare the client ID in "
            "the Developer Console with the output of “worksgate client list”."
        ),
        tone=Tone.BAD,
    ),
    Notice.BAD_REDIRECT_URI: NoticeWording(
        title=text("This sign-in link leads to an unknown place"),
        happened=text(
            "After signing in, the link would take you to an address that your company has not "
            "approved. We stopped here to protect you, and nothing was sent there."
        ),
        to_do=text(
            "Close this page and open %(product)s as you usually do. If you see this page again, "
            "please tell your administrator."
        ),
        for_administrator=text(
            "The redirect_uri of the request is missing, or is not on the client's list of allowed "
            "addresses. “worksgate client show” prints that list."
        ),
        tone=Tone.BAD,
    ),
    Notice.BAD_REQUEST: NoticeWording(
        title=text("This sign-in link is not complete"),
        happened=text(
            "Part of the link that brought you here is missing, or was changed on the way."
        ),
        to_do=text("Please start again in %(product)s, not from a bookmark or a copied link."),
        for_administrator=text(
            "The request lacks response_type=code or client_id, has a parameter twice, or has one "
            "that is malformed."
        ),
    ),
    Notice.EXPIRED: NoticeWording(
        title=text("Your time to sign in has run out"),
        happened=text("To keep your account safe, signing in has to be finished in 30 minutes."),
        to_do=text("Please start again in %(product)s."),
    ),
    Notice.OVER: NoticeWording(
        title=text("This sign-in is over"),
        happened=text("It was completed, took too long, or was begun in another browser."),
        to_do=text("Continue to %(product)s. You may be asked to sign in again."),
        tone=Tone.INFO,
    ),
    Notice.COOKIES_OFF: NoticeWording(
        title=text("Cookies are switched off"),
        happened=text(
            "This page needs a cookie to know your browser while you sign in, but your browser "
            "did not keep it."
        ),
        to_do=text(
            "Allow cookies for this site, or use another browser. Then start again in %(product)s."
        ),
    ),
    Notice.ALREADY_SIGNED_IN: NoticeWording(
        title=text("You are already signed in"),
        happened=text("This sign-in has already been completed, perhaps in another tab or window."),
        to_do=text("Continue to %(product)s. There is no need to enter your password again."),
        tone=Tone.GOOD,
        start_over_label=text("Open %(product)s"),
    ),
    Notice.FORGED: NoticeWording(
        title=text("Please sign in again"),
        happened=text(
            "The form that arrived does not belong to the sign-in page in this browser, so your "
            "password was not checked."
        ),
        to_do=text(
            "Please start again in %(product)s. If this happens again, tell your administrator."
        ),
        for_administrator=text(
            "The anti-forgery token or the Origin header did not match. Behind a reverse proxy, "
            "check that public_url is the address that people see."
        ),
        continue_label=text("Sign in again"),
    ),
    Notice.NO_USER_KEY: NoticeWording(
        title=text("Your account is not linked to %(product)s yet"),
        happened=text(
            "We know who you are, but your account lacks the key by which %(product)s knows you."
        ),
        to_do=text("Please ask your administrator to link your account, then sign in again."),
        for_administrator=text(
            "This person has no external key (or no %(product)s account, if the client uses that), "
            "or it belongs to somebody else: “worksgate user show” says which. For people of "
            "another source, it is set there."
        ),
    ),
    Notice.SESSION_KEY_REFUSED: NoticeWording(
        title=text("The app could not be confirmed"),
        happened=text("%(product)s did not confirm that its app opened this page."),
        to_do=text(
            "Close this page and sign in again from the app. If this happens again, tell your "
            "administrator."
        ),
        for_administrator=text(
            "The sessionKey was refused, or its check was not answered. The client's setting "
            "session_key_check says what a missing answer means."
        ),
    ),
    Notice.DENIED: NoticeWording(
        title=text("You cannot sign in from here"),
        happened=text(
            "Your company does not allow this sign-in at this time, from this place or in this way."
        ),
        to_do=text(
            "Try again from your company's network or with another app. If you think that this is "
            "wrong, contact your administrator."
        ),
        for_administrator=text(
            "A rule of the client refused this sign-in. “worksgate rules explain” says which."
        ),
    ),
    Notice.NO_PASSKEY: NoticeWording(
        title=text("A passkey is required"),
        happened=text(
            "Your company allows this sign-in with a passkey only. You do not have one, and it "
            "cannot be set up on this page."
        ),
        to_do=text("Please contact your administrator."),
        for_administrator=text(
            "A rule of the client requires a passkey, but people cannot set one up: the setting "
            "“passkeys” is off, or “public_url” is not an https address with a host name."
        ),
    ),
    Notice.UNAVAILABLE: NoticeWording(
        title=text("Signing in is not possible right now"),
        happened=text(
            "Part of the sign-in service does not answer. Nothing is wrong with your account."
        ),
        to_do=text("Please try again in a minute. If it still fails, contact your administrator."),
        continue_label=text("Try again"),
    ),
    Notice.NOT_FOUND: NoticeWording(
        title=text("There is no page at this address"),
        happened=text("The address may have been mistyped, or the page no longer exists."),
        to_do=text("To sign in, open %(product)s."),
        tone=Tone.INFO,
        start_over_label=text("Open %(product)s"),
    ),
    Notice.SIGNED_OUT: NoticeWording(
        title=text("You are signed out"),
        happened=text("Your sign-in on this browser has ended."),
        to_do=text("If you share this computer with others, please close the browser as well."),
        tone=Tone.GOOD,
        continue_label=text("Open %(product)s"),
        start_over_label=text("Go to your account"),
    ),
    Notice.METHOD_NOT_ALLOWED: NoticeWording(
        title=text("This address cannot be used like that"),
        happened=text("Your browser sent a kind of request that is not accepted here."),
        to_do=text("Please start again in %(product)s."),
        tone=Tone.INFO,
    ),
    Notice.CRASHED: NoticeWording(
        title=text("Something went wrong on our side"),
        happened=text("An unexpected error stopped us from finishing this. You did nothing wrong."),
        to_do=text(
            "Please start again in %(product)s. If it still fails, tell your administrator."
        ),
        tone=Tone.BAD,
    ),
}
