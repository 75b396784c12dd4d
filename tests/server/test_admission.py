"""Limits of a process: connections, requests in flight, and event loop lag."""

from dataclasses import replace

import pytest

from worksgate.server.admission import TICK, Admission, Limits

LIMITS = Limits(connections=4, connections_per_address=2, pages=3, trusted=("10.0.0.0/8",))


def test_f29_places_are_counted_over_all_and_for_each_address() -> None:
    admission = Admission(LIMITS)
    first = admission.place_for("192.0.2.1")
    assert first is not None
    assert admission.place_for("192.0.2.1") is not None
    assert admission.place_for("192.0.2.1") is None
    assert admission.place_for("192.0.2.2") is not None
    assert admission.place_for("192.0.2.3") is not None
    assert admission.place_for("192.0.2.4") is None, "four are there"
    assert admission.refused_connections == 2
    first.leave()
    first.leave()
    assert admission.connections == 3
    assert admission.place_for("192.0.2.1") is not None
    assert admission.place_for("192.0.2.5") is None, "a place is given back once"


def test_f29_a_trusted_proxy_is_not_counted_alone_and_zero_counts_nobody() -> None:
    for limits, address in (
        (LIMITS, "10.1.2.3"),
        (replace(LIMITS, connections_per_address=0), "192.0.2.1"),
    ):
        admission = Admission(limits)
        assert [admission.place_for(address) is not None for _ in range(5)] == [True] * 4 + [False]


def test_f29_an_ipv6_network_is_one_address() -> None:
    admission = Admission(LIMITS)
    assert admission.place_for("2001:db8::1") is not None
    assert admission.place_for("2001:db8::2") is not None
    assert admission.place_for("2001:db8::3") is None
    assert admission.place_for("2001:db8:0:1::1") is not None


def test_f23_pages_are_refused_first_and_slow_bodies_take_no_room() -> None:
    admission = Admission(LIMITS)
    assert admission.has_room(2, is_call=False)
    assert not admission.has_room(3, is_call=False)
    assert admission.has_room(5, is_call=True)
    assert not admission.has_room(6, is_call=True)
    admission.reading |= {object(), object()}
    assert admission.has_room(4, is_call=False)


def test_f33_pages_are_refused_while_the_loop_is_behind_but_not_for_one_hiccup() -> None:
    admission = Admission(LIMITS)
    now = 100.0
    admission.tick(now)
    taken = []
    for late in (0.0, 0.7, 0.0, 0.7, 0.8, 0.9, 0.0):
        now += TICK + late
        admission.tick(now)
        taken.append(admission.has_room(0, is_call=False))
        assert admission.has_room(0, is_call=True)
    assert taken == [True, True, True, True, False, False, True]


def test_every_tick_tells_how_late_the_loop_is() -> None:
    admission = Admission(LIMITS)
    for now in (100.0, 100.1, 100.22, 101.32):
        admission.tick(now)
    assert sum(admission.lag.counts) == 3
    assert admission.lag.total == pytest.approx(1.02)
    assert admission.lag.counts[-1] == 0, "a second late is within the last bound"
