"""The account pages as HTML.

The overview looks like a page of a site; the tasks look like the steps of a sign-in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from worksgate.moments import day, in_zone, machine
from worksgate.provider.account.values import Overview
from worksgate.provider.factors import NewTotp
from worksgate.web.account.wording import (
    EVENTS,
    EVENTS_OF_ADMINISTRATORS,
    WORRYING,
    Message,
    Outcome,
)
from worksgate.web.pages.catalogues import Translations, locale_name, translations
from worksgate.web.pages.looks import NO_BRAND, Look
from worksgate.web.pages.mails import browser_in_words
from worksgate.web.pages.rendering import (
    NO_BREAK_SPACE,
    Page,
    Pages,
    inline_policy,
    inline_script,
    inline_style,
    template_environment,
    wait_advice,
)

EVENTS_SHOWN: Final = 8
"""Lines of the history that are shown at once; the others are expandable."""
_LONGEST_DISTANCE: Final = 14 * 86_400
"""Seconds; longer ago is shown as a date."""

_BETWEEN_NUMBER_AND_UNIT: Final[Mapping[str, str]] = {"ja": "", "zh-CN": " ", "zh-TW": " "}
_AFTER_NUMBER: Final = re.compile(r"(?<=\d)\s*(?=[^\W\d])")

_COMFORT: Final = ("comfort", "account")
_WITH_PASSKEY: Final = (*_COMFORT, "passkey")
_WITH_METER: Final = (*_COMFORT, "meter")
_WITH_COPY: Final = (*_COMFORT, "copy")
_CSS: Final = Path(__file__).parent.parent / "pages" / "static" / "account.css"


@dataclass(frozen=True, slots=True)
class Links:
    """The URLs of the account pages, in the language that was requested, if any."""

    base: str
    chosen_language: str | None = None

    def __call__(self, page: str = "", **query: str) -> str:
        """The URL of a page below the overview."""
        parameters = {**query, **({"lang": self.chosen_language} if self.chosen_language else {})}
        return f"{self.base}{page}{'?' if parameters else ''}{urlencode(parameters)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every account page needs: language, URLs, and the anti-forgery token.

    ``languages`` are (code, URL) pairs for the switcher of a page requested by GET.
    ``look`` is that of the client that the page is about, if one is known.
    """

    language: str
    links: Links
    csrf: str = field(repr=False)
    languages: Sequence[tuple[str, str]] = field(default=(), repr=False)
    look: Look | None = field(default=None, repr=False)


class AccountPages(Pages):
    """Renders the account pages of one installation."""

    def overview(
        self,
        setting: Setting,
        overview: Overview,
        outcome: Outcome | None,
        *,
        logout_url: str,
        now: float,
    ) -> Page:
        """Everything that a person has here; ``now`` is in seconds since the epoch."""
        recent, older = overview.history[:EVENTS_SHOWN], overview.history[EVENTS_SHOWN:]
        return self._shown_in(
            setting,
            "account/overview.html",
            overview=overview,
            person=overview.person,
            events=EVENTS,
            events_of_administrators=EVENTS_OF_ADMINISTRATORS,
            browser_in_words=partial(_browser_in_words, translations(setting.language)),
            worrying=WORRYING,
            recent=recent,
            older=older,
            when=partial(_seen_from, now, setting.language),
            problem=outcome,
            site=True,
            logout_url=logout_url,
        )

    def change_password(
        self,
        setting: Setting,
        username: str,
        problem: Outcome | None = None,
        *,
        advice: str = "",
        retry_after: int | None = None,
        has_app_passwords: bool = False,
    ) -> Page:
        """The form for a new password; sends ``current_password`` and ``new_password``.

        People with app passwords are asked about them: ``keep_app_passwords``.

        ``advice``, or the seconds to wait, replace the problem's own advice.
        """
        catalogue = translations(setting.language)
        to_do = catalogue.gettext(advice) if advice else ""
        if retry_after is not None:
            to_do = wait_advice(retry_after, catalogue)
        return self._shown_in(
            setting,
            "account/password.html",
            scripts=_WITH_METER,
            problem=problem,
            to_do=to_do,
            username=username,
            has_app_passwords=has_app_passwords,
        )

    def authenticator(
        self,
        setting: Setting,
        totp: NewTotp,
        problem: Outcome | None = None,
        *,
        cuts_off_mail: bool = False,
        retry_after: int | None = None,
    ) -> Page:
        """The QR code of an authenticator app that is being set up; sends ``otp``.

        The seconds to wait replace the problem's own advice.
        """
        to_do = (
            "" if retry_after is None else wait_advice(retry_after, translations(setting.language))
        )
        return self._shown_in(
            setting,
            "account/authenticator.html",
            problem=problem,
            to_do=to_do,
            totp=totp,
            cuts_off_mail=cuts_off_mail,
        )

    def passkey(
        self,
        setting: Setting,
        options: str,
        problem: Outcome | None = None,
        *,
        cuts_off_mail: bool = False,
    ) -> Page:
        """The form that creates a passkey; sends ``name`` and ``passkey``."""
        return self._shown_in(
            setting,
            "account/passkey.html",
            scripts=_WITH_PASSKEY,
            problem=problem,
            options=options,
            cuts_off_mail=cuts_off_mail,
        )

    def ask_recovery_codes(self, setting: Setting) -> Page:
        """Confirmation of new recovery codes, which invalidate the old ones."""
        return self._shown_in(setting, "account/ask_recovery_codes.html")

    def recovery_codes(
        self, setting: Setting, codes: Sequence[str], back: str, *, cuts_off_mail: bool = False
    ) -> Page:
        """New recovery codes, shown once."""
        return self._shown_in(
            setting,
            "account/recovery_codes.html",
            scripts=_WITH_COPY,
            codes=codes,
            back=back,
            cuts_off_mail=cuts_off_mail,
        )

    def app_password(self, setting: Setting, problem: Outcome | None = None) -> Page:
        """The form for a new app password; sends ``name``."""
        return self._shown_in(setting, "account/app_password.html", problem=problem)

    def new_app_password(self, setting: Setting, username: str, name: str, password: str) -> Page:
        """A new app password, shown once."""
        return self._shown_in(
            setting,
            "account/new_app_password.html",
            scripts=_WITH_COPY,
            username=username,
            name=name,
            password=password,
        )

    def forgot(self, setting: Setting, action: str, code_url: str) -> Page:
        """The form for a forgotten password; sends ``username`` to ``action``.

        ``code_url`` is for those who have a code instead.
        """
        return self._shown_in(setting, "account/forgot.html", action=action, code_url=code_url)

    def enter_code(self, setting: Setting, action: str, problem: Outcome | None = None) -> Page:
        """The form for a code of the help desk; sends ``code`` to ``action``."""
        return self._shown_in(setting, "account/code.html", action=action, problem=problem)

    def disavow(self, setting: Setting, secret: str, username: str, change: str, at: float) -> Page:
        """The form of a notice's link; sends ``token``, or also ``language``.

        ``change`` is the subject of the notice, in English.
        """
        catalogue = translations(setting.language)
        return self._shown_in(
            setting,
            "account/disavow.html",
            language_form="disavow",
            secret=secret,
            username=username,
            change=catalogue.gettext(change) % {"product": self._shown["product"]},
            moment=_when(at, setting.language),
        )

    def message(self, setting: Setting, message: Message, url: str | None, **values: str) -> Page:
        """A page about something that has happened; its button leads to ``url``."""
        return self._shown_in(
            setting, "account/message.html", message=message, leads_to=url, values=values
        )

    def _shown_in(
        self,
        setting: Setting,
        template: str,
        *,
        scripts: tuple[str, ...] = _COMFORT,
        problem: Outcome | None = None,
        to_do: str = "",
        site: bool = False,
        **shown: Any,
    ) -> Page:
        catalogue = translations(setting.language)
        texts = tuple(map(inline_script, scripts))
        styles = (inline_style(), account_style()) if site else (inline_style(),)
        look = setting.look
        brand = NO_BRAND if look is None else look.brands[setting.language]
        if brand.style:
            styles = (*styles, brand.style)
        html = (
            template_environment(setting.language)
            .get_template(template)
            .render(
                self._shown,
                language=setting.language,
                languages=setting.languages,
                scripts=texts,
                account_style=account_style(),
                url=setting.links,
                csrf=setting.csrf,
                brand=brand,
                company=brand.name or self._shown["company"],
                support_url=brand.help_url or self._shown["support_url"],
                problem=problem,
                happened=catalogue.gettext(problem.happened) if problem else "",
                to_do=to_do
                or (catalogue.gettext(problem.to_do) if problem and problem.to_do else ""),
                **shown,
            )
        )
        return Page(html.encode(), inline_policy(styles, texts), setting.language)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for a page; a script converts it to the reader's time zone."""

    machine: str
    reader: str
    distance: str = ""


def _when(seconds: float, language: str) -> Moment:
    shown = in_zone(seconds, UTC)
    reader = f"{day(shown, locale_name(language))} {shown:%H:%M} UTC"
    return Moment(machine(seconds), reader)


def _seen_from(now: float, language: str, seconds: float) -> Moment:
    """A moment, with the time since or until then if that says more than a date."""
    moment, distance = _when(seconds, language), seconds - now
    if abs(distance) > _LONGEST_DISTANCE:
        return moment
    from babel.dates import format_timedelta  # here: most processes never need it

    words = format_timedelta(
        timedelta(seconds=round(distance) or -1),
        add_direction=True,
        locale=locale_name(language),
        threshold=1,
    )
    return replace(moment, distance=_set_like_the_catalogue(words, language))


def _set_like_the_catalogue(words: str, language: str) -> str:
    """CLDR's Japanese has blanks after numbers and its Chinese has none; ours is the opposite."""
    if language in _BETWEEN_NUMBER_AND_UNIT:
        return _AFTER_NUMBER.sub(_BETWEEN_NUMBER_AND_UNIT[language], words)
    return words


def _browser_in_words(catalogue: Translations, name: str) -> str:
    """The name of a browser, which is not broken between two lines."""
    return browser_in_words(name, catalogue).replace(" ", NO_BREAK_SPACE)


@cache
def account_style() -> str:
    """The additional styles and scripts of the overview."""
    return _CSS.read_text("utf-8").strip()
