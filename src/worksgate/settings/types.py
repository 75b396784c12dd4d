"""Conversion of values of the file and the environment to the type of a setting.

Every function raises ValueError with the end of a sentence that begins with the setting's name.
It never repeats a value, which could be a secret.
"""

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

NO_SUCH_FILE: Final = "there is no such file"

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAMES: Mapping[object, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a time",
    tuple[str, ...]: "a list of texts",
}
_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def type_name(kind: Any) -> str:
    """The name of a type for readers: ``a whole number``."""
    return _one_of(kind) if _is_words(kind) else _NAMES[kind]


def typed(kind: Any, value: object) -> Any:
    """A value of the file or the command line, if it has the right type."""
    if kind is float:
        return seconds_of(value)
    if _is_words(kind) and isinstance(value, str):
        return _word(kind, value)
    if kind == tuple[str, ...] and isinstance(value, list | tuple):
        if all(isinstance(item, str) for item in value):
            return tuple(value)
    elif isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"must be {type_name(kind)}")


def parsed(kind: Any, text: str) -> Any:
    """A value of the environment, which is always text."""
    if kind is str:
        return text
    if kind == tuple[str, ...]:
        return tuple(re.split(r"[,\s]+", text.strip(", \t\r\n"))) if text.strip(", \t\r\n") else ()
    if kind is float:
        return seconds_of(text)
    if _is_words(kind):
        return _word(kind, text)
    try:
        return int(text) if kind is int else _WORDS[text.lower()]
    except (KeyError, ValueError):
        raise ValueError(f"must be {type_name(kind)}") from None


def seconds_of(value: object) -> float:
    """Seconds: a number, or a text such as ``90``, ``1.5``, ``90s``, ``15m``, ``12h`` or ``7d``."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,9})([smhd])", value)
        value = int(found[1]) * _UNITS[found[2]] if found else _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("must be a number of seconds or a time such as 90s, 15m, 12h or 7d")
    return float(value)


def text_of(file: Path) -> str:
    """The content of a file as UTF-8 text."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise ValueError(NO_SUCH_FILE) from None
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
    except PermissionError:
        raise ValueError("this user may not read the file; run this as another user") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None


def secret_of(file: Path) -> str:
    """A secret that is given as a file; one newline at its end is stripped."""
    return text_of(file).removesuffix("\n")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_words(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _word(kind: type[StrEnum], text: str) -> StrEnum:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"must be {_one_of(kind)}") from None


def _one_of(kind: type[StrEnum]) -> str:
    *first, last = map(str, kind)
    return f"{', '.join(first)} or {last}" if first else last
