"""User info request and response.

LINE WORKS requests the person as soon as it has an access token, and waits 3 s.
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-userinfo
"""

import re
from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final, Self

import msgspec

from worksgate.oauth.errors import Cause, InvalidAccess
from worksgate.oauth.form import require
from worksgate.oauth.model import AccessToken, Client

MAX_EXTERNAL_KEY = 100
MAX_WORKS_ACCOUNT = 90

_FORBIDDEN_IN_EXTERNAL_KEY = frozenset("%\\#/?")
# Printable to Unicode, and shown as nothing or as a blank: fillers, selectors of variants, and the
# empty pattern of Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_LOCAL_PART = re.compile(r"[a-z0-9._-]{2,40}")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


class UserInfoRequest(msgspec.Struct, frozen=True, gc=False):
    """A well-formed user info request; neither client nor token is verified yet."""

    client_id: str
    client_secret: str
    access_token: str

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"UserInfoRequest(client_id={self.client_id!r})"

    @classmethod
    def parse(cls, form: dict[str, str]) -> Self:
        """Parse the form. Raises InvalidRequest."""
        return cls(
            client_id=require(form, "client_id"),
            client_secret=require(form, "client_secret"),
            access_token=require(form, "access_token"),
        )


class UserInfoResponse(msgspec.Struct, frozen=True, gc=False):
    """The person's user key: External Key or LINE WORKS Account, as the client is set."""

    user_id: str

    def as_json(self) -> Mapping[str, str]:
        return {"user_id": self.user_id}


def check_access_token(token: AccessToken | None, client: Client, now: float) -> AccessToken:
    """Return the token if this client may use it now. Raises InvalidAccess."""
    if token is None:
        raise InvalidAccess("the access token is unknown or revoked", Cause.TOKEN_UNKNOWN)
    if token.client_id != client.client_id:
        raise InvalidAccess("the access token belongs to another client", Cause.TOKEN_FOREIGN)
    if token.expires_at <= now:
        raise InvalidAccess("the access token has expired", Cause.TOKEN_EXPIRED)
    return token


class KeyFault(StrEnum):
    """Why LINE WORKS would not accept an External Key."""

    LENGTH = auto()
    FORBIDDEN = auto()
    BLANK = auto()
    """A blank at an end."""
    CONTROL = auto()
    """A character that cannot be seen: the key looks like another person's."""


_SENTENCES: Final = {
    KeyFault.LENGTH: f"an external key has 1 to {MAX_EXTERNAL_KEY} characters",
    KeyFault.FORBIDDEN: "an external key must not contain % \\ # / or ?",
    **dict.fromkeys(
        (KeyFault.BLANK, KeyFault.CONTROL),
        "an external key must not begin or end with a space or contain control or invisible "
        "characters",
    ),
}


def fault_of_external_key(value: str) -> KeyFault | None:
    """What is wrong with an External Key, or None."""
    if not 0 < len(value) <= MAX_EXTERNAL_KEY:
        return KeyFault.LENGTH
    if _FORBIDDEN_IN_EXTERNAL_KEY & set(value):
        return KeyFault.FORBIDDEN
    if value != value.strip():
        return KeyFault.BLANK
    return None if value.isprintable() and is_seen(value) else KeyFault.CONTROL


def is_seen(text: str) -> bool:
    """Whether all characters of a printable text can be seen."""
    return _UNSEEN.search(text) is None


def check_external_key(value: str) -> str:
    """Return an External Key that LINE WORKS accepts, with its case unchanged.

    Raises ValueError with a sentence for the administrator.
    """
    if (fault := fault_of_external_key(value)) is not None:
        raise ValueError(_SENTENCES[fault])
    return value


def check_works_account(value: str) -> str:
    """Return a LINE WORKS account (``local@domain``, or the local part only).

    Raises ValueError with a sentence for the administrator.
    """
    if len(value) > MAX_WORKS_ACCOUNT:
        raise ValueError(f"a LINE WORKS account has at most {MAX_WORKS_ACCOUNT} characters")
    local_part, at, domain = value.partition("@")
    if value != value.lower():
        raise ValueError("a LINE WORKS account is in lower case")
    if not _LOCAL_PART.fullmatch(local_part):
        raise ValueError(
            "the part before @ has 2 to 40 letters, digits, full stops, hyphens or underscores"
        )
    if at and not _DOMAIN.fullmatch(domain):
        raise ValueError("the part after @ is not a domain")
    return value
