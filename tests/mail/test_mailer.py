"""Mail reaches a real server, as one message to one person, and never delays a page."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.mail_server import MailServer, mail_server, make_certificate, silent_server
from tests.ports import free_port
from tests.unhurried import AT_ONCE, PATIENT

from worksgate.mail import Mailer, MailMessage, MailUnavailable
from worksgate.settings.addresses.mail import Encryption, SmtpServer, check_address

SENDER = "sso@example.com"
MESSAGE = MailMessage(
    to="aoi@example.com",
    subject="パスワードの再設定",
    text="青井さん\nhttps://sso.example.com/x\n",
    html="<p>青井さん</p>",
)
NO_LOOPBACK = "0.0.0.0"
"""An address of this machine that, by its name, could be anywhere."""


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("mail-certificate")
    return make_certificate(folder, "127.0.0.1", NO_LOOPBACK)


@pytest.fixture
def context(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """A server's context, whose certificate this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    return certificate[1]


@asynccontextmanager
async def mailing(smtp_url: str, **options: Any) -> AsyncIterator[Mailer]:
    mailer = Mailer(smtp_url, SENDER, **options)
    try:
        yield mailer
    finally:
        await mailer.close(0.1)


# What arrives


async def test_message_arrives_as_text_and_as_html(server: MailServer) -> None:
    async with mailing(server.url, name="株式会社 例") as mailer:
        await mailer.send(MESSAGE)
    (mail,) = server.received
    assert (mail.sender, mail.recipients) == (SENDER, ("aoi@example.com",))
    assert mail.message["To"] == "aoi@example.com"
    assert mail.message["From"].addresses[0].display_name == "株式会社 例"
    assert mail.message["Subject"] == MESSAGE.subject
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Message-ID"].endswith("@example.com>")
    assert mail.text == MESSAGE.text
    assert mail.html.strip() == MESSAGE.html


async def test_queued_messages_arrive_though_nobody_waits_for_them(server: MailServer) -> None:
    async with mailing(server.url) as mailer:
        assert all(mailer.queue(MESSAGE) for _ in range(10))
        assert len(await server.wait_for(10)) == 10


async def test_what_is_waiting_is_sent_before_the_end(server: MailServer) -> None:
    mailer = Mailer(server.url, SENDER)
    for _ in range(6):
        mailer.queue(MESSAGE)
    await mailer.close()
    assert len(server.received) == 6
    assert not mailer.queue(MESSAGE)


# Who is trusted


@pytest.mark.programs
async def test_user_name_and_password_are_given_by_starttls(context: ssl.SSLContext) -> None:
    with mail_server(users={"sso@relay": "p@ss/word"}, starttls=context) as server:
        url = f"smtp://sso%40relay:p%40ss%2Fword@{NO_LOOPBACK}:{server.port}"
        async with mailing(url) as mailer:
            await mailer.ping()
            await mailer.send(MESSAGE)
    (mail,) = server.received
    assert (mail.user, mail.was_encrypted) == ("sso@relay", True)


@pytest.mark.programs
async def test_smtps_is_encrypted_from_the_first_byte(context: ssl.SSLContext) -> None:
    with mail_server(tls=context) as server:
        async with mailing(f"smtps://127.0.0.1:{server.port}") as mailer:
            await mailer.send(MESSAGE)
    assert len(server.received) == 1


async def test_server_without_starttls_is_told_nothing() -> None:
    with mail_server(users={"sso": "secret"}) as server:
        async with mailing(f"smtp://sso:secret@{NO_LOOPBACK}:{server.port}") as mailer:
            with pytest.raises(MailUnavailable, match="STARTTLS"):
                await mailer.send(MESSAGE)
    assert (server.received, server.attempts) == ([], [])


@pytest.mark.programs
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_server_whose_certificate_is_not_trusted_is_told_nothing(
    certificate: tuple[Path, ssl.SSLContext], scheme: str
) -> None:
    ways = {"starttls" if scheme == "smtp" else "tls": certificate[1]}
    with mail_server(users={"sso": "secret"}, **ways) as server:
        async with mailing(f"{scheme}://sso:secret@{NO_LOOPBACK}:{server.port}") as mailer:
            with pytest.raises(MailUnavailable, match=r"(?i)certificate"):
                await mailer.send(MESSAGE)
    assert (server.received, server.attempts) == ([], [])


@pytest.mark.parametrize(
    ("url", "host", "port", "encryption"),
    [
        ("smtp://mail.example.com", "mail.example.com", 587, Encryption.STARTTLS),
        ("smtp://mail.example.com:25", "mail.example.com", 25, Encryption.STARTTLS),
        ("smtps://mail.example.com/", "mail.example.com", 465, Encryption.TLS),
        ("smtp://LOCALHOST", "localhost", 25, Encryption.NONE),
        ("smtp://[::1]:2525", "::1", 2525, Encryption.NONE),
        ("smtps://127.0.0.1", "127.0.0.1", 465, Encryption.TLS),
        ("smtp://127.0.0.1.example.com", "127.0.0.1.example.com", 587, Encryption.STARTTLS),
    ],
)
def test_plain_text_is_for_this_machine_alone(
    url: str, host: str, port: int, encryption: Encryption
) -> None:
    server = SmtpServer.parse(url)
    assert (server.host, server.port, server.encryption) == (host, port, encryption)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary@mail.example.com",
        "user:canary@mail.example.com",
        "smtp://user:canary",
        "smtp://user:canary/x@mail.example.com",
        "smtp://user:canary#x@mail.example.com",
        "smtp://user:canary@mail.example.com:0",
        "smtp://user:canary@mail.example.com/x",
        "smtp://user:canary@mail.example.com?x=1",
        "smtp://canary@mail.example.com",
        "smtp://user:canary@mail_example.com",
        "smtp://",
        "",
    ],
)
def test_r106_wrong_address_of_a_server_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not") as refusal:
        SmtpServer.parse(url)
    assert "canary" not in str(refusal.value)
    assert "canary" not in repr(SmtpServer.parse("smtp://canary:canary@mail.example.com"))


# One message, one person


@pytest.mark.parametrize(
    "address",
    [
        "",
        "aoi",
        "@example.com",
        "aoi@",
        "aoi@example.com\r\nBcc: eve@example.com",
        "aoi@example.com\n",
        "aoi@example.com, eve@example.com",
        "Aoi <aoi@example.com>",
        "<aoi@example.com>",
        "aoi@example.com> RCPT TO:<eve@example.com",
        '"a b"@example.com',
        "aoi@example..com",
        ".aoi@example.com",
        "aoi@-example.com",
        "aoi@example.com\0",
        "青井@example.com",
        "aoi@exämple.com",
        "a" * 65 + "@example.com",
        "aoi@" + "a." * 130 + "com",
    ],
)
def test_what_is_more_than_one_address_is_none(address: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        check_address(address)
    with pytest.raises(ValueError, match="must be an e-mail address"):
        MailMessage(to=address, subject="x", text="x", html="x")


@pytest.mark.parametrize(
    "address", ["aoi@example.com", "o'neil+sso@mail.example.co.jp", "a.b-c_d@localhost"]
)
def test_usual_addresses_are_taken(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("line", ["x\nBcc: eve@example.com", "x\r\n\r\nbody", "x\0", "x\u2028y"])
def test_header_of_its_own_cannot_hide_in_a_line(line: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        MailMessage(to="aoi@example.com", subject=line, text="x", html="x")
    with pytest.raises(ValueError, match="one line"):
        Mailer("smtp://localhost", SENDER, name=line)


async def test_text_cannot_end_the_message_or_begin_another(server: MailServer) -> None:
    text = "a\n.\nMAIL FROM:<eve@example.com>\r\n.\r\nQUIT\n"
    async with mailing(server.url) as mailer:
        await mailer.send(MailMessage(to="aoi@example.com", subject="x", text=text, html=text))
    (mail,) = server.received
    assert mail.text.splitlines() == text.splitlines()


# Servers that are down, slow or rude


async def test_server_that_is_down_is_reported_by_its_place() -> None:
    port = free_port()
    async with mailing(f"smtp://127.0.0.1:{port}") as mailer:
        with pytest.raises(MailUnavailable, match=str(port)):
            await mailer.send(MESSAGE)


async def test_server_that_says_nothing_costs_a_bounded_time() -> None:
    with silent_server() as url:
        async with mailing(url, timeout=0.3) as mailer:
            began = time.monotonic()
            with pytest.raises(MailUnavailable, match="in time"):
                await mailer.send(MESSAGE)
            assert time.monotonic() - began < AT_ONCE


async def test_page_never_waits_for_a_server_that_says_nothing() -> None:
    with silent_server() as url:
        async with mailing(url, waiting=10, timeout=PATIENT) as mailer:
            began = time.monotonic()
            taken = [mailer.queue(MESSAGE) for _ in range(50)]
            assert time.monotonic() - began < AT_ONCE
            assert taken == [True] * 10 + [False] * 40
            await asyncio.sleep(0.05)  # four are in the server's hands now
            assert [mailer.queue(MESSAGE) for _ in range(5)] == [True] * 4 + [False]
            began = time.monotonic()
            await mailer.close(0.1)
            assert time.monotonic() - began < AT_ONCE


async def test_r106_server_that_repeats_the_address_is_not_quoted(
    server: MailServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.refused.add(MESSAGE.to)
    async with mailing(server.url) as mailer:
        with pytest.raises(MailUnavailable, match="550") as refusal:
            await mailer.send(MESSAGE)
        assert MESSAGE.to not in str(refusal.value)
        assert refusal.value.__cause__ is None
        mailer.queue(MESSAGE)
        await mailer.close()  # in its own time, and not in the short one of ``mailing``
    logged = "".join(capfd.readouterr())
    assert "mail.not_sent" in logged
    assert MESSAGE.to not in logged


@pytest.mark.programs
async def test_r106_wrong_password_is_reported_and_not_shown(context: ssl.SSLContext) -> None:
    with mail_server(users={"sso": "right"}, starttls=context) as server:
        async with mailing(f"smtp://sso:canary@{NO_LOOPBACK}:{server.port}") as mailer:
            with pytest.raises(MailUnavailable, match="user name or password") as refusal:
                await mailer.ping()
    assert "canary" not in str(refusal.value)
    assert server.attempts
