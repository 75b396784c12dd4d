"""``worksgate source``: the configured sources, and their examination."""

from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.ports import free_port

MODULE = """
from worksgate.sources import PersonDisabled, SourceUnavailable


def ask(username, password):
    if username == "down":
        raise OSError(f"no connection for {password}")
    if username == "gone":
        raise PersonDisabled
    if password != "hunter2-canary":
        return None
    if username == "nokey":
        return {"id": "2", "username": "nokey"}
    groups = ["staff"]
    return {"id": "1", "username": username, "name": "Aoi", "external_key": "E1", "groups": groups}
"""
TABLE = '[[source]]\ntype = "python"\nname = "company"\nfunction = "{}"\n'
PASSWORD = b"hunter2-canary\n"


@pytest.fixture
def company(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """An installation with a function as its source, beside the built-in directory."""
    monkeypatch.syspath_prepend(tmp_path)
    module = f"company_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(MODULE)
    (tmp_path / "worksgate.toml").write_text(TABLE.format(f"{module}:ask"))
    terminal.ok("migrate")
    return terminal


def test_sources_are_listed_in_the_order_in_which_they_are_asked(company: Terminal) -> None:
    out = company.ok("source", "list").out
    assert out == "name\ttype\tdomains\ndirectory\tdirectory\t\ncompany\tpython\t\n"


def test_secret_of_a_source_is_not_listed(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.toml").write_text(
        '[[source]]\ntype = "ldap"\nname = "company"\nservers = ["ldaps://ldap.example.com"]\n'
        'base_dn = "dc=example"\nbind_dn = "cn=x,dc=example"\nbind_password = "hunter2-canary"\n'
    )
    result = terminal.ok("source", "list", "--json")
    assert "hunter2" not in result.out
    company = result.json[1]
    assert (company["name"], company["type"]) == ("company", "ldap")
    assert company["base_dn"] == "dc=example"
    assert "bind_password" not in company


def test_function_is_found_without_being_asked(company: Terminal) -> None:
    assert company.ok("source", "test", "company").out == (
        "ok    source company: its function exists\n"
    )


@pytest.mark.parametrize(
    ("username", "password", "code", "told"),
    [
        (
            "aoi",
            PASSWORD,
            0,
            "ok    source company: aoi: id company:1; name Aoi; external key E1; groups staff\n",
        ),
        ("aoi", b"wrong\n", 1, "fail  source company: the password is wrong, or there is no such"),
        ("gone", PASSWORD, 1, "fail  source company: the password is right, but the person may"),
        ("down", PASSWORD, 1, "fail  source company: company failed: OSError at "),
        ("nokey", PASSWORD, 0, "warn  source company: nokey: id company:2"),
    ],
)
def test_function_is_asked_with_a_password_and_the_answer_is_reported(
    company: Terminal, username: str, password: bytes, code: int, told: str
) -> None:
    arguments = ("source", "test", "company", username, "--password-stdin")
    result = company.run(*arguments, stdin=password)
    assert (result.code, result.err) == (code, "")
    assert told in result.out
    assert "hunter2" not in result.out


def test_password_is_asked_for_at_a_terminal(company: Terminal, tmp_path: Path) -> None:
    company.environ["PYTHONPATH"] = str(tmp_path)
    code, screen = company.at_a_terminal(
        "source", "test", "company", "aoi", answers={"Their password": "hunter2-canary"}
    )
    assert code == 0
    assert "id company:1" in screen
    assert "hunter2" not in screen


def test_findings_are_reported_as_json(company: Terminal) -> None:
    result = company.run("source", "test", "company", "x", "--password-stdin", "--json", stdin=b"y")
    assert result.code == 1
    assert result.json["ok"] is False
    severities = [each["severity"] for each in result.json["findings"]]
    assert severities == ["ok", "fail"]
    assert result.json["findings"][1]["advice"]


def test_person_of_the_built_in_directory_is_looked_up(company: Terminal) -> None:
    company.ok("user", "add", "aoi@x.example", "--external-key", "E1", "--json")
    out = company.ok("source", "test", "directory", "AOI@x.example").out
    assert out.startswith("ok    source directory: aoi@x.example: id directory:")
    company.ok("user", "disable", "aoi@x.example")
    result = company.run("source", "test", "directory", "aoi@x.example")
    assert result.code == 1
    assert "aoi@x.example is disabled\n      what to do: worksgate user enable" in result.out
    assert company.run("source", "test", "directory", "nobody").code == 1
    assert company.run("source", "test", "directory").code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("gone",), "there is no source 'gone'; the sources are: directory, company"),
        (("company", "aoi"), "company can only be asked with a password"),
        (("directory", "aoi", "--password-stdin"), "can be tried on the sign-in page"),
    ],
)
def test_question_that_a_source_cannot_be_asked_is_refused(
    company: Terminal, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in company.refused("source", "test", *arguments, stdin=PASSWORD)


def test_password_without_a_person_is_wrong_usage(company: Terminal) -> None:
    assert "needs a USERNAME" in company.misused("source", "test", "company", "--password-stdin")


def test_function_that_is_not_there_is_reported(company: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worksgate.toml").write_text(TABLE.format("no_such_company:ask"))
    result = company.run("source", "test", "company")
    assert result.code == 1
    assert "fail  source company: no_such_company:ask cannot be used: ModuleNotFoundError" in (
        result.out
    )


def test_directory_and_provider_that_are_down_are_reported(
    company: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "worksgate.toml").write_text(
        f'[[source]]\ntype = "ldap"\nname = "ad"\nservers = ["ldaps://127.0.0.1:{free_port()}"]\n'
        'base_dn = "dc=example"\ndirect_bind = "uid={username},dc=example"\n'
        f'[[source]]\ntype = "oidc"\nname = "entra"\nissuer = "http://127.0.0.1:{free_port()}"\n'
        'client_id = "a"\nexternal_key_claim = "employee"\n'
    )
    for name in ("ad", "entra"):
        result = company.run("source", "test", name)
        assert (result.code, result.err) == (1, "")
        assert f"fail  source {name}: " in result.out
    assert "only when they sign in there" in company.refused("source", "test", "entra", "aoi")
