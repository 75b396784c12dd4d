"""A command that is forked is as one that is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import forking

pytestmark = pytest.mark.programs

VARIABLES = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}


@pytest.mark.parametrize(
    "command", [("client", "shwo"), ("--version",), ("migrate", "--json"), ("user", "add", "aoi@x")]
)
def test_it_ends_as_it_would_and_says_the_same(tmp_path: Path, command: tuple[str, ...]) -> None:
    ends = []
    for name in ("started", "forked"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "worksgate.toml").write_text(f'database_url = "sqlite:///{folder}/db"\n')
        if name == "started":
            done = subprocess.run(
                [sys.executable, "-m", "worksgate", *command],
                cwd=folder,
                env=VARIABLES,
                input=b"",
                capture_output=True,
                check=False,
            )
        else:
            done = forking.run(*command, cwd=folder, env=VARIABLES)
        made = sorted(file.name for file in folder.iterdir())
        said = [each.decode().replace(str(folder), "HERE") for each in (done.stdout, done.stderr)]
        ends.append((done.returncode, *said, made))
    assert ends[0] == ends[1]


def test_it_is_ended_by_a_signal_as_a_process_of_its_own(tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as waiting, os.fdopen(write, "w"):
        process = forking.start(
            *("user", "add", "aoi@x", "--password-stdin"),
            cwd=tmp_path,
            env=VARIABLES,
            stdin=waiting,
            start_new_session=True,
        )
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        assert os.getpgid(process.pid) == process.pid != os.getpid()
        process.kill()
        assert process.wait(30) == process.returncode == process.poll() == -signal.SIGKILL


def test_what_python_reads_at_its_start_makes_it_start(tmp_path: Path) -> None:
    variables = {**VARIABLES, "PYTHONPATH": str(tmp_path)}
    process = forking.start("--version", cwd=tmp_path, env=variables)
    assert isinstance(process, subprocess.Popen)
    assert process.wait(60) == 0
