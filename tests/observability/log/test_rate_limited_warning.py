"""A frequent warning is logged once a second, with the number of suppressed ones."""

import json
from collections.abc import Callable

from worksgate.observability.rate_limited_warning import RateLimitedWarning


def test_warnings_within_a_second_are_counted_and_not_logged(logged: Callable[[], str]) -> None:
    now = 100.0
    warning = RateLimitedWarning("request.unavailable", lambda: now)
    for later in (0.0, 0.3, 0.6, 1.0, 1.5):
        now = 100.0 + later
        warning.log("/accessToken", "the store is down")
    lines = [json.loads(line) for line in logged().splitlines()]
    assert [line["suppressed"] for line in lines] == [0, 2]
    assert {(line["event"], line["level"], line["path"]) for line in lines} == {
        ("request.unavailable", "warning", "/accessToken")
    }
