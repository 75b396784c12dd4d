"""What an alert says, in the language of its receiver."""

from collections.abc import Mapping
from typing import Final

from worksgate.administration.alerts import AlertKind
from worksgate.web.console.pages import LANGUAGES, texts_of
from worksgate.web.pages.wording import text

TEXTS: Final[Mapping[AlertKind, tuple[str, str]]] = {
    AlertKind.CODE_REPLAYED: (
        text("An authorization code was presented twice"),
        text(
            "Client %(client)s, from %(address)s, reference %(reference)s. Nobody got in with it. "
            "Find out who presented it: a code may have been intercepted."
        ),
    ),
    AlertKind.GUESSING: (
        text("Passwords are being guessed"),
        text(
            "In the last ten minutes %(wrong)s passwords were wrong, and %(waiting)s more were not "
            "checked because too many had been. Further guesses are slowed down."
        ),
    ),
    AlertKind.SOURCE_DOWN: (
        text("The identity source %(source)s does not respond"),
        text(
            "In the last ten minutes %(sign_ins)s sign-ins met %(source)s, which did not respond. "
            "Its people cannot get in until it does."
        ),
    ),
    AlertKind.CERTIFICATE: (
        text("The certificate expires soon"),
        text(
            "The certificate of the public address expires in %(days)s days. Once it has expired, "
            "LINE WORKS and people's browsers can no longer connect: renew it."
        ),
    ),
    AlertKind.SLOW: (
        text("Responses to LINE WORKS are slow"),
        text(
            "The slowest tenth of the last answers took %(seconds)s seconds or more. "
            "LINE WORKS gives up after 3 seconds."
        ),
    ),
    AlertKind.SILENCE: (
        text("No requests from LINE WORKS"),
        text(
            "SSO was applied %(minutes)s minutes ago, and no sign-in has started. "
            "Check the Web Login URL in the Developer Console."
        ),
    ),
    AlertKind.CONSOLE_SIGN_IN: (
        text("A sign-in to the console from a new address"),
        text(
            "%(username)s signed in to the console from %(address)s, for the first time in 90 "
            "days. If that was not them, disable the account and end its sessions."
        ),
    ),
    AlertKind.OWNER_LINK: (
        text("A link for another owner of the console was made"),
        text(
            "Somebody ran worksgate admin recover on the server. Whoever opens the link within "
            "half an hour becomes an owner. If you did not expect this, run the command yourself, "
            "which ends that link, and see who is an owner under Administrators."
        ),
    ),
    AlertKind.TEST: (
        text("A test of the alerts"),
        text("%(by)s tries whether alerts arrive here. There is nothing to do."),
    ),
}

_UNNAMED: Final = (
    text("An identity source does not respond"),
    text(
        "In the last ten minutes %(sign_ins)s sign-ins met a source that did not respond. "
        "Its people cannot get in until it does."
    ),
)
"""Of a source that is not in the settings any more."""


def say(
    kind: str, details: Mapping[str, str | int | float], language: str = "en"
) -> tuple[str, str]:
    """The heading and the text of an alert; of one of a later version only its name."""
    if kind not in list(AlertKind):
        return kind, kind
    heading, sentence = TEXTS[AlertKind(kind)]
    if kind == AlertKind.SOURCE_DOWN and not details.get("source"):
        heading, sentence = _UNNAMED
    texts = texts_of(language if language in LANGUAGES else "en")
    values = dict(details)
    return texts.gettext(heading) % values, texts.gettext(sentence) % values
