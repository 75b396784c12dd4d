"""Times as people read them: in their zone, and by the conventions of their language."""

from datetime import UTC, datetime, timedelta

import pytest

from worksgate.moments import in_zone, machine, moment, since_epoch, utc, with_offset, zone_named

AT = datetime(2026, 11, 30, 15, 5, tzinfo=UTC).timestamp()
TOKYO = zone_named("Asia/Tokyo")
BERLIN = zone_named("Europe/Berlin")


@pytest.mark.parametrize(
    ("locale", "of_today", "of_this_year", "of_another"),
    [
        ("en", "00:05", "Dec 1, 00:05", "Dec 1, 2026, 00:05"),
        ("ja", "00:05", "12月1日 00:05", "2026年12月1日 00:05"),
        ("ko", "00:05", "12월 1일 00:05", "2026년 12월 1일 00:05"),
        ("zh_TW", "00:05", "12月1日 00:05", "2026年12月1日 00:05"),
    ],
)
def test_a_moment_has_as_much_of_its_date_as_is_needed(
    locale: str, of_today: str, of_this_year: str, of_another: str
) -> None:
    when = in_zone(AT, TOKYO)
    for days, said in ((0, of_today), (20, of_this_year), (90, of_another)):
        assert moment(when, when + timedelta(days=days), locale) == said


def test_programs_and_the_pointer_get_utc() -> None:
    assert machine(AT) == "2026-11-30T15:05:00Z"
    assert utc(AT) == "2026-11-30 15:05 UTC"


def test_a_mail_says_how_far_its_time_is_from_utc() -> None:
    assert with_offset(in_zone(AT, TOKYO), "ja") == "2026年12月1日 00:05 (UTC+09:00)"
    assert with_offset(in_zone(AT, UTC), "en") == "Nov 30, 2026, 15:05 (UTC)"


def test_what_a_clock_shows_is_found_again_on_both_sides_of_summer_time() -> None:
    for month in (1, 7):
        local = datetime(2026, month, 1, 9, 30)
        assert f"{in_zone(since_epoch(local, BERLIN), BERLIN):%m-%d %H:%M}" == f"0{month}-01 09:30"


@pytest.mark.parametrize(
    "name", ["", "Asia", "Asia/Nowhere", "../../etc/passwd", "/etc/passwd", "x" * 65]
)
def test_what_is_no_time_zone_is_none(name: str) -> None:
    assert zone_named(name) is None
