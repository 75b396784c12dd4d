"""The settings of a client, as the console shows and edits them.

Labels are the words of LINE WORKS' Developer Console where it has one. A test compares the parts
with the fields of a client, so that none is forgotten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Final

from worksgate.catalogues import sentence_of
from worksgate.oauth.model import (
    DAY,
    HOUR,
    Client,
    ErrorStatus,
    ErrorStyle,
    ImapPasswords,
    Profile,
    SecondFactor,
    SessionKeyCheck,
    UserKey,
)
from worksgate.settings.types import seconds_of
from worksgate.web.pages.wording import text

LONGEST: Final = 4_000
"""Characters of a field in a form; a longer list is changed with the command line."""
_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", 60), ("s", 1))
_ON, _OFF = "on", "off"


class FieldKind(StrEnum):
    """How a field is typed, and shown."""

    LINE = auto()
    LINES = auto()
    """One entry a line; ``none`` is shown for an empty list."""
    CHOICE = auto()
    SWITCH = auto()
    TIME = auto()
    """Whole seconds; typed with a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientField:
    """A setting: its field, its label, one sentence, and how it is typed.

    ``none`` stands for an empty value; ``form`` says what can be typed.
    """

    name: str
    label: str
    sentence: str
    kind: FieldKind = FieldKind.LINE
    choices: Mapping[str, str] = field(default_factory=dict)
    none: str = ""
    form: str = ""

    def text_of(self, value: object) -> str:
        """A value as it stands in a form; of the log of changes too, which has lists."""
        match value:
            case None:
                return ""
            case bool():
                return _ON if value else _OFF
            case int():
                return _with_unit(value)
            case tuple() | list():
                return "\n".join(map(str, value))
            case _:
                return str(value)

    def read(self, typed: str) -> object:
        """The value of what was typed. Raises ValueError with a sentence."""
        lines = [line.strip() for line in typed.splitlines()]
        match self.kind:
            case FieldKind.LINES:
                return tuple(filter(None, lines))
            case FieldKind.SWITCH:
                return {_ON: True, _OFF: False}.get(typed, typed)
            case FieldKind.LINE | FieldKind.TIME if not typed.strip() and self.none:
                return None
            case FieldKind.TIME:
                return _seconds(typed.strip())
            case _:
                return " ".join(lines).strip()


@dataclass(frozen=True, slots=True)
class ClientPart:
    """Settings that are shown and changed together; ``name`` is that in addresses."""

    name: str
    title: str
    fields: tuple[ClientField, ...]


_NONE, _ALL = text("None"), text("All")
_ADDRESSES = text("One address a line: an origin such as https://example.com, or without a query.")
_TIME = text("Such as 90s, 15m, 12h or 30d.")
_NO_TIME = text("must be a number of seconds or a time such as 90s, 15m, 12h or 7d")
"""What ``settings.types`` says of a time, which the console says in its languages."""

PARTS: Final = (
    ClientPart(
        "tenant",
        text("The tenant"),
        (
            ClientField(
                name="name",
                label=text("Name"),
                sentence=text("How administrators call it here."),
                form=text("1 to 100 characters."),
            ),
            ClientField(
                name="profile",
                label=text("Product"),
                sentence=text("Which product the tenant uses. Changing it changes nothing else."),
                kind=FieldKind.CHOICE,
                choices={
                    Profile.LINE_WORKS: "LINE WORKS",
                    Profile.NAVER_WORKS: "NAVER WORKS",
                    Profile.NAVER_WORKS_PUBLIC: text("NAVER WORKS for the public sector"),
                    Profile.WORKBOX: "WORKBOX",
                },
            ),
            ClientField(
                name="domain",
                label=text("Domain"),
                sentence=text(
                    "The tenant’s domain: with it, our pages lead people back to where they began."
                ),
                none=_NONE,
                form=text("In lower case, such as example.com."),
            ),
            ClientField(
                name="user_key",
                label=text("SSO User Key"),
                sentence=text(
                    "Which value of a person LINE WORKS receives; the same choice must be made in "
                    "its Developer Console."
                ),
                kind=FieldKind.CHOICE,
                choices={
                    UserKey.EXTERNAL_KEY: text("External Key"),
                    UserKey.WORKS_ACCOUNT: text("LINE WORKS account"),
                },
            ),
        ),
    ),
    ClientPart(
        "sign-in",
        text("Signing in"),
        (
            ClientField(
                name="sources",
                label=text("Identity sources"),
                sentence=text("Whose people may sign in."),
                kind=FieldKind.LINES,
                none=_ALL,
                form=text("One name a line, as in the settings; empty for all."),
            ),
            ClientField(
                name="second_factor",
                label=text("Second factor"),
                sentence=text("Whether one is asked for, unless a rule says otherwise."),
                kind=FieldKind.CHOICE,
                choices={
                    SecondFactor.OFF: text("Never"),
                    SecondFactor.ALLOWED: text("Of those who have one"),
                    SecondFactor.REQUIRED: text("Of everybody"),
                },
            ),
            ClientField(
                name="session_key_check",
                label=text("sessionKey of the apps"),
                sentence=text("Whether LINE WORKS is asked if its own app opened the sign-in."),
                kind=FieldKind.CHOICE,
                choices={
                    SessionKeyCheck.OFF: text("It is not asked"),
                    SessionKeyCheck.FAIL_OPEN: text("Without an answer, people get in"),
                    SessionKeyCheck.FAIL_CLOSED: text("Without an answer, nobody gets in"),
                },
            ),
            ClientField(
                name="require_state",
                label=text("state is required"),
                sentence=text(
                    "A sign-in without the state that LINE WORKS always sends is refused."
                ),
                kind=FieldKind.SWITCH,
            ),
            ClientField(
                name="redirect_denials",
                label=text("Cancelling"),
                sentence=text(
                    "Whether people can cancel a sign-in; LINE WORKS then gets access_denied."
                ),
                kind=FieldKind.SWITCH,
            ),
        ),
    ),
    ClientPart(
        "rules",
        text("Access rules"),
        (
            ClientField(
                name="rules",
                label=text("Rules"),
                sentence=text(
                    "Who may sign in from where and when, and with which factor. The first rule "
                    "that matches decides."
                ),
                kind=FieldKind.LINES,
                none=_NONE,
                form=text(
                    "One rule a line, such as “require factor network!=192.0.2.0/24” or “deny "
                    "kind=app days=sat-sun timezone=Asia/Tokyo”."
                ),
            ),
        ),
    ),
    ClientPart(
        "addresses",
        text("Addresses"),
        (
            ClientField(
                name="redirect_uris",
                label=text("Where codes may be sent"),
                sentence=text("The redirect_uri of a sign-in must be one of these."),
                kind=FieldKind.LINES,
                form=_ADDRESSES,
            ),
            ClientField(
                name="logout_redirect_uris",
                label=text("Where signing out may lead"),
                sentence=text("In addition to the addresses above."),
                kind=FieldKind.LINES,
                none=_NONE,
                form=_ADDRESSES,
            ),
            ClientField(
                name="logout_queries",
                label=text("With a query"),
                sentence=text("Whether an address after signing out may have a query."),
                kind=FieldKind.SWITCH,
            ),
            ClientField(
                name="allowed_addresses",
                label=text("Who may call"),
                sentence=text("The networks from which LINE WORKS may call the APIs."),
                kind=FieldKind.LINES,
                none=_ALL,
                form=text("One network a line, such as 192.0.2.0/24; empty for all."),
            ),
        ),
    ),
    ClientPart(
        "times",
        text("How long"),
        (
            ClientField(
                name="announce_expires_in",
                label=text("Set Expire Time"),
                sentence=text(
                    "Whether LINE WORKS is sent how long people stay signed in. It takes effect if "
                    "the same setting is on in the Developer Console."
                ),
                kind=FieldKind.SWITCH,
            ),
            ClientField(
                name="expires_in_web",
                label=text("In the browser"),
                sentence=text("How long people stay signed in to LINE WORKS in a browser."),
                kind=FieldKind.TIME,
                form=_TIME,
            ),
            ClientField(
                name="expires_in_app",
                label=text("In the apps"),
                sentence=text("The same in the apps for phones and computers."),
                kind=FieldKind.TIME,
                form=_TIME,
            ),
            ClientField(
                name="expires_in_imap",
                label=text("In mail apps"),
                sentence=text("The same in mail and calendar apps."),
                kind=FieldKind.TIME,
                form=_TIME,
            ),
            ClientField(
                name="access_token_lifetime",
                label=text("Access token"),
                sentence=text("The longest lifetime of an access token, if shorter than these."),
                kind=FieldKind.TIME,
                none=_NONE,
                form=text("Such as 12h; empty for none of its own."),
            ),
            ClientField(
                name="code_lifetime",
                label=text("Authorization code"),
                sentence=text("Within which LINE WORKS must redeem a code."),
                kind=FieldKind.TIME,
                form=text("Such as 60s; at most 10m."),
            ),
            ClientField(
                name="refresh_tokens",
                label=text("Refresh tokens"),
                sentence=text("Whether LINE WORKS gets one with each access token."),
                kind=FieldKind.SWITCH,
            ),
            ClientField(
                name="refresh_token_lifetime",
                label=text("Refresh token"),
                sentence=text("How long a refresh token can be used."),
                kind=FieldKind.TIME,
                form=_TIME,
            ),
        ),
    ),
    ClientPart(
        "mail",
        text("IMAP/CalDAV Login API"),
        (
            ClientField(
                name="imap_login",
                label=text("Mail and calendar apps"),
                sentence=text("Whether people can sign in there by password."),
                kind=FieldKind.SWITCH,
            ),
            ClientField(
                name="imap_passwords",
                label=text("Passwords"),
                sentence=text("Which passwords these apps may use."),
                kind=FieldKind.CHOICE,
                choices={
                    ImapPasswords.APP_PASSWORDS: text("App passwords only"),
                    ImapPasswords.ALL: text("Also people’s own"),
                },
            ),
        ),
    ),
    ClientPart(
        "errors",
        text("Errors"),
        (
            ClientField(
                name="error_style",
                label=text("error"),
                sentence=text("What LINE WORKS gets as the reason of a refusal."),
                kind=FieldKind.CHOICE,
                choices={
                    ErrorStyle.CODE: text("The number"),
                    ErrorStyle.TEXT: text("The message"),
                },
            ),
            ClientField(
                name="error_status",
                label=text("HTTP status"),
                sentence=text("With which status a refusal is answered."),
                kind=FieldKind.CHOICE,
                choices={
                    ErrorStatus.STANDARD: text("That of the error"),
                    ErrorStatus.ALWAYS_200: text("Always 200"),
                },
            ),
        ),
    ),
)
"""Everything but whether the client is enabled, which has a button of its own."""

FIELDS: Final[Mapping[str, ClientField]] = {
    each.name: each for part in PARTS for each in part.fields
}
PRODUCT_NAMES: Final = FIELDS["profile"].choices
NEW: Final = ClientPart(
    "new", text("New client"), tuple(FIELDS[each] for each in ("name", "profile", "domain"))
)
"""What is asked for a new client; the rest are the defaults of its product."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into a form: as text, and as far as it can be read, as values."""

    texts: Mapping[str, str]
    values: Mapping[str, Any]
    problems: Mapping[str, str]


def part_named(name: str) -> ClientPart | None:
    """The part with this name in an address."""
    return next((part for part in PARTS if part.name == name), None)


def texts_of(client: Client, fields: Iterable[ClientField]) -> dict[str, str]:
    """The fields of a client, as they stand in a form."""
    return {each.name: each.text_of(getattr(client, each.name)) for each in fields}


def read_typed(form: Mapping[str, str], fields: Iterable[ClientField]) -> Typed:
    """The fields that a form has. Their values are not checked yet."""
    texts: dict[str, str] = {}
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for each in fields:
        if (typed := form.get(each.name)) is None:
            continue
        texts[each.name] = typed
        try:
            values[each.name] = each.read(typed)
        except ValueError as problem:
            problems[each.name] = sentence_of(problem)
    return Typed(texts, values, problems)


def _with_unit(seconds: int) -> str:
    """The number of the largest unit of which they are a whole number."""
    unit, length = next((name, size) for name, size in _UNITS if seconds % size == 0)
    return f"{seconds // length}{unit}"


def _seconds(typed: str) -> int:
    seconds = seconds_of(typed)
    if not seconds.is_integer():
        raise ValueError(text("must be a whole number of seconds"))
    return int(seconds)
