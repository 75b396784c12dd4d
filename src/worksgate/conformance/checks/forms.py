"""The forms of a page, as a browser without JavaScript has them, and how to fill in a sign-in."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

_TEXTS: Final = frozenset({"text", "email", "tel", ""})
_UNSENT: Final = frozenset({"submit", "button", "reset", "image", "file"})
_NAMES: Final = re.compile(r"user|login|mail|account|ident|name|(^|[^a-z])id$", re.IGNORECASE)
_NO: Final = re.compile(r"cancel|deny|decline|reject|logout|back|abort|reset", re.IGNORECASE)


class Step(StrEnum):
    """What a form asks for."""

    PASSWORD = "password"
    USERNAME = "username"
    CODE = "one_time_code"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Input:
    """A field or a button. `is_sent` is whether a browser would send it untouched."""

    name: str
    kind: str
    value: str
    autocomplete: str = ""
    is_sent: bool = True


@dataclass(slots=True)
class Form:
    """A form; `action` is absolute."""

    action: str
    method: str
    inputs: list[Input] = field(default_factory=list)
    buttons: list[Input] = field(default_factory=list)

    @property
    def step(self) -> Step | None:
        """Return what it asks for, or None: a search or a choice of language, perhaps."""
        if any(each.kind == "password" for each in self.inputs):
            return Step.PASSWORD
        if any("one-time-code" in each.autocomplete for each in self.inputs):
            return Step.CODE
        if self.username_field() is not None:
            return Step.USERNAME
        has_texts = any(each.kind in _TEXTS for each in self.inputs)
        return None if has_texts or self.method != "POST" or not self.buttons else Step.CONSENT

    def username_field(self) -> Input | None:
        """Return the field for the username: by its autocomplete, else by its name."""
        texts = [each for each in self.inputs if each.kind in _TEXTS]
        marked = [each for each in texts if "username" in each.autocomplete.split()]
        named = [each for each in texts if _NAMES.search(each.name) or each.kind == "email"]
        alone = texts if any(each.kind == "password" for each in self.inputs) else []
        return next(iter([*marked, *named, *alone]), None)

    def filled(self, username: str, password: str) -> list[tuple[str, str]]:
        """Return what a browser sends once the person has typed both and pressed the button."""
        name = self.username_field()
        pairs = []
        for each in self.inputs:
            if each.kind == "password":
                pairs.append((each.name, password))
            elif name is not None and each is name:
                pairs.append((each.name, username))
            elif each.is_sent and each.name:
                pairs.append((each.name, each.value))
        button = next((each for each in self.buttons if not _is_a_no(each)), None)
        if button is not None and button.name:
            pairs.append((button.name, button.value))
        return pairs


def forms_of(html: str, url: str) -> list[Form]:
    """Return the forms of a page. Broken markup is read as far as it goes."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return reader.forms


def sign_in_form(html: str, url: str) -> Form | None:
    """Return the form that leads on: the one for the password before any other."""
    steps = [(form.step, form) for form in forms_of(html, url)]
    for wanted in Step:
        for step, form in steps:
            if step is wanted:
                return form
    return None


_REFRESH: Final = re.compile(
    r"""<meta[^>]+http-equiv\s*=\s*["']?refresh["']?[^>]*content\s*=\s*(["'])\s*\d+\s*;"""
    r"""\s*url\s*=\s*["']?(?P<url>.+?)["']?\1""",
    re.IGNORECASE,
)


def refresh_of(html: str) -> str | None:
    """Return where a page sends the browser by itself, without a script."""
    found = _REFRESH.search(html)
    return None if found is None else unescape(found["url"])


def _is_a_no(button: Input) -> bool:
    return bool(_NO.search(button.name) or _NO.search(button.value))


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self._base = url
        self._open: Form | None = None
        self._by_id: dict[str, Form] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        names = {name for name, _ in attrs}
        if tag == "base" and values.get("href"):
            self._base = urljoin(self._base, values["href"])
        elif tag == "form":
            self._begin(values)
        elif tag in ("input", "button"):
            form = self._by_id.get(values.get("form", "")) or self._open
            if form is not None and "disabled" not in names:
                self._add(form, tag, values, names)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None

    def _begin(self, values: dict[str, str]) -> None:
        method = values.get("method", "get").upper()
        form = Form(urljoin(self._base, values.get("action", "")), method)
        self._open = form
        self.forms.append(form)
        if identifier := values.get("id"):
            self._by_id[identifier] = form

    def _add(self, form: Form, tag: str, values: dict[str, str], names: set[str]) -> None:
        kind = values.get("type", "submit" if tag == "button" else "").lower()
        is_ticked = kind not in ("checkbox", "radio") or "checked" in names
        value = values.get("value", "on" if kind in ("checkbox", "radio") else "")
        each = Input(values.get("name", ""), kind, value, values.get("autocomplete", ""), is_ticked)
        if kind in ("submit", "image"):
            form.buttons.append(each)
        elif kind not in _UNSENT:
            form.inputs.append(each)
