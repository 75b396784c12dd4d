"""Secrets shown during setup: sealed by one process, opened by another, and nothing else."""

from worksgate.provider.factors.codes import read_code
from worksgate.provider.factors.pending_secrets import PendingSecrets

HANAKO, TARO = "directory:a1", "directory:a2"


def test_r130_processes_with_one_key_open_what_the_others_sealed_for_the_same_person() -> None:
    here, there = PendingSecrets.under(b"k" * 32), PendingSecrets.under(b"k" * 32)
    sealed = here.seal("secret", HANAKO)
    assert "secret" not in sealed
    assert there.unseal(sealed, HANAKO) == "secret"
    assert there.unseal(sealed, TARO) is None
    assert PendingSecrets.under(b"o" * 32).unseal(sealed, HANAKO) is None
    assert PendingSecrets.new().unseal(sealed, HANAKO) is None


def test_a_code_has_its_length_and_its_letters() -> None:
    assert read_code("abcd-EFGH", 8) == "abcdefgh"
    assert read_code("abcd-EFG", 8) is None
    assert read_code("abcd-EFG\u00fc", 8) is None
