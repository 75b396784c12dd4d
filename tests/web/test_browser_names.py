"""Names of browsers, from their headers."""

import pytest

from worksgate.web.pages.browser_names import browser_name

ON_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
ON_ANDROID = "Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 (KHTML, like Gecko) "
ON_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
IN_A_VIEW = "Mozilla/5.0 (Linux; Android 14; SM-S918N; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
CHROME = "Chrome/126.0.0.0 "


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f"{ON_WINDOWS}{CHROME}Safari/537.36", "Chrome on Windows"),
        (f"{ON_WINDOWS}{CHROME}Safari/537.36 Edg/126.0.0.0", "Edge on Windows"),
        (f"{ON_WINDOWS}{CHROME}Whale/3.26.244.21 Safari/537.36", "Whale on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
            "Gecko) Version/17.5 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox on Linux",
        ),
        (f"{ON_ANDROID}{CHROME}Mobile Safari/537.36", "Chrome on Android"),
        (
            f"{ON_ANDROID}SamsungBrowser/25.0 {CHROME}Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (f"{IN_A_VIEW}Version/4.0 {CHROME}Mobile Safari/537.36", "App on Android"),
        (
            f"{ON_IPHONE}(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            f"{ON_IPHONE}(KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            "Chrome on iPhone",
        ),
        (f"{ON_IPHONE}(KHTML, like Gecko) Mobile/15E148", "App on iPhone"),
    ],
)
def test_a_browser_is_called_what_people_call_it(header: str, name: str) -> None:
    assert browser_name(header) == name


@pytest.mark.parametrize("header", ["", "curl/8.5.0", "Chrome/126", "Windows NT 10.0", "x" * 9_999])
def test_what_is_not_known_has_no_name(header: str) -> None:
    assert browser_name(header) == ""


def test_nothing_else_of_the_header_is_in_the_name() -> None:
    header = f"{ON_WINDOWS}{CHROME}Safari/537.36 <script> hunter2"
    assert browser_name(header) == "Chrome on Windows"
