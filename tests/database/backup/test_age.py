"""Encryption in the age format: all or nothing, and readable by another implementation."""

import io
import os
from itertools import pairwise

import pyrage  # type: ignore[import-untyped]  # pyrage has no types
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from worksgate.database.backup import BackupError, age
from worksgate.database.backup.age import Decrypting, Encrypting

PASSPHRASE = b"several words do well"
PIECE = 64 * 1024
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5]


def encrypted(data: bytes, passphrase: bytes = PASSPHRASE, portion: int = 10_000) -> bytes:
    to = io.BytesIO()
    with Encrypting(to, passphrase, work_factor=4) as out:
        for start in range(0, len(data), portion):
            out.write(data[start : start + portion])
    return to.getvalue()


def decrypted(data: bytes, passphrase: bytes = PASSPHRASE) -> bytes:
    with Decrypting(io.BytesIO(data), passphrase) as clear:
        return clear.read()


def some(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(size: int) -> None:
    assert decrypted(encrypted(some(size))) == some(size)
    assert decrypted(encrypted(some(size), portion=max(size, 1))) == some(size)


@pytest.mark.parametrize("size", SIZES)
def test_another_implementation_reads_what_we_write_and_we_what_it_writes(size: int) -> None:
    text = PASSPHRASE.decode()
    assert pyrage.passphrase.decrypt(encrypted(some(size)), text) == some(size)


def test_we_read_what_another_implementation_writes() -> None:
    data = some(2 * PIECE + 1)
    theirs = pyrage.passphrase.encrypt(data, PASSPHRASE.decode())
    assert decrypted(theirs) == data


def test_it_is_read_in_portions_of_any_size() -> None:
    data = some(PIECE + 100)
    with Decrypting(io.BytesIO(encrypted(data)), PASSPHRASE) as clear:
        parts = []
        while part := clear.read(33_333):
            parts.append(part)
    assert b"".join(parts) == data


@pytest.mark.parametrize("size", [1, PIECE, 2 * PIECE, 2 * PIECE + 9])
def test_a_file_that_was_cut_anywhere_is_refused(size: int) -> None:
    whole = encrypted(some(size))
    header = len(whole) - size - 16 * max(1, -(-size // PIECE))
    cuts = {*range(0, header + 40, 7), len(whole) - 1, len(whole) - 17, header + PIECE + 16}
    for cut in cuts - {len(whole)}:
        if cut < len(whole):
            with pytest.raises(BackupError):
                decrypted(whole[:cut])


def test_a_file_that_was_altered_anywhere_is_refused() -> None:
    whole = encrypted(some(2 * PIECE + 9))
    for place in (*range(300), PIECE, len(whole) - 20, len(whole) - 1):
        altered = bytearray(whole)
        altered[place] ^= 1
        with pytest.raises(BackupError):
            decrypted(bytes(altered))


def test_pieces_in_another_order_or_more_of_them_are_refused() -> None:
    whole = encrypted(some(3 * PIECE))
    start = len(whole) - 3 * (PIECE + 16)
    cuts = [start + number * (PIECE + 16) for number in range(4)]
    header, pieces = whole[:start], [whole[a:b] for a, b in pairwise(cuts)]
    assert decrypted(header + b"".join(pieces)) == some(3 * PIECE)
    for other in ([1, 0, 2], [0, 2], [0, 1, 2, 2], [0, 1], [2]):
        with pytest.raises(BackupError):
            decrypted(header + b"".join(pieces[number] for number in other))


def test_another_passphrase_is_reported() -> None:
    with pytest.raises(BackupError, match="the passphrase does not match this backup"):
        decrypted(encrypted(b"data"), b"another")


def test_a_file_that_asks_for_hours_of_computing_is_refused_at_once() -> None:
    whole = encrypted(b"data")
    assert b" 4\n" in whole
    with pytest.raises(BackupError, match="more computation"):
        decrypted(whole.replace(b" 4\n", b" 30\n", 1))


def test_two_files_with_one_passphrase_have_nothing_in_common() -> None:
    assert encrypted(b"data")[30:] != encrypted(b"data")[30:]


# What the format forbids though every tag in it is right (C2SP age, sections "Payload" and
# "scrypt recipient stanza")


def by_the_letter(
    data: bytes, *, file_key_bytes: int = 16, with_empty_last_piece: bool = False
) -> bytes:
    """A file of somebody who knows the passphrase, and keeps to the format or not."""
    file_key, salt, nonce = (os.urandom(size) for size in (file_key_bytes, 16, 16))
    wrapped = age._wrapping(PASSPHRASE, salt, 4).encrypt(age._NONCE, file_key, None)
    header = b"%s\n-> scrypt %s 4\n%s\n---" % (
        age.MAGIC,
        age._encoded(salt),
        age._encoded(wrapped),
    )
    cipher = ChaCha20Poly1305(age._derived(file_key, nonce, b"payload"))
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]
    if with_empty_last_piece:
        pieces.append(b"")
    sealed = [
        cipher.encrypt(age._piece_nonce(number, last=number == len(pieces) - 1), piece, None)
        for number, piece in enumerate(pieces)
    ]
    mac = age._encoded(age._mac(file_key, header).finalize())
    return b"%s %s\n%s%s" % (header, mac, nonce, b"".join(sealed))


def foreign_software_reads(data: bytes) -> bytes | None:
    try:
        read: bytes = pyrage.passphrase.decrypt(data, PASSPHRASE.decode())
    except pyrage.DecryptError:
        return None
    return read


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE])
def test_what_keeps_to_the_letter_is_read_by_us_and_by_another_implementation(size: int) -> None:
    data = by_the_letter(some(size))
    assert decrypted(data) == foreign_software_reads(data) == some(size)


@pytest.mark.parametrize("size", [0, PIECE, 3 * PIECE])
def test_an_empty_last_piece_is_refused_as_another_implementation_refuses_it(size: int) -> None:
    data = by_the_letter(some(size), with_empty_last_piece=True)
    assert foreign_software_reads(data) is None
    with pytest.raises(BackupError, match="damaged"):
        decrypted(data)


@pytest.mark.parametrize("file_key_bytes", [0, 15, 17, 32])
def test_a_file_key_of_another_length_is_refused_as_another_implementation_refuses_it(
    file_key_bytes: int,
) -> None:
    data = by_the_letter(b"data", file_key_bytes=file_key_bytes)
    assert foreign_software_reads(data) is None
    with pytest.raises(BackupError, match="damaged"):
        decrypted(data)


def test_a_code_in_another_spelling_is_refused_as_another_implementation_refuses_it() -> None:
    data = by_the_letter(b"data")
    *lines, rest = data.split(b"\n", 4)
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = digits[digits.index(lines[3][-1:]) + 1]  # differs in a bit that no byte gets
    lines[3] = lines[3][:-1] + bytes([last])
    data = b"\n".join((*lines, rest))
    assert foreign_software_reads(data) is None
    with pytest.raises(BackupError, match="damaged"):
        decrypted(data)
