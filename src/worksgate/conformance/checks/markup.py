"""The tags of a page, as far as forms need them, in time that grows with the page's length.

The page is a stranger's. The standard library's parser needs quadratic time for tags that are not
closed, so that 15 kB keep it busy for seconds, and raises AssertionError for ``<![``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Final

MOST_TAGS: Final = 20_000
"""Tags of a page that are read."""
MOST_BROKEN: Final = 50
"""Tags without an end, after which a page is read no further: each may cost a look at all of it."""

_ATTRIBUTE: Final = (
    r"""(?P<name>[^\s"'<>/=]++)"""
    r"""(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s<>"'][^\s<>]*+)))?+"""
)
_ATTRIBUTES: Final = re.compile(_ATTRIBUTE)
_MARK: Final = re.compile(r"<(?:(?P<comment>!--)|(?P<other>[!?])|/?[a-z])", re.IGNORECASE)
_TAG: Final = re.compile(
    r"<(?P<end>/?)(?P<tag>[a-z][a-z0-9:-]*+)"
    rf"(?P<attributes>(?:[\s/\"'=]++|{re.sub(r'[?]P<[a-z]+>', '?:', _ATTRIBUTE)})*+)>",
    re.IGNORECASE,
)
"""No part of it is tried twice at one place (possessive quantifiers)."""
_TEXTS: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title")
}
"""Elements in which there are no tags, with their ends."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with its attributes, names in lower case; of two attributes the first counts.

    `text` is what a field of a form has between its tags; other tags have none here.
    """

    name: str
    is_end: bool
    attributes: Mapping[str, str]
    text: str = ""


def tags_of(html: str) -> Iterator[Tag]:
    """Return the tags in their order, none of comments and scripts."""
    at, broken, read = 0, 0, 0
    while broken < MOST_BROKEN and read < MOST_TAGS:
        mark = _MARK.search(html, at)
        if mark is None:
            return
        if mark["comment"] or mark["other"]:
            at = _after("-->" if mark["comment"] else ">", html, mark.end())
            continue
        found = _TAG.match(html, mark.start())
        if found is None:
            broken += 1
            at = mark.end()
            continue
        read += 1
        name, at = found["tag"].lower(), found.end()
        is_end, text = bool(found["end"]), ""
        if name == "option" and not is_end:
            text = html[at : _before("<", html, at)]
        if name in _TEXTS and not is_end:
            end = _TEXTS[name].search(html, at)
            after = len(html) if end is None else end.start()
            text, at = html[at:after] if name == "textarea" else "", after
        yield Tag(name, is_end, _attributes(found["attributes"]), _unescaped(text))


def _before(text: str, html: str, at: int) -> int:
    found = html.find(text, at)
    return len(html) if found < 0 else found


def _after(text: str, html: str, at: int) -> int:
    found = html.find(text, at)
    return len(html) if found < 0 else found + len(text)


def _attributes(text: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for each in _ATTRIBUTES.finditer(text):
        value = each["double"] or each["single"] or each["bare"] or ""
        attributes.setdefault(each["name"].lower(), _unescaped(value))
    return attributes


def _unescaped(value: str) -> str:
    try:
        return unescape(value)
    except ValueError:  # a character reference with thousands of digits
        return value
