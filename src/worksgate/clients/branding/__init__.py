"""How a client's sign-in page looks: its values, what is allowed, and how they are stored.

    colors      contrast, and the nearest color that has enough
    logo        decodes a logo, and encodes it again

A page shows nothing but values that were checked here, when they were saved and when they are read:
a color is six hexadecimal digits, a link begins with ``https://``, a text has printable characters
on one line. What a page shows of them is escaped as well.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum, auto
from types import MappingProxyType
from typing import Any, Final

from worksgate.catalogues import LANGUAGES
from worksgate.clients.branding.colors import (
    is_readable,
    lightened,
    nearest_readable,
    read_color,
    tinted,
)

MAX_NAME: Final = 60
MAX_LABEL: Final = 40
MAX_MESSAGE: Final = 200
MAX_LINK: Final = 300
MAX_PIXELS: Final = 4_096
"""Of a side of a logo."""

LIGHT_SURFACE: Final = "#ffffff"
DARK_SURFACE: Final = "#182329"
"""The colors of the card, as the stylesheet of the pages has them."""

_LINK: Final = re.compile(
    r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:[/?#][!-~]*)?"
)
_LOGO_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Fault(StrEnum):
    """What is wrong with a value."""

    TOO_LONG = auto()
    NOT_PRINTABLE = auto()
    NO_COLOR = auto()
    LOW_CONTRAST = auto()
    NO_HTTPS = auto()


_SENTENCES: Final[Mapping[Fault, str]] = {
    Fault.TOO_LONG: "has more than {limit} characters",
    Fault.NOT_PRINTABLE: "contains characters that cannot be shown",
    Fault.NO_COLOR: "is not # and six hexadecimal digits, such as #0c5878",
    Fault.LOW_CONTRAST: (
        "is hard to read: its contrast is below 4.5:1. The nearest color that passes is {instead}"
    ),
    Fault.NO_HTTPS: "is not an address that begins with https://",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one value. ``place`` is its path, such as ``texts.ja.label``.

    ``instead`` is the color to use instead, ``limit`` the most characters.
    """

    place: str
    fault: Fault
    instead: str = ""
    limit: int = 0

    def __str__(self) -> str:
        sentence = _SENTENCES[self.fault].format(instead=self.instead, limit=self.limit)
        return f"{self.place} {sentence}"


class BadBranding(ValueError):
    """Values that cannot be used, each with what is wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts in one language. ``help_url`` is where people get help with signing in."""

    label: str = ""
    message: str = ""
    help_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoFacts:
    """What a page needs to know about a logo; its picture is stored beside it.

    ``id`` is random: whoever knows the picture cannot guess its address. Sizes are in pixels.
    ``on_light`` and ``on_dark`` are whether it can be seen on a light and on a dark page.
    """

    id: str
    width: int
    height: int
    on_light: bool = True
    on_dark: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """How the pages of a client look. What is empty is as on every page.

    ``name`` is the company's. ``light`` and ``dark`` are the colors of buttons and links on light
    and on dark pages, which are tinted by them; without ``dark`` it is the nearest to ``light``.
    """

    name: str = ""
    light: str = ""
    dark: str = ""
    texts: Mapping[str, Texts] = field(default_factory=dict)
    logo: LogoFacts | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Branding":
        """What was stored. Raises ValueError if it cannot be used; of what is unknown, nothing."""
        try:
            logo = content.get("logo")
            branding = cls(
                **{name: _text(content.get(name, "")) for name in ("name", "light", "dark")},
                texts={
                    language: Texts(**{name: _text(each.get(name, "")) for name in TEXT_NAMES})
                    for language, each in content.get("texts", {}).items()
                    if language in LANGUAGES
                },
                logo=None if logo is None else _logo_of(logo),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("a stored branding has another form") from error
        return checked(branding)

    def content(self) -> dict[str, Any]:
        """What is stored: only what is not empty."""
        texts = {language: _filled(asdict(each)) for language, each in sorted(self.texts.items())}
        return _filled(
            {
                "name": self.name,
                "light": self.light,
                "dark": self.dark,
                "texts": _filled(texts),
                "logo": None if self.logo is None else asdict(self.logo),
            }
        )

    @property
    def is_empty(self) -> bool:
        """Whether the pages look as without it."""
        return not self.content()

    @property
    def accents(self) -> tuple[str, str] | None:
        """The colors on light and on dark pages, if there are any."""
        if not (self.light or self.dark):
            return None
        light = self.light or nearest_readable(self.dark, LIGHT_SURFACE)
        dark = self.dark or nearest_on_dark(self.light)
        return light, dark

    def texts_in(self, language: str) -> Texts:
        """The texts in a language; those that are missing there are the usual ones."""
        return self.texts.get(language, NO_TEXTS)


TEXT_NAMES: Final = tuple(each.name for each in fields(Texts))
NO_TEXTS: Final = Texts()
PLAIN: Final = Branding(texts=MappingProxyType({}))
"""The branding of a client that has none."""


def dark_surface(accent: str) -> str:
    """The card of a dark page with this accent."""
    return tinted(DARK_SURFACE, accent)


def nearest_on_dark(color: str) -> str:
    """The nearest color that can be read on a dark page, which it tints itself."""
    nearest = nearest_readable(color, dark_surface(color))
    while not is_readable(nearest, dark_surface(nearest)):
        nearest = lightened(nearest, 0.004)
    return nearest


def checked(branding: Branding) -> Branding:
    """The branding with tidy texts. Raises BadBranding."""
    tidy = replace(
        branding,
        name=_one_line(branding.name),
        light=branding.light.strip().lower(),
        dark=branding.dark.strip().lower(),
        texts={
            language: Texts(**{name: _one_line(getattr(each, name)) for name in TEXT_NAMES})
            for language, each in branding.texts.items()
            if any(getattr(each, name).strip() for name in TEXT_NAMES)
        },
    )
    if problems := tuple(_problems(tidy)):
        raise BadBranding(problems)
    return tidy


def _problems(branding: Branding) -> Iterator[Problem]:
    yield from _text_problems("name", branding.name, MAX_NAME)
    yield from _color_problems("light", branding.light)
    yield from _color_problems("dark", branding.dark)
    for language, texts in sorted(branding.texts.items()):
        place = f"texts.{language}"
        yield from _text_problems(f"{place}.label", texts.label, MAX_LABEL)
        yield from _text_problems(f"{place}.message", texts.message, MAX_MESSAGE)
        if len(texts.help_url) > MAX_LINK:
            yield Problem(place=f"{place}.help_url", fault=Fault.TOO_LONG, limit=MAX_LINK)
        elif texts.help_url and not _LINK.fullmatch(texts.help_url):
            yield Problem(place=f"{place}.help_url", fault=Fault.NO_HTTPS)


def _text_problems(place: str, text: str, limit: int) -> Iterator[Problem]:
    if len(text) > limit:
        yield Problem(place=place, fault=Fault.TOO_LONG, limit=limit)
    elif not text.isprintable():
        yield Problem(place=place, fault=Fault.NOT_PRINTABLE)


def _color_problems(place: str, color: str) -> Iterator[Problem]:
    if not color:
        return
    try:
        read_color(color)
    except ValueError:
        yield Problem(place=place, fault=Fault.NO_COLOR)
        return
    is_light = place == "light"
    instead = nearest_readable(color, LIGHT_SURFACE) if is_light else nearest_on_dark(color)
    if instead != color:
        yield Problem(place=place, fault=Fault.LOW_CONTRAST, instead=instead)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _pixels(value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_PIXELS:
        raise TypeError("not the side of a logo")
    return value


def _logo_of(stored: Mapping[str, Any]) -> LogoFacts:
    logo = LogoFacts(
        id=_text(stored["id"]),
        width=_pixels(stored["width"]),
        height=_pixels(stored["height"]),
        on_light=bool(stored.get("on_light", True)),
        on_dark=bool(stored.get("on_dark", True)),
    )
    if not _LOGO_ID.fullmatch(logo.id):
        raise TypeError("not the ID of a logo")
    return logo


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
