"""Names that may have been typed by mistake: a hyphen for a full stop, another domain."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from worksgate.credentials.usernames import username_key

_ALIKE = 0.8
"""The least share of characters, in order, that two similar names have in common."""
_MOST = 3


def similar_names(own: Iterable[str], typed: Iterable[str]) -> tuple[str, ...]:
    """Those typed names that resemble one of a person's own and are none of them, at most three."""
    keys = {username_key(each) for each in own}
    others = {each: username_key(each) for each in typed}
    found = [name for name, key in others.items() if key not in keys and _resembles(key, keys)]
    return tuple(found[:_MOST])


def _resembles(key: str, keys: Iterable[str]) -> bool:
    return any(_share(_local(key), _local(each)) >= _ALIKE for each in keys)


def _local(key: str) -> str:
    """The part before the domain."""
    return key.partition("@")[0]


def _share(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
