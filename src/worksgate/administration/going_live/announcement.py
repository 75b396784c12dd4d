"""The mail to all, in the languages of the sign-in page, for an administrator to send.

The texts are in ``mail_to_all``, a file for each language; a line that begins with one of
``MailPrograms`` in brackets is for that one alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum, auto
from functools import cache
from pathlib import Path
from typing import Final

from worksgate.oauth.model import Client, ImapPasswords

LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "ja": "日本語",
    "en": "English",
    "ko": "한국어",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
}


class MailPrograms(StrEnum):
    """How mail programs of other makers sign in after APPLY."""

    APP_PASSWORDS = auto()
    PASSWORDS = auto()
    """By the password of the sign-in page."""
    OFF = auto()
    """Not at all."""

    @classmethod
    def of(cls, clients: Iterable[Client]) -> "MailPrograms":
        """App passwords if any client asks for them: /account has them then."""
        kinds = {each.imap_passwords for each in clients if each.enabled and each.imap_login}
        if not kinds:
            return cls.OFF
        return cls.APP_PASSWORDS if ImapPasswords.APP_PASSWORDS in kinds else cls.PASSWORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the mail says: ``account_url`` is where people set up a second factor."""

    product: str
    date: str
    time: str
    contact: str
    account_url: str
    mail_programs: MailPrograms


GAP: Final = "＿＿＿＿"
"""Stands for what is not known, to be filled in by hand."""
_FOLDER: Final = Path(__file__).parent / "mail_to_all"


def announcements(facts: Facts) -> dict[str, str]:
    """The mail in each language, with its subject in the first line."""
    values = {each.name: getattr(facts, each.name) or GAP for each in fields(facts)}
    mail_programs = facts.mail_programs
    return {language: _text(language, mail_programs) % values for language in LANGUAGE_NAMES}


@cache
def _text(language: str, mail_programs: MailPrograms) -> str:
    text = (_FOLDER / f"{language}.txt").read_text("utf-8").rstrip()
    text = text.replace(f"\n[{mail_programs}] ", "\n")
    return re.sub(r"\n\[\w+\] .*", "", text)
