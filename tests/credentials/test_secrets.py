"""New secrets and their digests: R-27, R-33, R-46, R-57."""

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest

from worksgate.credentials import secrets as credentials
from worksgate.credentials.secrets import (
    digest,
    is_ordered_id,
    is_request_id,
    matches_any,
    new_id,
    new_ordered_id,
    new_ordered_secret,
    new_request_id,
    new_secret,
    storage_key,
)


def test_r33_r46_secret_is_256_bits_of_base64url() -> None:
    secrets = {new_secret() for _ in range(1_000)}
    assert len(secrets) == 1_000
    assert credentials.SECRET_BYTES * 8 == 256
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_r33_every_character_of_a_secret_varies() -> None:
    secrets = [new_secret() for _ in range(200)]
    assert all(len(set(column)) > 10 for column in zip(*secrets, strict=True))


def test_r33_an_ordered_secret_is_a_time_and_256_bits() -> None:
    before = time.time_ns() // 1_000_000
    secrets = [new_ordered_secret() for _ in range(200)]
    after = time.time_ns() // 1_000_000
    assert all(re.fullmatch(r"[0-9a-f]{11}[A-Za-z0-9_-]{43}", secret) for secret in secrets)
    assert all(before <= int(secret[:11], 16) <= after for secret in secrets)
    rest = [secret[11:] for secret in secrets]
    assert all(len(set(column)) > 10 for column in zip(*rest, strict=True))


def test_r33_the_key_of_an_ordered_secret_is_its_time_and_its_sha256() -> None:
    secret = new_ordered_secret()
    key = storage_key(secret)
    whole = hashlib.sha256(secret.encode()).digest()
    assert key == secret[:11] + urlsafe_b64encode(whole).decode().rstrip("=")
    assert storage_key(new_ordered_id()) != storage_key(new_ordered_id())
    later = f"{int(secret[:11], 16) + 1:011x}{secret[11:]}"
    assert key < storage_key(later)


@pytest.mark.parametrize(
    "foreign",
    [
        *("", "abc", "A" * 43, "A" * 54, "0123456789A" + "a" * 43, "0123 456789" + "a" * 43),
        *("x\0y" + "a" * 50, "\udcff" * 54, "佐" * 54, "' OR 1=1 --"),
    ],
)
def test_of_what_cannot_be_ours_nothing_gets_into_a_key(foreign: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", storage_key(foreign))


def test_ids_are_22_characters_and_no_option_of_a_command() -> None:
    made = {new_id() for _ in range(1_000)}
    assert len(made) == 1_000
    for each in made:  # none begins like an option of a command
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{21}", each)


def test_identifiers_are_known_by_their_form() -> None:
    ordered, request = new_ordered_id(), new_request_id()
    assert is_ordered_id(ordered)
    for text in (new_ordered_secret(), f"{ordered}a", ordered[:-1], f"g{ordered[1:]}", ""):
        assert not is_ordered_id(text)
    assert is_request_id(request)
    for text in (f"{request}0", request[:-1], f"g{request[1:]}", ""):
        assert not is_request_id(text)


def test_r33_what_is_kept_is_the_sha256_and_not_the_secret() -> None:
    secret = new_secret()
    assert digest(secret) == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in digest(secret)


def test_digest_takes_any_text_that_a_request_can_hold() -> None:
    assert digest("") != digest("\0") != digest("\udcff") != digest("佐藤")


def test_secret_matches_one_of_its_digests() -> None:
    old, new = new_secret(), new_secret()
    assert matches_any(old, [digest(old), digest(new)])
    assert matches_any(new, [digest(old), digest(new)])
    assert matches_any(new, iter([digest(new)]))


@pytest.mark.parametrize("change", [str.upper, lambda text: text + " ", lambda text: text[:-1]])
def test_anything_but_the_secret_matches_nothing(change: object) -> None:
    secret = "a-secret-of-some-client"
    assert callable(change)
    assert not matches_any(change(secret), [digest(secret)])


def test_nothing_matches_where_nothing_is_kept() -> None:
    assert not matches_any("", [])
    assert not matches_any("", [""])
    assert not matches_any(digest("x"), [digest("x")])


def test_r46_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock could prove it: the comparison of ``hmac`` is what every verdict comes from."""
    compared: list[tuple[str, str]] = []

    def differs(presented: str, known: str) -> bool:
        compared.append((presented, known))
        return False

    secret = new_secret()
    monkeypatch.setattr(hmac, "compare_digest", differs)
    assert not matches_any(secret, [digest(secret), digest("another")])
    assert compared == [(digest(secret), digest(secret)), (digest(secret), digest("another"))]


def test_r46_every_digest_is_compared_even_after_a_match() -> None:
    secret, seen = new_secret(), []

    def kept() -> Iterator[str]:
        for known in (digest(secret), digest("another")):
            seen.append(known)
            yield known

    assert matches_any(secret, kept())
    assert len(seen) == 2
