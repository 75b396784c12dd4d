"""The e-mails that a person gets, in the person's language.

Values in, messages out; ``mail`` sends them. An e-mail contains little that came with a request:
the names are those of the directory, the links begin with ``public_url``, and of the request that
led to a notice it shows the address and the kind of browser. A link either chooses a new password,
in the requested e-mail, or revokes things, in a notice; no link signs anybody in.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import jinja2

from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.mail import MailMessage
from worksgate.moments import in_zone, with_offset
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.web.pages.browser_names import ON
from worksgate.web.pages.catalogues import LANGUAGES, Translations, locale_name, translations
from worksgate.web.pages.wording import text

_TEMPLATES: Final = Path(__file__).parent / "templates" / "mail"
_LONGEST_IN_MINUTES: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWording:
    """An e-mail in English: what happened, and what to do if it was not the person."""

    subject: str
    happened: str
    if_it_was_not_you: str


_END_IT: Final = text(
    "If it was not you, use the button at once. It ends everything that is signed in to your "
    "account, and it signs nobody in."
)


def _notice(subject: str, happened: str) -> MailWording:
    return MailWording(subject=subject, happened=happened, if_it_was_not_you=_END_IT)


RESET_LINK: Final = MailWording(
    subject=text("Choose a new password for %(product)s"),
    happened=text("A new password was requested for the account %(username)s."),
    if_it_was_not_you=text(
        "If it was not you, ignore this email: your password stays as it is. Never forward the "
        "link."
    ),
)
NOTICES: Final[Mapping[Change, MailWording]] = {
    Change.PASSWORD_CHANGED: _notice(
        text("Your password for %(product)s was changed"),
        text("The password of the account %(username)s was changed."),
    ),
    Change.PASSWORD_RESET: _notice(
        text("Your password for %(product)s was changed"),
        text("A new password was chosen for the account %(username)s, by a link."),
    ),
    Change.PASSWORD_SET: _notice(
        text("An administrator set your password for %(product)s"),
        text("An administrator gave the account %(username)s a new password."),
    ),
    Change.AUTHENTICATOR_ADDED: _notice(
        text("An authenticator app was added for %(product)s"),
        text("An authenticator app was set up for the account %(username)s."),
    ),
    Change.AUTHENTICATOR_REMOVED: _notice(
        text("Your authenticator app for %(product)s was removed"),
        text("The authenticator app of the account %(username)s was turned off."),
    ),
    Change.PASSKEY_ADDED: _notice(
        text("A passkey for %(product)s was added"),
        text("A passkey was added to the account %(username)s."),
    ),
    Change.PASSKEY_REMOVED: _notice(
        text("A passkey for %(product)s was removed"),
        text("A passkey of the account %(username)s was removed."),
    ),
    Change.FACTORS_REMOVED: _notice(
        text("Your two-step verification for %(product)s was removed"),
        text("An administrator removed the two-step verification of the account %(username)s."),
    ),
    Change.RECOVERY_CODES_RENEWED: _notice(
        text("New recovery codes for %(product)s"),
        text(
            "New recovery codes were created for the account %(username)s. The old ones do not "
            "work any more."
        ),
    ),
    Change.RECOVERY_CODE_USED: _notice(
        text("A recovery code for %(product)s was used"),
        text("Somebody signed in to the account %(username)s with one of its recovery codes."),
    ),
    Change.APP_PASSWORD_ADDED: _notice(
        text("An app password for %(product)s was created"),
        text(
            "An app password was created for the account %(username)s. It opens mail and calendar "
            "in one program."
        ),
    ),
    Change.APP_PASSWORD_REMOVED: _notice(
        text("An app password for %(product)s was removed"),
        text("An app password of the account %(username)s was removed."),
    ),
    Change.APP_PASSWORDS_LAPSE: MailWording(
        subject=text("Sign in to %(product)s to keep your app passwords"),
        happened=text(
            "You have not signed in for some time. The app passwords of the account %(username)s "
            "stop working within a week, and then mail programs cannot sign in any more."
        ),
        if_it_was_not_you=text(
            "If you do not use a mail program any longer, there is nothing to do."
        ),
    ),
    Change.ALL_ENDED: _notice(
        text("You were signed out of %(product)s everywhere"),
        text(
            "The account %(username)s was signed out everywhere, and its app passwords were "
            "removed."
        ),
    ),
    Change.CONSOLE_ELSEWHERE: _notice(
        text("A sign-in to the Worksgate console from a new place"),
        text(
            "Somebody signed in to the administrators' console of Worksgate as %(username)s, from "
            "an address that this account had not used there in the last 90 days."
        ),
    ),
    Change.DISAVOWED: MailWording(
        subject=text("Your account for %(product)s was secured"),
        happened=text(
            "You told us that a change was not yours. The account %(username)s was signed out "
            "everywhere, and its app passwords and any two-step verification that was added since "
            "were removed."
        ),
        if_it_was_not_you=text(
            "If you did not do this, somebody else reads your mail. Contact your administrator."
        ),
    ),
}
GREETING: Final = text("Hello %(name)s,")
NOTHING_TO_DO: Final = text("If it was you, there is nothing to do.")
WHAT_NOW: Final = text("To sign in again, follow what the page said, or ask your administrator.")
SIGN_IN_ONCE: Final = text(
    "To keep them, open %(product)s in a browser and sign in as usual. Nothing has to be changed "
    "in the mail program."
)
TO_DO: Final[Mapping[Change, str]] = {
    Change.DISAVOWED: WHAT_NOW,
    Change.APP_PASSWORDS_LAPSE: SIGN_IN_ONCE,
}
"""What to do about it, if anything; these e-mails have no link."""
WITHOUT_LINK: Final = text("If it was not you, contact your administrator at once.")
CHOOSE: Final = text("Choose a new password")
NOT_ME: Final = text("This was not me")
COPY_LINK: Final = text("If the button does not work, open this address:")
AUTOMATIC: Final = text("This is an automated message. Please do not reply.")
HELP: Final = text("Help: %(address)s")
LABELLED: Final = text("%(label)s: %(value)s")
WHEN: Final = text("When")
WHERE: Final = text("Where from")
BY: Final = text("By")
ADMINISTRATOR: Final = text("An administrator")
BROWSER_ON_SYSTEM: Final = text("%(browser)s on %(system)s")


@dataclass(frozen=True, slots=True)
class _Body:
    """The content of an e-mail besides its subject; ``danger`` colors the button."""

    wording: MailWording
    to_do: str
    facts: Sequence[tuple[str, str]] = ()
    link: str = ""
    button: str = CHOOSE
    danger: bool = False


class Mails:
    """Writes the e-mails of one installation.

    Each call returns None for a person without a usable e-mail address.
    """

    def __init__(self, settings: Settings) -> None:
        self._product = settings.product_name
        self._company = settings.company_name
        self._help = settings.support_url.removeprefix("mailto:")
        self._language = settings.mail_language

    def reset_link(
        self, person: Person, link: str, lifetime: float, language: str, company: str = ""
    ) -> MailMessage | None:
        """The link with which a person chooses a new password; its lifetime is in seconds.

        ``company`` is the name that the page showed on which they asked for it, if it has its own.
        """
        to_do = _how_long(lifetime, translations(language))
        return self._message(person, language, _Body(RESET_LINK, to_do, link=link), company)

    def notice(
        self, person: Person, change: CredentialChange, link: str, company: str = ""
    ) -> MailMessage | None:
        """A notice of a changed credential, with the ``link`` to disavow it, if there is one.

        ``company`` is the name that the pages of the person's client show, if they have their own.
        In the language of the browser that changed it, or else that of the settings.
        """
        preferred = change.origin.language
        language = preferred if preferred in LANGUAGES else self._language
        catalogue = translations(language)
        wording = NOTICES[change.change]
        to_do = TO_DO.get(change.change)
        if not link and to_do is None:
            wording = MailWording(
                subject=wording.subject, happened=wording.happened, if_it_was_not_you=WITHOUT_LINK
            )
        body = _Body(
            wording,
            catalogue.gettext(to_do or NOTHING_TO_DO) % {"product": self._product},
            facts=_facts(change, catalogue, language),
            link=link,
            button=NOT_ME,
            danger=True,
        )
        return self._message(person, language, body, company)

    def _message(
        self, person: Person, language: str, body: _Body, company: str = ""
    ) -> MailMessage | None:
        values = {"product": self._product, "username": person.username, "name": person.name}

        def translated(english: str) -> str:
            return translations(language).gettext(english) % values

        def labelled(label: str, value: str) -> str:
            return translations(language).gettext(LABELLED) % {"label": label, "value": value}

        shown = {
            "language": language,
            "company": company or self._company,
            "product": self._product,
            "subject": translated(body.wording.subject),
            "greeting": translated(GREETING) if person.name else "",
            "happened": translated(body.wording.happened),
            "facts": body.facts,
            "lines_of_facts": [labelled(*fact) for fact in body.facts],
            "to_do": body.to_do,
            "link": body.link,
            "button": translated(body.button),
            "line_of_button": labelled(translated(body.button), "").rstrip(),
            "danger": body.danger,
            "copy_link": translated(COPY_LINK),
            "if_it_was_not_you": translated(body.wording.if_it_was_not_you),
            "help": translations(language).gettext(HELP) % {"address": self._help}
            if self._help
            else "",
            "automatic": translated(AUTOMATIC),
        }
        return _rendered(person.email, shown)


def _facts(
    change: CredentialChange, catalogue: Translations, language: str
) -> Sequence[tuple[str, str]]:
    """When and from where, or by whom."""
    event, origin = change.event, change.origin
    when = with_offset(in_zone(event.at), locale_name(language))  # by the clock of this server
    facts = [(catalogue.gettext(WHEN), when)]
    if event.actor is not None:
        return [*facts, (catalogue.gettext(BY), catalogue.gettext(ADMINISTRATOR))]
    places = [browser_in_words(origin.browser, catalogue), origin.address or event.address or ""]
    if place := " · ".join(filter(None, places)):
        facts.append((catalogue.gettext(WHERE), place))
    return facts


def browser_in_words(name: str, catalogue: Translations) -> str:
    """The name of a browser, from ``browser_names``, in a language of the pages."""
    browser, on, system = name.partition(ON)
    if not on:
        return browser
    return catalogue.gettext(BROWSER_ON_SYSTEM) % {
        "browser": catalogue.gettext(browser),
        "system": system,
    }


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


def _how_long(lifetime: float, catalogue: Translations) -> str:
    """What to do with the link: in minutes, long times in whole hours, rounded down."""
    minutes = max(1, math.floor(lifetime / 60))
    if minutes <= _LONGEST_IN_MINUTES:
        sentence = catalogue.ngettext(
            "Open this link within %(n)d minute to choose one. It works once.",
            "Open this link within %(n)d minutes to choose one. It works once.",
            minutes,
        )
        return sentence % {"n": minutes}
    hours = minutes // 60
    sentence = catalogue.ngettext(
        "Open this link within %(n)d hour to choose one. It works once.",
        "Open this link within %(n)d hours to choose one. It works once.",
        hours,
    )
    return sentence % {"n": hours}


@cache
def _environment() -> jinja2.Environment:
    """The templates contain no text, so one environment serves all languages."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"], default=False),
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
