"""Identity sources: who can say who a person is.

A source owns one way to check a name and a password, and says whom they belong to. It does not
know sessions, codes or pages. The built-in directory is one source (``directory``); a company's
own function is another (``function``); LDAP and OpenID providers stand behind the same contract.

"Not mine or wrong" is None. An outage is an exception: a directory that is down is not a wrong
password.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class SourceUnavailable(Exception):
    """The source cannot say whether the password is right: it is down, slow or overloaded."""


class PersonDisabled(Exception):
    """The password is right, but the person may not sign in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in.

    ``subject_id`` is stable, never given to another person, and begins with the source's name
    and a colon; a function may leave the beginning out. ``external_key`` and ``works_account``
    obey the rules of ``oauth.user_info``. ``revision`` changes with the password, where the
    source can tell.
    """

    subject_id: str
    username: str
    name: str
    external_key: str | None = None
    works_account: str | None = None
    revision: str | None = None


Answer = Person | Mapping[str, Any] | None
Authenticate = Callable[[str, str], Answer | Awaitable[Answer]]
"""A company's own function: it is given a username and a password, and says whose they are."""


class Source(Protocol):
    """The contract of every source that takes passwords."""

    @property
    def name(self) -> str:
        """Unique among the sources of an installation."""
        ...

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whose password this is, or None.

        Costs the same whether the username exists or not (R-77).
        Raises PersonDisabled (only after the password was right) or SourceUnavailable.
        """
        ...

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """Return a person as they are now, or None where they are gone or disabled.

        ``last_seen`` is what was known at the sign-in; a source that cannot look people up
        without a password returns it. Somebody whose password is no longer the one of
        ``last_seen.revision``, if that is known, is gone too. Raises SourceUnavailable.
        """
        ...
