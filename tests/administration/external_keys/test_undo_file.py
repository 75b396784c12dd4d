"""The undo file: whole or not at all, for its owner alone, and refused if it is not whole."""

import json
import os
import stat
from pathlib import Path

import pytest

from worksgate.administration.errors import Refused
from worksgate.administration.external_keys.plan import KeyChange
from worksgate.administration.external_keys.run_state import RunState
from worksgate.administration.external_keys.undo import UndoFile, read_undo, write_undo

CHANGES = [
    KeyChange("1", "aoi@example.com", None, "S-1"),
    KeyChange("2", "ren@example.com", "鍵\u2028 2", None),
    KeyChange("3", "mei@example.com", "=1+1", "S-3"),
]


def test_r217_an_undo_file_is_read_as_it_was_written_and_is_its_owners_alone(
    tmp_path: Path,
) -> None:
    before = os.umask(0)
    try:
        write_undo(tmp_path / "undo", UndoFile("tenant", 12.5, CHANGES))
    finally:
        os.umask(before)
    read = read_undo(tmp_path / "undo")
    assert (read.client_id, read.at, list(read.changes)) == ("tenant", 12.5, CHANGES)
    assert stat.S_IMODE((tmp_path / "undo").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["undo"]


def test_r217_an_undo_file_is_never_replaced(tmp_path: Path) -> None:
    write_undo(tmp_path / "undo", UndoFile("tenant", 1.0, CHANGES))
    with pytest.raises(Refused, match="never replaced"):
        write_undo(tmp_path / "undo", UndoFile("tenant", 2.0, []))
    assert len(read_undo(tmp_path / "undo").changes) == 3


def test_r217_a_file_that_cannot_be_written_whole_is_not_there(tmp_path: Path) -> None:
    bad = KeyChange("4", "\ud800", None, "x")  # no UTF-8
    with pytest.raises(UnicodeEncodeError):
        write_undo(tmp_path / "undo", UndoFile("tenant", 1.0, [*CHANGES, bad]))
    assert not list(tmp_path.iterdir())


def _lines(tmp_path: Path) -> list[str]:
    write_undo(tmp_path / "undo", UndoFile("tenant", 1.0, CHANGES))
    return (tmp_path / "undo").read_text("utf-8").splitlines(keepends=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [],
        lambda lines: lines[1:],
        lambda lines: lines[:-1],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: [*lines, lines[1]],
        lambda lines: [*lines[:-1], lines[-1].rstrip("\n")],
        lambda lines: [lines[0], "x" * 5_000 + "\n", *lines[1:]],
        lambda lines: [lines[0], "[1]\n", *lines[1:]],
        lambda lines: [lines[0], "[" * 2_000 + "\n", *lines[1:]],
        lambda lines: [lines[0], '{"id": 7, "account": "", "before": null, "after": null}\n'],
        lambda lines: [lines[0], lines[1].replace('"S-1"', '"' + "x" * 101 + '"'), *lines[2:]],
        lambda lines: [lines[0].replace('version": 1', 'version": 2'), *lines[1:]],
        lambda lines: [lines[0].replace('"client_id"', '"client"'), *lines[1:]],
    ],
)
def test_r217_a_file_that_is_not_whole_undoes_nothing(tmp_path: Path, damage: object) -> None:
    damaged = damage(_lines(tmp_path))  # type: ignore[operator]  # each of them is a function
    file = tmp_path / "damaged"
    file.write_text("".join(damaged), "utf-8")
    with pytest.raises(Refused, match="cannot be used as an undo file"):
        read_undo(file)


def test_r217_a_binary_file_is_no_undo_file(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(Refused, match="cannot be used"):
        read_undo(tmp_path / "binary")


def test_r218_of_one_client_one_run_is_at_work(tmp_path: Path) -> None:
    first, second, other = (RunState(tmp_path, each) for each in ("a", "a", "b"))
    with (
        first.locked(),
        other.locked(),
        pytest.raises(Refused, match="another run"),
        second.locked(),
    ):
        pass
    with second.locked():
        assert second.unfinished is None
        second.begin(tmp_path / "undo")
        assert first.unfinished == tmp_path / "undo"
        assert other.unfinished is None
        second.end()
        second.end()
    assert first.unfinished is None


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"undo": 7})])
def test_r218_a_damaged_state_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "worksgate-keys-a.state.json").write_text(content)
    with pytest.raises(Refused, match="damaged"):
        _ = RunState(tmp_path, "a").unfinished


# Planted files


def _of_another_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(file, 4242, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4242)


@pytest.mark.parametrize("how", ["another user", "group", "others", "link", "pipe"])
def test_r217_what_somebody_else_may_have_planted_is_neither_gone_on_with_nor_undone(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo, state = tmp_path / "undo", tmp_path / "worksgate-keys-a.state.json"
    write_undo(undo, UndoFile("a", 1.0, CHANGES))
    RunState(tmp_path, "a").begin(undo)
    for file in (undo, state):
        match how:
            case "group":
                file.chmod(0o620)
            case "others":
                file.chmod(0o602)
            case "link":
                file.symlink_to(file.rename(tmp_path / f"real-{file.name}"))
            case "pipe":
                file.unlink()
                os.mkfifo(file, 0o600)
            case _:
                _of_another_user(file, monkeypatch)
    with pytest.raises((Refused, OSError), match=r"planted|no file|symbolic"):
        _ = RunState(tmp_path, "a").unfinished
    with pytest.raises((Refused, OSError), match=r"planted|no file|symbolic"):
        read_undo(undo)


def test_r218_the_lock_is_no_link_to_a_file_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / ".worksgate-keys-a.lock").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"), RunState(tmp_path, "a").locked():
        pass
    assert not elsewhere.exists()
