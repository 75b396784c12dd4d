"""Temporary files of a killed process are removed later, and no others."""

import ast
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import terminal
from tests.cli.terminal import WORKSGATE, Terminal
from tests.installation import installed

import worksgate
from worksgate.database.temporary_files import remove_abandoned, written_beside

__all__ = ["terminal"]

LEFT = ".wg.db.worksgate-0123abcd"
KILLED = """
import sys, time
from pathlib import Path
from worksgate.database.temporary_files import written_beside
with written_beside(Path(sys.argv[1])) as path:
    path.write_text("all the hashes")
    print(path, flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_a_file_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with written_beside(tmp_path / "wg.db") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        path.with_name(f"{path.name}-wal").touch()
    assert names(tmp_path) == set()
    with written_beside(tmp_path / "wg.db") as path:
        path.replace(tmp_path / "wg.db")
    assert names(tmp_path) == {"wg.db"}


def test_a_signal_while_it_is_made_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(descriptor: int, _operation: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            sys.exit(128 + signal.SIGTERM)  # as cli.running does

    monkeypatch.setattr(fcntl, "flock", locked)
    with pytest.raises(SystemExit), written_beside(tmp_path / "wg.db"):
        pass
    assert names(tmp_path) == set()


def test_what_is_being_written_is_left_alone_and_what_a_kill_left_is_not(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "wg.db")], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().decode().strip())
        assert remove_abandoned(tmp_path) == 0
        assert path.read_text() == "all the hashes"
        process.send_signal(signal.SIGKILL)
    path.with_name(f"{path.name}-journal").touch()
    assert remove_abandoned(tmp_path) == 1
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "name",
    [
        "wg.db",
        "wg.db-wal",
        ".wg.db",
        ".wg.db.worksgate-0123abc",
        ".wg.db.worksgate-0123abcde",
        ".wg.db.worksgate-0123ABCD",
        "wg.db.worksgate-0123abcd",
        ".worksgate-0123abcd",
        ".wgxdb.0123abcd",
        ".other.0123abcd",
    ],
)
def test_nothing_else_is_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / LEFT).mkdir()
    assert remove_abandoned(tmp_path, "wg.db") == 0
    assert names(tmp_path) == {name, LEFT}


def test_what_earlier_releases_left_beside_this_database_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".wg.db.0123abcd").touch()
    assert remove_abandoned(tmp_path) == 0
    assert remove_abandoned(tmp_path, "wg.db") == 1


def test_a_link_is_not_followed_and_a_folder_that_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / LEFT).symlink_to(tmp_path / "precious")
    assert remove_abandoned(tmp_path) == 0
    assert (tmp_path / "precious").read_text() == "kept"
    assert remove_abandoned(tmp_path / "gone") == 0


async def test_a_server_that_starts_removes_what_a_killed_restore_left(tmp_path: Path) -> None:
    left = tmp_path / ".worksgate.db.0123abcd"
    left.write_bytes(b"all the hashes")
    async with installed(tmp_path):
        assert not left.exists()


def test_the_next_command_removes_what_a_killed_restore_left(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.ok("client", "add", "acme")
    assert terminal.run("backup", "b").code == 0
    process = subprocess.Popen(
        [*WORKSGATE, "restore", "b", "--force"],
        cwd=tmp_path,
        env={**os.environ, "WORKSGATE_DATABASE_URL": f"sqlite:///{tmp_path}/worksgate.db"},
    )
    with process:
        while not list(tmp_path.glob(".worksgate.db.worksgate-*")):
            assert process.poll() is None
            time.sleep(0.001)  # or it could not be stopped on a single core
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob(".worksgate.db.*"))
    terminal.ok("restore", "b", "--force")
    assert not list(tmp_path.glob(".worksgate.db.*"))


def test_a_backup_removes_what_killed_ones_left(terminal: Terminal, tmp_path: Path) -> None:
    terminal.ok("client", "add", "acme")
    (tmp_path / "elsewhere").mkdir()
    left = [
        tmp_path / ".worksgate.db.worksgate-0123abcd",
        tmp_path / "elsewhere" / ".b.worksgate-0123abcd",
    ]
    for each in left:
        each.write_bytes(b"all the hashes")
    assert terminal.run("backup", "elsewhere/b").code == 0
    assert not [each for each in left if each.exists()]


def test_whoever_writes_a_secret_file_first_removes_what_killed_programs_left() -> None:
    writers: dict[str, set[str]] = {}
    for file in Path(worksgate.__file__).parent.rglob("*.py"):
        source = file.read_text("utf-8")
        for function in ast.walk(ast.parse(source if "written_beside(" in source else "")):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                called = {
                    each.func.id
                    for each in ast.walk(function)
                    if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
                }
                if "written_beside" in called:
                    writers[f"{file.stem}.{function.name}"] = called
    assert len(writers) > 5
    careless = [each for each, called in writers.items() if "remove_abandoned" not in called]
    assert careless == []
