"""A person at LINE WORKS, and as many made-up ones as a test wants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

KEPT_DELETED: Final = 7 * 24 * 60 * 60
"""How long a deleted person can come back."""

LONGEST_KEY: Final = 100
BARRED_IN_KEYS: Final = frozenset("%\\#/?")

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Rank(StrEnum):
    """What they are in the tenant. A Super Admin can neither be suspended nor deleted."""

    MEMBER = "member"
    ADMINISTRATOR = "administrator"
    SUPER_ADMIN = "super_admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of a tenant.

    `user_id` is the resource ID, `email` the login ID. `is_pending`: has not signed in yet;
    `is_awaiting`: has joined by a link and waits for approval. `deleted_at` is in seconds since the
    epoch. `devices` is the number of devices on which they are signed in. `other` holds what a
    request has set and nothing here looks at.
    """

    user_id: str
    email: str
    last_name: str
    first_name: str = ""
    external_key: str | None = None
    domain_id: int = 1
    rank: Rank = Rank.MEMBER
    is_pending: bool = False
    is_awaiting: bool = False
    is_suspended: bool = False
    suspended_reason: str | None = None
    on_leave: bool = False
    deleted_at: float | None = None
    devices: int = 1
    other: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def name(self) -> str:
        return f"{self.last_name} {self.first_name}".strip()

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def is_in_use(self) -> bool:
        """Whether they could sign in, were they not suspended."""
        return not (self.is_pending or self.is_awaiting or self.is_deleted)

    def as_person(self, *, awaiting_is_pending: bool = False) -> dict[str, Any]:
        """The person as `GET /users` returns them.

        https://developers.worksmobile.com/jp/docs/user-get
        """
        return {
            **self.other,
            "domainId": self.domain_id,
            "userId": self.user_id,
            "userExternalKey": self.external_key,
            "email": self.email,
            "userName": {"lastName": self.last_name, "firstName": self.first_name or None},
            "isAdministrator": self.rank is not Rank.MEMBER,
            "isPending": self.is_pending or (self.is_awaiting and awaiting_is_pending),
            "isAwaiting": self.is_awaiting,
            "isSuspended": self.is_suspended,
            "suspendedReason": self.suspended_reason,
            "isDeleted": self.is_deleted,
            "leaveOfAbsence": {
                "startTime": None,
                "endTime": None,
                "isLeaveOfAbsence": self.on_leave,
            },
            "organizations": [
                {
                    "domainId": self.domain_id,
                    "primary": True,
                    "userExternalKey": self.external_key,
                    "email": self.email,
                    "levelId": None,
                    "orgUnits": [],
                }
            ],
        }

    def as_key(self, *, omits_empty: bool) -> dict[str, Any]:
        """The person as `GET /users/external-keys` returns them.

        https://developers.worksmobile.com/en/docs/user-external-key-list
        """
        row: dict[str, Any] = {
            "domainId": self.domain_id,
            "name": self.name,
            "email": self.email,
            "id": self.user_id,
            "externalKey": self.external_key,
        }
        if self.external_key is None and omits_empty:
            del row["externalKey"]
        return row


def made_up_members(
    count: int, *, domain: str = "example.com", with_keys: bool = True
) -> Iterator[Member]:
    """That many people, the same ones each time: `s000001@example.com` with the key `S-000001`."""
    for number in range(1, count + 1):
        yield Member(
            user_id=new_user_id(f"{domain}/{number}"),
            email=f"s{number:06d}@{domain}",
            last_name="Sample",
            first_name=f"{number:06d}",
            external_key=f"S-{number:06d}" if with_keys else None,
        )


def new_user_id(seed: str) -> str:
    """A resource ID: 32 hexadecimal digits that say nothing about the person."""
    return blake2b(seed.encode(), digest_size=16).hexdigest()
