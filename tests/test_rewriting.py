"""Several processes rewrite the test modules of a fresh clone together."""

from pathlib import Path

import pytest
from _pytest.assertion.rewrite import _read_pyc
from tests.rewriting import rewrite_share, rewritten


def test_each_process_rewrites_its_share_as_pytest_reads_it(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    files = [tmp_path / folder / f"test_{name}.py" for folder in ("a", "b") for name in "xyz"]
    for number, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"def test() -> None:\n    assert {number} == 7\n", "utf-8")
    for number in range(3):
        rewrite_share(pytestconfig, tmp_path, number, 3)
        done = [each for each in files if rewritten(each).exists()]
        assert done == [each for each in files if files.index(each) % 3 <= number]
    for number, file in enumerate(files):
        code = _read_pyc(file, rewritten(file))
        assert code is not None
        module: dict[str, object] = {}
        exec(code, module)
        with pytest.raises(AssertionError, match=f"assert {number} == 7"):
            module["test"]()  # type: ignore[operator]  # a function


def test_what_is_rewritten_stays(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    file = tmp_path / "test_x.py"
    file.write_text("assert True", "utf-8")
    rewritten(file).parent.mkdir()
    rewritten(file).write_bytes(b"as it was")
    rewrite_share(pytestconfig, tmp_path, 0, 1)
    assert rewritten(file).read_bytes() == b"as it was"
