"""What a call from outside has printed, and what that means."""

import pytest

from worksgate.administration.set_up.outside_check import LONGEST, Outcome, Outside, command, judge

URL = "https://sso.example.com/accessToken"
REFUSED = '{"error":"301","error_description":"unauthorized_client: Invalid client ID or secret"}'


def printed(body: str = REFUSED, **changes: str) -> str:
    """As curl prints it."""
    figures = {
        "http_code": "401",
        "time_connect": "0.021",
        "time_appconnect": "0.094",
        "time_total": "0.180",
        "remote_ip": "203.0.114.9",
        "url_effective": URL,
        **changes,
    }
    return f"{body}\nworksgate {' '.join(f'{name}={value}' for name, value in figures.items())}\n"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (printed(), Outcome.REACHED),
        (printed(time_total="0,180", time_connect="0,021"), Outcome.REACHED),
        (printed(remote_ip="2001:4860:4860::8888"), Outcome.REACHED),
        (printed(time_connect="1.2"), Outcome.SLOW),
        (printed(time_appconnect="1.01"), Outcome.SLOW),
        (printed(time_total="3.4"), Outcome.SLOW),
        (printed(remote_ip="10.1.2.3"), Outcome.INSIDE),
        (printed(remote_ip="::1"), Outcome.INSIDE),
        (printed(remote_ip=""), Outcome.INSIDE),
        (printed(url_effective="https://test.example.com/accessToken"), Outcome.ELSEWHERE),
        (printed('{"error":"201","error_description":"x"}', http_code="400"), Outcome.PLAIN_HTTP),
        (printed("<html>404 Not Found</html>", http_code="404"), Outcome.NOT_OURS),
        (printed(http_code="200"), Outcome.NOT_OURS),
        ("curl: (6) Could not resolve host: sso.example.com", Outcome.NO_NAME),
        ("curl: (7) Failed to connect to sso.example.com port 443", Outcome.REFUSED),
        ("curl: (28) Connection timed out after 10001 milliseconds", Outcome.TIMEOUT),
        ("curl: (60) SSL certificate problem: unable to get local issuer", Outcome.TLS),
        ("curl: (3) URL rejected", Outcome.UNREADABLE),
        ("", Outcome.UNREADABLE),
        ("301", Outcome.UNREADABLE),
        (REFUSED, Outcome.UNREADABLE),
        (printed(time_total="soon"), Outcome.UNREADABLE),
        (printed(time_total="-1"), Outcome.UNREADABLE),
        (printed(time_total="nan"), Outcome.UNREADABLE),
        ("x" * LONGEST + printed(), Outcome.UNREADABLE),
    ],
)
def test_r166_an_answer_from_outside_is_judged(answer: str, outcome: Outcome) -> None:
    judged = judge(answer, URL)
    assert judged.outcome is outcome
    assert judged.is_good is (outcome is Outcome.REACHED)


def test_the_time_of_the_tls_handshake_counts_as_connecting() -> None:
    assert judge(printed(), URL) == Outside(outcome=Outcome.REACHED, connect=0.094, total=0.18)


def test_the_line_asks_for_all_that_is_judged_and_has_no_secret() -> None:
    line = command(URL)
    assert line.endswith(URL)
    for figure in ("http_code", "time_connect", "time_appconnect", "time_total", "remote_ip"):
        assert f"{figure}=%{{{figure}}}" in line
    assert "client_secret=outside" in line
    assert "'" not in line  # the command prompt of Windows would not know it


def test_an_outcome_of_a_later_version_is_not_good() -> None:
    assert Outside.of({"outcome": "something new"}).outcome is Outcome.UNREADABLE
