"""A call of LINE WORKS and its answer, as the server saw them. It has real secrets."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

BODY_LIMIT: Final = 32 * 1024
"""Bytes of a body that are looked at, of a request and of an answer each."""

Headers = list[tuple[bytes, bytes]]


class Kind(StrEnum):
    """What was called. A sign-in is no call: it is kept if it ended with a code."""

    TOKEN = "token"
    USER_INFO = "user_info"
    IMAP = "imap"
    LOGIN = "login"
    LOGOUT = "logout"
    SIGN_IN = "sign_in"


@dataclass(slots=True)
class Observed:
    """One request with its answer. Header names are lower case.

    ``at`` is in seconds since the epoch, ``seconds`` how long the answer took. ``below`` is what
    follows the path of the kind. A ``status`` of None means that no answer was sent.
    """

    kind: Kind
    at: float
    seconds: float
    method: str
    http: str
    below: str = field(repr=False)
    query: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    peer: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    is_cut: bool = False
    status: int | None = None
    answer_headers: Headers = field(default_factory=list, repr=False)
    answer_body: bytes = field(default=b"", repr=False)
