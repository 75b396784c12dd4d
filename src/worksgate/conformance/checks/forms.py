"""The forms of a page, as a browser without JavaScript has them, and how to fill in a sign-in."""

import re
import secrets
from codecs import lookup
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from worksgate.conformance.checks.markup import Tag, tags_of
from worksgate.conformance.exchange import FORM

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TEXTS: Final = frozenset({"text", "email", "tel", ""})
_UNSENT: Final = frozenset({"submit", "button", "reset", "image", "file"})
_NAMES: Final = re.compile(r"user|login|mail|account|ident|name|(^|[^a-z])id$", re.IGNORECASE)
_CHARSETS: Final = frozenset(
    {
        *("utf-8", "ascii", "iso8859-1", "cp1252", "shift_jis", "cp932", "euc_jp", "iso2022_jp"),
        *("euc_kr", "cp949", "gb2312", "gbk", "gb18030", "big5"),
    }
)
"""Of Python's names those that pages are written in: some others are no encodings of texts."""
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,30})", re.IGNORECASE)
_HEAD: Final = 1_024
"""Bytes in which a page must say how it is encoded."""
_NO: Final = re.compile(r"cancel|deny|decline|reject|logout|back|abort|reset", re.IGNORECASE)


class Step(StrEnum):
    """What a form asks for."""

    PASSWORD = "password"
    USERNAME = "username"
    CODE = "one_time_code"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Input:
    """A field or a button. `is_sent` is whether a browser would send it untouched.

    `action` is where a button sends its form, if not to the action of the form.
    """

    name: str
    kind: str
    value: str
    autocomplete: str = ""
    is_sent: bool = True
    action: str = ""


@dataclass(slots=True)
class _Select:
    """A choice that is read option by option."""

    form: "Form"
    name: str
    is_multiple: bool
    options: list[tuple[str, bool]] = field(default_factory=list)
    """The values, and whether they are selected; none that is disabled."""

    def inputs(self) -> list[Input]:
        """What a browser sends if nobody touches it: by default the first option."""
        selected = [value for value, is_selected in self.options if is_selected]
        if not self.is_multiple:
            selected = selected[-1:] or [value for value, _ in self.options[:1]]
        return [Input(self.name, "select", value) for value in selected]


@dataclass(slots=True)
class Form:
    """A form; `action` is absolute, `charset` that of its page."""

    action: str
    method: str
    charset: str = "utf-8"
    is_multipart: bool = False
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
        button = self.pressed
        if button is not None and button.name:
            pairs.append((button.name, button.value))
        return pairs

    def body(self, pairs: Sequence[tuple[str, str]]) -> tuple[bytes, str]:
        """Return what a browser sends by POST, and its content type."""
        if not self.is_multipart:
            return self.query(pairs).encode(), FORM
        boundary = f"worksgate-check-{secrets.token_hex(8)}"
        parts = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in pairs
        )
        text = f"{''.join(parts)}--{boundary}--\r\n"
        body = text.encode(self.charset, "xmlcharrefreplace")
        return body, f"multipart/form-data; boundary={boundary}"

    def query(self, pairs: Sequence[tuple[str, str]]) -> str:
        """Return what a browser adds to the address by GET."""
        return urlencode(pairs, encoding=self.charset, errors="xmlcharrefreplace")

    @property
    def pressed(self) -> Input | None:
        """The button that a person presses who wants to go on."""
        return next((each for each in self.buttons if not _is_a_no(each)), None)


def forms_of(html: str, url: str, charset: str = "utf-8") -> list[Form]:
    """Return the forms of a page. Broken markup is read as far as it goes."""
    reader = _Reader(url, charset)
    for tag in tags_of(html):
        reader.read(tag)
    reader.end_select()
    for form in reader.forms:
        if (button := form.pressed) is not None and button.action:
            form.action = button.action
    return reader.forms


def joined(base: str, url: str) -> str | None:
    """Return what a URL in a page of ``base`` leads to, or None if it is no URL."""
    try:
        whole = urljoin(base, url)
        _ = urlsplit(whole).port
    except ValueError:
        return None
    return whole


def sign_in_form(html: str, url: str, charset: str = "utf-8") -> Form | None:
    """Return the form that leads on: the one for the password before any other."""
    steps = [(form.step, form) for form in forms_of(html, url, charset)]
    for wanted in Step:
        for step, form in steps:
            if step is wanted:
                return form
    return None


def sends_to(
    status: int | None, location: str | None, html: str, refresh: str | None = None
) -> str | None:
    """Return where an answer sends the browser: by a redirect, or by the page itself.

    `refresh` is the header of that name, which browsers read like its twin in a page.
    """
    if status in _REDIRECTS:
        return location
    return (_refresh_url(refresh or "") or refresh_of(html)) if status == 200 else None


def charset_of(content_type: str, body: bytes) -> str:
    """Return the encoding of a page, by its header or by itself; UTF-8 if neither is known."""
    for text in (content_type, body[:_HEAD].decode("latin-1")):
        found = _CHARSET.search(text)
        if found is not None:
            with suppress(LookupError):
                name = lookup(found[1].lower().removeprefix("x-")).name
                return name if name in _CHARSETS else "utf-8"
    return "utf-8"


def refresh_of(html: str) -> str | None:
    """Return where a page sends the browser by itself, without a script."""
    for tag in tags_of(html):
        if tag.name == "meta" and tag.attributes.get("http-equiv", "").lower() == "refresh":
            url = _refresh_url(tag.attributes.get("content", ""))
            if url:
                return url
    return None


def _refresh_url(content: str) -> str:
    """Return the URL of ``3; url=/next``, or nothing."""
    seconds, _, rest = content.partition(";")
    name, _, url = rest.partition("=")
    if not seconds.strip().isdigit() or name.strip().lower() != "url":
        return ""
    url = url.strip()
    quote = url[:1]
    return url[1:].partition(quote)[0].strip() if quote in ("'", '"') else url


def _is_a_no(button: Input) -> bool:
    return bool(_NO.search(button.name) or _NO.search(button.value))


class _Reader:
    """Collects forms, tag by tag."""

    def __init__(self, url: str, charset: str) -> None:
        self.forms: list[Form] = []
        self._base = url
        self._charset = charset
        self._open: Form | None = None
        self._by_id: dict[str, Form] = {}
        self._select: _Select | None = None

    def read(self, tag: Tag) -> None:
        values = tag.attributes
        if tag.name in ("select", "form"):
            self.end_select()
        if tag.is_end:
            self._open = None if tag.name == "form" else self._open
        elif tag.name == "base" and values.get("href"):
            self._base = joined(self._base, values["href"]) or self._base
        elif tag.name == "form":
            self._begin(values)
        elif tag.name == "option" and self._select is not None:
            if "disabled" not in values:
                value = values.get("value", " ".join(tag.text.split()))
                self._select.options.append((value, "selected" in values))
        elif tag.name in ("input", "button", "select", "textarea"):
            form = self._by_id.get(values.get("form", "")) or self._open
            if form is not None and "disabled" not in values:
                self._add(form, tag, values)

    def end_select(self) -> None:
        """Take over the choice that was read last, if there is one."""
        if self._select is not None and self._select.name:
            self._select.form.inputs += self._select.inputs()
        self._select = None

    def _begin(self, values: Mapping[str, str]) -> None:
        """A form whose action is no URL cannot be sent, so it is none."""
        action = joined(self._base, values.get("action", ""))
        self._open = None
        if action is None:
            return
        self._open = form = Form(
            action,
            values.get("method", "get").upper(),
            charset=self._charset,
            is_multipart=values.get("enctype", "").lower() == "multipart/form-data",
        )
        self.forms.append(form)
        if identifier := values.get("id"):
            self._by_id[identifier] = form

    def _add(self, form: Form, tag: Tag, values: Mapping[str, str]) -> None:
        name = values.get("name", "")
        if tag.name == "select":
            self._select = _Select(form, name, "multiple" in values)
            return
        if tag.name == "textarea":
            form.inputs.append(Input(name, "textarea", tag.text.removeprefix("\n")))
            return
        kind = values.get("type", "submit" if tag.name == "button" else "").lower()
        is_ticked = kind not in ("checkbox", "radio") or "checked" in values
        value = values.get("value", "on" if kind in ("checkbox", "radio") else "")
        leads_to = values.get("formaction")
        action = (joined(self._base, leads_to) or "") if leads_to else ""
        each = Input(name, kind, value, values.get("autocomplete", ""), is_ticked, action)
        if kind in ("submit", "image"):
            form.buttons.append(each)
        elif kind not in _UNSENT:
            form.inputs.append(each)
