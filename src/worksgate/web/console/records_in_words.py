"""What a record says that an administrator did, in the language of the page.

The record is in English, also in the database. Its parts are recognized by their templates; names
of fields and roles are those of the forms.
"""

import re
from collections.abc import Mapping
from typing import Final

from markupsafe import Markup, escape

from worksgate.audit import AuditEvent, Event
from worksgate.web.console.changes import PERSON_FIELDS
from worksgate.web.console.client_fields import FIELDS
from worksgate.web.console.pages import ROLE_NAMES, Words, marked_in, texts_of
from worksgate.web.console.sentence_matching import Recognized, recognize
from worksgate.web.pages.browser_names import BROWSERS, ON, SYSTEMS
from worksgate.web.pages.wording import text

_AND: Final = Markup("; ")
_OTHER_FIELDS: Final = {
    "password": text("Password"),
    "temporary password": text("Temporary password"),
}
_BROWSER: Final = re.compile(
    rf"(?:{'|'.join(BROWSERS)}){ON}(?:Mac|{'|'.join(SYSTEMS)})"  # "Mac" in earlier records
)
_CLIENT: Final = re.compile(r"(?P<name>.+?): (?P<what>.+)", re.DOTALL)


def in_words(record: AuditEvent, words: Words) -> Markup:
    """What was done; what is not known stays English, and is marked so."""
    detail = record.detail or ""
    if words.language == "en":
        return escape(detail)
    is_of_client = record.event is Event.CLIENT_CHANGED
    parts = (_part(each, words, is_of_client=is_of_client) for each in detail.split("; "))
    return _AND.join(parts)


def _part(part: str, words: Words, *, is_of_client: bool) -> Markup:
    found = recognize(part)
    if found is not None:
        return _said(found, words, is_of_client=is_of_client)
    if _BROWSER.fullmatch(part):
        return Markup('<span translate="no">{}</span>').format(words.browser(part))
    named = _CLIENT.fullmatch(part) if is_of_client else None
    if named is not None and recognize(named["what"]):
        what = _part(named["what"], words, is_of_client=True)
        return Markup('<span translate="no">{}</span>: {}').format(named["name"], what)
    return marked_in(words.language, part)


def _said(found: Recognized, words: Words, *, is_of_client: bool) -> Markup:
    said = escape(texts_of(words.language).gettext(found.template))
    values = {
        name: _value(name, value, words, is_of_client=is_of_client)
        for name, value in found.values.items()
    }
    return Markup(said % values) if values else said  # noqa: S704  # both are escaped


def _value(name: str, value: str, words: Words, *, is_of_client: bool) -> Markup:
    match name:
        case "fields":
            known = FIELDS if is_of_client else PERSON_FIELDS
            labels = {field: each.label for field, each in known.items()}
            return _listed(value, {**labels, **_OTHER_FIELDS}, words)
        case "role":
            return _listed(value, dict(ROLE_NAMES), words)
        case "session":  # a name of digits and letters, which is no word
            return Markup('<span translate="no">{}</span>').format(value)
        case "what":
            return _part(value, words, is_of_client=is_of_client)
        case "problem" if recognize(value):
            return _part(value, words, is_of_client=is_of_client)
        case _:
            return escape(value)


def _listed(value: str, names: Mapping[str, str], words: Words) -> Markup:
    """A list in a record, with the names that the console has for its members."""
    said = (words.said(names[each]) if each in names else each for each in value.split(", "))
    return escape(("、" if words.language == "ja" else ", ").join(said))
