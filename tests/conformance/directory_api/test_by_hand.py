"""`python -m worksgate.conformance.directory_api`: a stranger can try it with what it prints."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest


@pytest.mark.programs
def test_r214_program_is_on_this_machine_only_and_prints_what_is_needed_to_call_it(
    tmp_path: Path,
) -> None:
    key = tmp_path / "private.key"
    arguments = ["--port", "0", "--people", "20", "--key", str(key)]
    command = [sys.executable, "-m", "worksgate.conformance.directory_api", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            told = dict([program.stdout.readline().split(maxsplit=1)])
            assert told["API"].startswith("http://127.0.0.1:")
            answer = httpx2.get(f"{told['API'].strip()}/users", trust_env=False)
            assert answer.status_code == 401
            assert key.stat().st_mode & 0o777 == 0o600
        finally:
            program.terminate()
