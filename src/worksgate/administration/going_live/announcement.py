"""The mail to all, in the languages of the sign-in page, for an administrator to send.

The texts are in ``mail_to_all``, a file for each language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "ja": "日本語",
    "en": "English",
    "ko": "한국어",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the mail says: ``account_url`` is where people set up a second factor."""

    product: str
    date: str
    time: str
    contact: str
    account_url: str


GAP: Final = "＿＿＿＿"
"""Stands for what is not known, to be filled in by hand."""
_FOLDER: Final = Path(__file__).parent / "mail_to_all"


def announcements(facts: Facts) -> dict[str, str]:
    """The mail in each language, with its subject in the first line."""
    values = {each.name: getattr(facts, each.name) or GAP for each in fields(facts)}
    return {language: _text(language) % values for language in LANGUAGE_NAMES}


@cache
def _text(language: str) -> str:
    return (_FOLDER / f"{language}.txt").read_text("utf-8").rstrip()
