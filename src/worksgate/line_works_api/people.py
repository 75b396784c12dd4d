"""What LINE WORKS says of a person, and of a person's external key.

Only what Worksgate needs is read; further members are ignored, since any may come.
https://developers.worksmobile.com/en/docs/user-get
https://developers.worksmobile.com/en/docs/user-external-key-list
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


class Misunderstood(ValueError):
    """An answer does not have the documented form; the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKey:
    """Somebody at LINE WORKS, and their external key, if they have one.

    ``id`` is permanent; ``account`` is the login ID, in lower case, and can change.
    """

    id: str
    account: str
    name: str
    external_key: str | None

    @classmethod
    def read(cls, row: Any) -> Self:
        """Raises Misunderstood."""
        document = _object(row)
        return cls(
            id=_id(document.get("id")),
            account=_account(document.get("email")),
            name=_name(document.get("name")),
            external_key=_text(document.get("externalKey")) or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPerson:
    """Somebody at LINE WORKS.

    ``is_pending``: not yet signed in; ``is_awaiting``: waits for approval. ``suspended_reason`` is
    ``MASTER`` (by an administrator) or ``LOGIN_FAIL`` (wrong passwords), if LINE WORKS says so.
    """

    id: str
    account: str
    name: str
    external_key: str | None
    is_administrator: bool = False
    is_pending: bool = False
    is_awaiting: bool = False
    is_deleted: bool = False
    is_suspended: bool = False
    suspended_reason: str | None = None
    is_on_leave: bool = False

    @property
    def is_in_use(self) -> bool:
        """Whether they may use LINE WORKS at all, as far as it says."""
        return not (self.is_deleted or self.is_suspended or self.is_pending or self.is_awaiting)

    @classmethod
    def read(cls, row: Any) -> Self:
        """Raises Misunderstood."""
        document = _object(row)
        leave = document.get("leaveOfAbsence")
        return cls(
            id=_id(document.get("userId")),
            account=_account(document.get("email")),
            name=_name(document.get("userName")),
            external_key=_text(document.get("userExternalKey")) or None,
            is_administrator=document.get("isAdministrator") is True,
            is_pending=document.get("isPending") is True,
            is_awaiting=document.get("isAwaiting") is True,
            is_deleted=document.get("isDeleted") is True,
            is_suspended=document.get("isSuspended") is True,
            suspended_reason=_text(document.get("suspendedReason")) or None,
            is_on_leave=isinstance(leave, dict) and leave.get("isLeaveOfAbsence") is True,
        )


def _object(row: Any) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise Misunderstood("a person is not an object")
    return row


def _id(value: Any) -> str:
    """IDs are text; whole numbers are read exactly."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Misunderstood("a person has no ID")
    return value


def _account(value: Any) -> str:
    return _text(value).strip().lower()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> str:
    """Family name first, as LINE WORKS shows it in East Asia."""
    if not isinstance(value, dict):
        return _text(value)
    return " ".join(filter(None, (_text(value.get("lastName")), _text(value.get("firstName")))))
