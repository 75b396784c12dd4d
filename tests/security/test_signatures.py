"""All signatures are HMAC-SHA256, each purpose under a key of its own."""

import base64
import hashlib
import hmac
import string
from dataclasses import replace
from random import Random

import pytest
from itsdangerous import Signer

from worksgate.credentials.derived_keys import derived_key
from worksgate.oauth.authorization import MAX_HINT
from worksgate.oauth.form import MAX_VALUE
from worksgate.provider.sign_in.transaction import (
    ForgedTransaction,
    SignInTransaction,
    TransactionSigner,
    signer,
)
from worksgate.web.pages.anti_forgery import AntiForgery

KEY = bytes(range(32))
NOW = 1_700_000_000.0
TRANSACTION = SignInTransaction.begin_for_account("https://sso.example.com/account", "browser", NOW)


def mac_bytes(signature: str) -> int:
    return len(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))


def every_signature(key: bytes) -> dict[str, str]:
    """All that is signed for one transaction, device and session."""
    signer = TransactionSigner(key)
    return {
        "transaction": signer.sign(TRANSACTION).rpartition(".")[2],
        "anti-forgery": signer.anti_forgery_token(TRANSACTION, "browser"),
        "device": signer.sign_device("hanako", "device"),
        "passkey": signer.passkey_challenge(TRANSACTION),
        "account": AntiForgery(key).token("browser"),
    }


def test_r133_every_signature_is_an_hmac_sha256() -> None:
    assert {mac_bytes(each) for each in every_signature(KEY).values()} == {32}


def test_r133_what_an_earlier_release_signed_is_still_right() -> None:
    """Its key was derived at every signature: a form that is open at an upgrade has such a one."""
    earlier = Signer(derived_key(KEY, "login transaction"), digest_method=hashlib.sha256)
    data = TransactionSigner(KEY).sign(TRANSACTION).rpartition(".")[0]
    assert earlier.sign(data).decode() == TransactionSigner(KEY).sign(TRANSACTION)


@pytest.mark.parametrize("salt", ["worksgate.login", ""])
def test_r133_a_transaction_signed_with_sha1_is_refused(salt: str) -> None:
    text = TransactionSigner(KEY).sign(TRANSACTION)
    payload = text.rpartition(".")[0]
    for key in (KEY, derived_key(KEY, "login transaction")):
        with_sha1 = Signer(key, salt=salt or b"itsdangerous.Signer").sign(payload).decode()
        assert mac_bytes(with_sha1.rpartition(".")[2]) == 20
        token = TransactionSigner(KEY).anti_forgery_token(TRANSACTION, "browser")
        with pytest.raises(ForgedTransaction):
            TransactionSigner(KEY).read(with_sha1, token, "browser", NOW)


def test_r133_tokens_and_device_cookies_signed_with_sha1_are_refused() -> None:
    signer, account = TransactionSigner(KEY), AntiForgery(KEY)
    transaction = signer.sign(TRANSACTION)
    text = f"{TRANSACTION.id}.browser"
    token = Signer(KEY, salt="worksgate.anti-forgery").get_signature(text).decode()
    with pytest.raises(ForgedTransaction):
        signer.read(transaction, token, "browser", NOW)
    device = Signer(KEY, salt="worksgate.device").get_signature("hanako\ndevice").decode()
    assert not signer.knows_device("hanako", "device", device)
    other = Signer(KEY, salt="worksgate.account").get_signature("browser").decode()
    assert not account.is_right(other, "browser")


def test_r133_no_two_purposes_share_a_key() -> None:
    """The same text, signed for one purpose, is right for no other."""
    signer, account = TransactionSigner(KEY), AntiForgery(KEY)
    text = "hanako\ndevice"
    assert not signer.knows_device("hanako", "device", account.token(text))
    assert account.token(text) != signer.sign_device("hanako", "device")
    purposes = (
        *("login transaction", "device cookie", "passkey challenge"),
        *("login at another provider", "shared counters"),
    )
    assert len({derived_key(KEY, each) for each in purposes} | {KEY}) == 6


def test_r133_a_derived_key_is_hkdf_sha256_of_rfc_5869() -> None:
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    expanded = hmac.digest(extracted, b"worksgate device cookie\x01", "sha256")
    assert derived_key(KEY, "device cookie") == expanded
    assert len(expanded) == hashlib.sha256().digest_size


@pytest.mark.parametrize("length", [40, 900, 2_048])
def test_the_longest_transaction_fits_into_a_field_of_a_form(length: int) -> None:
    """Each part as long as it may come, and of letters that do not compress."""
    rng = Random(length)
    letters = string.ascii_letters + string.digits + "-_"
    long = replace(
        TRANSACTION,
        client_id="".join(rng.choices(letters, k=32)),
        redirect_uri="".join(rng.choices(letters, k=length)),
        works_id="".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(MAX_HINT)),
        session_key="".join(rng.choices(letters, k=128)),
    )
    transactions = TransactionSigner(KEY)
    text = transactions.sign(long)
    assert len(text) <= MAX_VALUE
    token = transactions.anti_forgery_token(long, "browser")
    assert transactions.read(text, token, "browser", NOW) == long


@pytest.mark.parametrize(
    "data", [b"", b"!", b"YQ", base64.urlsafe_b64encode(b"{}"), b"eyJpZCI6MX0", b"\xff"]
)
def test_what_is_signed_and_is_no_transaction_is_refused(data: bytes) -> None:
    text = signer(KEY, "login transaction").sign(data).decode("latin-1")
    with pytest.raises(ForgedTransaction):
        TransactionSigner(KEY).read(text, "token", "browser", NOW)
