"""The operations of the API: method, path and the scopes of which any one suffices.

https://developers.worksmobile.com/en/docs/directory
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

_READERS: Final = frozenset({"user", "user.read", "directory", "directory.read"})
_WRITERS: Final = frozenset({"user", "directory"})
_KEY_READERS: Final = frozenset({"directory", "directory.read"})
_KEY_WRITERS: Final = frozenset({"directory"})
_BOT: Final = frozenset({"bot", "bot.message"})
_AUDIT: Final = frozenset({"audit.read"})
_NONE: Final[frozenset[str]] = frozenset()


class Operation(StrEnum):
    """What can be called; the rate limit counts each alone."""

    TOKEN = "token"
    LIST_USERS = "list_users"
    GET_USER = "get_user"
    CREATE_USER = "create_user"
    REPLACE_USER = "replace_user"
    CHANGE_USER = "change_user"
    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    DELETE = "delete"
    UNDELETE = "undelete"
    DELETE_FOR_GOOD = "delete_for_good"
    FORCE_LOGOUT = "force_logout"
    LIST_KEYS = "list_keys"
    SET_KEYS = "set_keys"
    MESSAGE_USER = "message_user"
    MESSAGE_CHANNEL = "message_channel"
    AUDIT_LOG = "audit_log"
    AUDIT_FILE = "audit_file"

    @property
    def is_redirect(self) -> bool:
        return self is Operation.AUDIT_LOG


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Method and path of an operation; `*` in the path is a parameter."""

    operation: Operation
    method: str
    path: tuple[str, ...]
    scopes: frozenset[str]

    def matches(self, method: str, segments: Sequence[str]) -> bool:
        return (
            self.method == method
            and len(self.path) == len(segments)
            and all(ours in ("*", theirs) for ours, theirs in zip(self.path, segments, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The endpoint that is called, with the parameters of its path, decoded once."""

    endpoint: Endpoint
    parameters: tuple[str, ...]


def _endpoint(operation: Operation, method: str, path: str, scopes: frozenset[str]) -> Endpoint:
    return Endpoint(operation, method, tuple(path.split("/")), scopes)


ENDPOINTS: Final = (
    # Literal paths first: `external-keys` is nobody's ID.
    _endpoint(Operation.LIST_KEYS, "GET", "users/external-keys", _KEY_READERS),
    _endpoint(Operation.SET_KEYS, "POST", "users/external-keys", _KEY_WRITERS),
    _endpoint(Operation.LIST_USERS, "GET", "users", _READERS),
    _endpoint(Operation.CREATE_USER, "POST", "users", _WRITERS),
    _endpoint(Operation.GET_USER, "GET", "users/*", _READERS),
    _endpoint(Operation.REPLACE_USER, "PUT", "users/*", _WRITERS),
    _endpoint(Operation.CHANGE_USER, "PATCH", "users/*", _WRITERS),
    _endpoint(Operation.DELETE, "DELETE", "users/*", _WRITERS),
    _endpoint(Operation.SUSPEND, "POST", "users/*/suspend", _WRITERS),
    _endpoint(Operation.UNSUSPEND, "POST", "users/*/unsuspend", _WRITERS),
    _endpoint(Operation.UNDELETE, "POST", "users/*/undelete", _WRITERS),
    _endpoint(Operation.DELETE_FOR_GOOD, "DELETE", "users/*/forcedelete", _WRITERS),
    _endpoint(Operation.FORCE_LOGOUT, "POST", "users/*/force-logout", _WRITERS),
    _endpoint(Operation.MESSAGE_USER, "POST", "bots/*/users/*/messages", _BOT),
    _endpoint(Operation.MESSAGE_CHANNEL, "POST", "bots/*/channels/*/messages", _BOT),
    _endpoint(Operation.AUDIT_LOG, "GET", "audits/logs/download", _AUDIT),
)

TOKEN: Final = _endpoint(Operation.TOKEN, "POST", "token", _NONE)
AUDIT_FILE: Final = _endpoint(Operation.AUDIT_FILE, "GET", "*", _AUDIT)


def find(endpoints: Sequence[Endpoint], method: str, raw_path: str) -> Found | None:
    """The endpoint of a path below the base path, as it was sent, or None.

    The path is split before it is decoded: an encoded `/` belongs to a parameter.
    """
    segments = raw_path.split("/")
    for endpoint in endpoints:
        if endpoint.matches(method, segments):
            pairs = zip(endpoint.path, segments, strict=True)
            return Found(endpoint, tuple(unquote(sent) for ours, sent in pairs if ours == "*"))
    return None
