"""The app of the Developer Console with which Worksgate calls the API of a tenant.

https://developers.worksmobile.com/en/docs/auth-jwt
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from worksgate.line_works_api.private_key import checked_key
from worksgate.settings.assumptions import DEFAULTS

READ: Final = "directory.read"
"""Lists people and their keys."""
WRITE: Final = "directory"
"""Reads, and writes keys; suspends and signs people out."""
AUDIT: Final = "audit.read"
"""Downloads the audit log."""
USER_READ: Final = "user.read"
"""Reads people without their keys in a list."""
USER: Final = "user"
"""The same; suspends and signs them out."""
BOT_SCOPES: Final = ("bot.message", "bot")
"""Any one of them lets a bot send messages; the first is the smaller one."""
LONGEST_TEXT: Final = 2_000
"""Characters of a message of a bot."""

_VISIBLE = re.compile(r"[\x21-\x7e]{1,200}")
_ACCOUNT = re.compile(r"[\x21-\x3f\x41-\x7e]{1,100}@[\x21-\x3f\x41-\x7e]{1,100}")
_SCOPE = re.compile(r"[a-z][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiApp:
    """An app: its IDs, what it may do, and its two secrets. ``private_key`` is PKCS#8 PEM.

    ``domains`` are the IDs of the LINE WORKS domains whose people are read; none: the one in which
    the app is registered, whatever its ID.
    """

    client_id: str
    service_account: str
    scopes: tuple[str, ...]
    client_secret: str = field(repr=False)
    private_key: str = field(repr=False)
    domains: tuple[int, ...] = ()

    @classmethod
    def checked(
        cls,
        *,
        client_id: str,
        client_secret: str,
        service_account: str,
        private_key: str,
        scopes: Sequence[str],
        domains: Sequence[int] = (),
        fewest_key_bits: int = DEFAULTS.fewest_key_bits,
    ) -> Self:
        """An app as typed or pasted. Raises ValueError with a sentence that repeats no secret."""
        if not _VISIBLE.fullmatch(client_id):
            raise ValueError("the client ID has 1 to 200 visible ASCII characters")
        if not _VISIBLE.fullmatch(client_secret):
            raise ValueError("the client secret has 1 to 200 visible ASCII characters")
        if not _ACCOUNT.fullmatch(service_account):
            raise ValueError(
                "the service account has the form xxxxx.serviceaccount@domain, as the Developer "
                "Console shows it"
            )
        wanted = tuple(dict.fromkeys(scopes))
        if not wanted or not all(map(_SCOPE.fullmatch, wanted)):
            raise ValueError(f"scopes are words such as {READ} and {WRITE}, at least one")
        if not all(0 < each < 2**63 for each in domains):
            raise ValueError("the ID of a domain is a whole number")
        return cls(
            client_id=client_id,
            service_account=service_account,
            scopes=wanted,
            client_secret=client_secret,
            private_key=checked_key(private_key, fewest_key_bits),
            domains=tuple(dict.fromkeys(domains)),
        )

    def has_any(self, *scopes: str) -> bool:
        """Whether one of these scopes is among its own: any one of an operation's suffices."""
        return not set(self.scopes).isdisjoint(scopes)

    def least(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """What to ask for: the first of these scopes that it has, or else all of its own.

        Without any of them LINE WORKS is to say what is missing.
        """
        has = next((each for each in scopes if each in self.scopes), None)
        return self.scopes if has is None else (has,)
