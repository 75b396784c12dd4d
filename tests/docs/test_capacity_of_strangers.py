"""The page says what strangers can cost as the code has it."""

from pathlib import Path

from worksgate import password_reset
from worksgate.credentials import KEPT_FOR_KNOWN
from worksgate.purging import PAUSE, STEP
from worksgate.session_keys import ASKED_A_MINUTE
from worksgate.stranger_records import A_DAY, PORTION, SUMMARIES_A_DAY
from worksgate.throttle import COUNTERS_PER_CHECK, ThrottlePolicy

HASHES_A_SECOND = 42
KEPT_FOR_A_DAY = 2
"""Counters of a check that live as long as the throttle remembers failures."""

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"


def test_r136_the_page_has_the_numbers_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    part = text.partition("## What strangers can cost")[2].partition("\n## ")[0]
    for number in (
        f"{sum(A_DAY.values()):,}, and {PORTION} more for each process and event",
        f"{SUMMARIES_A_DAY:,} for each process",
        f"{password_reset.MAILS_A_DAY:,}, of which one account gets at most "
        f"{password_reset.PER_ACCOUNT} an hour",
        f"{password_reset.REQUESTS_A_DAY:,}, and {password_reset.PORTION} more for each process",
        f"{COUNTERS_PER_CHECK} for each password that is checked",
        f"{HASHES_A_SECOND} hashes a second, {HASHES_A_SECOND * COUNTERS_PER_CHECK} a second",
        f"some {_rows_of_a_day() / 1e6:.0f} million rows, {_rows_of_a_day() * 200 / 1e9:.1f} GB",
        f"{COUNTERS_PER_CHECK} for each wrong one",
        f"{ASKED_A_MINUTE} a minute for each network and process",
        f"the last {KEPT_FOR_KNOWN:.0%} are".replace("%", " %"),
        f"{STEP} rows in a step of some milliseconds and a pause of {PAUSE * 1_000:.0f}",
    ):
        assert number in part, number


def _rows_of_a_day() -> float:
    return HASHES_A_SECOND * KEPT_FOR_A_DAY * ThrottlePolicy().window
