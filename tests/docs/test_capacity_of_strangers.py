"""The figures of the capacity page about unauthenticated callers match the code."""

from pathlib import Path

from worksgate import mail
from worksgate.administration.purging import PAUSE, STEP
from worksgate.credentials.password_hashing import KEPT_FOR_KNOWN
from worksgate.limits.rate_limit import DAY
from worksgate.provider import throttle
from worksgate.provider.account import reset_requests
from worksgate.provider.sign_in.session_key import REQUESTS_PER_MINUTE
from worksgate.provider.stranger_records import A_DAY, PORTION, SUMMARIES_A_DAY
from worksgate.provider.throttle import COUNTERS_PER_CHECK, ThrottlePolicy

PURPOSES = 2
"""Of the throttle, where strangers are counted: browsers and mail clients."""
KINDS = 2
"""Of shared counters: of names and of networks."""
BYTES = 200

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"


def test_r136_the_page_has_the_numbers_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    part = text.partition("## What strangers can cost")[2].partition("\n## ")[0]
    for number in (
        f"{sum(A_DAY.values()):,}, and {PORTION} more for each process and event",
        f"{SUMMARIES_A_DAY:,} for each process",
        f"{reset_requests.MAILS_A_DAY:,}, of which one account gets at most "
        f"{reset_requests.PER_ACCOUNT} an hour",
        f"{reset_requests.REQUESTS_A_DAY:,}, and {reset_requests.PORTION} more for each process",
        f"{COUNTERS_PER_CHECK} for each password that is checked",
        f"{throttle.COUNTERS_A_DAY:,} new ones, and {throttle.PORTION:,} more for each process",
        f"share {throttle.SHARED:,} of each kind",
        f"some {_rows() / 1e6:.1f} million rows, {_rows() * BYTES / 1e9:.1f} GB",
        f"takes {_to_fill_all() / 1e6:.1f} million wrong passwords",
        f"at most {ThrottlePolicy().strangers} guesses by its own counter",
        f"the {reset_requests.WAITING} that wait in a process the last "
        f"{reset_requests.KEPT_FOR_KNOWN} are for browsers that are known",
        f"{REQUESTS_PER_MINUTE} a minute for each network and process",
        f"{DAY:,.0f} for each hashing thread",
        f"the last {KEPT_FOR_KNOWN:.0%} are".replace("%", " %"),
        f"{STEP} rows in a step of some milliseconds and a pause of {PAUSE * 1_000:.0f}",
    ):
        assert number in part, number
    assert mail.WAITING == reset_requests.WAITING


def _to_fill_all() -> float:
    """Where a source says that a name means nobody (LDAP), a wrong password counts twice."""
    return throttle.SHARED * ThrottlePolicy().strangers / 2


def _rows() -> float:
    """The most at any time: those of a day are there when those of the next one begin."""
    return PURPOSES * (2 * throttle.COUNTERS_A_DAY + KINDS * throttle.SHARED)
