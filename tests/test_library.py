"""The public names, and what ``create_app`` refuses before it opens anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import worksgate
from worksgate import ConfigurationError, Person, Settings, create_app

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
SETTINGS = Settings(public_url="https://portal.example.com/sso")


class Staff:
    """A source of people, by any name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def authenticate(self, username: str, password: str) -> Person | None:
        return None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return None


def nobody(username: str, password: str) -> None:
    return None


def loaded_after(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_every_public_name_is_there_and_on_the_page() -> None:
    page = PAGE.read_text("utf-8").partition("## The public API")[2]
    assert set(re.findall(r"`(\w+)`", page)) == set(worksgate.__all__)
    for name in worksgate.__all__:
        assert getattr(worksgate, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'create_ap'"):
        _ = worksgate.create_ap  # type: ignore[attr-defined]  # that is the point


@pytest.mark.programs
def test_an_application_needs_no_server_and_no_command_line() -> None:
    loaded = loaded_after("import worksgate; worksgate.create_app")
    assert "starlette" in loaded
    assert not loaded & {"uvicorn", "uvloop", "click"}


@pytest.mark.programs
def test_the_name_alone_loads_no_framework() -> None:
    assert not loaded_after("import worksgate") & {"starlette", "sqlalchemy", "argon2", "jinja2"}


def test_one_s_own_function_and_sources_together_are_refused() -> None:
    with pytest.raises(TypeError, match="authenticate must be a function"):
        create_app(SETTINGS, authenticate=5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="give authenticate or sources, not both"):
        create_app(SETTINGS, authenticate=nobody, sources=[Staff("staff")])


def test_two_sources_of_one_name_are_refused() -> None:
    assert create_app(SETTINGS, sources=[Staff("staff"), Staff("guests")])
    with pytest.raises(ValueError, match="two sources have the same name"):
        create_app(SETTINGS, sources=[Staff("staff"), Staff("guests"), Staff("staff")])


@pytest.mark.parametrize(
    "wrong", [{"public_url": "http://portal.example.com"}, {"session_idle_limit": 30 * 86_400.0}]
)
def test_settings_that_cannot_be_used_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        create_app(Settings(**wrong))  # type: ignore[arg-type]  # each is a setting
