"""What one process takes on: places for connections, room for requests, and when it is late."""

from dataclasses import replace

from worksgate.serving.admission import BEAT, Admission, Limits
from worksgate.serving.refusals import Refusals
from worksgate.settings import Settings
from worksgate.web.catalogues import translations
from worksgate.web.pages import Notice
from worksgate.web.wording import NOTICES

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
    admission.beat(now)
    taken = []
    for late in (0.0, 0.7, 0.0, 0.7, 0.8, 0.9, 0.0):
        now += BEAT + late
        admission.beat(now)
        taken.append(admission.has_room(0, is_call=False))
        assert admission.has_room(0, is_call=True)
    assert taken == [True, True, True, True, False, False, True]


def test_calls_are_known_by_their_paths() -> None:
    refusals = Refusals.of(Settings())
    for url in (b"/accessToken", b"/userInfo?x=1", b"/apiLogin/c?password=x", b"/readyz"):
        assert refusals.is_call(url)
    for url in (b"/login?client_id=x", b"/accessTokens", b"/account", b"/"):
        assert not refusals.is_call(url)


def test_a_refusal_speaks_every_language_and_has_the_headers_of_a_page() -> None:
    refusals = Refusals.of(Settings(public_url="https://sso.example.com"))
    head, _, body = refusals.page.partition(b"\r\n\r\n")
    for language in ("en", "ja", "ko"):
        title = translations(language).gettext(NOTICES[Notice.UNAVAILABLE].title)
        assert f'<section lang="{language}"><h1>{title}</h1>' in body.decode()
    for header in (b"retry-after: ", b"x-frame-options: DENY", b"content-security-policy: "):
        assert header in head
    assert f"content-length: {len(body)}".encode() in head
    assert b"strict-transport-security" in refusals.call
