"""``worksgate record`` and ``worksgate replay``, with servers of several processes."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.terminal import WORKSGATE, Terminal
from tests.conformance.recording.scene import scene
from tests.installation import CALLBACK, PASSWORD, USERNAME, prepared
from tests.server.processes import Running, serving

from worksgate.administration import NewClient
from worksgate.bootstrap.administration import open_administration
from worksgate.cli.record import _ENDINGS
from worksgate.conformance.recording.file import Ending
from worksgate.settings.loading import load


def test_every_ending_has_a_sentence() -> None:
    assert set(_ENDINGS) == set(Ending)


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("two")
    with serving(folder, "--workers", "2", settings={"answer_deadline": 2.9}) as found:
        found.wait_for("worker.ready", 2)
        yield found


def test_r220_two_processes_are_recorded_until_ctrl_c_and_replayed(
    running: Running, terminal: Terminal
) -> None:
    client = asyncio.run(prepared(terminal.folder))[1]
    url = f"http://127.0.0.1:{running.port}"
    # The tests may run in the background of a shell, where Ctrl-C is ignored, as record would too.
    heeded = ("env", "--default-signal=INT")
    command = [*heeded, *WORKSGATE, "record", "day", "--reason", "an upgrade", "--json"]
    recording = subprocess.Popen(command, cwd=running.folder, stdout=subprocess.PIPE, text=True)
    try:
        running.wait_for("recording.begun", 2)
        asyncio.run(sign_in(url, client))
        wait_for_calls(running.folder / "day", 11)
        recording.send_signal(signal.SIGINT)
        out, _ = recording.communicate(timeout=30)
    finally:
        recording.kill()
    assert recording.returncode == 0
    done = json.loads(out)
    assert (done["ended"], done["processes"], done["dropped"]) == ("stopped", 2, 0)
    assert done["calls"] == 11
    running.wait_for("recording.ended", 2)

    records = asyncio.run(audit(running))
    begun, ended = [detail for detail in records if "record" in detail]
    assert begun.endswith("Z: an upgrade")
    assert "has ended (stopped): 11 calls" in ended

    write_stand_ins(terminal.folder / "stand-ins.toml", client)
    replay = ("replay", str(running.folder / "day"), url, "--stand-ins", "stand-ins.toml")
    done_again = terminal.run(*replay, "--speed", "max")
    assert done_again.code == 0, done_again
    said = "10 of 10 calls were answered the same, 0 differently; 0 were not replayed."
    assert said in done_again.out
    write_stand_ins(terminal.folder / "stand-ins.toml", client, secret="x" * 43)
    found = terminal.run(*replay, "--speed", "max", "--json")
    assert found.code == 1
    differences = {
        (each["call"], each["recorded"], each["now"]) for each in found.json["differences"]
    }
    assert ("token", "200", "401") in differences
    twice = ("replay", *[str(running.folder / "day")] * 2, *replay[2:])
    found = terminal.run(*twice, "--speed", "max", "--json")
    assert found.json["calls"] == 20
    lines = {line for each in found.json["differences"] for line in each["lines"]}
    assert {line.partition(":")[0] for line in lines} == {"1", "2"}


def wait_for_calls(recording: Path, number: int) -> None:
    """A call is handed over after its answer, and not at all if the recording ends in between."""
    until = time.monotonic() + 30
    while len(recording.read_bytes().splitlines()) < 1 + number:
        assert time.monotonic() < until, recording.read_text()
        time.sleep(0.02)


async def audit(running: Running) -> list[str]:
    """The details of what was done to the installation itself."""
    settings = load(running.settings_file, {}, {})
    async with open_administration(settings) as administration:
        return [str(each.detail) for each in await administration.audit_log.search(event="system")]


def write_stand_ins(file: Path, client: NewClient, secret: str = "") -> None:
    file.write_text(
        f'[[client]]\nclient_id = "{client.client.client_id}"\n'
        f'client_secret = "{secret or client.client_secret}"\n'
        f'redirect_uri = "{CALLBACK}"\n'
        f'[[person]]\nusername = "{USERNAME}"\npassword = "{PASSWORD}"\n'
    )
    file.chmod(0o600)


async def sign_in(url: str, client: NewClient) -> None:
    async with scene(url, client.client.client_id, client.client_secret) as stage:
        for _ in range(3):
            code = await stage.code()
            await stage.user_id(await stage.token(code))
        assert (await stage.line_works.exchange_code(code)).error == "302"


def test_r220_a_reason_is_required(terminal: Terminal) -> None:
    assert "--reason" in terminal.misused("record", "file")
    assert "reason" in terminal.refused("record", "file", "--reason", " ")
    assert not Path("file").exists()


def test_a_recording_without_a_server_says_so_soon_and_in_the_end(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.cli.record._SOON", 0)
    done = terminal.run("record", "file", "--reason", "a test", "--for", "1s")
    assert done.code == 1
    assert "So far no process of the server was found" in done.err
    assert "worksgate: no process of the server was found" in done.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("record", "file", "--reason", "x", "--for", "25h"), "between 1s and 24h"),
        (("replay", "file", "http://x", "--stand-ins", "s", "--speed", "fast"), "nor max"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    terminal: Terminal, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in terminal.misused(*arguments)


def test_r222_a_file_that_exists_is_not_replaced(terminal: Terminal) -> None:
    (terminal.folder / "file").write_text("precious")
    assert "File exists" in terminal.refused("record", "file", "--reason", "a test")
    assert (terminal.folder / "file").read_text() == "precious"


def test_postgres_needs_a_folder_for_the_socket(
    terminal: Terminal,
) -> None:
    terminal.environ["WORKSGATE_DATABASE_URL"] = "postgresql://localhost/none"
    assert "recording_directory" in terminal.refused("record", "file", "--reason", "a test")


def test_a_replay_names_what_is_wrong_with_its_files(terminal: Terminal) -> None:
    (terminal.folder / "file").write_text("no recording\n")
    stand_ins = terminal.folder / "s"
    stand_ins.write_text("")
    wanted = ("replay", "file", "http://127.0.0.1:9", "--stand-ins", "s")
    assert "it is no recording" in terminal.refused(*wanted)
    (terminal.folder / "file").write_text('{"worksgate_recording":1,"began":1}\n')
    stand_ins.chmod(0o644)
    assert "others can read it" in terminal.refused(*wanted)
    stand_ins.chmod(0o600)
    stand_ins.write_text(
        '[[client]]\nclient_id = "c"\nclient_secret = "s"\nredirect_uri = "https://x.example/"\n'
        '[[person]]\nusername = "u"\npassword = "p"\n'
    )
    assert "does not answer" in terminal.refused(*wanted)
