"""Where the master key comes from: a file, systemd, or the environment."""

from pathlib import Path

import pytest

from worksgate.credentials.master_key import MasterKey
from worksgate.settings.loading import ConfigurationError, checked, load
from worksgate.settings.options import Settings

KEY, OTHER = MasterKey(bytes(32)), MasterKey(bytes([1] * 32))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(file: Path, key: MasterKey = KEY) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{key.text}\n")
    return file


def settings_in(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "worksgate.toml"
    file.write_text(text)
    return file


def test_a_relative_file_begins_at_the_folder_of_the_settings(tmp_path: Path) -> None:
    written(tmp_path / "etc" / "a.key")
    file = settings_in(tmp_path / "etc", 'master_key_file = "a.key"\n')
    settings = load(file, {}, {})
    assert settings.master_key == KEY.text
    assert settings.master_key_file == str(tmp_path / "etc" / "a.key")
    assert KEY.text not in repr(settings)
    assert checked(settings) == settings


def test_a_variable_names_the_file_or_is_the_key(tmp_path: Path) -> None:
    file = str(written(tmp_path / "a.key"))
    assert load(None, {"WORKSGATE_MASTER_KEY_FILE": file}, {}).master_key == KEY.text
    assert load(None, {"WORKSGATE_MASTER_KEY": KEY.text}, {}).master_key == KEY.text
    settings = settings_in(tmp_path, f'master_key_file = "{file}"\n')
    assert load(settings, {"WORKSGATE_MASTER_KEY": OTHER.text}, {}).master_key == OTHER.text


def test_a_systemd_credential_counts_where_nothing_else_is_said(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    written(credentials / "master_key")
    written(credentials / "previous_master_key", OTHER)
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    settings = load(None, environ, {})
    assert (settings.master_key, settings.previous_master_key) == (KEY.text, OTHER.text)
    named = {**environ, "WORKSGATE_MASTER_KEY_FILE": str(written(tmp_path / "b.key"))}
    (credentials / "master_key").write_text("is not read")
    assert load(None, named, {}).master_key == KEY.text
    assert load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "gone")}, {}).master_key == ""


def test_a_program_gives_the_key_or_its_file(tmp_path: Path) -> None:
    assert checked(Settings(master_key=f"{KEY.text}\n")).master_key == KEY.text
    file = written(tmp_path / "a.key")
    assert checked(Settings(master_key_file=str(file))).master_key == KEY.text


def test_what_cannot_be_used_is_reported_and_not_repeated(tmp_path: Path) -> None:
    bad = tmp_path / "bad.key"
    bad.write_text("hunter2-canary")
    for environ, said in (
        ({"WORKSGATE_MASTER_KEY": "hunter2-canary"}, "is not a master key"),
        ({"WORKSGATE_MASTER_KEY_FILE": str(bad)}, "is not a master key"),
        (
            {"WORKSGATE_MASTER_KEY_FILE": "a gone.key"},
            "create a new one: worksgate key new 'a gone.key'$",
        ),
        (
            {"WORKSGATE_MASTER_KEY": KEY.text, "WORKSGATE_PREVIOUS_MASTER_KEY_FILE": "gone.key"},
            "there is no such file$",
        ),
        ({"WORKSGATE_PREVIOUS_MASTER_KEY": KEY.text}, "must not be set without"),
        (
            {"WORKSGATE_PREVIOUS_MASTER_KEY": KEY.text, "WORKSGATE_MASTER_KEY": KEY.text},
            "must not be the same",
        ),
    ):
        with pytest.raises(ConfigurationError, match=said) as refused:
            load(None, environ, {})
        assert "hunter2" not in str(refused.value)
        assert KEY.text not in str(refused.value)
