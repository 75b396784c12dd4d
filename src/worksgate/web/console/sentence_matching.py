"""Sentences that other rooms say in plain English, recognized by their templates.

The templates are in ``known_sentences``.

Refusals, rows of a job and records of the audit log are text, also in the database, where they
stay as they were written. The console says those that it knows in the language of the page;
others are shown as they are, marked as English.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from worksgate.web.console.known_sentences import CAUSES, TEMPLATES

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_SHOWN: Final = 2_000
"""Characters: no sentence is longer."""


_Places = tuple[tuple[str, str], ...]


class Recognized(NamedTuple):
    """A sentence: its template, which is the key of its translation, and its values."""

    template: str
    values: Mapping[str, str]


@lru_cache(2_048)
def recognize(sentence: str) -> Recognized | None:
    """The template that a sentence was made of, if it is known."""
    return _recognized(sentence, TEMPLATES)


@lru_cache(256)
def recognize_cause(words: str) -> Recognized | None:
    """The same of what another program says."""
    return _recognized(words, CAUSES)


def _recognized(sentence: str, templates: tuple[str, ...]) -> Recognized | None:
    if len(sentence) > _SHOWN:
        return None
    for template, first, places in _parted(templates):
        if (values := _values_in(sentence, first, places)) is not None:
            return Recognized(template, values)
    return None


def _values_in(sentence: str, first: str, places: _Places) -> dict[str, str] | None:
    """What stands at the places of a template, each value as short as it can be.

    In one pass, since a value may be anything: a pattern with several of them would try them all,
    which takes seconds for a long sentence that is nearly one.
    """
    if not sentence.startswith(first):
        return None
    at, values = len(first), {}
    for number, (name, after) in enumerate(places, 1):
        is_last = number == len(places)
        end = len(sentence) - len(after) if is_last else sentence.find(after, at + 1)
        if end <= at:
            return None
        values[name], at = sentence[at:end], end + len(after)
    ends = places[-1][1] if places else ""
    return values if at == len(sentence) and sentence.endswith(ends) else None


@cache
def _parted(templates: tuple[str, ...]) -> list[tuple[str, str, _Places]]:
    """Those with the most words of their own first: a value may be anything.

    Each with its words before the first place, and each place with the words behind it.
    """
    ordered = sorted(templates, key=lambda each: len(_PLACE.sub("", each)), reverse=True)
    parted = []
    for template in ordered:
        first, *rest = _PLACE.split(template)
        words = [each.replace("%%", "%") for each in rest[1::2]]
        places = tuple(zip(rest[::2], words, strict=True))
        parted.append((template, first.replace("%%", "%"), places))
    return parted
