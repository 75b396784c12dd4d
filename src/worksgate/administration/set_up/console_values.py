"""The fields of the Developer Console: name, value, place, and whether each was seen to work.

The names are those of the console, whose labels are English in every language; only its menus and
buttons are translated (https://developers.worksmobile.com/jp/docs/sso-userguide).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from worksgate.audit import Event, Reason
from worksgate.directory.wizard_answers import Answer
from worksgate.oauth.model import Client, UserKey

PATIENCE = 60.0
"""Seconds after a step of a sign-in by which the next one would have come."""


class ConsoleField(StrEnum):
    """A field, in the order of the page."""

    SSO_TYPE = auto()
    CLIENT_ID = auto()
    CLIENT_SECRET = auto()
    LOGIN_URL = auto()
    ACCESS_TOKEN = auto()
    USER_INFO = auto()
    IMAP_LOGIN = auto()
    LOGOUT_URL = auto()
    USER_KEY = auto()
    EXPIRE_TIME = auto()
    EXTERNAL_BROWSER = auto()


NAMES: Final[Mapping[ConsoleField, tuple[str, ...]]] = {
    ConsoleField.SSO_TYPE: ("SSO Type",),
    ConsoleField.CLIENT_ID: ("Client ID",),
    ConsoleField.CLIENT_SECRET: ("Client Secret",),
    ConsoleField.LOGIN_URL: ("Web Login URL", "Application Login URL"),
    ConsoleField.ACCESS_TOKEN: ("Access Token Return API",),
    ConsoleField.USER_INFO: ("User info return API",),
    ConsoleField.IMAP_LOGIN: ("IMAP/CalDAV Login API",),
    ConsoleField.LOGOUT_URL: ("Logout URL",),
    ConsoleField.USER_KEY: ("SSO User Key",),
    ConsoleField.EXPIRE_TIME: ("Set Expire Time",),
    ConsoleField.EXTERNAL_BROWSER: ("Set External Browser",),
}
"""What the Developer Console calls them."""

ASKED: Final = frozenset(
    {
        ConsoleField.SSO_TYPE,
        ConsoleField.USER_KEY,
        ConsoleField.EXPIRE_TIME,
        ConsoleField.EXTERNAL_BROWSER,
    }
)
"""What nobody can see from here: the page asks, and remembers who answered."""

OPTIONAL: Final = frozenset({ConsoleField.IMAP_LOGIN, ConsoleField.LOGOUT_URL})
"""What may be missing before APPLY."""

USER_KEY_NAMES: Final[Mapping[UserKey, str]] = {
    UserKey.EXTERNAL_KEY: "External Key",
    UserKey.WORKS_ACCOUNT: "LINE WORKS Account",
}


@dataclass(frozen=True, slots=True)
class Menus:
    """Where to go in the Developer Console, and which buttons to press."""

    sso: str
    apply: str
    sync: str
    mapping: str
    download: str
    upload: str
    save: str


_SSO: Final = "SSO › WORKS as SP"
_IN_ENGLISH: Final = ("Organization Sync", "Member External Key Mapping", "DOWNLOAD", "UPLOAD")
MENUS: Final[Mapping[str, Menus]] = {
    "en": Menus(_SSO, "APPLY", *_IN_ENGLISH, "Save"),
    "ja": Menus(
        _SSO,
        "適用",
        "組織連携",
        "メンバー External Key Mapping",
        "一覧ダウンロード",
        "アップロード",
        "保存",
    ),
    # What the rest is called in Korean is in no public page.
    "ko": Menus(_SSO, "적용", *_IN_ENGLISH, "Save"),
}
"""By the language of the Developer Console."""

_WRONG_SECRET = f"{Event.CLIENT_REFUSED} {Reason.WRONG_SECRET}"
_SEEN_BY: Final[Mapping[ConsoleField, tuple[str, ...]]] = {
    ConsoleField.CLIENT_ID: (Event.LOGIN_REQUESTED, Event.CODE_REDEEMED),
    ConsoleField.CLIENT_SECRET: (Event.CODE_REDEEMED,),
    ConsoleField.LOGIN_URL: (Event.LOGIN_REQUESTED,),
    ConsoleField.ACCESS_TOKEN: (Event.CODE_REDEEMED, Event.CODE_REFUSED, _WRONG_SECRET),
    ConsoleField.USER_INFO: (Event.USER_INFO_RETURNED, Event.USER_INFO_REFUSED),
    ConsoleField.IMAP_LOGIN: (Event.IMAP_SUCCEEDED, Event.IMAP_FAILED, Event.IMAP_REFUSED),
    ConsoleField.LOGOUT_URL: (Event.LOGOUT,),
}
"""The records by which a value is known to have arrived."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes in the drawing of the console: its row, and what stands there."""

    row: int
    kind: str
    """``text``, ``choice`` or ``switch``."""
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownField:
    """A field with its value; ``value`` is empty for one that is chosen, and for the secret.

    ``seen_at`` is when it was last seen to work, or confirmed by ``actor``; ``is_so`` is the answer
    of somebody who was asked, None if nobody has answered.
    """

    field: ConsoleField
    value: str
    place: Place
    seen_at: float | None = None
    is_so: bool | None = None
    actor: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES[self.field]

    @property
    def is_asked(self) -> bool:
        return self.field in ASKED

    @property
    def is_confirmed(self) -> bool:
        return self.is_so is True if self.is_asked else self.seen_at is not None


def console_fields(
    client: Client,
    urls: Mapping[str, str],
    seen: Mapping[str, float],
    answers: Mapping[str, Answer],
) -> list[ShownField]:
    """All fields for a client, in order.

    ``urls`` are its addresses, ``seen`` is when each event last happened to it.
    """
    values = {
        ConsoleField.CLIENT_ID: client.client_id,
        ConsoleField.LOGIN_URL: urls["web_login"],
        ConsoleField.ACCESS_TOKEN: urls["access_token"],
        ConsoleField.USER_INFO: urls["user_info"],
        ConsoleField.IMAP_LOGIN: urls["imap_login"] if client.imap_login else "",
        ConsoleField.LOGOUT_URL: urls["logout"],
    }
    places = _places(client, urls)
    return [
        _shown(
            each, values.get(each, ""), places[each], seen, answers.get(answer_name(each)), client
        )
        for each in ConsoleField
    ]


def answer_name(each: ConsoleField) -> str:
    """Under which the answer about a field is kept."""
    return f"field.{each.value}"


def suspicious(seen: Mapping[str, float], now: float) -> ConsoleField | None:
    """The value that should have been used by now, and was not; None if there is none.

    Each step of a sign-in leads to a call; one that does not come points at its address.
    """
    redeemed = seen.get(Event.CODE_REDEEMED, 0.0)
    if seen.get(_WRONG_SECRET, 0.0) > redeemed:
        return ConsoleField.CLIENT_SECRET
    issued = seen.get(Event.CODE_ISSUED, 0.0)
    called = max(seen.get(name, 0.0) for name in _SEEN_BY[ConsoleField.ACCESS_TOKEN])
    if issued > called and now - issued > PATIENCE:
        return ConsoleField.ACCESS_TOKEN
    told = max(seen.get(name, 0.0) for name in _SEEN_BY[ConsoleField.USER_INFO])
    if redeemed > told and now - redeemed > PATIENCE:
        return ConsoleField.USER_INFO
    return None


def _shown(
    each: ConsoleField,
    value: str,
    place: Place,
    seen: Mapping[str, float],
    answer: Answer | None,
    client: Client,
) -> ShownField:
    if each in ASKED:
        if answer is None or answer.value.get("client") != client.client_id:
            return ShownField(field=each, value=value, place=place)
        return ShownField(
            field=each,
            value=value,
            place=place,
            seen_at=answer.at,
            is_so=answer.value.get("is_so") is True,
            actor=answer.actor,
        )
    times = [seen[name] for name in _SEEN_BY[each] if name in seen]
    return ShownField(field=each, value=value, place=place, seen_at=max(times, default=None))


def _places(client: Client, urls: Mapping[str, str]) -> dict[ConsoleField, Place]:
    def end_of(address: str) -> str:
        return f"…/{urls[address].rsplit('/', 1)[1]}"

    return {
        ConsoleField.SSO_TYPE: Place(0, "choice", "OAuth"),
        ConsoleField.CLIENT_ID: Place(1, "text", f"{client.client_id[:12]}…"),
        ConsoleField.CLIENT_SECRET: Place(2, "text", "••••••••"),
        ConsoleField.LOGIN_URL: Place(1, "text", end_of("web_login")),
        ConsoleField.ACCESS_TOKEN: Place(2, "text", end_of("access_token")),
        ConsoleField.USER_INFO: Place(3, "text", end_of("user_info")),
        ConsoleField.IMAP_LOGIN: Place(1, "text", "…/apiLogin/…" if client.imap_login else ""),
        ConsoleField.LOGOUT_URL: Place(3, "text", end_of("logout")),
        ConsoleField.USER_KEY: Place(1, "choice", USER_KEY_NAMES[client.user_key]),
        ConsoleField.EXPIRE_TIME: Place(2, "switch", "On"),
        ConsoleField.EXTERNAL_BROWSER: Place(3, "switch", "On"),
    }
