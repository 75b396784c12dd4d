"""A login transaction: what must not change between the authorization request and the code.

It is not stored here. It travels in the sign-in form, signed, so that any node can continue it and
nothing that a browser posts can change it. It is bound to the browser that began it (R-19), expires
after 30 minutes (R-18) and issues at most one code: ``SpentTransaction`` in the store remembers
those that have.
"""

import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

import msgspec
from itsdangerous import BadData, Signer

from worksgate.audit import Reason, elapsed_ms
from worksgate.credentials.derived_keys import derived_key
from worksgate.credentials.master_key import DamagedSecret, MasterKey, Place
from worksgate.credentials.secrets import digest, new_ordered_id, storage_key
from worksgate.oauth.authorization import TRANSACTION_LIFETIME, AuthorizationRequest
from worksgate.oauth.model import CLOCK_SKEW, Client, LoginKind, SpentTransaction

_SHORT = 1_024
"""Bytes of a transaction that is written as it is; a longer one must fit into a form field."""


class ForgedTransaction(Exception):
    """The form was not created here, was changed, or belongs to another browser.

    ``reason`` says which, for the audit log. ``transaction`` is its content if we did sign that and
    it is still valid: it may begin again in this browser, and is not trusted until then.
    ``login_id`` is its name in the audit log, once it is recorded there.
    """

    def __init__(
        self,
        why: str,
        transaction: "SignInTransaction | None" = None,
        *,
        reason: Reason = Reason.FORM_FORGED,
    ) -> None:
        super().__init__(why)
        self.reason = reason
        self.transaction = transaction
        self.login_id: str | None = None


class ExpiredTransaction(Exception):
    """The sign-in began more than 30 minutes ago; LINE WORKS would reject it."""

    def __init__(self, transaction: "SignInTransaction") -> None:
        super().__init__("the login took too long")
        self.transaction = transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInTransaction:
    """One sign-in in progress. ``redirect_uri`` is unchanged, byte for byte.

    ``browser`` is the digest of the secret in the browser's cookie, ``began_at`` in seconds since
    the epoch. ``login_id`` is the name of this sign-in in the audit log; ``admitted_ms`` are the
    milliseconds until its request was found to be valid, if it is one of LINE WORKS.
    """

    id: str
    login_id: str
    client_id: str
    redirect_uri: str
    login_kind: LoginKind
    works_id: str | None
    session_key: str | None = field(repr=False)
    may_cancel: bool
    browser: str = field(repr=False)
    began_at: float
    admitted_ms: float | None = None

    @classmethod
    def begin(
        cls,
        request: AuthorizationRequest,
        client: Client,
        browser_secret: str,
        now: float,
        *,
        arrived: float | None = None,
    ) -> Self:
        """A new transaction for a validated authorization request of a client.

        ``arrived`` is when the request did, by ``time.perf_counter``.
        """
        return cls(
            id=new_ordered_id(),
            login_id=new_ordered_id(),
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            login_kind=request.login_kind,
            works_id=request.works_id,
            session_key=request.session_key,
            may_cancel=client.redirect_denials,
            browser=digest(browser_secret),
            began_at=now,
            admitted_ms=None if arrived is None else elapsed_ms(arrived),
        )

    @classmethod
    def begin_for_account(cls, account_url: str, browser_secret: str, now: float) -> Self:
        """A new transaction that leads to a person's own account, and issues no code."""
        return cls(
            id=new_ordered_id(),
            login_id=new_ordered_id(),
            client_id="",
            redirect_uri=account_url,
            login_kind=LoginKind.WEB,
            works_id=None,
            session_key=None,
            may_cancel=False,
            browser=digest(browser_secret),
            began_at=now,
        )

    @property
    def is_for_account(self) -> bool:
        return not self.client_id

    @property
    def lifetime(self) -> float:
        """Seconds from the beginning to the end."""
        return TRANSACTION_LIFETIME

    @property
    def expires_at(self) -> float:
        return self.began_at + self.lifetime

    def spent(self) -> SpentTransaction:
        """The memory that this transaction has issued its code."""
        return SpentTransaction(
            key=storage_key(self.id),
            grant_id=self.id,
            # It belongs to nobody: a person's artifacts may be revoked, a spent transaction may
            # not.
            subject_id="",
            client_id=self.client_id,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """What a browser takes along to another provider: the sign-in, and the source's data."""

    transaction: SignInTransaction
    source: str
    kept: str = field(repr=False)


def signer(key: bytes, purpose: str) -> Signer:
    """HMAC-SHA256 under the key for this purpose.

    itsdangerous derives its key for each signature; here that is done once.
    """
    derived = Signer(derived_key(key, purpose), digest_method=sha256).derive_key()
    return Signer(derived, digest_method=sha256, key_derivation="none")


class TransactionSigner:
    """Writes transactions into forms and reads them back; also signs the device cookie.

    All by HMAC-SHA256, each purpose with a key of its own (R-133). What a browser takes along to
    another provider is encrypted: the provider must not learn it from the browser.
    """

    def __init__(self, key: bytes) -> None:
        self._transactions = signer(key, "login transaction")
        self._anti_forgery = signer(key, "anti-forgery token of a login")
        self._device = signer(key, "device cookie")
        self._passkey = signer(key, "passkey challenge")
        self._upstream = MasterKey(derived_key(key, "login at another provider"))

    def sign(self, transaction: SignInTransaction) -> str:
        """The text for the form field ``txn``."""
        text = msgspec.json.encode(transaction)
        packed = zlib.compress(text) if len(text) > _SHORT else text
        return self._transactions.sign(urlsafe_b64encode(packed).rstrip(b"=")).decode()

    def anti_forgery_token(self, transaction: SignInTransaction, browser_secret: str) -> str:
        """The text for the form field ``csrf``: valid for this transaction in this browser."""
        text = f"{transaction.id}.{browser_secret}".encode()
        return self._anti_forgery.get_signature(text).decode()

    def read(
        self, text: str, anti_forgery_token: str, browser_secret: str, now: float
    ) -> SignInTransaction:
        """The transaction of a posted form. Raises ForgedTransaction or ExpiredTransaction."""
        transaction = self._of_this_browser(text, browser_secret, now)
        expected = self.anti_forgery_token(transaction, browser_secret)
        if not hmac.compare_digest(
            expected.encode(), anti_forgery_token.encode("utf-8", "surrogatepass")
        ):
            raise ForgedTransaction("the anti-forgery token does not belong to the transaction")
        if not _is_live(transaction, now):
            raise ExpiredTransaction(transaction)
        return transaction

    def signed(self, text: str) -> SignInTransaction | None:
        """The transaction in a form if it is one of ours; whose browser it is was not checked."""
        try:
            return self._unsigned(text)
        except ForgedTransaction:
            return None

    def seal(self, along: UpstreamState, state: str) -> str:
        """The text that a browser keeps until it comes back with this ``state``.

        It is compressed, since cookies are small, and has no padding, for which a cookie would have
        to be quoted.
        """
        sealed = self._upstream.seal(zlib.compress(msgspec.json.encode(along), 9), _place(state))
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def unseal(self, text: str, state: str, browser_secret: str, now: float) -> UpstreamState:
        """The value sealed in this browser. Raises ForgedTransaction, ExpiredTransaction."""
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            opened = zlib.decompress(self._upstream.unseal(sealed, _place(state)))
            along = msgspec.json.decode(opened, type=UpstreamState)
        except (DamagedSecret, ValueError, zlib.error, msgspec.MsgspecError):
            raise ForgedTransaction("what the browser kept was not sealed here") from None
        _check_browser(along.transaction, browser_secret, now)
        if not _is_live(along.transaction, now):
            raise ExpiredTransaction(along.transaction)
        return along

    def sign_device(self, account: str, device_id: str) -> str:
        """What a device cookie signs, so that it is valid for this account only (R-79)."""
        return self._device.get_signature(f"{account}\n{device_id}".encode()).decode()

    def knows_device(self, account: str, device_id: str, signature: str) -> bool:
        """Whether ``sign_device`` made this signature."""
        expected = self.sign_device(account, device_id)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))

    def passkey_challenge(self, transaction: SignInTransaction) -> str:
        """What a passkey signs to begin this sign-in only: 43 characters of base64url."""
        return self._passkey.get_signature(transaction.id.encode()).decode()

    def _of_this_browser(self, text: str, browser_secret: str, now: float) -> SignInTransaction:
        transaction = self._unsigned(text)
        _check_browser(transaction, browser_secret, now)
        return transaction

    def _unsigned(self, text: str) -> SignInTransaction:
        """Raises ForgedTransaction."""
        try:
            data = self._transactions.unsign(text)
            packed = urlsafe_b64decode(data + b"=" * (-len(data) % 4))
            opened = packed if packed.startswith(b"{") else zlib.decompress(packed)
            return msgspec.json.decode(opened, type=SignInTransaction)
        except (BadData, ValueError, zlib.error, msgspec.MsgspecError):
            raise ForgedTransaction("the transaction was not signed here") from None


def _place(state: str) -> Place:
    """Where a sign-in continues: sealed for one ``state``, it is worthless with another."""
    return Place("browser", "upstream login", digest(state))


def _check_browser(transaction: SignInTransaction, browser_secret: str, now: float) -> None:
    """Raises ForgedTransaction."""
    if not hmac.compare_digest(transaction.browser, digest(browser_secret)):
        raise ForgedTransaction(
            "the transaction belongs to another browser",
            transaction if _is_live(transaction, now) else None,
            reason=Reason.OTHER_BROWSER,
        )


def _is_live(transaction: SignInTransaction, now: float) -> bool:
    return transaction.began_at - CLOCK_SKEW <= now < transaction.expires_at
