"""The ``[[source]]`` tables: parsing, checks, and problems with their location."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import pytest

from worksgate.settings.field import option
from worksgate.settings.loading import ConfigurationError, checked, load
from worksgate.settings.options import Settings
from worksgate.settings.reference import template
from worksgate.settings.sources import (
    SOURCE_TYPES,
    DirectorySettings,
    PythonSettings,
    SourceSettings,
)

PYTHON = '[[source]]\ntype = "python"\nname = "company"\nfunction = "company_sso:ask"\n'


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings(SourceSettings):
    """A type of source with a field of every type, and a secret."""

    type: ClassVar[str] = "vault"
    about: ClassVar[str] = "A vault."
    example: ClassVar[Mapping[str, object]] = {}

    key: str = option("", "Opens it.", secret=True)
    key_count: int = option(1, "How many there are.")
    wait: float = option(1.0, "How long it takes.")
    heavy: bool = option(False, "Whether it is heavy.")
    colour: Colour = option(Colour.RED, "What it looks like.")  # noqa: RUF009  # makes a field


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SOURCE_TYPES, "vault", VaultSettings)


def read(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    Path("worksgate.toml").write_text(text, "utf-8")
    return load(None, environ or {}, {})


def problems(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text, environ)
    told = list(caught.value.problems)
    return [each.removeprefix("worksgate.toml: [[source]] ") for each in told]


def vault(*lines: str, name: str = "company") -> str:
    return "\n".join(["[[source]]", 'type = "vault"', f'name = "{name}"', *lines, ""])


# Which sources there are


def test_without_a_table_the_built_in_directory_is_the_one_source() -> None:
    assert read("").all_sources == (DirectorySettings(),)


def test_built_in_directory_is_asked_first_beside_the_tables() -> None:
    settings = read(PYTHON)
    company = PythonSettings(name="company", function="company_sso:ask")
    assert settings.sources == (company,)
    assert settings.all_sources == (DirectorySettings(), company)


def test_table_gives_the_built_in_directory_its_place_and_domains() -> None:
    settings = read(PYTHON + '[[source]]\ntype = "directory"\ndomains = ["example.com"]\n')
    assert [each.name for each in settings.all_sources] == ["company", "directory"]
    assert settings.all_sources[1].domains == ("example.com",)


def test_built_in_directory_can_be_off_where_there_is_another_source() -> None:
    settings = read(f"built_in_directory = false\n{PYTHON}")
    assert [each.name for each in settings.all_sources] == ["company"]
    assert problems("built_in_directory = false\n") == [
        "worksgate.toml: built_in_directory: must not be false without a [[source]], since "
        "nobody could sign in"
    ]
    assert problems('built_in_directory = false\n[[source]]\ntype = "directory"\n' + PYTHON) == [
        "worksgate.toml: built_in_directory: must not be false with a [[source]] of type directory"
    ]


@pytest.mark.parametrize("name", ["directory", "ldap", "oidc", "python"])
def test_example_in_the_template_of_the_settings_file_can_be_used(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    _, beginning, rest = template({}).partition(f'# [[source]]\n#   type = "{name}"')
    example = (beginning + rest.partition("\n\n")[0]).replace("\n# ", "\n").removeprefix("# ")
    text = re.sub(r"(?m)^( *\w+_file = ).*", r'\1"secret"', example)
    (source,) = read(text).sources
    assert source.type == name
    assert "s3cret" not in repr(source)


# Values


def test_field_of_every_type_is_read_from_the_table() -> None:
    lines = 'key = "k"', "key_count = 2", 'wait = "2m"', "heavy = true", 'colour = "blue"'
    (source,) = read(vault(*lines)).sources
    assert source == VaultSettings(
        name="company", key="k", key_count=2, wait=120.0, heavy=True, colour=Colour.BLUE
    )


def test_variable_wins_over_the_table_and_is_of_the_source_that_it_names() -> None:
    text = vault("key_count = 1", name="a") + vault("key_count = 1", name="a-b")
    environ = {
        "WORKSGATE_SOURCE_A_B_KEY_COUNT": "7",
        "WORKSGATE_SOURCE_A_HEAVY": "yes",
        "WORKSGATE_SOURCE_A_DOMAINS": "a.example, b.example",
    }
    first, second = read(text, environ).sources
    assert first == VaultSettings(name="a", heavy=True, domains=("a.example", "b.example"))
    assert second == VaultSettings(name="a-b", key_count=7)


def test_secret_is_read_from_a_file_that_the_table_or_a_variable_names(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("first\n")
    (tmp_path / "two").write_text("second\n")
    assert read(vault('key_file = "one"')).sources == (VaultSettings(name="company", key="first"),)
    environ = {"WORKSGATE_SOURCE_COMPANY_KEY_FILE": "two"}
    for text in (vault('key_file = "one"'), vault('key = "x"'), vault()):
        assert read(text, environ).sources == (VaultSettings(name="company", key="second"),)


def test_secret_stands_in_no_repr_and_no_problem() -> None:
    canary = "hunter2-canary"
    assert canary not in repr(read(vault(f'key = "{canary}"')))
    told = problems(
        vault(f'key = ["{canary}"]', f'kye = "{canary}"', f'key_count = "{canary}"'),
        {"WORKSGATE_SOURCE_COMPANY_WAIT": canary},
    )
    assert len(told) == 4
    assert canary not in "".join(told)


def test_settings_that_a_program_made_keep_their_sources() -> None:
    company = PythonSettings(name="company", function="company_sso:ask")
    assert checked(Settings(sources=(company,))).sources == (company,)
    assert checked(checked(Settings(sources=(company,)))).sources == (company,)


def test_sources_that_a_program_made_are_checked_by_their_names() -> None:
    wrong = PythonSettings(name="company", function="", timeout=9.0, domains=("Example.com",))
    with pytest.raises(ConfigurationError) as caught:
        checked(Settings(sources=(wrong, wrong)))
    assert set(caught.value.problems) == {
        "sources: company: function: is missing",
        "sources: company: timeout: must be more than 0 and at most 2.4",
        "sources: company: domains: must be domains such as example.com, in lower case",
        "sources: company: name: another source has the same name",
    }
    untyped = PythonSettings(name="company", function=1)  # type: ignore[arg-type]  # no types there
    with pytest.raises(ConfigurationError, match=r"^sources: company: function: must be text$"):
        checked(Settings(sources=(untyped,)))


# Problems


def test_all_problems_of_all_tables_are_reported_at_once_each_with_its_place() -> None:
    told = problems(
        'prot = 1\n[[source]]\nname = "a"\n[[source]]\ntype = "vaul"\n'
        + vault("kye_count = 1", 'wait = "soon"', name="b")
        + vault(name="B C"),
        {"WORKSGATE_SOURCE_B_WAYT": "1", "WORKSGATE_SOURCE_ANYBODY_ELSE_PASSPHRASE": "k"},
    )
    types = "directory, python or vault"
    assert [each.replace("ldap, oidc, ", "") for each in told] == [
        f"a: type: is missing: {types}",
        f"vaul: type: must be {types}; did you mean vault?",
        "WORKSGATE_SOURCE_ANYBODY_ELSE_PASSPHRASE: there is no such setting of a source",
        "WORKSGATE_SOURCE_B_WAYT: there is no such setting of a source; "
        "did you mean WORKSGATE_SOURCE_B_WAIT?",
        "b: kye_count: there is no such setting; did you mean key_count?",
        "b: wait: must be a number of seconds or a time such as 90s, 15m, 12h or 7d",
        "B C: name: must be 1 to 32 of a-z, 0-9 and -",
        "worksgate.toml: prot: there is no such setting; did you mean port?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[source]\ntype = "vault"\n', "worksgate.toml: source: write each source as a table"),
        ("source = 1\n", "worksgate.toml: source: write each source as a table under [[source]]"),
        ("source = [1]\n", "worksgate.toml: source: write each source as a table"),
        ('[[source]]\ntype = "vault"\n', "vault: name: is missing"),
        ("[[source]]\n", "number 1: type: is missing"),
        ("[[source]]\ntype = 1\n", "number 1: type: must be directory"),
        (
            vault(name="directory"),
            "directory: name: directory is reserved for the built-in directory",
        ),
        (vault(name="x" * 33), f"{'x' * 33}: name: must be 1 to 32 of a-z, 0-9 and -"),
        (vault(name="a:b"), "a:b: name: must be 1 to 32"),
        (
            '[[source]]\ntype = "directory"\nname = "x"\n',
            "x: name: directory is reserved for the built-in",
        ),
        (vault('domains = ["Example.com"]'), "company: domains: must be domains"),
        (vault('domains = ["@example.com"]'), "company: domains: must be domains"),
        (vault('domains = "example.com"'), "company: domains: must be a list of texts"),
        (vault("heavy = 1"), "company: heavy: must be true or false"),
        (vault('colour = "green"'), "company: colour: must be red or blue"),
        (vault("key_file = 1"), "company: key_file: must be the name of a file"),
        (vault('key_file = "gone"'), "company: key_file: there is no such file"),
        (vault('key = "k"', 'key_file = "k"'), "company: key_file: key is given as well"),
        (vault('key_count_file = "k"'), "company: key_count_file: there is no such setting"),
        (vault() + vault(), "company: name: another source has the same name"),
        (PYTHON.replace(":ask", ""), "company: function: must look like package.module:name"),
        (PYTHON + "timeout = 2.5\n", "company: timeout: must be more than 0 and at most 2.4"),
        (PYTHON + "threads = 0\n", "company: threads: must be between 1 and 256"),
    ],
)
def test_table_that_cannot_be_used_is_refused(text: str, problem: str) -> None:
    (told,) = problems(text)
    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"KEY": "a", "KEY_FILE": "b"}, "KEY_FILE: WORKSGATE_SOURCE_COMPANY_KEY is set as well"),
        ({"KEY_FILE": "gone"}, "KEY_FILE: there is no such file"),
        ({"NAME": "other"}, "NAME: there is no such setting of a source"),
        ({"KEY_COUNT": "x"}, "KEY_COUNT: must be a whole number"),
        ({"DOMAINS": "Example.com"}, "DOMAINS: must be domains such as example.com"),
    ],
)
def test_variable_that_cannot_be_used_is_reported_by_its_name(
    environ: Mapping[str, str], problem: str
) -> None:
    prefixed = {f"WORKSGATE_SOURCE_COMPANY_{name}": value for name, value in environ.items()}
    (told,) = problems(vault(), prefixed)
    assert told.startswith(f"WORKSGATE_SOURCE_COMPANY_{problem}")


def test_more_sources_than_anybody_has_are_refused() -> None:
    tables = "".join(vault(name=f"s{number}") for number in range(21))
    assert problems(tables) == ["s20: there are more than 20 sources"]


def test_a_setting_below_a_source_is_told_apart_from_one_of_the_source(tmp_path: Path) -> None:
    file = tmp_path / "worksgate.toml"
    file.write_text(f'{PYTHON}port = 9000\nfunktion = "x"\n')
    with pytest.raises(ConfigurationError) as refused:
        load(file, {}, {})
    port, function = refused.value.problems
    assert port == (
        f"{file}: [[source]] company: port: this is a setting of Worksgate, but below "
        "[[source]] TOML takes it for a field of the source; move it above the first [[source]]"
    )
    assert "there is no such setting; did you mean function?" in function
