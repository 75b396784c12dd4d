"""The page says what strangers can cost as the code has it."""

from pathlib import Path

from worksgate import password_reset
from worksgate.credentials import KEPT_FOR_KNOWN
from worksgate.purging import PAUSE, STEP
from worksgate.stranger_records import A_DAY, PORTION, SUMMARIES_A_DAY

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
        f"the last {KEPT_FOR_KNOWN:.0%} are".replace("%", " %"),
        f"{STEP} rows in a step of some milliseconds and a pause of {PAUSE * 1_000:.0f}",
    ):
        assert number in part, number
