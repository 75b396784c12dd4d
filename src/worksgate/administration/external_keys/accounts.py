"""Which member a person here is: by LINE WORKS account, then by e-mail address, never by name."""

from collections.abc import Mapping
from functools import cached_property
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class HasAddresses(Protocol):
    """A person, as far as it says which member they are."""

    @property
    def works_account(self) -> str | None: ...

    @property
    def email(self) -> str | None: ...


class Accounts(Generic[T]):
    """Something for each LINE WORKS account; accounts are in lower case.

    ``has_bare`` is whether an account of the file may
    lack its domain: then one here is found without its own.
    """

    def __init__(self, by_account: Mapping[str, T], *, has_bare: bool = False) -> None:
        self.by_account = by_account
        self._has_bare = has_bare

    def of_person(self, person: HasAddresses) -> T | None:
        """Theirs, if they are a member; an account here may lack its domain."""
        for name in (person.works_account, person.email):
            if name and (found := self.by_account.get(account_of(name))) is not None:
                return found
        account = person.works_account
        if account and "@" not in account:
            return self._by_local_part.get(account)
        return self.by_account.get(local_part(account)) if account and self._has_bare else None

    @cached_property
    def _by_local_part(self) -> Mapping[str, T | None]:
        """By what an account begins with, None for several; few need it, and it is large."""
        found: dict[str, T | None] = {}
        for account, each in self.by_account.items():
            part = local_part(account)
            found[part] = None if part in found else each
        return found


def account_of(text: str) -> str:
    """A cell or an address as an account."""
    return text.strip().lower()


def local_part(account: str) -> str:
    return account.partition("@")[0]
