"""How generated codes look, and how typed ones are read.

Crockford's alphabet: what is written down is read by people, so no letter can be taken for a
digit, and what is taken for another all the same is read as the one that was meant.
https://www.crockford.com/base32.html
"""

import secrets
import unicodedata

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOKALIKES = str.maketrans("oil", "011")
_GROUP = 4
_LONGEST_TYPED = 256

MAX_NAME = 64
"""Code points of the name of a passkey or an app password."""


def new_code(length: int) -> str:
    """A new code of five bits a character."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def grouped(code: str) -> str:
    """A code as it is shown: four characters, a hyphen, four characters."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def read_code(typed: str, length: int) -> str | None:
    """The code that somebody typed, in any case and width and with any blanks and hyphens.

    None where it cannot be a code of this length.
    """
    if len(typed) > _LONGEST_TYPED:
        return None
    text = unicodedata.normalize("NFKC", typed).casefold()
    code = "".join(filter(str.isalnum, text)).translate(_LOOKALIKES)
    return code if len(code) == length and set(code) <= set(_ALPHABET) else None


def clean_name(name: str) -> str:
    """A name that a person gives to something of theirs: on one line, perhaps empty."""
    printable = "".join(each if each.isprintable() else " " for each in name[: 4 * MAX_NAME])
    return " ".join(printable.split())[:MAX_NAME].rstrip()
