"""TOTP: codes of an authenticator app (R-80)."""

import asyncio
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pyotp
import pytest
from tests.databases import NOW
from tests.provider.factors.desk import HANAKO, TARO, Desk

from worksgate.audit import Event, Reason
from worksgate.provider.factors.totp import clock_error, decode_secret, matching_step, new_totp

SECRET = b"12345678901234567890"
STEP = 30.0


async def _enrol(desk: Desk, at: float = NOW) -> pyotp.TOTP:
    """Set up the app of Hanako; the code of ``at`` is used by that."""
    new = await desk.factors.begin_totp("hanako")
    app = pyotp.TOTP(new.secret)
    assert await desk.factors.confirm_totp(HANAKO, new.secret, app.at(int(at)), at)
    return app


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2e10, "353130")],
)
def test_codes_are_those_of_the_specification(at: float, code: str) -> None:
    """RFC 6238 appendix B, of which the last six digits are ours."""
    assert matching_step(SECRET, code, at) == int(at // 30)


def test_r80_a_code_counts_for_its_step_and_one_more() -> None:
    step = int(NOW // 30)
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").generate_otp(step)
    counts = [
        matching_step(SECRET, code, (step + later) * 30 + within) == step
        for later in (-2, -1, 0, 1, 2, 3)
        for within in (0.0, 29.9)
    ]
    assert counts == [False] * 4 + [True] * 4 + [False] * 4


@pytest.mark.parametrize("steps", [-20, -19, -2, 2, 3, 19, 20])
def test_a_clock_that_is_wrong_is_told_by_its_code(steps: int) -> None:
    step = int(NOW // 30)
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").generate_otp(step + steps)
    assert clock_error(SECRET, code, NOW) == steps
    farther = 21 if steps > 0 else -21
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").generate_otp(step + farther)
    assert clock_error(SECRET, code, NOW) is None
    assert clock_error(SECRET, "no code", NOW) is None


@pytest.mark.parametrize(
    ("steps", "reason", "why"),
    [
        (4, Reason.CLOCK_AHEAD, ", the clock of the phone is 120 s fast"),
        (-4, Reason.CLOCK_BEHIND, ", the clock of the phone is 120 s slow"),
        (30, Reason.WRONG_CODE, ""),
    ],
)
async def test_a_wrong_code_is_recorded_with_what_is_wrong(
    desk: Desk, steps: int, reason: Reason, why: str
) -> None:
    app = await _enrol(desk)
    assert not await desk.factors.check_totp(HANAKO, app.at(int(NOW + steps * STEP)), NOW)
    assert [event.reason for event in desk.audit.events] == [reason]
    assert desk.audit.details == [f"TOTP: wrong code{why}"]


@pytest.mark.parametrize("spelling", ["{0}", " {0}\n", "{1} {2}", "{3}"])
def test_a_code_is_read_as_people_type_it(spelling: str) -> None:
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").at(int(NOW))
    wide = code.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    typed = spelling.format(code, code[:3], code[3:], wide)
    assert matching_step(SECRET, typed, NOW) is not None


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "٣" * 6, "\ud800", "1" * 9_999]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert matching_step(SECRET, typed, NOW) is None


async def test_the_qr_code_says_whose_secret_it_is(desk: Desk) -> None:
    new = await desk.factors.begin_totp("花子@example.com")
    uri = urlsplit(new.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Acme:花子@example.com"
    assert parse_qs(uri.query) == {"secret": [new.secret], "issuer": ["Acme"]}
    assert len(decode_secret(new.secret)) == 20
    assert new.shown.replace(" ", "") == new.secret
    assert ElementTree.fromstring(new.svg).tag.endswith("svg")
    assert "style" not in new.svg
    assert "script" not in new.svg


async def test_the_same_secret_has_the_same_qr_code(desk: Desk) -> None:
    new = await desk.factors.begin_totp("hanako")
    assert await desk.factors.begin_totp("hanako", new.secret) == new
    assert (await desk.factors.begin_totp("hanako")).secret != new.secret


def test_no_name_is_too_long_for_a_qr_code() -> None:
    assert new_totp("花" * 500, "社" * 500).svg.startswith("<svg")


async def test_the_secret_is_in_no_repr(desk: Desk) -> None:
    new = await desk.factors.begin_totp("hanako")
    await _enrol(desk)
    kept = await desk.directory.factors.totp(HANAKO.subject_id)
    assert kept is not None
    assert new.secret not in repr(new)
    assert repr(kept.secret) not in repr(kept)


async def test_a_secret_is_kept_only_by_a_right_code(desk: Desk) -> None:
    new = await desk.factors.begin_totp("hanako")
    wrong = str((int(pyotp.TOTP(new.secret).at(int(NOW))) + 1) % 1_000_000).zfill(6)
    assert not await desk.factors.confirm_totp(HANAKO, new.secret, wrong, NOW)
    assert not (await desk.factors.of(HANAKO.subject_id)).any
    assert desk.audit.details == ["TOTP: wrong code at the enrolment"]
    assert await desk.recorded() == []


async def test_enrolment_is_recorded_with_it(desk: Desk) -> None:
    await _enrol(desk)
    assert (await desk.factors.of(HANAKO.subject_id)).totp
    assert await desk.factors.has_second_factor(HANAKO.subject_id)
    assert not await desk.factors.has_second_factor(TARO.subject_id)
    assert await desk.recorded() == [(Event.FACTOR_ADDED, "TOTP")]


@pytest.mark.parametrize("secret", ["", "AAAA", "not base32", "A" * 64])
async def test_what_is_no_secret_is_not_kept(desk: Desk, secret: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # binascii's and ours are of this kind
        await desk.factors.confirm_totp(HANAKO, secret, "123456", NOW)
    assert not (await desk.factors.of(HANAKO.subject_id)).any


async def test_r80_the_code_of_the_enrolment_is_used(desk: Desk) -> None:
    app = await _enrol(desk)
    assert not await desk.factors.check_totp(HANAKO, app.at(int(NOW)), NOW)
    assert await desk.factors.check_totp(HANAKO, app.at(int(NOW + STEP)), NOW + STEP)


async def test_r80_a_code_is_accepted_once(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    code = app.at(int(later))
    assert await desk.factors.check_totp(HANAKO, code, later)
    assert not await desk.factors.check_totp(HANAKO, code, later)
    assert not await desk.factors.check_totp(HANAKO, code, later + STEP)
    assert desk.audit.details == ["TOTP: the code was used before"] * 2
    assert (await desk.recorded())[1:] == [(Event.FACTOR_USED, "TOTP")]


async def test_r80_no_code_from_before_the_last_one_is_accepted(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    assert await desk.factors.check_totp(HANAKO, app.at(int(later)), later)
    assert not await desk.factors.check_totp(HANAKO, app.at(int(later - STEP)), later)


async def test_r80_a_code_two_steps_back_is_refused(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    assert not await desk.factors.check_totp(HANAKO, app.at(int(later - 2 * STEP)), later)
    assert await desk.factors.check_totp(HANAKO, app.at(int(later - STEP)), later)


async def test_r80_a_code_of_the_future_is_refused(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    assert not await desk.factors.check_totp(HANAKO, app.at(int(later + STEP)), later)


async def test_r80_of_many_with_the_same_code_one_wins(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    code = app.at(int(later))
    answers = await asyncio.gather(
        *(desk.factors.check_totp(HANAKO, code, later) for _ in range(8))
    )
    assert sorted(answers) == [False] * 7 + [True]


async def test_a_code_is_good_for_its_person_alone(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    assert not await desk.factors.check_totp(TARO, app.at(int(later)), later)
    assert await desk.factors.check_totp(HANAKO, app.at(int(later)), later)


async def test_a_new_secret_takes_the_place_of_the_old_one(desk: Desk) -> None:
    old, later = await _enrol(desk), NOW + 5 * STEP
    new = await _enrol(desk, later)
    after = later + 5 * STEP
    assert not await desk.factors.check_totp(HANAKO, old.at(int(after)), after)
    assert await desk.factors.check_totp(HANAKO, new.at(int(after)), after)


async def test_a_code_read_before_the_secret_was_replaced_does_not_count(desk: Desk) -> None:
    await _enrol(desk)
    read = await desk.directory.factors.totp(HANAKO.subject_id)
    assert read is not None
    await _enrol(desk)
    event = HANAKO.event(Event.FACTOR_USED, NOW, "TOTP")
    assert not await desk.directory.factors.use_totp(read, read.last_step + 9, NOW, event)


async def test_removing_is_recorded_and_ends_it(desk: Desk) -> None:
    app, later = await _enrol(desk), NOW + 5 * STEP
    assert not await desk.factors.remove_totp(TARO, later)
    assert await desk.factors.remove_totp(HANAKO, later)
    assert not await desk.factors.remove_totp(HANAKO, later)
    assert not await desk.factors.check_totp(HANAKO, app.at(int(later)), later)
    assert (await desk.recorded())[1:] == [(Event.FACTOR_REMOVED, "TOTP")]
