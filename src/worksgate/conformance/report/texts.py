"""All texts of a report in one language.

One JSON file per language under `locale/`, a flat table from key to text; `{name}` is a
placeholder. The English title and reason of a check are those in the code.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from worksgate.conformance.checks.registry import Check, Family
from worksgate.conformance.checks.verdicts import Message

LANGUAGES: Final = ("en", "ja", "ko")

_OFFICIAL: Final = {"en": "en", "ja": "jp", "ko": "kr"}


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return all texts of a language."""
    path = Path(__file__).parent / "locale" / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return texts


class Texts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        """Return a text. Raises KeyError for an unknown key or a missing value."""
        return self._texts[key].format_map(values)

    def title(self, check: Check) -> str:
        return self._texts.get(f"check.{check.id}.title", check.title)

    def reason(self, check: Check) -> str:
        return self._texts.get(f"check.{check.id}.reason", check.reason)

    def message(self, message: Message) -> str:
        """Return the sentence of a finding, or why something was not tested."""
        values = {name: self._texts.get(value, value) for name, value in message.values.items()}
        return self(f"finding.{message.key}", **values)

    def official_page(self, family: Family) -> str:
        """Return the URL of LINE WORKS' own page, in this language."""
        place = _OFFICIAL[self.language]
        return f"https://developers.worksmobile.com/{place}/docs/{family.official}"
