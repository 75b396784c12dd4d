"""What a good new password is: long enough, and nothing that would be tried first (R-70 to R-72).

No rules of composition; common passwords and the words of the person and the place are refused.
"""

import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

MIN_PASSWORD_LENGTH = 15
"""Code points, where the password stands alone (R-70)."""
MAX_PASSWORD_LENGTH = 1_024

_OUR_WORDS = ("worksgate", "lineworks", "naverworks", "password")
_COMMON_ABROAD = (
    *("sakura", "arigatou", "gozaimasu", "daisuki", "aishiteru", "konnichiwa", "ohayou"),
    *("yoroshiku", "onegaishimasu", "himitsu", "anzen", "nippon", "pasuwaado"),
    *("パスワード", "ありがとう", "ございます", "だいすき", "大好き", "愛してる", "よろしく"),
    *("お願いします", "おねがいします", "こんにちは", "ひみつ", "いろはにほへと", "あいうえお"),
    *("arigatougozaimasu", "ありがとうございます", "よろしくお願いします"),
    *("saranghae", "saranghaeyo", "annyeong", "annyeonghaseyo", "daehanminguk", "bimilbeonho"),
    *("비밀번호", "사랑해", "사랑해요", "안녕하세요", "대한민국", "가나다라마바사"),
    # The same on a keyboard that was not switched to Hangul.
    *("qlalfqjsgh", "tkfkdgo", "tkfkdgody", "dkssudgktpdy", "eogksalsrnr", "rkskekfkakqktk"),
)
"""First words of Japanese and Korean passwords, which the lists of zxcvbn lack (R-72)."""
_MIN_GUESSES = 10**8
"""What zxcvbn calls safely unguessable for a slow hash; any four common words are far above it."""
_STRENGTHS = (10**3, 10**6, _MIN_GUESSES, 10**12)
"""Guesses below which a password is worth 0, 1, 2 or 3 of 4."""
_ESTIMATED_LENGTH = 48
"""Characters that zxcvbn looks at; its work grows with the third power of them."""
_MAX_SUBSTITUTIONS = 16
"""Readings of signs as letters (4 or @ for a, 1 for i or l) that zxcvbn tries on one password.

It looks a whole password up in each, and there may be 736. Digits alone have 6.
"""
_ESTIMATING = threading.Lock()
"""zxcvbn keeps the words of the person and the signs in globals: one password at a time."""


class Weakness(StrEnum):
    """Why a new password is not accepted."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NUL = "nul"
    COMMON = "common"
    NAMES = "names"
    SAME = "same"


class WeakPassword(ValueError):
    """A new password that would not protect anybody; the text is for the person who chose it."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__(_SENTENCES[weakness])
        self.weakness = weakness


_SENTENCES = {
    Weakness.TOO_SHORT: f"use at least {MIN_PASSWORD_LENGTH} characters; several words do well",
    Weakness.TOO_LONG: f"use at most {MAX_PASSWORD_LENGTH} characters",
    Weakness.NUL: "a password cannot hold the NUL character",
    Weakness.COMMON: "this password is one of the first that anybody would try",
    Weakness.NAMES: "a password must be more than names that belong to you or this site",
    Weakness.SAME: "this is the password that you have; choose another",
}


@dataclass(frozen=True, slots=True)
class Strength:
    """How well a new password would do: 0 to 4, of which 3 and 4 are accepted.

    ``weakness`` is why it is not accepted, or None.
    """

    score: int
    weakness: Weakness | None = None


def check_new_password(password: str, context: Iterable[str] = ()) -> str:
    """Return a password that somebody may choose (R-70 to R-72).

    ``context`` are words that it must not consist of: the person's names, the company's.
    Raises WeakPassword with a sentence for the person. No rules of composition.
    """
    weakness = _misfit(password) or _assessed(password, context)[1]
    if weakness is not None:
        raise WeakPassword(weakness)
    return password


def password_strength(password: str, context: Iterable[str] = ()) -> Strength:
    """How well a password would do, for a meter: 3 and 4 are what ``check_new_password`` accepts.

    Both take 5 ms of the processor or a little more, and some 80 ms for the worst that is known.
    """
    misfit = _misfit(password)
    if not password or misfit in (Weakness.TOO_LONG, Weakness.NUL):
        return Strength(0, misfit)
    guesses, weakness = _assessed(password, context)
    score = sum(guesses >= enough for enough in _STRENGTHS)
    weakness = misfit or weakness
    return Strength(score if weakness is None else min(score, 2), weakness)


def _misfit(password: str) -> Weakness | None:
    """What is wrong with a password before anybody guesses at it."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    text = unicodedata.normalize("NFKC", password)
    if min(len(text), len(password)) < MIN_PASSWORD_LENGTH:  # NFKC makes 18 of some single ones
        return Weakness.TOO_SHORT
    if len(text) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    return Weakness.NUL if "\0" in text else None


def _assessed(password: str, context: Iterable[str]) -> tuple[int, Weakness | None]:
    """How many guesses it takes, and whether it is on the block list (R-72).

    That is what is common (30,000 leaked passwords, names and words come with zxcvbn), a walk over
    the keyboard, a repetition, or made of the words of this person and place.
    """
    text = unicodedata.normalize("NFKC", password).casefold()
    words = sorted({*map(_squeezed, context), *_OUR_WORDS}, key=len)
    guesses = _guesses(text[:_ESTIMATED_LENGTH], words)
    if guesses < _MIN_GUESSES:
        return guesses, Weakness.COMMON
    return guesses, Weakness.NAMES if _is_made_of(text, words) else None


def _guesses(text: str, words: list[str]) -> int:
    from zxcvbn import zxcvbn  # 8 MiB that only a new password needs

    with _ESTIMATING, _few_substitutions(text):
        return int(zxcvbn(text, user_inputs=[*words, *_COMMON_ABROAD])["guesses"])


@contextmanager
def _few_substitutions(text: str) -> Iterator[None]:
    """Let zxcvbn read few of the signs in a text as letters, those first that it has most of.

    Its table of them is narrowed rather than the text changed: the others are still part of dates
    and of walks over the keyboard.
    """
    from zxcvbn.matching import L33T_TABLE, enumerate_l33t_subs, relevant_l33t_subtable

    every = dict(L33T_TABLE)
    tried: list[str] = []
    for sign, _ in Counter(text).most_common():
        more = relevant_l33t_subtable([*tried, sign], every)
        is_sign = any(sign in signs for signs in more.values())
        if is_sign and len(enumerate_l33t_subs(more)) <= _MAX_SUBSTITUTIONS:
            tried.append(sign)
    for letter, signs in every.items():
        L33T_TABLE[letter] = [sign for sign in signs if sign in tried]
    try:
        yield
    finally:
        L33T_TABLE.update(every)


def _is_made_of(text: str, words: list[str]) -> bool:
    rest = squeezed = _squeezed(text)
    for word in reversed(words):  # the longest first: a shorter one may be a part of it
        if len(word) >= 3:
            rest = rest.replace(word, "")
    return len(rest) < 8 and rest != squeezed


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
