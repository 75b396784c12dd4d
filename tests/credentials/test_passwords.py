"""Passwords: which ones may be chosen, and how they are kept and checked (R-70 to R-77)."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from worksgate.credentials import (
    ARGON2,
    MAX_PASSWORD_BYTES,
    HashingBusy,
    PasswordHashing,
    Strength,
    Weakness,
    WeakPassword,
    check_new_password,
    normalise_password,
    password_strength,
)

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def hashing() -> AsyncIterator[PasswordHashing]:
    hashing = PasswordHashing(threads=1, waiting=8)
    yield hashing
    hashing.close()


# choosing one


@pytest.mark.parametrize("password", ["x" * 14, "", "short", "パスワード"])
def test_r70_password_shorter_than_15_characters_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword, match="15"):
        check_new_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "violet kite 83x",
        "correct horse battery staple",
        "wandering turtle sings at dawn " * 2,
        "これはとても長い合言葉ですよね。",
        "🦊🐢🦉🐝🦀🐙🦔🐳🦜🐌🦩🐊🦚🐬🦥",
    ],
)
def test_r70_password_of_15_to_1024_characters_is_returned_as_it_is(password: str) -> None:
    assert len(password) >= 15
    assert check_new_password(password) == password


def test_r70_at_least_64_characters_are_allowed() -> None:
    long = " ".join(f"{word}{number}" for number, word in enumerate(["olive", "train"] * 60))
    longest = (long * 2)[:1024]
    assert check_new_password(longest) == longest
    with pytest.raises(WeakPassword, match="1024"):
        check_new_password(longest + "x")


@pytest.mark.parametrize("ligature", ["ﷺ", "ﷺa1"])
def test_r70_length_is_counted_in_what_the_person_typed(ligature: str) -> None:
    """NFKC makes eighteen characters of this single one."""
    with pytest.raises(WeakPassword, match="15"):
        check_new_password(ligature)


@pytest.mark.parametrize(
    "password",
    [
        "all lower case letters",
        "ALL UPPER CASE LETTERS",
        "93817 40628 55190 37461",
        "!?*:;,.-_%&$§=+",
    ],
)
def test_r71_there_are_no_rules_of_composition(password: str) -> None:
    assert check_new_password(password) == password


@pytest.mark.parametrize(
    "password",
    [
        "a" * 20,
        "ab" * 10,
        "123456789012345",
        "12345678901234567890",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjkl",
        "1qaz2wsx3edc4rfv",
        "passwordpassword1",
        "PasswordPassword",
        "p@ssw0rdp@ssw0rd",
        "iloveyouiloveyou",
        "administrator123",
        "               ",
    ],
)
def test_r72_common_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_new_password(password)


@pytest.mark.parametrize(
    ("password", "context"),
    [
        ("worksgate-worksgate", ()),
        ("lineworks2026lineworks", ()),
        ("NAVER WORKS naver works", ()),
        ("hanakohanakohanako", ("han", "hanako")),
        ("yamadahanakoyamada", ("Yamada Hanako", "hanako", "yamada")),
        ("Yamada Hanako 1987", ("Yamada Hanako",)),
        ("Ｈａｎａｋｏ hanako HANAKO", ("hanako",)),
        ("acme-holdings-2026", ("Acme Holdings", "acme")),
    ],
)
def test_r72_password_made_of_the_persons_or_our_words_is_refused(
    password: str, context: tuple[str, ...]
) -> None:
    with pytest.raises(WeakPassword):
        check_new_password(password, context)


def test_r72_a_name_inside_a_longer_password_is_no_harm() -> None:
    assert check_new_password("hanako rides seven blue trains", ("hanako", "", "a"))


def test_r72_leaked_passwords_that_are_long_enough_are_refused() -> None:
    from zxcvbn.matching import RANKED_DICTIONARIES

    leaked = [each for each in RANKED_DICTIONARIES["passwords"] if len(each) >= 15]
    assert len(leaked) > 20
    for password in leaked:
        for spelling in (password, password.upper()):
            with pytest.raises(WeakPassword) as refusal:
                check_new_password(spelling)
            assert refusal.value.weakness is Weakness.COMMON


@pytest.mark.parametrize(
    "password",
    [
        "sakurasakurasakura",
        "arigatougozaimasu1",
        "yoroshikuonegaishimasu",
        "ありがとうございますありがとう",
        "よろしくお願いしますよろしくお願いします",
        "パスワードパスワードパスワード",
        "ﾊﾟｽﾜｰﾄﾞﾊﾟｽﾜｰﾄﾞﾊﾟｽﾜｰﾄﾞ12345",
        "saranghaeyo12345",
        "annyeonghaseyo2026",
        "대한민국대한민국대한민국대한민국",
        "비밀번호비밀번호비밀번호비밀번호",
        "dkssudgktpdytkfkdgody",
        "qlalfqjsghqlalfqjsgh",
    ],
)
def test_r72_what_is_common_in_japan_and_korea_is_refused(password: str) -> None:
    assert _weakness(password) is Weakness.COMMON


async def test_r72_words_of_one_person_never_count_for_another() -> None:
    """zxcvbn keeps them in a global, and several passwords are looked at in threads at once."""
    hashing = PasswordHashing(threads=4)
    try:
        names = [f"xqzv{number}kwj" for number in range(8)]
        asked = [(name, other) for name in names for other in names]
        results = await asyncio.gather(
            *(hashing.strength(f"{name}-{name}!", (other,)) for name, other in asked)
        )
        for (name, other), strength in zip(asked, results, strict=True):
            assert (strength.score >= 3) == (name != other), (name, other)
    finally:
        hashing.close()


# how strong one is


@pytest.mark.parametrize(
    ("password", "strength"),
    [
        ("", Strength(0, Weakness.TOO_SHORT)),
        ("password", Strength(0, Weakness.TOO_SHORT)),
        ("1234567890123456789", Strength(1, Weakness.COMMON)),
        ("Tr0ub4dor&3", Strength(2, Weakness.TOO_SHORT)),
        ("x#9fK2!pQz", Strength(2, Weakness.TOO_SHORT)),
        ("hanako tanaka 7", Strength(2, Weakness.NAMES)),
        ("wandering turtle\0sings at dawn", Strength(0, Weakness.NUL)),
        ("x" * 1_025, Strength(0, Weakness.TOO_LONG)),
        ("x" * 1_000_000, Strength(0, Weakness.TOO_LONG)),
        (PASSWORD, Strength(4)),
        ("これはとても長い合言葉ですよね。", Strength(4)),
    ],
)
def test_a_meter_tells_how_strong_a_password_is_and_what_is_wrong(
    password: str, strength: Strength
) -> None:
    assert password_strength(password, ("Hanako", "Tanaka")) == strength


def test_r72_the_meter_and_the_check_agree() -> None:
    words = ["hanako", "sakura", "correct", "horse", "zqxjkv", "1987", "-", "acme"]
    for length in range(1, 6):
        for first in range(len(words)):
            password = "".join(words[(first + n * n) % len(words)] for n in range(length))
            strength = password_strength(password, ("hanako", "acme"))
            assert (strength.score >= 3) == (strength.weakness is None)
            assert _weakness(password, ("hanako", "acme")) == strength.weakness


def _weakness(password: str, context: tuple[str, ...] = ()) -> Weakness | None:
    try:
        check_new_password(password, context)
    except WeakPassword as weak:
        return weak.weakness
    return None


@pytest.mark.parametrize("part", ["correct horse ", "p@ssw0rd", "a", "1", "q1w2e3r4", "ﷺ", "빨강"])
def test_a_meter_takes_no_longer_for_a_long_password(part: str) -> None:
    password_strength(PASSWORD)
    began = time.perf_counter()
    password_strength((part * 1_024)[:1_024], ("name",) * 50)
    assert time.perf_counter() - began < 1.0


async def test_new_passwords_are_looked_at_in_the_pool(hashing: PasswordHashing) -> None:
    assert await hashing.check_new(PASSWORD, ("hanako",)) == PASSWORD
    with pytest.raises(WeakPassword, match="first that anybody would try"):
        await hashing.check_new("hanakohanakohanako", ("hanako",))


def test_nul_is_refused() -> None:
    with pytest.raises(WeakPassword, match="NUL"):
        check_new_password("wandering turtle\0sings at dawn")


# keeping and checking one


@pytest.mark.parametrize("spelling", ["ｶ\uff9eﾗｽ", "カ\u3099ラス", "ガラス"])
def test_r73_spellings_of_one_text_are_one_password(spelling: str) -> None:
    assert normalise_password(spelling) == "ガラス".encode()


def test_r73_case_and_blanks_are_kept() -> None:
    assert normalise_password(" Aa ") == b" Aa "


async def test_r73_whole_password_is_verified(hashing: PasswordHashing) -> None:
    password = "é" * 100
    encoded = await hashing.hash(password)
    assert await hashing.verify("e\u0301" * 100, encoded)
    for wrong in (password[:-1], password + "é", password[:72], "É" * 100, password + "\0"):
        assert not await hashing.verify(wrong, encoded)


async def test_r75_argon2id_at_owasps_line_with_a_salt_of_its_own(hashing: PasswordHashing) -> None:
    first, second = await hashing.hash(PASSWORD), await hashing.hash(PASSWORD)
    parameters = extract_parameters(first)
    assert first != second
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert parameters.salt_len >= 16
    assert PASSWORD not in first


async def test_r75_hash_of_other_parameters_still_verifies_and_asks_for_a_rehash(
    hashing: PasswordHashing,
) -> None:
    old = "$argon2id$v=19$m=8,t=1,p=1$" + ARGON2.hash("x").split("$")[4] + "$AAAA"
    assert hashing.needs_rehash(old)
    assert not hashing.needs_rehash(await hashing.hash(PASSWORD))


@pytest.mark.parametrize("size", [MAX_PASSWORD_BYTES + 1, 1_000_000])
def test_r76_longer_input_is_refused_before_it_is_hashed(size: int) -> None:
    assert normalise_password("x" * MAX_PASSWORD_BYTES)
    for password in ("x" * size, "é" * (size // 2 + 1), ""):
        with pytest.raises(ValueError, match=r"too long|empty"):
            normalise_password(password)


@pytest.mark.parametrize("password", ["", "x" * 5_000, "\udcff"])
async def test_r76_password_that_cannot_be_hashed_is_simply_wrong(
    hashing: PasswordHashing, password: str
) -> None:
    assert not await hashing.verify(password, await hashing.hash(PASSWORD))
    with pytest.raises(ValueError, match=r"."):
        await hashing.hash(password)


@pytest.mark.parametrize("encoded", ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_broken_hash_is_a_refusal(hashing: PasswordHashing, encoded: str) -> None:
    assert not await hashing.verify(PASSWORD, encoded)


async def test_r77_unknown_person_costs_a_hash_of_the_same_parameters() -> None:
    """With one thread and no queue, work that is done is work that keeps others out."""
    hashing = PasswordHashing(threads=1, waiting=0)
    try:
        encoded = await hashing.hash(PASSWORD)
        for kept in (None, encoded):
            first = asyncio.ensure_future(hashing.verify("wrong", kept))
            await asyncio.sleep(0)
            with pytest.raises(HashingBusy):
                await hashing.verify("wrong", kept)
            assert not await first
        assert extract_parameters(hashing._decoy) == extract_parameters(encoded)
    finally:
        hashing.close()


async def test_r77_nobody_has_the_decoys_password(hashing: PasswordHashing) -> None:
    for password in (PASSWORD, "-", hashing._decoy):
        assert not await hashing.verify(password, None)


# the pool


async def test_f24_no_more_than_threads_and_queue_are_taken_on() -> None:
    hashing = PasswordHashing(threads=1, waiting=2)
    try:
        encoded = await hashing.hash(PASSWORD)
        answers = await asyncio.gather(
            *(hashing.verify(PASSWORD, encoded) for _ in range(10)), return_exceptions=True
        )
        assert answers.count(True) == 3
        assert sum(isinstance(answer, HashingBusy) for answer in answers) == 7
        assert await hashing.verify(PASSWORD, encoded), "room comes back"
    finally:
        hashing.close()


async def test_f21_cancelled_logins_give_their_room_back() -> None:
    hashing = PasswordHashing(threads=1, waiting=2)
    try:
        encoded = await hashing.hash(PASSWORD)
        for _ in range(3):
            logins = [asyncio.ensure_future(hashing.verify("x", encoded)) for _ in range(3)]
            await asyncio.sleep(0)
            for login in logins:
                login.cancel()
            await asyncio.gather(*logins, return_exceptions=True)
            await hashing._run(int)  # behind the one that had begun
        answers = await asyncio.gather(*(hashing.verify(PASSWORD, encoded) for _ in range(3)))
        assert answers == [True] * 3
    finally:
        hashing.close()


async def test_f24_hashing_yields_the_processor_to_everything_else() -> None:
    hashing = PasswordHashing(threads=1)
    try:
        niceness = await hashing._run(
            lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        )
        assert niceness > os.getpriority(os.PRIO_PROCESS, os.getpid())
    finally:
        hashing.close()


def test_f24_one_core_is_left_for_the_calls_of_line_works() -> None:
    hashing = PasswordHashing()
    try:
        assert hashing._pool.threads == max(1, (os.cpu_count() or 2) - 1)
    finally:
        hashing.close()
