"""What an administrator types is taken for what it can only be."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from worksgate.administration.sign_in_trace.question import Kind, Question, read_question

TOKYO = timezone(timedelta(hours=9))
NOW = datetime(2026, 11, 29, 9, 41, tzinfo=TOKYO).timestamp()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("田中 美咲", Kind.PERSON),
        ("tanaka.misaki@hikari.example", Kind.PERSON),
        ("H-0231", Kind.PERSON),
        ("tanaka", Kind.PERSON),
        ("directory:0192", Kind.PERSON),
        ("7KQ-4MD", Kind.REFERENCE),
        ("7kq-4md", Kind.REFERENCE),
        ("019aceb2f00AbCdEfGhIjKlMn", Kind.LOGIN_ID),
        ("203.0.113.24", Kind.ADDRESS),
        ("2001:db8::1", Kind.ADDRESS),
        ("09:12", Kind.TIME),
        ("2026-11-29T09:12", Kind.TIME),
        ("2026-11-29 09:12:30", Kind.TIME),
        ("2026-99-99T09:12", Kind.PERSON),
    ],
)
def test_a_text_is_taken_for_what_it_can_only_be(text: str, kind: Kind) -> None:
    assert read_question(text, NOW, TOKYO).kind is kind


def test_a_time_of_day_is_the_last_one_in_the_zone_of_whoever_asks() -> None:
    today = datetime(2026, 11, 29, 9, 12, tzinfo=TOKYO).timestamp()
    yesterday = datetime(2026, 11, 28, 23, 0, tzinfo=TOKYO).timestamp()
    assert read_question("09:12", NOW, TOKYO).at == today
    assert read_question("23:00", NOW, TOKYO).at == yesterday
    assert read_question("2026-11-29T00:12+00:00", NOW, TOKYO).at == today
    assert read_question("2026-11-29T00:12", NOW, UTC).at == today


def test_an_address_is_spelled_as_it_is_recorded() -> None:
    assert read_question("2001:DB8:0::1", NOW, UTC) == Question("2001:db8::1", Kind.ADDRESS)
