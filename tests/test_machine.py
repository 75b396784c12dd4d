"""Missing programs skip tests, and on CI fail them."""

from pathlib import Path

import pytest
from tests import machine


def test_what_is_installed_is_found(tmp_path: Path) -> None:
    assert Path(machine.require("no-such-program", "sh")).name == "sh"
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    assert machine.require_file(str(tmp_path), "*", "it") == tmp_path / "b"


def test_what_is_missing_is_left_out_on_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed on this"):
        machine.require("no-such-program")
    with pytest.raises(pytest.skip.Exception, match="it is not installed on this machine"):
        machine.require_file("/nowhere", "*", "it")


def test_what_is_missing_fails_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        machine.require("no-such-program")
    with pytest.raises(pytest.fail.Exception, match="mounting is for root alone"):
        machine.require_root("mounting")
