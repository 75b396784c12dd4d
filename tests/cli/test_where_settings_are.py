"""Which settings file a command reads, also for a user without access to the working folder.

``sudo -u worksgate worksgate …``, typed in a home folder, is such a user.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from worksgate.settings import loading as config
from worksgate.settings.loading import FILE_NAME, file_to_read

NOBODY = 65_534


@pytest.fixture
def system_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the file of the system would be, in a folder that all can see; it is not there yet."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(config, "SYSTEM_FILE", Path(folder) / FILE_NAME)
        yield Path(folder) / FILE_NAME


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder that nobody else may look into."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    folder.chmod(0o700)


def read_by_another(home: Path) -> str:
    """What ``file_to_read`` says to who may not look into the working folder."""
    home.chmod(0)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:  # whom no mode keeps out
            os.seteuid(NOBODY)
        os.write(theirs, str(file_to_read(None, {})).encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as answer:
        return answer.read()


def test_the_file_of_the_system_is_read_where_the_working_folder_is_closed(
    home: Path, system_file: Path
) -> None:
    system_file.write_text("")
    assert read_by_another(home) == str(system_file)


def test_without_another_file_the_one_that_cannot_be_seen_is_named(
    home: Path, system_file: Path
) -> None:
    assert not system_file.exists()
    assert read_by_another(home) == FILE_NAME


def test_the_file_of_the_working_folder_comes_first(home: Path, system_file: Path) -> None:
    assert file_to_read(None, {}) is None
    system_file.write_text("")
    assert file_to_read(None, {}) == system_file
    (home / FILE_NAME).write_text("")
    assert file_to_read(None, {}) == Path(FILE_NAME)
