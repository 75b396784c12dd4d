"""The texts of the simulator in English, Japanese and Korean.

One JSON file per language under `locale/`, a flat table from key to text; `{name}` is a
placeholder. A test checks that all have the same keys and the same placeholders.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = {"en": "English", "ja": "日本語", "ko": "한국어"}
DEFAULT_LANGUAGE: Final = "en"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return all texts of a language."""
    path = Path(__file__).parent / "locale" / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts


def choose_language(chosen: str | None, remembered: str | None, accept_language: str) -> str:
    """Return the requested language, else the remembered one, else the browser's."""
    for language in (chosen, remembered):
        if language in LANGUAGES:
            return language
    return next(
        (tag for tag in _by_preference(accept_language) if tag in LANGUAGES), DEFAULT_LANGUAGE
    )


def _by_preference(accept_language: str) -> list[str]:
    """Return the main tags of an Accept-Language header, best first; 0 means not wanted."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = _weight(parameter)
        if weight > 0:
            weighted.append((weight, tag.partition("-")[0].strip().lower()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


class Texts:
    """The texts of one language, with names that occur everywhere already filled in."""

    def __init__(self, language: str, **names: str) -> None:
        self.language = language
        self._texts = catalogue(language)
        self._names = names

    def __call__(self, key: str, **values: object) -> str:
        """Return a text. Raises KeyError for an unknown key or a missing value."""
        return self._texts[key].format_map(self._names | values)

    def knows(self, key: str) -> bool:
        return key in self._texts

    def duration(self, seconds: float) -> str:
        """Return a time with at most three significant digits, in the most readable unit."""
        if seconds < 0.01:
            return self("duration.milliseconds", n=f"{seconds * 1000:.1f}")
        if seconds < 1:
            return self("duration.milliseconds", n=f"{seconds * 1000:.0f}")
        if seconds < 60:
            digits = 0 if seconds == int(seconds) else 1 if seconds >= 10 else 2
            return self("duration.seconds", n=f"{seconds:.{digits}f}")
        if seconds < 3600:
            return self._two("minutes", "seconds", *divmod(int(seconds), 60))
        if seconds < 2 * 86400:
            return self._two("hours", "minutes", *divmod(int(seconds) // 60, 60))
        return self._two("days", "hours", *divmod(int(seconds) // 3600, 24))

    def _two(self, larger: str, smaller: str, high: int, low: int) -> str:
        first = self(f"duration.{larger}", n=high)
        return f"{first} {self(f'duration.{smaller}', n=low)}" if low else first
