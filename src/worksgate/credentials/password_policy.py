"""The policy for new passwords: long enough, and hard to guess (R-70 to R-72).

No composition rules; common passwords and words of the person and the site are refused.
"""

import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

MIN_PASSWORD_LENGTH = 15
"""Code points, for a password without a second factor (R-70)."""
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
    *("woaini", "woaini1314", "woaiwojia", "woaizhongguo", "nihao", "xiexie", "mima", "wodemima"),
    *("shengrikuaile", "guanliyuan", "baobei", "laogong", "laopo", "denglu", "gongsi"),
    *("我爱你", "我愛你", "你好", "谢谢", "謝謝", "密码", "密碼", "我的密码", "我的密碼"),
    *("生日快乐", "生日快樂", "一二三四五六七八九十"),
    # The same on a keyboard with the marks of Zhuyin.
    *("ji394su3", "su3cl3", "au4a83", "ji32k7au4a83"),
)
"""Leading words of Japanese, Korean and Chinese passwords that zxcvbn's lists lack (R-72)."""
_MIN_GUESSES = 10**8
"""zxcvbn's threshold of "safely unguessable" for a slow hash; any four common words exceed it."""
_STRENGTHS = (10**3, 10**6, _MIN_GUESSES, 10**12)
"""Guesses below which a password scores 0, 1, 2 or 3 of 4."""
_ESTIMATED_LENGTH = 48
"""Characters that zxcvbn evaluates; its work grows with their third power."""
_MAX_SUBSTITUTIONS = 16
"""Substitutions of letters (4 or @ for a, 1 for i or l) that zxcvbn tries on one password.

It looks a whole password up with each, and there may be 736. Digits alone have 6."""
_ESTIMATING = threading.Lock()
"""zxcvbn keeps its dictionaries and substitutions in globals: one password at a time."""


class Weakness(StrEnum):
    """Why a new password is not accepted."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NUL = "nul"
    COMMON = "common"
    NAMES = "names"
    SAME = "same"


class WeakPassword(ValueError):
    """An insecure new password; the text is for the person who chose it."""

    def __init__(self, weakness: Weakness) -> None:
        super().__init__(_SENTENCES[weakness])
        self.weakness = weakness


_SENTENCES = {
    Weakness.TOO_SHORT: f"use at least {MIN_PASSWORD_LENGTH} characters; several words do well",
    Weakness.TOO_LONG: f"use at most {MAX_PASSWORD_LENGTH} characters",
    Weakness.NUL: "a password must not contain the NUL character",
    Weakness.COMMON: "this password is one of the first that anybody would try",
    Weakness.NAMES: "a password must be more than names that belong to you or this site",
    Weakness.SAME: "this is your current password; choose another",
}


@dataclass(frozen=True, slots=True)
class Strength:
    """The strength of a new password: 0 to 4, of which 3 and 4 are accepted.

    ``weakness`` is why it is not accepted, or None.
    """

    score: int
    weakness: Weakness | None = None


def check_new_password(password: str, context: Iterable[str] = ()) -> str:
    """Return a password that is allowed (R-70 to R-72).

    ``context`` are words of which it must not consist: the person's names, the company's. Raises
    WeakPassword with a sentence for the person. No composition rules.
    """
    weakness = _misfit(password) or _assessed(password, context)[1]
    if weakness is not None:
        raise WeakPassword(weakness)
    return password


def password_strength(password: str, context: Iterable[str] = ()) -> Strength:
    """The strength of a password, for a meter: ``check_new_password`` accepts 3 and 4.

    Both take 5 ms of CPU time or a little more, and some 80 ms in the worst known case.
    """
    misfit = _misfit(password)
    if not password or misfit in (Weakness.TOO_LONG, Weakness.NUL):
        return Strength(0, misfit)
    guesses, weakness = _assessed(password, context)
    score = sum(guesses >= enough for enough in _STRENGTHS)
    weakness = misfit or weakness
    return Strength(score if weakness is None else min(score, 2), weakness)


def _misfit(password: str) -> Weakness | None:
    """Problems of a password apart from its guesses."""
    if len(password) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    text = unicodedata.normalize("NFKC", password)
    if min(len(text), len(password)) < MIN_PASSWORD_LENGTH:  # NFKC turns some single ones into 18
        return Weakness.TOO_SHORT
    if len(text) > MAX_PASSWORD_LENGTH:
        return Weakness.TOO_LONG
    return Weakness.NUL if "\0" in text else None


def _assessed(password: str, context: Iterable[str]) -> tuple[int, Weakness | None]:
    """How many guesses it takes, and whether it is on the block list (R-72).

    That is common passwords (30,000 leaked passwords, names and words come with zxcvbn), keyboard
    patterns, repetitions, and words of this person and site.
    """
    text = unicodedata.normalize("NFKC", password).casefold()
    words = sorted({*map(_squeezed, context), *_OUR_WORDS}, key=len)
    guesses = _guesses(text[:_ESTIMATED_LENGTH], words)
    if guesses < _MIN_GUESSES:
        return guesses, Weakness.COMMON
    return guesses, Weakness.NAMES if _is_made_of(text, words) else None


def _guesses(text: str, words: list[str]) -> int:
    from zxcvbn import zxcvbn  # 8 MiB that only new passwords need

    with _ESTIMATING, _few_substitutions(text):
        return int(zxcvbn(text, user_inputs=[*words, *_COMMON_ABROAD])["guesses"])


@contextmanager
def _few_substitutions(text: str) -> Iterator[None]:
    """Limit the substitutions that zxcvbn tries to a few signs, the most frequent in the text.

    Its table is narrowed instead of the text, since other signs still count for dates and keyboard
    patterns.
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
    for word in reversed(words):  # the longest first: a shorter one may be part of it
        if len(word) >= 3:
            rest = rest.replace(word, "")
    return len(rest) < 8 and rest != squeezed


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
