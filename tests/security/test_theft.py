"""With a stolen database or backup and the source code, no second factor can be used.

A whole installation is used in every way that leaves a secret somewhere. Then its file, as it is
while the server runs, and a backup in clear are searched for everything that went out, in every
spelling; and everything that could be a key in them is tried as one.
"""

import base64
import json
import re
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import msgspec
import pyotp
import pytest
from tests.cli.terminal import Terminal
from tests.databases import NOW, POSTGRES, directory_in, query, url_of
from tests.directory.conftest import bare_database_url
from tests.installation import (
    BROWSER_COOKIE,
    DEVICE_COOKIE,
    PASSWORD,
    SESSION_COOKIE,
    USERNAME,
    Installation,
    LoginPage,
    code_of,
    csrf_of,
    installed,
)
from tests.postgres_server import giving_back

from worksgate.audit import AuditEvent, Event
from worksgate.credentials.master_key import Keyring, MasterKey, key_id_of
from worksgate.database.backup.writing import write_backup
from worksgate.database.migrations import migrate
from worksgate.directory.factors import TotpSecret
from worksgate.provider.sign_in.transaction import SignInTransaction, TransactionSigner
from worksgate.web.pages.anti_forgery import AntiForgery

__all__ = ["bare_database_url"]

KEY = MasterKey(bytes(range(32)))
TRUSTED_COOKIE = "__Host-wg_trusted"


@dataclass(frozen=True)
class Haul:
    """What went out in use, by what it is; and what a thief has of the server."""

    secrets: Mapping[str, str]
    places: Mapping[str, bytes]
    device: tuple[str, str]
    transaction: str


def spellings(secret: bytes) -> Iterator[bytes]:
    """How a secret may stand in a file, whole and not at a known place."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b32encode(secret).rstrip(b"=")
    # Base64 of something longer that holds it: at each of the three offsets, without the edges.
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + secret)
        inner = text[4 if offset else 0 :].rstrip(b"=")[:-2]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def found_in(data: bytes, secret: bytes) -> bool:
    return any(spelling in data for spelling in spellings(secret))


def content(file: Path) -> bytes:
    """A database file with what SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))


async def backup_of(url: str, file: Path) -> bytes:
    """The database in a backup in clear, and the manifest, as a thief unpacks them."""
    await write_backup(
        url,
        file,
        passphrase=None,
        replace=True,
        actor="tester",
        now=NOW,
        progress=lambda done: None,
    )
    with tarfile.open(file) as archive:
        return b"".join(archive.extractfile(each).read() for each in archive)  # type: ignore[union-attr]  # files


def totp_key(page: str) -> str:
    found = re.search(r'class="code" translate="no">([A-Z2-7 ]+)<', page)
    assert found is not None
    return found[1].replace(" ", "")


async def used(installation: Installation) -> tuple[dict[str, str], tuple[str, str], str]:
    """Use an installation in every way that leaves a secret: by what it is."""
    secrets: dict[str, str] = {"client secret": installation.client.client_secret}
    await installation.change_client(second_factor="required")
    browser = installation.browser()
    page = LoginPage.of(enrolment := await browser.sign_in())
    secrets["authenticator app"] = totp_key(enrolment.text)
    app = pyotp.TOTP(secrets["authenticator app"])
    page = LoginPage.of(
        await browser.submit(page, step="enrol", otp=app.at(int(installation.clock())))
    )
    response = await browser.submit(page, step="resume")
    code = secrets["authorization code"] = code_of(response)
    token = await installation.exchange(code)
    secrets["access token"] = token.json()["access_token"]
    # A sign-in that stands still at its second factor, and one that sets one up right now.
    installation.clock.advance(60)
    halfway = await installation.browser().sign_in()
    transaction = LoginPage.of(halfway).txn
    await installation.administration.users.add("newcomer", password=PASSWORD, external_key="n")
    newcomer = installation.browser()
    secrets["app on its way in a login"] = totp_key(
        (await newcomer.sign_in("newcomer", PASSWORD)).text
    )
    account = installation.browser()
    login = LoginPage.of(await account.account())
    login = LoginPage.of(await account.submit(login, username=USERNAME, password=PASSWORD))
    response = await account.submit(
        login, step="prove", otp=app.at(int(installation.clock())), trust="on"
    )
    assert response.status_code == 303, response.text
    secrets["app on its way in an account"] = totp_key(
        (await account.account("/authenticator")).text
    )
    named = await account.post_to_account("/app-passwords", {"name": "mail"})
    if shown := re.search(r"<code[^>]*>([a-z0-9 -]{16,})</code>", named.text):
        secrets["app password"] = shown[1]
    link = await installation.administration.users.issue_reset_link(USERNAME)
    secrets["reset link"] = next(iter(parse_qs(urlsplit(link).query).values()))[0]
    for name in (SESSION_COOKIE, BROWSER_COOKIE, TRUSTED_COOKIE, DEVICE_COOKIE):
        if name in account.http.cookies:
            secrets[name] = account.cookie(name).split(".")[-1]
    secrets["anti-forgery token"] = csrf_of(await account.account())
    device = account.cookie(DEVICE_COOKIE).strip('"')
    return secrets, (device, USERNAME), transaction


@pytest.fixture
async def haul(tmp_path: Path) -> AsyncIterator[Haul]:
    async with installed(tmp_path, master_key=KEY.text) as installation:
        secrets, device, transaction = await used(installation)
        backup = await backup_of(installation.settings.database_url, tmp_path / "backup")
        yield Haul(
            secrets,
            {"file": content(installation.database), "backup": backup},
            device,
            transaction,
        )


def as_bytes(name: str, secret: str) -> list[bytes]:
    """A secret as it went out, and what it encodes."""
    raw = [secret.encode()]
    if "app on its way" in name or name == "authenticator app":
        raw.append(base64.b32decode(secret))
    elif re.fullmatch(r"[A-Za-z0-9_-]{43}", secret):
        raw.append(base64.urlsafe_b64decode(secret + "="))
    return raw


async def test_r130_no_secret_is_in_a_stolen_file_or_in_a_backup(haul: Haul) -> None:
    assert len(haul.secrets) >= 11, haul.secrets.keys()
    for place, data in haul.places.items():
        assert len(data) > 10_000
        present = {
            name
            for name, secret in haul.secrets.items()
            for raw in as_bytes(name, secret)
            if found_in(data, raw)
        }
        assert present == set(), place
        assert not found_in(data, KEY.material)
        assert KEY.text.encode() not in data


def values_of(database: Path) -> Iterator[bytes]:
    """Every value of every column."""
    tables = query(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
    for (table,) in tables:
        for row in query(database, f"SELECT * FROM {table}"):
            for value in row:
                if isinstance(value, bytes):
                    yield value
                elif isinstance(value, str):
                    yield value.encode()


async def test_r130_nothing_in_a_stolen_file_is_a_key_that_signs_or_shows_a_code(
    tmp_path: Path,
) -> None:
    """Every value of the database, whole, as text that encodes one, and each part of it."""
    async with installed(tmp_path, master_key=KEY.text) as installation:
        secrets, (device, username), transaction = await used(installation)
        values = set(values_of(installation.database))
        forgeries = Forgeries.of(installation, secrets, transaction)
    payload, _, signature = transaction.rpartition(".")
    device_id, _, device_signature = device.rpartition(".")
    app = pyotp.TOTP(secrets["authenticator app"])
    tried = {part for value in values for part in parts_of(value)}
    assert len(tried) > 1_000
    assert KEY.material not in tried
    for key in tried:
        assert not signs(key, payload, signature)
        assert not signs_device(key, username, device_id, device_signature)
        assert forgeries.made_by(key) == (False, False)
        assert base64.b32encode(key).decode().rstrip("=") != app.secret.rstrip("=")


def parts_of(value: bytes) -> Iterator[bytes]:
    """What of a value could be a key of 20 or 32 bytes."""
    decoded = [value]
    for decode in (base64.urlsafe_b64decode, base64.b64decode, base64.b32decode, bytes.fromhex):
        try:
            decoded.append(decode(value.decode() + ("=" * (-len(value) % 4))))
        except ValueError:
            continue
    for each in decoded:
        if len(each) <= 128:
            for length in (20, 32):
                yield from (each[at : at + length] for at in range(len(each) - length + 1))


def signs(key: bytes, payload: str, signature: str) -> bool:
    forged = TransactionSigner(key)._transactions.get_signature(payload).decode()
    return bool(forged == signature)


def forges_account_form(key: bytes, session: str, anti_forgery_token: str) -> bool:
    return AntiForgery(key).is_right(anti_forgery_token, session)


def challenges_passkey(key: bytes, transaction: SignInTransaction, challenge: str) -> bool:
    """Whether a key makes what a passkey is asked to sign, before anybody is asked."""
    return TransactionSigner(key).passkey_challenge(transaction) == challenge


@dataclass(frozen=True)
class Forgeries:
    """What went out to one person, and whether a key would have made it."""

    session: str
    anti_forgery_token: str
    transaction: SignInTransaction
    challenge: str

    @classmethod
    def of(cls, installation: Installation, secrets: Mapping[str, str], transaction: str) -> Self:
        payload = transaction.rpartition(".")[0]
        unchecked = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        begun = msgspec.json.decode(unchecked, type=SignInTransaction)
        challenge = installation.provider.signer.passkey_challenge(begun)
        return cls(secrets[SESSION_COOKIE], secrets["anti-forgery token"], begun, challenge)

    def made_by(self, key: bytes) -> tuple[bool, bool]:
        """Whether the key makes the token of the account's forms, and the passkey challenge."""
        return (
            forges_account_form(key, self.session, self.anti_forgery_token),
            challenges_passkey(key, self.transaction, self.challenge),
        )


def signs_device(key: bytes, username: str, device_id: str, signature: str) -> bool:
    return TransactionSigner(key).knows_device(username, device_id, signature)


async def test_r130_the_search_finds_what_lies_in_clear(tmp_path: Path) -> None:
    """Without a master key the same search finds the app and the key: it looks where they are."""
    async with installed(tmp_path) as installation:
        secrets, (device, username), transaction = await used(installation)
        data, values = content(installation.database), set(values_of(installation.database))
        backup = await backup_of(installation.settings.database_url, tmp_path / "backup")
        forgeries = Forgeries.of(installation, secrets, transaction)
    payload, _, signature = transaction.rpartition(".")
    device_id, _, device_signature = device.rpartition(".")
    secret = base64.b32decode(secrets["authenticator app"])
    assert found_in(data, secret)
    assert found_in(backup, secret)
    tried = {part for value in values for part in parts_of(value)}
    assert any(signs(key, payload, signature) for key in tried)
    assert any(signs_device(key, username, device_id, device_signature) for key in tried)
    assert (True, True) in {forgeries.made_by(key) for key in tried}


async def test_r130_nothing_in_a_stolen_file_is_a_session(tmp_path: Path) -> None:
    """Every text of the database that a cookie can hold is sent as the one of a session."""
    async with installed(tmp_path, master_key=KEY.text) as installation:
        secrets, _, _ = await used(installation)
        values = set(values_of(installation.database))
        (stored,) = installation.rows("SELECT key FROM sessions LIMIT 1")[0]
        browser = installation.browser()

        async def opens(cookie: str) -> bool:
            browser.set_cookie(SESSION_COOKIE, cookie)
            page = await browser.account()
            assert page.status_code == 200, page.text
            return 'name="txn"' not in page.text  # no sign-in form

        assert await opens(secrets[SESSION_COOKIE])
        sent = {each for value in values if (each := as_cookie(value)) is not None}
        assert stored in sent
        assert len(sent) > 50
        assert [cookie for cookie in sent if await opens(cookie)] == []


def as_cookie(value: bytes) -> str | None:
    """What of a value a browser could send as a cookie: a text without a separator."""
    text = value.decode("latin-1")
    return text if re.fullmatch(r"[A-Za-z0-9._~:/+=-]{1,200}", text) else None


async def test_r130_what_was_kept_in_clear_is_not_left_behind(tmp_path: Path) -> None:
    """An installation from before: after ``key encrypt`` with the server stopped, all is gone."""
    async with installed(tmp_path) as installation:
        secrets, _, _ = await used(installation)
        (signing_key,) = (
            bytes(value) for (value,) in query(installation.database, "SELECT value FROM keys")
        )
    secret = base64.b32decode(secrets["authenticator app"])
    database = installation.database
    assert found_in(content(database), secret)
    assert found_in(content(database), signing_key)
    terminal = Terminal(
        tmp_path,
        {"WORKSGATE_DATABASE_URL": url_of(database), "WORKSGATE_MASTER_KEY": KEY.text},
    )
    encrypted = terminal.process("key", "encrypt", "--yes", "--json")
    assert encrypted.json["rewritten"] is True, encrypted.err
    assert not found_in(content(database), secret)
    assert not found_in(content(database), signing_key)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_r130_a_dump_holds_no_secret_and_the_key_brings_it_back(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """PostgreSQL's too: what ``pg_dump`` writes is in the backup as it is."""
    file = tmp_path / ("worksgate.db" if kind == "sqlite" else f"worksgate{POSTGRES}")
    secret = bytes(range(100, 120))
    with giving_back(file):
        url = url_of(file)
        if kind == "sqlite":
            await migrate(url)
        async with directory_in(file, Keyring(KEY)) as directory:
            signing_key = await directory.signing_key()
            row = TotpSecret(subject_id="a", secret=secret, last_step=1, created_at=NOW)
            await directory.factors.keep_totp(row, AuditEvent(event=Event.FACTOR_ADDED, at=NOW))
        data = await backup_of(url, tmp_path / "backup")
        assert not found_in(data, secret)
        assert not found_in(data, signing_key)
        assert json.dumps([KEY.id])[1:-1].encode() in data
        (stored,) = query(file, "SELECT secret FROM totp_secrets")
        assert key_id_of(bytes(stored[0])) == KEY.id


def test_a_short_secret_is_found_in_every_spelling() -> None:
    secret = bytes(range(60, 80))
    for data in (
        secret,
        secret.hex().encode(),
        base64.b32encode(secret),
        *(base64.b64encode(b"xyz"[:n] + secret + b"tail") for n in range(4)),
        *(base64.urlsafe_b64encode(b"xyz"[:n] + secret + b"tail") for n in range(4)),
    ):
        assert found_in(b"before" + data + b"after", secret)
    assert not found_in(b"before" + secret[:-1] + b"after", secret)
