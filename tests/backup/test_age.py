"""Encryption in the age format: whole or refused, and readable by another implementation."""

import io
from itertools import pairwise

import pyrage  # type: ignore[import-untyped]  # pyrage has no types
import pytest

from worksgate.backup import BackupError
from worksgate.backup.age import Decrypting, Encrypting

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


def test_another_passphrase_is_told() -> None:
    with pytest.raises(BackupError, match="the passphrase is not the one of this backup"):
        decrypted(encrypted(b"data"), b"another")


def test_a_file_that_asks_for_hours_of_computing_is_refused_at_once() -> None:
    whole = encrypted(b"data")
    assert b" 4\n" in whole
    with pytest.raises(BackupError, match="more computing"):
        decrypted(whole.replace(b" 4\n", b" 30\n", 1))


def test_two_files_with_one_passphrase_have_nothing_in_common() -> None:
    assert encrypted(b"data")[30:] != encrypted(b"data")[30:]
