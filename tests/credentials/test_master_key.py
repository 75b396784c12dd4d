"""What a master key has encrypted is readable with that key in its own place, or not at all."""

import hashlib
from dataclasses import replace

import pytest

from worksgate.credentials.master_key import (
    NO_MASTER_KEY,
    DamagedSecret,
    Keyring,
    MasterKey,
    Place,
    UnknownMasterKey,
    key_id_of,
    key_ids,
)

KEY = MasterKey(bytes(range(32)))
OTHER = MasterKey(bytes(range(1, 33)))
PLACE = Place("totp_secrets", "secret", "directory:a1")
SECRET = b"twenty bytes of a key"


def test_what_was_sealed_is_read_and_looks_different_each_time() -> None:
    first, second = KEY.seal(SECRET, PLACE), KEY.seal(SECRET, PLACE)
    assert first != second
    assert SECRET not in first
    assert KEY.unseal(first, PLACE) == KEY.unseal(second, PLACE) == SECRET


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, row="directory:a2"),
        replace(PLACE, column="secre"),
        replace(PLACE, table="keys"),
        Place("totp_secrets", 'secret", "directory:a1', ""),
        Place("totp_secrets.secret", "", "directory:a1"),
    ],
)
def test_r131_what_is_sealed_for_one_row_is_read_in_no_other(place: Place) -> None:
    with pytest.raises(DamagedSecret):
        KEY.unseal(KEY.seal(SECRET, PLACE), place)


def test_r131_a_sealed_secret_that_was_altered_anywhere_is_refused() -> None:
    sealed = KEY.seal(SECRET, PLACE)
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises((DamagedSecret, UnknownMasterKey)):
            KEY.unseal(bytes(altered), PLACE)
    for length in range(len(sealed)):
        with pytest.raises(DamagedSecret):
            KEY.unseal(sealed[:length], PLACE)


def test_r130_each_purpose_has_a_key_of_its_own() -> None:
    """A ciphertext that were moved to another table would not even be under the same key."""
    sealed = KEY.seal(b"", PLACE)
    assert key_id_of(sealed) == KEY.id
    assert KEY.material not in sealed


def test_a_keyring_reads_under_both_keys_and_names_one_that_is_missing() -> None:
    ring = Keyring(KEY, OTHER)
    assert ring.ids == (KEY.id, OTHER.id)
    for key in ring:
        assert ring.unseal(key.seal(SECRET, PLACE), PLACE) == SECRET
    with pytest.raises(UnknownMasterKey, match=OTHER.id):
        Keyring(KEY).unseal(OTHER.seal(SECRET, PLACE), PLACE)


@pytest.mark.parametrize("size", [20, 32])
def test_what_is_stored_in_clear_is_read_as_it_is(size: int) -> None:
    for secret in (bytes(size), b"wg1" + bytes(size - 3)):
        assert key_id_of(secret) is None
        assert Keyring().unseal(secret, PLACE) == secret


def test_ids_are_short_public_and_different() -> None:
    assert len(KEY.id) == 8
    assert KEY.id not in KEY.material.hex()
    assert hashlib.sha256(KEY.material).hexdigest()[:8] != KEY.id
    sealed = [key.seal(SECRET, PLACE) for key in (KEY, OTHER, KEY)]
    assert key_ids([*sealed, SECRET]) == tuple(sorted((KEY.id, OTHER.id)))


def test_a_key_is_read_as_it_was_written() -> None:
    key = MasterKey.new()
    assert MasterKey.parse(f"  {key.text}\n") == key
    assert key != MasterKey.new()


@pytest.mark.parametrize(
    "text", ["", "wgkey-", KEY.text[:-1], f"{KEY.text}A", KEY.text[6:], KEY.material.hex()]
)
def test_r106_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="worksgate key new") as refused:
        MasterKey.parse(text)
    assert not text or text not in str(refused.value)


def test_r106_no_representation_shows_a_key() -> None:
    shown = f"{KEY!r} {Keyring(KEY, OTHER)!r} {KEY}"
    assert KEY.text[6:] not in shown
    assert repr(KEY.material) not in shown


def test_r130_a_place_has_the_purpose_of_its_column() -> None:
    place = Place("keys", "value", "master")
    assert place.purpose == "keys.value"
    with pytest.raises(DamagedSecret, match=r"^the secret in keys\.value was altered"):
        MasterKey.new().unseal(b"x" * 40, place)


def test_a_keyring_has_the_keys_of_the_settings() -> None:
    current, previous = MasterKey.new(), MasterKey.new()
    assert Keyring.of(current.text, previous.text) == Keyring(current, previous)
    assert Keyring.of(current.text) == Keyring(current)
    assert Keyring.of("") == NO_MASTER_KEY
    with pytest.raises(ValueError, match="not a master key"):
        Keyring.of(current.text, "x")
    with pytest.raises(UnknownMasterKey, match=rf"^master key {previous.id} is not configured$"):
        Keyring(current).key(previous.id)
