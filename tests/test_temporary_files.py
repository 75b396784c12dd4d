"""Temporary files are in memory where there is enough of it, or where ``TMPDIR`` says."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from tests.temporary_files import keep_in_memory


@pytest.fixture(autouse=True)
def _as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the folder of the test has been made where all are."""
    monkeypatch.setenv("TMPDIR", "/before")
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_folder_that_was_chosen_stays(tmp_path: Path) -> None:
    assert not keep_in_memory(tmp_path, enough=0)
    assert os.environ["TMPDIR"] == "/before"


def test_little_memory_is_left_to_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR")
    assert not keep_in_memory(tmp_path, enough=sys.maxsize)
    assert not keep_in_memory(tmp_path / "missing", enough=0)
    assert "TMPDIR" not in os.environ


def test_this_process_and_its_children_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR")
    assert keep_in_memory(tmp_path, enough=0)
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)
