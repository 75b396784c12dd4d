"""Certificates and settings are reloaded while requests arrive."""

import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.ports import free_port
from tests.served import READ_TIMEOUT, wait_until
from tests.server.load import Load
from tests.server.processes import Running, make_certificate, serving, write_settings

from worksgate.server.settings_reload import NEED_A_RESTART
from worksgate.server.tls import CertificateFiles, Expiry

TLS = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
DAY = 86_400.0


def get(url: str, **headers: str) -> httpx2.Response:
    return httpx2.get(url, headers=headers, timeout=READ_TIMEOUT)


def shown(running: Running) -> bytes:
    """The certificate that somebody who connects now is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", running.port), timeout=READ_TIMEOUT)
    return ssl.PEM_cert_to_DER_cert(pem)


def on_disk(folder: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text("ascii"))


def unchecked() -> ssl.SSLContext:
    """What anybody may show is good: these tests are about which one it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("workers", [1, 2])
def test_f30_a_new_certificate_is_shown_and_no_connection_is_dropped(
    tmp_path: Path, workers: int
) -> None:
    make_certificate(tmp_path)
    with serving(tmp_path, *TLS, "--workers", str(workers), scheme="https") as running:
        if workers > 1:
            running.wait_for("worker.ready", workers)
        assert shown(running) == on_disk(tmp_path)
        with Load(running.port, unchecked(), rate=60).beside() as load:
            for number, key in enumerate(("rsa", "ec"), 1):
                make_certificate(tmp_path, key=key)
                running.signal(signal.SIGHUP)
                running.wait_for("certificate.read", number * workers)
                for _ in range(4):  # whichever worker answers
                    assert shown(running) == on_disk(tmp_path)
                load.more(20)
        assert load.failures == []


def test_f30_a_broken_certificate_is_reported_and_the_old_one_stays(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with serving(tmp_path, *TLS, scheme="https") as running:
        before = shown(running)
        other = tmp_path / "other"
        other.mkdir()
        make_certificate(other)
        for number, (name, content) in enumerate(
            (
                ("cert.pem", (other / "cert.pem").read_bytes()),
                ("key.pem", b"no key"),
                ("cert.pem", b"-----BEGIN CERTIFICATE-----\n"),
            ),
            1,
        ):
            (tmp_path / name).write_bytes(content)
            running.signal(signal.SIGHUP)
            assert running.wait_for("certificate.unusable", number)["level"] == "error"
            assert shown(running) == before
        told = [each["detail"] for each in running.named("certificate.unusable")]
        assert told == [
            "key.pem is not the key of cert.pem",
            "key.pem is not a PEM private key without a passphrase",
            "cert.pem is not a PEM certificate",
        ]


@pytest.mark.parametrize(
    ("days", "event"),
    [(20, "certificate.ends_soon"), (30, None)],
)
def test_f30_a_certificate_that_ends_soon_is_warned_of_once_a_day(
    tmp_path: Path, logged: Callable[[], str], days: int, event: str | None
) -> None:
    make_certificate(tmp_path, days=days)
    expiry = Expiry(CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem"))
    now = time.time()
    for later in (0.0, 60.0, DAY - 1, DAY + 1):
        expiry.look(now + later)
    assert logged().count("certificate.") == (2 if event else 0)
    if event:
        assert event in logged()
        expiry.look(now + 21 * DAY + 60)
        assert "certificate.has_ended" in logged()


@pytest.mark.parametrize("workers", [1, 2])
def test_f32_settings_are_read_again_or_kept_and_no_request_is_lost(
    tmp_path: Path, workers: int
) -> None:
    operations = {"admin_port": free_port()}
    with serving(
        tmp_path,
        *("--workers", str(workers)),
        settings={"company_name": "First Ltd.", **operations},
    ) as running:
        if workers > 1:
            running.wait_for("worker.ready", workers)
        url = f"http://127.0.0.1:{running.port}"
        same = {"public_url": url, "port": running.port, **operations}

        def company() -> set[str]:
            pages = [get(f"{url}/account").text for _ in range(4)]
            names = ("First Ltd.", "Second Ltd.", "Third Ltd.")
            assert get(f"http://127.0.0.1:{operations['admin_port']}/readyz").is_success
            return {name for name in names for page in pages if name in page}

        assert company() == {"First Ltd."}
        with Load(running.port, rate=100).beside() as load:
            load.more(20)
            write_settings(tmp_path, **same, company_name="Second Ltd.")
            running.signal(signal.SIGHUP)
            read = running.wait_for("settings.read", workers)
            assert read["changed"] == "company_name"
            assert company() == {"Second Ltd."}

            write_settings(tmp_path, **same, compny_name="x", answer_deadline=7)
            running.signal(signal.SIGHUP)
            running.wait_for("settings.kept", 2)
            told = " ".join(each["detail"] for each in running.named("settings.kept"))
            assert "compny_name: there is no such setting" in told
            assert "answer_deadline: must be more than 0" in told
            assert company() == {"Second Ltd."}

            elsewhere = {"database_url": f"sqlite:///{tmp_path / 'other.db'}"}
            write_settings(tmp_path, **same, **elsewhere, company_name="Third Ltd.")
            running.signal(signal.SIGHUP)
            running.wait_for("settings.read", 2 * workers)
            running.wait_for("settings.need_a_restart")
            (restart,) = running.named("settings.need_a_restart")
            assert restart["setting"] == "database_url"
            assert company() == {"Third Ltd."}
            load.more(20)
        assert load.failures == []
        assert not (tmp_path / "other.db").exists()
        if workers > 1:  # one that starts later has the settings of now
            for pid in running.workers():
                os.kill(pid, signal.SIGTERM)
            running.wait_for("worker.ended", workers)
            assert company() == {"Third Ltd."}


def test_f32_settings_file_that_was_found_and_is_gone_changes_nothing(tmp_path: Path) -> None:
    settings = {"company_name": "First Ltd."}
    with serving(tmp_path, settings=settings, names_file=False) as running:
        running.settings_file.unlink()
        running.signal(signal.SIGHUP)
        told = running.wait_for("settings.kept")["detail"]
        assert told == "worksgate.toml: there is no such file"
        assert "First Ltd." in get(f"http://127.0.0.1:{running.port}/account").text
        assert not running.named("settings.read")


def test_f32_settings_that_no_worker_can_take_on_are_given_to_none(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", settings={"company_name": "First Ltd."}) as running:
        running.wait_for("worker.ready", 2)
        text = running.settings_file.read_text("utf-8").replace("First", "Second")
        source = '[[source]]\ntype = "python"\nname = "own"\nfunction = "not_there:authenticate"\n'
        running.settings_file.write_text(text + source, "utf-8")
        running.signal(signal.SIGHUP)
        assert "cannot start" in running.wait_for("settings.kept")["detail"]
        os.kill(running.workers()[0], signal.SIGKILL)
        running.wait_for("worker.ready", 3)
        assert len(running.named("worker.died")) == 1
        assert len(running.named("settings.kept")) == 1, "the second was not asked"
        pages = {get(f"http://127.0.0.1:{running.port}/account").text for _ in range(8)}
        assert all("First Ltd." in page for page in pages)


def test_settings_that_need_a_restart_are_those_that_the_page_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text("utf-8")
    (sentence,) = re.findall(r"^- (`[^;]*)\bneed a\s+restart;", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(NEED_A_RESTART)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_console_has_new_settings_too_and_is_replaced_only_for_them(
    tmp_path: Path, workers: int
) -> None:
    console = free_port()
    settings = {"console_port": console, "console_url": f"http://localhost:{console}"}
    with serving(tmp_path, "--workers", str(workers), settings=settings) as running:

        def answered(host: str) -> int:
            url = f"http://127.0.0.1:{console}/sign-in"
            return get(url, host=f"{host}:{console}").status_code

        def is_listening() -> bool:
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", console)) == 0

        running.wait_for("server.ready" if workers == 1 else "worker.ready", workers)
        wait_until(is_listening)
        assert (answered("localhost"), answered("127.0.0.1")) == (200, 404)
        running.signal(signal.SIGHUP)  # nothing has changed
        running.wait_for("settings.read", workers)
        text = running.settings_file.read_text("utf-8")
        running.settings_file.write_text(
            text.replace("http://localhost:", "http://127.0.0.1:"), "utf-8"
        )
        running.signal(signal.SIGHUP)
        running.wait_for("companion.started", 2)
        assert (answered("localhost"), answered("127.0.0.1")) == (404, 200)
        assert len(running.named("companion.started")) == 2
        assert not running.named("companion.died")
        assert not running.named("companion.killed")
