"""`python -m worksgate.conformance.directory_api`: a stranger can try it with what it prints."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from worksgate.conformance.directory_api.__main__ import printed
from worksgate.conformance.directory_api.calls import Call


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


def test_r214_what_a_caller_sends_does_not_reach_the_terminal() -> None:
    call = Call(
        number=1,
        at=0.0,
        operation=None,
        method="GET",
        path="/v1.0/\x9b2J\x1b[1m\u202e",
        parameters=(),
        status=404,
        code=None,
        client_id=None,
        scopes=frozenset(),
        people=None,
        in_flight=1,
        fault=None,
    )
    assert printed(call) == "GET /v1.0/�2J�[1m� 404"
