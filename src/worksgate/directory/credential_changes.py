"""Changes of a person's credentials, and their announcement.

Only the directory announces changes, each right after its commit. So a new method that changes a
credential cannot bypass it, and ``notices`` listens in one place. ``Origin`` describes the request
that caused the change; a notice shows it, and is written in its language.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from worksgate.audit import AuditEvent
from worksgate.database.repository import Connections


class Change(StrEnum):
    """A kind of change of a person's credentials."""

    PASSWORD_CHANGED = "password changed"
    """By the person, who knew the previous one."""
    PASSWORD_RESET = "password reset"
    """With a reset link."""
    PASSWORD_SET = "password set"
    """By an administrator."""
    PASSWORD_VOIDED = "password voided"
    """The password was removed; part of DISAVOWED."""
    AUTHENTICATOR_ADDED = "authenticator added"
    AUTHENTICATOR_REMOVED = "authenticator removed"
    PASSKEY_ADDED = "passkey added"
    PASSKEY_REMOVED = "passkey removed"
    FACTORS_REMOVED = "second factors removed"
    """All of them, by an administrator."""
    RECOVERY_CODES_MADE = "recovery codes made"
    """The first ones, together with a second factor."""
    RECOVERY_CODES_RENEWED = "recovery codes renewed"
    RECOVERY_CODE_USED = "recovery code used"
    APP_PASSWORD_ADDED = "app password added"
    APP_PASSWORD_REMOVED = "app password removed"
    APP_PASSWORDS_LAPSE = "app passwords lapse soon"
    """Nothing has changed yet: the person has not signed in for a while."""
    ALL_ENDED = "everything ended"
    """Sessions, tokens, trusted browsers and app passwords, on request."""
    ACCOUNT_CLOSED = "account closed"
    """The same, since the person was disabled or removed."""
    CONSOLE_ELSEWHERE = "console sign-in from a new place"
    """Nothing has changed: an administrator has signed in to the console from a new place."""
    DISAVOWED = "everything ended by a mail"
    """The same, with the link of a notice: the person disavows a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of a request; ``browser`` is such as "Chrome on Windows".

    ``language`` is empty without a browser.
    """

    address: str = ""
    browser: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialChange:
    """A committed change, with its audit record."""

    change: Change
    event: AuditEvent = field(repr=False)
    origin: Origin = Origin()


Announce = Callable[[CredentialChange], None]
"""Returns at once and never raises."""


class AnnouncingConnections(Connections, Protocol):
    """Connections to the directory, whose methods announce their changes."""

    def publish(self, change: Change, event: AuditEvent) -> None:
        """Announce a committed change of a person's credentials."""
        ...


def ignore_change(_: CredentialChange) -> None:
    """Ignore a change: for installations without notices."""


def _nowhere() -> Origin:
    return Origin()


_origin: ContextVar[Callable[[], Origin]] = ContextVar("origin", default=_nowhere)


@contextmanager
def coming_from(origin: Callable[[], Origin]) -> Iterator[None]:
    """Within the block, changes have this origin; it is called only if there is a change."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def announced(change: Change, event: AuditEvent) -> CredentialChange:
    """A change that has just been committed, with the origin of the request."""
    return CredentialChange(change=change, event=event, origin=_origin.get()())
