"""The results of a run as a whole."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worksgate.conformance.checks.examination import FAMILIES, Result
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.verdicts import Outcome

NOT_ASKED: Final = frozenset(
    {
        *("no_person", "no_mailbox", "no_lifetime", "no_other_client", "no_disabled_client"),
        *("no_expected_key", "by_hand", "typed_code", "form_for_foreign", "local", "no_tls"),
        *("no_plus", "no_rotation", "no_refresh_token", "refresh_tokens_are_on"),
        *("session_key_verified", "no_barred_client", "no_account", "no_token_lifetime"),
        *(
            "no_wrong_passwords",
            "no_client_in_address",
            "no_plain_form",
            "no_late_sign_in",
            "no_overload",
            "needs_outage",
        ),
        *("needs_disable_person", "needs_disable_client"),
    }
)
"""Why a check was not tested, where nothing is missing: nobody asked for it, or it is not there."""


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
        """Return 0 if nothing was found, 1 with findings, 2 if what was asked for is not known.

        A sign-in that this program cannot carry out is no fault of the implementation, but half of
        the rules are unknown then: a CI job must not call that a success.
        """
        if self.count(Outcome.FAIL):
            return 1
        return 2 if self.is_incomplete else 0

    @property
    def is_incomplete(self) -> bool:
        """Whether something that was asked for could not be tested."""
        return any(
            result.message is not None and result.message.key not in NOT_ASKED
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
