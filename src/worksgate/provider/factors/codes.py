"""Format of generated codes, and parsing of typed ones.

Crockford's alphabet: codes on paper are read by people, so no letter looks like a digit, and
look-alikes are read as the intended character.
https://www.crockford.com/base32.html
"""

import secrets
import unicodedata

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOKALIKES = str.maketrans("oil", "011")
_GROUP = 4
_LONGEST_TYPED = 256

MAX_NAME = 64
"""Maximum length in code points of the name of a passkey or an app password."""


def new_code(length: int) -> str:
    """A new code with five bits per character."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def grouped(code: str) -> str:
    """A code for display: four characters, a hyphen, four characters."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def read_code(typed: str, length: int) -> str | None:
    """Parse a typed code, in any case and width and with any blanks and hyphens.

    None if it cannot be a code of this length.
    """
    if len(typed) > _LONGEST_TYPED:
        return None
    text = unicodedata.normalize("NFKC", typed).casefold()
    code = "".join(filter(str.isalnum, text)).translate(_LOOKALIKES)
    return code if len(code) == length and set(code) <= set(_ALPHABET) else None


def clean_name(name: str) -> str:
    """A name that a person gives to one of their things: one line, perhaps empty."""
    printable = "".join(each if each.isprintable() else " " for each in name[: 4 * MAX_NAME])
    return " ".join(printable.split())[:MAX_NAME].rstrip()


class NameRefused(ValueError):
    """A name is too long, or has a character that cannot be shown."""


def checked_name(name: str) -> str:
    """A name that somebody gives who can correct it; perhaps empty. Raises NameRefused."""
    name = name.strip(" ")
    if len(name) > MAX_NAME or not name.isprintable():
        raise NameRefused(f"a name has at most {MAX_NAME} characters, in one line")
    return clean_name(name)
