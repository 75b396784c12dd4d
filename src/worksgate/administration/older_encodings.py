"""Recognizes the encodings of files that are not Unicode: those of spreadsheets in East Asia.

A file has one of them if all of it is ordinary text of its language. Decoding with another one
shows: names in cp932 become rare syllables, which euc_kr lacks and cp949 has, and Hangul begins
with half-width katakana.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

_JAPANESE = re.compile(r"[\0-\x7f\u3000-\u30ff\u4e00-\u9fff\uf900-\ufaff\uff01-\uff5e\uffe5]*")
_KOREAN = re.compile(r"[\0-\x7f\u3000-\u303f\uac00-\ud7a3\uff01-\uff5e·]*")
_CHINESE = re.compile(r"[\0-\x7f\u3000-\u303f\u4e00-\u9fff\uff01-\uff5e·]*")

_ORDINARY: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = {
    "cp932": ("cp932", _JAPANESE),
    "cp949": ("euc_kr", _KOREAN),
    "gb18030": ("gb2312", _CHINESE),
}
"""The codec of what is ordinary, which may have fewer characters, and what it looks like."""


def ordinary_text(data: bytes, encoding: str, *, is_exact: bool = False) -> str | None:
    """The text in one of these encodings, if it is ordinary text of its language.

    With ``is_exact`` it must also be written in these very bytes: some have a twin.
    """
    codec, ordinary = _ORDINARY[encoding]
    with suppress(UnicodeDecodeError):
        text = data.decode(codec)
        if ordinary.fullmatch(text) and not (is_exact and text.encode(codec) != data):
            return text
    return None
