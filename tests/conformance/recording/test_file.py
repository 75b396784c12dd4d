"""The file of a recording: who can read it, how much is in it, and what is read of it."""

import json
import os
import stat
from pathlib import Path

import pytest

from worksgate.conformance.recording import file as file_module
from worksgate.conformance.recording.calls import Answer, Call, Parameter
from worksgate.conformance.recording.file import (
    BadRecording,
    Ending,
    Full,
    Limits,
    Recording,
    RecordingWriter,
)
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.stand_ins import BadStandIns, StandIns

LIMITS = Limits(60, 100, 100_000)
LINE = Call(
    kind=Kind.TOKEN,
    at=1.0,
    seconds=0.002,
    method="POST",
    framing="chunked",
    content="form",
    charset="utf-8",
    parameters=(
        Parameter("grant_type", "authorization_code"),
        Parameter("code", id="a" * 16, length="33-64", characters="token"),
    ),
    answer=Answer(200, "json", {"access_token": "string"}, {}, {"access_token": "b" * 16}),
).as_line()


def written(path: Path, *lines: bytes, limits: Limits = LIMITS) -> RecordingWriter:
    writer = RecordingWriter.create(path, limits, 1_000.0)
    for line in lines:
        writer.add(line)
    return writer


def test_r222_only_its_owner_can_read_a_recording(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        written(tmp_path / "open").end(Ending.TIME, 1_001.0, 0)
        os.umask(0o777)
        written(tmp_path / "shut").end(Ending.TIME, 1_001.0, 0)
    finally:
        os.umask(before)
    for name in ("open", "shut"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_r222_a_recording_replaces_nothing_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            written(tmp_path / name)
    assert (tmp_path / "there").read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("limits", "ending"),
    [(Limits(60, 2, 100_000), Ending.CALLS), (Limits(60, 100, 1_200), Ending.SIZE)],
)
def test_r222_a_recording_stays_within_its_bounds(
    tmp_path: Path, limits: Limits, ending: Ending
) -> None:
    writer = written(tmp_path / "file", LINE, LINE, limits=replace_size(limits))
    with pytest.raises(Full) as full:
        writer.add(LINE)
    assert full.value.ending is ending
    writer.end(ending, 1_002.0, 3)
    read = Recording.read(tmp_path / "file")
    assert read.ended is not None
    assert (read.ended.calls, read.ended.dropped, len(read.calls)) == (2, 3, 2)
    assert (tmp_path / "file").stat().st_size <= replace_size(limits).size


def replace_size(limits: Limits) -> Limits:
    """Room for two lines and the end."""
    if limits.size > 10_000:
        return limits
    return Limits(limits.seconds, limits.calls, 2 * len(LINE) + 600)


def test_r222_a_line_that_finds_no_room_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = written(tmp_path / "file", LINE)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        """A disk that is full in the middle of a line."""
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-50])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(Full) as full:
        writer.add(LINE)
    assert full.value.ending is Ending.DISK
    monkeypatch.undo()
    writer.end(Ending.DISK, 1_001.0, 0)
    assert len(Recording.read(tmp_path / "file").calls) == 1


def test_r222_a_disk_that_is_nearly_full_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = written(tmp_path / "file")
    monkeypatch.setattr(file_module, "FREE_SPACE", 2**60)
    with pytest.raises(Full) as full:
        writer.check_space()
    assert full.value.ending is Ending.DISK
    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_line_comes_back_as_it_was(tmp_path: Path) -> None:
    written(tmp_path / "file", LINE).end(Ending.STOPPED, 1_001.0, 0)
    (call,) = Recording.read(tmp_path / "file").calls
    assert call.as_line() == LINE
    assert call.line == 2


def test_calls_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    later, earlier = LINE.replace(b'"at":1.0', b'"at":2.0'), LINE
    written(tmp_path / "file", later, earlier).end(Ending.STOPPED, 1_003.0, 0)
    assert [call.line for call in Recording.read(tmp_path / "file").calls] == [3, 2]


def test_a_recording_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    written(tmp_path / "file", LINE, LINE)
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:-10])
    read = Recording.read(tmp_path / "file")
    assert (len(read.calls), read.ended) == (1, None)


BEGINNING = b'{"worksgate_recording":1,"began":1000.0}\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is no recording"),
        (b"\x00\xff\n", "it is no recording"),
        (b"[]\n", "it is no recording"),
        (b'{"worksgate_recording":2,"began":1}\n', "another version"),
        (b'{"worksgate_recording":1,"began":"x"}\n', "began is no time"),
        (BEGINNING + b"{}\n", "line 2: kind has an unknown value"),
        (BEGINNING + b"[" * 70_000 + b"\n", "line 2 is too long"),
        (BEGINNING + b"[" * 50_000 + b"\n", "line 2 is no JSON object"),
        (BEGINNING + b'{"ended":1}\n', "line 2 is no end"),
        (BEGINNING + LINE.replace(b'"at":1.0', b'"at":NaN'), "line 2: at is no time"),
        (BEGINNING + LINE.replace(b'"POST"', b'"EVIL"'), "line 2: method has an unknown value"),
        (BEGINNING + LINE.replace(b"a" * 16, b"\\u001b[2J" + b"a" * 11), "line 2: id is none"),
        (BEGINNING + LINE.replace(b'"status":200', b'"status":"200"'), "status is none of HTTP"),
        (BEGINNING + LINE.replace(b'"access_token":"string"', b'"x":"string"'), "unknown name"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadRecording, match=problem):
        Recording.read(tmp_path / "file")


# Stand-ins

STAND_INS = """
[[client]]
client_id = "c"
client_secret = "s3cret"
redirect_uri = "https://auth.worksmobile.com/cb"

[[person]]
username = "test1"
password = "p4ssword"

[paths]
token = "/token"
"""


def test_stand_ins_are_read_and_hide_their_secrets(tmp_path: Path) -> None:
    file = tmp_path / "stand-ins.toml"
    file.write_text(STAND_INS)
    file.chmod(0o600)
    read = StandIns.read(file)
    assert read.paths["token"] == "/token"
    assert read.paths["login"] == "/login"
    assert read.clients[0].after_logout == "https://auth.worksmobile.com/"
    assert read.people[0].mail_login == ("test1", "p4ssword")
    assert "s3cret" not in repr(read)
    assert "p4ssword" not in repr(read)


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (STAND_INS, 0o644, "others can read it"),
        ("[[client", 0o600, "no valid TOML"),
        ("", 0o600, r"there must be a \[\[client\]\]"),
        (STAND_INS.replace('password = "p4ssword"', ""), 0o600, "a person lacks password"),
        (STAND_INS.replace("client_secret", "secret"), 0o600, "client has an unknown entry"),
        (STAND_INS.replace('"/token"', '"token"'), 0o600, "a path begins with /"),
        (STAND_INS.replace('"test1"', "1"), 0o600, "username of a person is no text"),
    ],
)
def test_stand_ins_that_cannot_be_used_are_refused(
    tmp_path: Path, content: str, mode: int, problem: str
) -> None:
    file = tmp_path / "stand-ins.toml"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(BadStandIns, match=problem) as bad:
        StandIns.read(file)
    assert "s3cret" not in str(bad.value)


def test_a_call_in_json_is_one_line_of_ascii() -> None:
    assert LINE.isascii()
    assert LINE.count(b"\n") == 1
    assert json.loads(LINE)["kind"] == "token"
