"""The mails that a person gets: their texts, in the person's language.

Values in, messages out; ``mail`` sends them. A mail holds nothing that came with a request: the
names are those of the directory, the link begins with ``public_url``. Only the mail that was asked
for has a link; one that says what has changed has none to click on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import jinja2

from worksgate.mail import MailMessage
from worksgate.settings import Settings
from worksgate.sources import Person
from worksgate.web.catalogues import Translations, translations
from worksgate.web.wording import text

_TEMPLATES: Final = Path(__file__).parent / "templates" / "mail"
_LONGEST_IN_MINUTES: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWording:
    """A mail in English: what happened, and what to do if it was not the person."""

    subject: str
    happened: str
    if_it_was_not_you: str


RESET_LINK: Final = MailWording(
    subject=text("Choose a new password for %(product)s"),
    happened=text("Somebody asked for a new password for the account %(username)s."),
    if_it_was_not_you=text(
        "If it was not you, do nothing: your password stays as it is. Never pass the link on."
    ),
)
PASSWORD_CHANGED: Final = MailWording(
    subject=text("Your password for %(product)s was changed"),
    happened=text("The password of the account %(username)s was changed."),
    if_it_was_not_you=text("If it was not you, contact your administrator at once."),
)
SECOND_FACTOR_ADDED: Final = MailWording(
    subject=text("A second factor for %(product)s was added"),
    happened=text("A second factor was added to the account %(username)s."),
    if_it_was_not_you=text("If it was not you, contact your administrator at once."),
)
SECOND_FACTOR_REMOVED: Final = MailWording(
    subject=text("A second factor for %(product)s was removed"),
    happened=text("A second factor was removed from the account %(username)s."),
    if_it_was_not_you=text("If it was not you, contact your administrator at once."),
)
GREETING: Final = text("Hello %(name)s,")
NOTHING_TO_DO: Final = text("If it was you, there is nothing to do.")
CHOOSE: Final = text("Choose a new password")
AUTOMATIC: Final = text("This mail was sent by a machine. Nobody reads answers to it.")


class Mails:
    """Writes the mails of one installation.

    Each call returns None for a person without an e-mail address that mail can be sent to.
    """

    def __init__(self, settings: Settings) -> None:
        self._product = settings.product_name
        self._company = settings.company_name

    def reset_link(
        self, person: Person, link: str, lifetime: float, language: str
    ) -> MailMessage | None:
        """The link by which a person chooses a new password; it lives for so many seconds."""
        to_do = _how_long(lifetime, translations(language))
        return self._message(RESET_LINK, person, language, to_do, link)

    def password_changed(self, person: Person, language: str) -> MailMessage | None:
        """That the password is a new one."""
        return self._notice(PASSWORD_CHANGED, person, language)

    def second_factor_added(self, person: Person, language: str) -> MailMessage | None:
        """That there is one more second factor."""
        return self._notice(SECOND_FACTOR_ADDED, person, language)

    def second_factor_removed(self, person: Person, language: str) -> MailMessage | None:
        """That a second factor is gone."""
        return self._notice(SECOND_FACTOR_REMOVED, person, language)

    def _notice(self, wording: MailWording, person: Person, language: str) -> MailMessage | None:
        to_do = translations(language).gettext(NOTHING_TO_DO)
        return self._message(wording, person, language, to_do)

    def _message(
        self, wording: MailWording, person: Person, language: str, to_do: str, link: str = ""
    ) -> MailMessage | None:
        values = {"product": self._product, "username": person.username, "name": person.name}

        def said(english: str) -> str:
            return translations(language).gettext(english) % values

        shown = {
            "language": language,
            "company": self._company,
            "subject": said(wording.subject),
            "greeting": said(GREETING) if person.name else "",
            "before": (said(wording.happened), to_do),
            "link": link,
            "button": said(CHOOSE),
            "after": (said(wording.if_it_was_not_you),),
            "automatic": said(AUTOMATIC),
        }
        return _rendered(person.email, shown)


def _rendered(address: str | None, shown: Mapping[str, object]) -> MailMessage | None:
    try:
        return MailMessage(
            to=address or "",
            subject=str(shown["subject"]),
            text=_environment().get_template("mail.txt").render(shown),
            html=_environment().get_template("mail.html").render(shown),
        )
    except ValueError:
        return None


def _how_long(lifetime: float, spoken: Translations) -> str:
    """What to do with the link: in minutes, long times in whole hours, rounded down."""
    minutes = max(1, math.floor(lifetime / 60))
    if minutes <= _LONGEST_IN_MINUTES:
        sentence = spoken.ngettext(
            "Open this link within %(n)d minute to choose one. It works once.",
            "Open this link within %(n)d minutes to choose one. It works once.",
            minutes,
        )
        return sentence % {"n": minutes}
    hours = minutes // 60
    sentence = spoken.ngettext(
        "Open this link within %(n)d hour to choose one. It works once.",
        "Open this link within %(n)d hours to choose one. It works once.",
        hours,
    )
    return sentence % {"n": hours}


@cache
def _environment() -> jinja2.Environment:
    """The templates hold no text, so one environment serves all languages."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"], default=False),
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
