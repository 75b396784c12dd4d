"""systemd socket activation: no connection is refused during a restart."""

import asyncio
import os
import signal
import socket
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests.installation import prepared
from tests.ports import free_port
from tests.served import READ_TIMEOUT, read_all, wait_until
from tests.server.load import ALIVE, Load
from tests.server.processes import is_listening, started, write_settings

from worksgate.server import listening
from worksgate.server.listening import CannotListen, passed_by_systemd


@pytest.fixture
def passed() -> socket.socket:
    """A socket like that of a socket unit; whoever takes it closes it."""
    return socket.create_server(("127.0.0.1", 0))


def told(number: int = 1, pid: int | None = None) -> dict[str, str]:
    """The environment in which systemd starts a service."""
    mine = str(os.getpid() if pid is None else pid)
    return {"LISTEN_PID": mine, "LISTEN_FDS": str(number), "LISTEN_FDNAMES": "x", "PATH": "/bin"}


def is_served(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=READ_TIMEOUT) as connection:
        connection.sendall(ALIVE + b"Connection: close\r\n\r\n")
        return read_all(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_f26_nobody_is_refused_during_a_restart_where_systemd_listens(
    tmp_path: Path, passed: socket.socket, options: tuple[str, ...]
) -> None:
    port, elsewhere = passed.getsockname()[1], free_port()
    url = f"http://127.0.0.1:{port}"
    asyncio.run(prepared(tmp_path, public_url=url))
    write_settings(tmp_path, public_url=url, port=elsewhere)
    with passed, ExitStack() as servers:
        first = servers.enter_context(started(tmp_path, port, *options, passed=passed))
        assert first.wait_for("server.starting")["address"] == url
        wait_until(partial(is_served, port))
        with Load(port, rate=60).beside() as load:
            load.more(30)
            first.signal(signal.SIGTERM)
            assert first.ends() == 0
            assert is_listening(port), "although nobody serves"
            servers.enter_context(started(tmp_path, port, *options, passed=passed))
            load.more(30)
            assert not is_listening(elsewhere)
    assert load.failures == []


def test_a_socket_is_taken_once_and_its_variables_go_to_nobody(
    passed: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = passed.getsockname()
    monkeypatch.setattr(listening, "_FIRST_PASSED", passed.detach())
    environment = told()
    taken = passed_by_systemd(environment)
    assert taken is not None
    with taken:
        assert taken.getsockname() == address
        assert not taken.get_inheritable()
    assert environment == {"PATH": "/bin"}
    assert passed_by_systemd(environment) is None


def test_a_socket_for_another_process_is_left_alone() -> None:
    assert passed_by_systemd(told(pid=os.getpid() + 1)) is None


def test_what_cannot_be_served_on_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 2):
        with pytest.raises(CannotListen, match=f"systemd has passed {number} sockets"):
            passed_by_systemd(told(number))
    monkeypatch.setattr(listening, "_FIRST_PASSED", os.open("/dev/null", os.O_RDONLY))
    with pytest.raises(CannotListen, match="is not a socket"):
        passed_by_systemd(told())
    os.close(listening._FIRST_PASSED)
    for family, listens in ((socket.AF_UNIX, True), (socket.AF_INET, False)):
        unusable = socket.socket(family)
        if listens:
            unusable.bind("")  # Linux chooses a name that is in no file system
            unusable.listen()
        monkeypatch.setattr(listening, "_FIRST_PASSED", unusable.detach())
        with pytest.raises(CannotListen, match="ListenStream"):
            passed_by_systemd(told())
