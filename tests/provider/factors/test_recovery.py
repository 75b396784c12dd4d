"""Recovery codes: the last resort (R-81)."""

import asyncio
import re
import threading
from pathlib import Path

import pyotp
import pytest
from tests.databases import NOW, query
from tests.provider.factors.desk import HANAKO, TARO, Desk

from worksgate.audit import Event
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.provider.factors.codes import read_code
from worksgate.provider.factors.recovery import LENGTH


async def test_ten_codes_of_60_bits_are_shown_in_groups(desk: Desk) -> None:
    codes = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    assert len(set(codes)) == 10
    for code in codes:
        assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){2}", code)
    assert 5 * LENGTH >= 50
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 10
    assert await desk.recorded() == [(Event.RECOVERY_CODES_RENEWED, "10 codes")]


async def test_new_codes_are_announced_unless_they_come_with_a_factor(desk: Desk) -> None:
    """The factor has a notice of its own; codes that were asked for alone need one."""
    heard: list[CredentialChange] = []
    desk.directory.announce = heard.append
    await desk.factors.renew_recovery_codes(HANAKO, NOW, with_factor=True)
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    changes = [each.change for each in heard]
    assert changes == [Change.RECOVERY_CODES_MADE, Change.RECOVERY_CODES_RENEWED]


async def test_r81_a_code_is_accepted_once(desk: Desk) -> None:
    first, second, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    assert await desk.factors.check_recovery_code(HANAKO, first, NOW)
    assert not await desk.factors.check_recovery_code(HANAKO, first, NOW)
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 9
    assert await desk.factors.check_recovery_code(HANAKO, second, NOW)
    assert desk.audit.details == ["recovery code: wrong or used"]
    assert (await desk.recorded())[1:] == [
        (Event.FACTOR_USED, "recovery code, one of 10"),
        (Event.FACTOR_USED, "recovery code, one of 9"),
    ]


async def test_r81_of_many_with_the_same_code_one_wins(desk: Desk) -> None:
    code, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    answers = await asyncio.gather(
        *(desk.factors.check_recovery_code(HANAKO, code, NOW) for _ in range(6))
    )
    assert sorted(answers) == [False] * 5 + [True]


async def test_r81_only_slow_salted_hashes_are_kept(desk: Desk, database: Path) -> None:
    codes = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    await desk.factors.renew_recovery_codes(TARO, NOW)
    kept = dict(query(database, "SELECT digest, subject_id FROM recovery_codes"))
    assert all(len(digest) == 64 for digest in kept)
    salts = {(digest[:16], subject) for digest, subject in kept.items()}
    assert len(salts) == 2  # one for each person, so that a typed code costs one hash
    plain = await asyncio.to_thread(_everything_in, database)
    assert not any(code.encode() in plain for code in codes)
    assert not any((read_code(code, LENGTH) or "?").encode() in plain for code in codes)


async def test_a_code_is_read_as_people_type_it(desk: Desk) -> None:
    codes = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    spellings = [
        codes[0].upper(),
        codes[1].replace("-", ""),
        codes[2].replace("-", " "),
        f"  {codes[3].replace('-', '–')}\n",
        codes[4].replace("0", "O").replace("1", "l"),
        "".join(chr(ord(each) + 0xFEE0) for each in codes[5]),
    ]
    for spelling in spellings:
        assert await desk.factors.check_recovery_code(HANAKO, spelling, NOW)


@pytest.mark.parametrize(
    "typed", ["", "-", "abcd", "\0" * 12, "\ud800" * 12, "u" * 12, "0" * 9_999]
)
async def test_what_is_no_code_is_wrong(desk: Desk, typed: str) -> None:
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    assert not await desk.factors.check_recovery_code(HANAKO, typed, NOW)
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 10


async def test_a_code_is_good_for_its_person_alone(desk: Desk) -> None:
    code, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    await desk.factors.renew_recovery_codes(TARO, NOW)
    assert not await desk.factors.check_recovery_code(TARO, code, NOW)
    assert await desk.factors.check_recovery_code(HANAKO, code, NOW)


async def test_new_codes_void_the_old_ones(desk: Desk) -> None:
    old, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    new, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    assert not await desk.factors.check_recovery_code(HANAKO, old, NOW)
    assert await desk.factors.check_recovery_code(HANAKO, new, NOW)


async def test_codes_alone_are_no_factor(desk: Desk) -> None:
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    assert not (await desk.factors.of(HANAKO.subject_id)).any


async def test_codes_go_with_the_last_factor(desk: Desk) -> None:
    new = await desk.factors.begin_totp("hanako")
    code = pyotp.TOTP(new.secret).at(int(NOW))
    await desk.factors.confirm_totp(HANAKO, new.secret, code, NOW)
    recovery, *_ = await desk.factors.renew_recovery_codes(HANAKO, NOW)
    await desk.factors.renew_recovery_codes(TARO, NOW)
    await desk.factors.remove_totp(HANAKO, NOW)
    assert (await desk.factors.of(HANAKO.subject_id)).recovery_codes_left == 0
    assert not await desk.factors.check_recovery_code(HANAKO, recovery, NOW)
    assert (await desk.factors.of(TARO.subject_id)).recovery_codes_left == 10


async def test_f21_a_code_is_used_up_although_its_caller_has_hung_up(desk: Desk) -> None:
    await desk.factors.renew_recovery_codes(HANAKO, NOW)
    rows, subject = desk.directory.factors, HANAKO.subject_id
    digest, *_ = await rows.recovery_digests(subject)
    event = HANAKO.event(Event.FACTOR_USED, NOW, "recovery code")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(rows.use_recovery_code(subject, digest, event))
        await asyncio.sleep(0)
        waiting.cancel()
    assert waiting.cancelled()
    await asyncio.gather(*desk.directory.unfinished)
    assert len(await rows.recovery_digests(subject)) == 9
    assert (await desk.recorded())[1:] == [(Event.FACTOR_USED, "recovery code")]


def _everything_in(database: Path) -> bytes:
    return database.read_bytes() + Path(f"{database}-wal").read_bytes()


@pytest.mark.hashing
async def test_a_qr_code_does_not_wait_for_the_hashes_of_recovery_codes(desk: Desk) -> None:
    await desk.factors.begin_totp("hanako")  # what it imports takes a while the first time
    renewals = [
        asyncio.create_task(desk.factors.renew_recovery_codes(HANAKO, NOW)) for _ in range(4)
    ]
    await asyncio.sleep(0)
    await desk.factors.begin_totp("hanako")
    assert not any(each.done() for each in renewals[1:])
    await asyncio.gather(*renewals)


async def test_closing_never_holds_up_the_event_loop(desk: Desk) -> None:
    begun, closed = threading.Barrier(3), threading.Event()

    def work() -> bool:
        begun.wait(60)
        return closed.wait(60)

    working = [
        asyncio.ensure_future(pool.run(work))
        for pool in (desk.factors._pool, desk.factors._hashing)
    ]
    await asyncio.to_thread(begun.wait, 60)
    desk.factors.close()
    closed.set()
    assert await asyncio.gather(*working) == [True, True]
