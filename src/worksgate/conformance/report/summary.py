"""The results of a run as a whole."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worksgate.conformance.checks.examination import FAMILIES, Result
from worksgate.conformance.checks.login import OURS
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.target import Target
from worksgate.conformance.checks.verdicts import Outcome

_INCOMPLETE: Final = frozenset({"no_playwright", "no_browser", *(f"stuck_{each}" for each in OURS)})
"""Why a sign-in could not be carried out by this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished run. `at` is its start in seconds since the epoch, `took` its length."""

    name: str
    addresses: tuple[tuple[str, str], ...]
    client_id: str
    at: float
    took: float
    requests: int
    version: str
    results: Sequence[Result]

    def count(self, outcome: Outcome) -> int:
        return Counter(result.outcome for result in self.results)[outcome]

    @property
    def exit_code(self) -> int:
        """Return 0 if nothing was found, 1 with findings, 2 if the sign-in could not be tested.

        The last is no fault of the implementation, but without a sign-in half of the rules are
        unknown: a CI job must not call that a success.
        """
        if self.count(Outcome.FAIL):
            return 1
        return 2 if self.is_incomplete else 0

    @property
    def is_incomplete(self) -> bool:
        """Whether a sign-in was wanted, and this program could not carry it out."""
        return any(
            result.message is not None and result.message.key in _INCOMPLETE
            for result in self.results
            if result.outcome is Outcome.NOT_TESTED
        )

    def by_family(self) -> list[tuple[Family, list[Result]]]:
        """Return the results of each family that has any."""
        found = [
            (family, [each for each in self.results if each.check.family == family.name])
            for family in FAMILIES
        ]
        return [(family, results) for family, results in found if results]


def addresses_of(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the addresses by the fields of the Developer Console."""
    ends = target.endpoints
    found = (
        ("web_login", ends.web_login),
        ("app_login", ends.app_login),
        ("access_token", ends.access_token),
        ("user_info", ends.user_info),
        ("logout", ends.logout),
        ("imap_login", ends.imap_login if target.mailbox else None),
    )
    return tuple((name, url) for name, url in found if url)
