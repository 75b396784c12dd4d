"""Texts with values, and how they are said in a language and a time zone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Final

from worksgate.catalogues import Translations, catalogue_path, read_catalogue
from worksgate.moments import in_zone, moment

LANGUAGES: Final = ("en", "ja", "ko")
"""The languages of a trace, which is for administrators."""
LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
_NONE: Mapping[str, "Value"] = MappingProxyType({})
# Each repetition is bounded: a name that somebody has typed must not take seconds.
_IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_ADDRESS_4 = re.compile(rf"(?<![0-9])(?<![0-9]\.){_IPV4}(?:/[0-9]{{1,2}})?(?![0-9]|\.[0-9])")
_MAYBE_6 = re.compile(
    rf"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{_IPV4}|[0-9A-Fa-f]{{0,4}})"
    r"(?:%[0-9A-Za-z._-]{1,16})?(?:/[0-9]{1,3})?"
)
HIDDEN: Final = "…"


@dataclass(frozen=True, slots=True)
class At:
    """A moment, in seconds since the epoch."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Text:
    """A text in English with ``%(name)s`` for each value; a value may be a text itself."""

    english: str
    values: Mapping[str, "Value"] = field(default_factory=lambda: _NONE)


Value = str | int | At | Text


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says texts in one of ``LANGUAGES``, or else in English; times are local to ``zone``.

    Of a moment on the day of ``now`` only the time of day is said.
    """

    language: str
    zone: tzinfo
    now: float

    def say(self, text: Text) -> str:
        """The text in this language."""
        values = {name: self._said(value) for name, value in text.values.items()}
        return texts_in(self.language).gettext(text.english) % values

    def moment(self, seconds: float) -> str:
        """A time, with its date if that is not today's."""
        when, now = in_zone(seconds, self.zone), in_zone(self.now, self.zone)
        return moment(when, now, self.language if self.language in LANGUAGES else "en")

    def _said(self, value: Value) -> str:
        match value:
            case Text():
                return self.say(value)
            case At(seconds):
                return self.moment(seconds)
            case _:
                return str(value)


def texts_in(language: str) -> Translations:
    """The texts of a trace in one of ``LANGUAGES``, or else in English."""
    spoken = language if language in LANGUAGES else "en"
    return read_catalogue(catalogue_path(LOCALE_FOLDER, spoken), spoken)


def without_addresses(text: str) -> str:
    """A text in which no IP address and no network is left, such as those of a rule (R-147)."""
    without_6 = _MAYBE_6.sub(lambda found: HIDDEN if _is_address(found[0]) else found[0], text)
    return _ADDRESS_4.sub(HIDDEN, without_6)


def _is_address(text: str) -> bool:
    address, _, prefix = text.partition("/")
    network = address.partition("%")[0] + (f"/{prefix}" if prefix else "")
    try:
        ip_network(network, strict=False)
    except ValueError:
        return False
    return True
