"""From the file, the environment and the command line to Settings."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from worksgate.settings import loading as config
from worksgate.settings.loading import ConfigurationError, checked, load
from worksgate.settings.options import Settings
from worksgate.settings.reference import template

NO_SECTIONS = "the only section is [[source]]; write the settings at the top level"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "etc" / "worksgate.toml")


def problems(
    text: str = "",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    Path("worksgate.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ or {}, overrides or {})
    return caught.value.problems


def from_file(text: str) -> Settings:
    Path("worksgate.toml").write_text(text, "utf-8")
    return load(None, {}, {})


@pytest.mark.parametrize("text", ['host = "::1\nport = 1\n', 'host = "::1', "host = '::1\n"])
def test_missing_quotation_mark_is_looked_for(text: str) -> None:
    (problem,) = problems(text)
    assert problem.endswith("; is a closing quotation mark missing?"), problem


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(None, {}, {})
    assert settings == Settings(database_url=f"sqlite:///{tmp_path}/worksgate.db")


def test_command_line_wins_over_variable_and_variable_over_file() -> None:
    Path("worksgate.toml").write_text('port = 1001\nhost = "127.0.0.2"\ncompany_name = "A"\n')
    environ = {"WORKSGATE_PORT": "1002", "WORKSGATE_HOST": "127.0.0.3"}
    settings = load(None, environ, {"port": 1003, "host": None})
    assert (settings.port, settings.host, settings.company_name) == (1003, "127.0.0.3", "A")


def test_config_option_wins_over_variable_over_working_folder() -> None:
    for name, port in (("worksgate.toml", 1), ("named.toml", 2), ("given.toml", 3)):
        Path(name).write_text(f"port = {port}\n")
    environ = {"WORKSGATE_CONFIG": "named.toml"}
    assert load(None, {}, {}).port == 1
    assert load(None, environ, {}).port == 2
    assert load(Path("given.toml"), environ, {}).port == 3


def test_file_of_the_system_is_read_where_none_is_named_and_none_is_here() -> None:
    config.SYSTEM_FILE.parent.mkdir()
    config.SYSTEM_FILE.write_text("port = 4\n")
    Path("named.toml").write_text("port = 2\n")
    assert load(None, {}, {}).port == 4
    assert load(None, {"WORKSGATE_CONFIG": "named.toml"}, {}).port == 2
    Path("worksgate.toml").write_text("port = 1\n")
    assert load(None, {}, {}).port == 1


def test_file_that_cannot_be_looked_for_is_a_problem_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / ("x" * 300))
    with pytest.raises(ConfigurationError, match="the file cannot be read: File name too long"):
        load(None, {}, {})


def test_named_file_that_is_missing_is_a_problem() -> None:
    with pytest.raises(ConfigurationError, match=r"^gone\.toml: there is no such file$"):
        load(Path("gone.toml"), {}, {})


def test_every_type_is_read_from_the_file() -> None:
    settings = from_file(
        'port = 9000\nanswer_deadline = 2\ntrusted_proxies = ["10.0.0.0/8"]\n'
        'product_name = "ラインワークス"\n'
    )
    assert settings.port == 9000
    assert settings.answer_deadline == 2.0
    assert settings.trusted_proxies == ("10.0.0.0/8",)
    assert settings.product_name == "ラインワークス"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("WORKSGATE_PORT", "9000", "port", 9000),
        ("WORKSGATE_ANSWER_DEADLINE", "1.5", "answer_deadline", 1.5),
        ("WORKSGATE_SESSION_IDLE_LIMIT", "8h", "session_idle_limit", 28_800.0),
        ("WORKSGATE_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", None),
        ("WORKSGATE_TRUSTED_PROXIES", "", "trusted_proxies", ()),
        ("WORKSGATE_COMPANY_NAME", "", "company_name", ""),
        ("WORKSGATE_PASSKEYS", "No", "passkeys", False),
        ("WORKSGATE_PASSKEYS", "1", "passkeys", True),
    ],
)
def test_every_type_is_read_from_variables(
    variable: str, text: str, name: str, value: object
) -> None:
    expected = ("10.0.0.0/8", "::1/128") if value is None else value
    assert getattr(load(None, {variable: text}, {}), name) == expected


def test_variable_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"sqlite:///{tmp_path}/from-file.db\n")
    settings = load(None, {"WORKSGATE_DATABASE_URL_FILE": "secret"}, {})
    assert settings.database_url == f"sqlite:///{tmp_path}/from-file.db"


def test_variable_and_its_file_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    environ = {"WORKSGATE_COMPANY_NAME": "a", "WORKSGATE_COMPANY_NAME_FILE": "secret"}
    assert problems(environ=environ) == (
        "WORKSGATE_COMPANY_NAME_FILE: WORKSGATE_COMPANY_NAME is set as well; remove one of them",
    )


def test_variable_file_that_is_missing_is_a_problem() -> None:
    assert problems(environ={"WORKSGATE_COMPANY_NAME_FILE": "gone"}) == (
        "WORKSGATE_COMPANY_NAME_FILE: there is no such file",
    )


def test_all_problems_are_reported_at_once_each_with_its_place() -> None:
    told = problems(
        'prot = 1\nport = "x"\n[[sources]]\nkind = "ldap"\n[smtp]\n',
        {"WORKSGATE_HOSTT": "a", "WORKSGATE_LOG_LEVEL": "loud"},
        {"answer_deadline": 3.0},
    )
    assert sorted(told) == [
        "--answer-deadline: must be more than 0 and less than 3, since LINE WORKS waits 3 seconds",
        "WORKSGATE_HOSTT: there is no such setting; did you mean WORKSGATE_HOST?",
        "WORKSGATE_LOG_LEVEL: must be debug, info, warning or error",
        f"worksgate.toml: [[sources]]: {NO_SECTIONS}",
        f"worksgate.toml: [smtp]: {NO_SECTIONS}",
        "worksgate.toml: port: must be a whole number",
        "worksgate.toml: prot: there is no such setting; did you mean port?",
    ]


def test_problem_of_syntax_names_file_and_line() -> None:
    assert re.search(r"^worksgate\.toml: .*line 2", problems("port = 1\nhost =\n")[0])


def test_file_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "worksgate.toml").write_bytes(b'company_name = "\x93\xfa"\n')
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(None, {}, {})


@pytest.mark.parametrize(
    "line",
    [
        'port = "8080"',
        "port = true",
        "port = 1.0",
        "host = 1",
        'trusted_proxies = "10.0.0.0/8"',
        "trusted_proxies = [1]",
        "answer_deadline = nan",
        "answer_deadline = true",
        "passkeys = 1",
        'passkeys = "true"',
        "public_url = {}",
        "company_name = []",
    ],
)
def test_value_of_another_type_is_refused(line: str) -> None:
    assert len(problems(line)) == 1


def test_times_may_be_written_with_their_unit() -> None:
    settings = from_file(
        'session_idle_limit = "90m"\naudit_retention = "30d"\npurge_interval = 5\n'
    )
    assert settings.session_idle_limit == 5_400.0
    assert settings.audit_retention == 30 * 86_400.0
    assert settings.purge_interval == 5.0


@pytest.mark.parametrize("text", ["", "soon", "8 h", "h", "1.5h", "8w", "inf", "nan", "true"])
def test_time_that_is_none_is_refused(text: str) -> None:
    sentence = "must be a number of seconds or a time such as 90s, 15m, 12h or 7d"
    environ = {"WORKSGATE_SESSION_IDLE_LIMIT": text}
    assert problems(environ=environ) == (f"WORKSGATE_SESSION_IDLE_LIMIT: {sentence}",)
    assert problems(f'session_idle_limit = "{text}"') == (
        f"worksgate.toml: session_idle_limit: {sentence}",
    )


@pytest.mark.parametrize("text", ["", "yeah", "2", "t rue"])
def test_variable_that_is_neither_true_nor_false_is_refused(text: str) -> None:
    environ = {"WORKSGATE_PASSKEYS": text}
    assert problems(environ=environ) == ("WORKSGATE_PASSKEYS: must be true or false",)


@pytest.mark.parametrize("text", ["", "x", "1.5", "inf", "１２x"])
def test_variable_that_is_no_whole_number_is_refused(text: str) -> None:
    assert problems(environ={"WORKSGATE_PORT": text}) == ("WORKSGATE_PORT: must be a whole number",)


def test_secret_value_never_stands_in_a_problem() -> None:
    environ = {
        "WORKSGATE_DATABASE_URL": "postgresql://worksgate:hunter2-canary@db",
        "WORKSGATE_STORE_URL": "http://:hunter2-canary@cache/0",
    }
    told = problems('database_url = 5\nstore_url = ["hunter2-canary"]\n', environ)
    assert len(told) == 4
    assert "hunter2" not in "".join(told)


def test_service_links_of_kubernetes_are_explained() -> None:
    environ = {"WORKSGATE_PORT": "tcp://10.0.0.1:80", "WORKSGATE_SERVICE_HOST": "10.0.0.1"}
    told = problems(environ=environ)
    assert len(told) == 2
    assert all("enableServiceLinks" in problem for problem in told)


def test_public_url_follows_the_port_unless_it_is_set() -> None:
    assert load(None, {"WORKSGATE_PORT": "9000"}, {}).public_url == "http://127.0.0.1:9000"
    assert load(None, {}, {"host": "::1", "port": 9000}).public_url == "http://[::1]:9000"
    settings = load(None, {"WORKSGATE_PUBLIC_URL": "https://a.example"}, {"port": 9000})
    assert settings.public_url == "https://a.example"


def test_relative_database_begins_at_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = load(None, {"WORKSGATE_DATABASE_URL": "sqlite:///data/wg.db"}, {})
    assert settings.database_url == f"sqlite:///{tmp_path}/data/wg.db"


def test_relative_database_of_a_file_begins_at_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("etc/data", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc" / "wg.toml").write_text('database_url = "sqlite:///data/wg.db"\n')
    expected = f"sqlite:///{tmp_path}/etc/data/wg.db"
    assert load(Path("etc/wg.toml"), {}, {}).database_url == expected
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(Path("../etc/wg.toml"), {}, {}).database_url == expected
    assert load(None, {"WORKSGATE_CONFIG": "../etc/wg.toml"}, {}).database_url == expected
    environ = {"WORKSGATE_DATABASE_URL": "sqlite:///wg.db"}
    settings = load(Path("../etc/wg.toml"), environ, {})
    assert settings.database_url == f"sqlite:///{tmp_path}/elsewhere/wg.db"


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "sqlite://wg.db", "wg.db"])
def test_database_of_a_file_without_a_path_is_refused(url: str) -> None:
    (told,) = problems(f'database_url = "{url}"\n')
    assert told.startswith("worksgate.toml: database_url: must be sqlite:///relative.db")


def test_template_has_every_setting_and_reads_back_as_it_was_written() -> None:
    text = template({"public_url": "https://a.example"})
    assert from_file(text) == load(None, {"WORKSGATE_PUBLIC_URL": "https://a.example"}, {})
    uncommented = re.sub(r"(?m)^# (\w+ = )", r"\1", template({}))
    assert from_file(uncommented) == load(None, {}, {})
    for name in Settings.__dataclass_fields__.keys() - {"sources", "origins"}:
        assert f"\n{name} = " in uncommented


def test_secret_of_the_mail_server_stands_in_no_repr_and_no_problem() -> None:
    url = "smtp://sso:hunter2-canary@mail.example.com:587"
    assert "hunter2" not in repr(Settings(smtp_url=url))
    for wrong in (f"{url}/inbox", url.replace("587", "no-port"), f"x{url}"):
        (told,) = problems(
            environ={"WORKSGATE_SMTP_URL": wrong, "WORKSGATE_MAIL_FROM": "a@b.example"}
        )
        assert told.startswith("WORKSGATE_SMTP_URL: ")
        assert "hunter2" not in told


def test_settings_that_a_program_made_are_tidied_like_those_of_a_file(tmp_path: Path) -> None:
    made = Settings(public_url="https://SSO.example.com/gate/", answer_deadline=2)
    assert checked(made) == Settings(
        public_url="https://sso.example.com/gate",
        answer_deadline=2.0,
        database_url=f"sqlite:///{tmp_path}/worksgate.db",
    )
    assert checked(checked(made)) == checked(made)


def test_all_problems_of_settings_that_a_program_made_are_reported_by_their_names() -> None:
    made = Settings(
        public_url="http://sso.example.com",
        port="80",  # type: ignore[arg-type]  # as a program without types may say it
        session_idle_limit=30 * 86_400.0,
        log_level="loud",
    )
    with pytest.raises(ConfigurationError) as caught:
        checked(made)
    assert caught.value.problems == (
        "port: must be a whole number",
        "public_url: must begin with https://; plain http is allowed for this machine only",
        "log_level: must be debug, info, warning or error",
    )
    with pytest.raises(ConfigurationError, match=r"^session_idle_limit: must not be more"):
        checked(Settings(session_idle_limit=30 * 86_400.0))
