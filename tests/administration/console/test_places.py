"""Which place is new for an administrator: by network, for a while, and told so often."""

from worksgate.administration.console.places import DAY, MOST_A_DAY, Places
from worksgate.audit import AuditEvent, Event

NOW = 1_800_000_000.0


def places(*signed_in: tuple[float, str | None]) -> Places:
    """Those of sign-ins so many days ago, at these addresses."""
    records = [
        AuditEvent(event=Event.CONSOLE_SIGNED_IN, at=NOW - days * DAY, address=address)
        for days, address in signed_in
    ]
    return Places.of(records, NOW)


def test_r246_a_place_is_new_once_there_was_another_one() -> None:
    assert not places().is_new("192.0.2.1")  # the first sign-in of all
    assert not places((0.1, None)).is_new("192.0.2.1")
    assert not places((3, "192.0.2.1")).is_new("192.0.2.1")
    assert places((3, "192.0.2.1")).is_new("192.0.2.2")
    assert not places((3, "192.0.2.1")).is_new(None)


def test_r246_an_ipv6_address_of_a_known_network_is_not_new() -> None:
    known = places((3, "2001:db8:0:1::1"))
    assert not known.is_new("2001:db8:0:1:abcd::9")
    assert known.is_new("2001:db8:0:2::1")


def test_r246_the_mails_of_a_day_are_bounded() -> None:
    few = places((3, "192.0.2.1"), *((0.1, f"198.51.100.{n}") for n in range(MOST_A_DAY - 1)))
    many = places((3, "192.0.2.1"), *((0.1, f"198.51.100.{n}") for n in range(MOST_A_DAY)))
    assert few.is_worth_a_mail("203.0.113.5")
    assert many.is_new("203.0.113.5")
    assert not many.is_worth_a_mail("203.0.113.5")
    assert not few.is_worth_a_mail("192.0.2.1")
