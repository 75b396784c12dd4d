"""The pages of the console: templates, their words, and the policy of each response."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cache, partial
from html import unescape
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape
from starlette.responses import Response

from worksgate import moments
from worksgate.administration.roles import Permission, Role, roles_with
from worksgate.catalogues import Quoted, Sentence, template_in
from worksgate.settings.options import Settings
from worksgate.web.console.sentence_matching import recognize, recognize_cause
from worksgate.web.pages.catalogues import Translations, read_catalogue, translations
from worksgate.web.pages.commands import with_commands
from worksgate.web.pages.environments import environment_of
from worksgate.web.pages.mails import browser_in_words
from worksgate.web.pages.wording import text

LANGUAGE_NAMES: Final[Mapping[str, str]] = {"en": "English", "ja": "日本語", "ko": "한국어"}
LANGUAGES: Final = tuple(LANGUAGE_NAMES)
_HERE: Final = Path(__file__).parent
_SCRIPTS: Final = (
    _HERE.parent / "pages" / "static" / "passkey.js",
    _HERE / "static" / "console.js",
    _HERE / "static" / "htmx.js",
)
"""One of people's pages that the console has too, its own, and htmx (``static/htmx.toml``)."""
_TAG: Final = re.compile("<[^>]*>")
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}

_DIRECTIVES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
)
POLICY: Final = "; ".join((*_DIRECTIVES, "require-trusted-types-for 'script'"))
"""Scripts are files of the console, which only add comfort; nothing in a page itself is one."""
POLICY_WITH_HTMX: Final = "; ".join((*_DIRECTIVES, "connect-src 'self'"))
"""htmx reads other pages of the console, and puts parts of them into the page."""
WITH_HTMX: Final = frozenset(
    (
        *("people.html", "sign_ins.html", "audit.html", "job.html", "live.html", "wall.html"),
        "wizard_rehearse.html",
    )
)

ROLE_NAMES: Final[Mapping[str, str]] = {
    Role.OWNER: text("Owner"),
    Role.ADMIN: text("Administrator"),
    Role.HELP_DESK: text("Help desk"),
    Role.AUDITOR: text("Auditor"),
    Role.DEPLOYER: text("Deployer (token)"),
}


_SPANS: Final = (
    ("duration-day", 86_400),
    ("duration-hour", 3_600),
    ("duration-minute", 60),
    ("duration-second", 1),
)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Words:
    """Texts, times and numbers in one language; times are in ``zone``, or else in this machine's.

    ``zone`` is that of the browser, which a cookie tells (``web.console.cookies``).
    """

    language: str
    zone: tzinfo | None = None

    def local(self, at: float) -> datetime:
        """A moment by the clock of whoever reads the page."""
        return moments.in_zone(at, self.zone)

    def time(self, at: float | None) -> str:
        """A time to the minute; with its day if that is not today."""
        if at is None:
            return "–"
        return moments.moment(self.local(at), self._now(), self.language)

    def when(self, at: float | None, *, is_day_known: bool = False) -> Markup:
        """The same as an element, which says it in UTC to the pointer and on paper."""
        if at is None:
            return Markup('<span class="muted">–</span>')
        shown = self.minute(at) if is_day_known else self.time(at)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moments.machine(at), moments.utc(at), shown
        )

    def minute(self, at: float) -> str:
        """A time of a day that is known."""
        return f"{self.local(at):%H:%M}"

    def second(self, at: float) -> str:
        """The same to the second."""
        return f"{self.local(at):%H:%M:%S}"

    def day(self, at: float) -> str:
        """A day with its day of the week."""
        from babel.dates import format_date

        return format_date(self.local(at), "full", locale=self.language)

    def now(self, at: float) -> str:
        """A time to the minute, with its day of the week and its date."""
        from babel.dates import format_date

        then = self.local(at)
        return f"{format_date(then, 'full', locale=self.language)} {then:%H:%M}"

    @staticmethod
    def number(count: int) -> str:
        """A number with its thousands apart, which is alike in all languages of the console."""
        return f"{count:,}"

    def duration(self, seconds: int) -> str:
        """A whole number of days or hours."""
        from babel.units import format_unit

        days, rest = divmod(seconds, 86_400)
        count, unit = (days, "day") if days > 1 and not rest else (round(seconds / 3_600), "hour")
        return self._close(format_unit(count, f"duration-{unit}", locale=self.language))

    def span(self, seconds: int) -> str:
        """A time in the largest unit of which it is a whole number."""
        from babel.units import format_unit

        unit, length = next(each for each in _SPANS if seconds % each[1] == 0)
        return self._close(format_unit(seconds // length, unit, locale=self.language))

    def _close(self, quantity: str) -> str:
        """A number and its unit, which Japanese writes without a blank, unlike the CLDR."""
        return quantity.replace(" ", "") if self.language == "ja" else quantity

    def days(self, value: str) -> str:
        """A day of the week, or a range of them, of an access rule."""
        from babel.dates import get_day_names

        names = get_day_names("abbreviated", locale=self.language)
        return "–".join(str(names[_DAYS.index(each)]) for each in value.split("-"))

    def date(self, at: float) -> str:
        """A day without its year."""
        return moments.day_of_year(self.local(at), self.language)

    def day_and_year(self, at: float) -> str:
        """A day with its year, as short as it can be read."""
        from babel.dates import format_date

        return format_date(self.local(at), "medium", locale=self.language)

    def weekday(self, at: float) -> str:
        """A day of the week, as short as it can be."""
        from babel.dates import format_datetime

        return format_datetime(self.local(at), "EEEEE", locale=self.language)

    def said(self, message: str, **values: object) -> str:
        """A text that ``text`` has marked, with its values."""
        said = texts_of(self.language).gettext(message)
        return said % values if values else said

    def browser(self, name: str) -> str:
        """The name of a browser, such as "Chrome on Windows"."""
        return browser_in_words(name, translations(self.language))

    def zone_name(self) -> str:
        """The name of the zone of all times on a page."""
        return self._now().tzname() or "UTC"

    def _now(self) -> datetime:
        return datetime.now(UTC).astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class _Place:
    """An entry of the menu, shown to whoever may open it."""

    path: str
    name: str
    permission: Permission
    key: str
    """Of a keyboard shortcut: g, then this."""


_MENU: Final[Sequence[_Place]] = (
    _Place("/", text("Today"), Permission.SEE, "d"),
    _Place("/people", text("People"), Permission.SEE, "p"),
    _Place("/trace", text("Trace"), Permission.SEE, "t"),
    _Place("/sign-ins", text("Sign-ins"), Permission.SEE, "s"),
    _Place("/clients", text("Clients"), Permission.SEE_CLIENTS, "c"),
    _Place("/audit", text("Audit"), Permission.AUDIT, "a"),
    _Place("/wizard", text("Set-up steps"), Permission.CHANGE_CLIENTS, "w"),
    _Place("/go-live", text("Go live"), Permission.WATCH, "l"),
    _Place("/sources", text("Sources"), Permission.CHANGE_CLIENTS, "o"),
    _Place("/health", text("Health"), Permission.EXAMINE, "h"),
    _Place("/administrators", text("Administrators"), Permission.OWN, "m"),
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that pages load; its address changes with its content, so browsers keep it."""

    path: str
    content: bytes = field(repr=False)
    media_type: str
    integrity: str
    """What browsers compare the content with."""

    @classmethod
    def read(cls, file: Path) -> "StaticFile":
        """The file as it is in the package."""
        content = file.read_bytes()
        name = f"{file.stem}.{hashlib.sha256(content).hexdigest()[:16]}{file.suffix}"
        hashed = b64encode(hashlib.sha384(content).digest()).decode()
        return cls(f"/{name}", content, _MEDIA_TYPES[file.suffix], f"sha384-{hashed}")


class ConsolePages:
    """Renders the pages of one installation's console."""

    def __init__(self, settings: Settings) -> None:
        self._company = settings.company_name.strip()
        self._product = settings.product_name
        style = StaticFile.read(_HERE / "static" / "console.css")
        self._scripts = {each.stem: StaticFile.read(each) for each in _SCRIPTS}
        self.style_path = style.path
        self.files = {each.path: each for each in (style, *self._scripts.values())}
        """What pages load, by path."""

    def page(
        self,
        template: str,
        words: Words,
        may: Callable[[Permission], bool],
        status: int = 200,
        **shown: object,
    ) -> Response:
        """A page with its policy; ``shown`` are the values of its template.

        The menu has what ``may`` be opened.
        """
        html = (
            _environment(words.language)
            .get_template(template)
            .render(
                words=words,
                language=words.language,
                company=self._company,
                product=self._product,
                style_path=self.style_path,
                scripts=self._scripts,
                menu=[each for each in _MENU if may(each.permission)],
                **shown,
            )
        )
        response = Response(with_commands(html), status, media_type="text/html")
        policy = POLICY_WITH_HTMX if template in WITH_HTMX else POLICY
        response.headers["Content-Security-Policy"] = policy
        response.headers["Content-Language"] = words.language
        return response


@cache
def texts_of(language: str) -> Translations:
    """The console's texts in one of ``LANGUAGES``."""
    if language == "en":
        return Translations({}, {})
    return read_catalogue(_HERE / "locale" / f"{language}.po", language)


def said_in(language: str, sentence: str) -> str:
    """A sentence of another room in one of ``LANGUAGES``, if it is translated there or here."""
    return unescape(_TAG.sub("", marked_in(language, sentence)))


def marked_in(language: str, sentence: str, field: str = "") -> Markup:
    """A sentence, with what remains in English marked so, and without the ``field`` that it names.

    That is what other programs say, and what has no translation.
    """
    if language == "en":
        return escape(_without(field, str(sentence)))
    if isinstance(sentence, Quoted):
        return _quoted_in(language, sentence)
    if isinstance(sentence, Sentence):
        said, values = template_in(sentence, language), sentence.values
    elif (found := recognize(sentence)) is not None:
        said, values = texts_of(language).gettext(found.template), found.values
    else:
        said, values = texts_of(language).gettext(sentence), {}
        if said == sentence:
            return _english(_without(field, sentence))
        return escape(_without(field, said))
    if isinstance(sentence, Sentence) and said == sentence.template:
        return _english(_without(field, str(sentence)))
    marked = escape(said) % {name: _value_in(language, value) for name, value in values.items()}
    return Markup(_without(field, marked))  # noqa: S704  # it is escaped


def _value_in(language: str, value: object) -> Markup:
    """A value of a sentence: a sentence itself, or a name."""
    if isinstance(value, Sentence | Quoted) or (isinstance(value, str) and recognize(value)):
        return marked_in(language, value)
    return escape(value)


def _quoted_in(language: str, words: str) -> Markup:
    """What another program says: if it is known what that means, that too."""
    meaning = _meaning_in(language, words)
    if meaning is None:
        return _english(words)
    before, after = ("（", "）") if language == "ja" else (" (", ")")
    return Markup("{}{}{}{}").format(meaning, before, _english(words), after)


def _meaning_in(language: str, words: str) -> Markup | None:
    """What these words mean; within them, each cause that is known."""
    if (found := recognize_cause(words)) is None:
        return None
    values = {name: _meaning_in(language, value) or value for name, value in found.values.items()}
    return escape(texts_of(language).gettext(found.template)) % values


def _english(text: str) -> Markup:
    return Markup('<span lang="en">{}</span>').format(str(text))


def _without(field: str, said: str) -> str:
    return said.removeprefix(f"{field}: ").removeprefix(f"{field} ") if field else said


_BRACKETS: Final = {"ja": Markup("（{}）"), "ko": Markup("({})")}
"""Around what is added to a word; elsewhere with a space before them."""


@cache
def _environment(language: str) -> jinja2.Environment:
    environment = environment_of(_HERE / "templates", texts_of(language))
    globals_: dict[str, Any] = {
        "utc": moments.utc,
        "gap": "" if language == "ja" else " ",
        "colon": "：" if language == "ja" else ": ",
        "comma": "、" if language == "ja" else ", ",
        "bracketed": _BRACKETS.get(language, Markup(" ({})")).format,
        "roles_with": roles_with,
        "ROLE_NAMES": ROLE_NAMES,
        "Permission": Permission,
        "said": partial(said_in, language),
        "marked": partial(marked_in, language),
    }
    environment.globals.update(globals_)
    return environment
