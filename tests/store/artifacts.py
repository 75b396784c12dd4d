"""Artifacts for tests, and ways to handle many at once."""

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.model import (
    AccessToken,
    Artifact,
    AuthorizationCode,
    Interim,
    LoginKind,
    RefreshToken,
    Session,
    SpentTransaction,
)
from worksgate.store import ArtifactKey, RedemptionRecord, Successors

T = TypeVar("T")

NOW = 1_800_000_000.0
"""The time of the tests: seconds since the epoch."""

REDEEMED = RedemptionRecord(Event.CODE_REDEEMED, "203.0.113.9")


def issued(name: str) -> AuditEvent:
    """The record of a code that is saved."""
    return AuditEvent(event=Event.CODE_ISSUED, at=NOW, login_id=f"login of {name}")


def key_of(name: str) -> str:
    """The digest under which something with this secret is kept."""
    return hashlib.sha256(name.encode()).hexdigest()


def code(
    name: str = "code",
    *,
    grant: str | None = None,
    subject: str = "anna",
    client: str = "tenant",
    expires_at: float = NOW + 60,
) -> AuthorizationCode:
    return AuthorizationCode(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id=client,
        expires_at=expires_at,
        user_id=f"key of {subject}",
        login_id=f"login of {name}",
        login_kind=LoginKind.APP,
        lifetime=3_600,
        expires_in=86_400,
    )


def refresh_token(
    name: str = "refresh token",
    *,
    grant: str | None = None,
    subject: str = "anna",
    expires_at: float = NOW + 600,
) -> RefreshToken:
    return RefreshToken(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id="tenant",
        expires_at=expires_at,
        user_id=f"key of {subject}",
        login_id=f"login of {name}",
        login_kind=LoginKind.WEB,
        lifetime=3_600,
        expires_in=None,
    )


def access_token(
    name: str = "access token",
    *,
    grant: str | None = None,
    subject: str = "anna",
    expires_at: float = NOW + 600,
) -> AccessToken:
    return AccessToken(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id="tenant",
        expires_at=expires_at,
        user_id=f"key of {subject}",
        login_id=f"login of {name}",
        login_kind=LoginKind.IMAP,
    )


def session(
    name: str = "session",
    *,
    grant: str | None = None,
    subject: str = "anna",
    expires_at: float = NOW + 600,
) -> Session:
    return Session(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id="",
        expires_at=expires_at,
        source="directory",
        username="anna@example.com",
        name="안나 아나",
        external_key="E-1",
        works_account=None,
        authenticated_at=NOW - 0.123456789,
    )


def spent_transaction(
    name: str = "transaction",
    *,
    grant: str | None = None,
    subject: str = "",
    expires_at: float = NOW + 600,
) -> SpentTransaction:
    return SpentTransaction(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id="tenant",
        expires_at=expires_at,
    )


def interim(
    name: str = "interim",
    *,
    grant: str | None = None,
    subject: str = "anna",
    expires_at: float = NOW + 600,
) -> Interim:
    return Interim(
        key=key_of(name),
        grant_id=grant or f"grant of {name}",
        subject_id=subject,
        client_id="tenant",
        expires_at=expires_at,
        purpose="test",
        data="",
    )


def named(artifact: Artifact) -> ArtifactKey:
    return ArtifactKey(type(artifact), artifact.key)


def one_of_each(*, grant: str | None = None, subject: str = "anna") -> tuple[Artifact, ...]:
    return (
        code(grant=grant, subject=subject),
        refresh_token(grant=grant, subject=subject),
        access_token(grant=grant, subject=subject),
        session(grant=grant, subject=subject),
        spent_transaction(grant=grant, subject=subject),
        interim(grant=grant, subject=subject),
    )


def buys(token: str, refresh: str | None = None) -> Successors:
    """What a redemption shall create."""
    return Successors(
        access_token_key=key_of(token),
        refresh_token_key=None if refresh is None else key_of(refresh),
        refresh_token_lifetime=0 if refresh is None else 7_200,
    )


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*calls))


def portions(items: Sequence[T], size: int = 400) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
