"""Which people ``worksgate user list`` shows."""

from collections.abc import Collection
from dataclasses import dataclass

from worksgate.directory import Account
from worksgate.directory.account_rules import lacking as what_lacks
from worksgate.directory.people_index import found_by, words_of
from worksgate.sources import Person


@dataclass(frozen=True, slots=True)
class Filter:
    """The conditions for a person to be listed; None matches everybody.

    Each word of ``text`` is part of a name, its reading, a user key or an address, in any spelling.
    """

    text: str | None = None
    group: str | None = None
    enabled: bool | None = None
    lacking: bool = False
    second_factor: bool | None = None

    @property
    def is_set(self) -> bool:
        """Whether anybody may be filtered out."""
        return self != Filter()

    def admits(self, person: Person, *, enabled: bool) -> bool:
        """Whether a person of any source matches."""
        words = words_of(self.text or "")
        haystack = found_by(person)["haystack"] if words else ""
        return (
            all(each in haystack for each in words)
            and (self.group is None or self.group in person.groups)
            and (self.enabled is None or self.enabled is enabled)
        )

    def admits_account(self, account: Account, with_factor: Collection[str]) -> bool:
        """Whether an account matches; ``subjects`` are those with a second factor."""
        has_factor = account.person.subject_id in with_factor
        return (
            self.admits(account.person, enabled=account.enabled)
            and (not self.lacking or bool(what_lacks(account)))
            and (self.second_factor is None or self.second_factor is has_factor)
        )
