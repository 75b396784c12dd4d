"""The page on commands lists every command and option, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from worksgate.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
SHARED = "Options of a client"


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, path)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield path, command


COMMANDS = dict(commands(app, "worksgate"))
GROUPS = [command for command in app.commands.values() if isinstance(command, click.Group)]


def sections() -> dict[str, str]:
    parts = re.split(r"(?m)^##+ (.+)$", PAGE.read_text("utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


def described(path: str) -> str:
    text = sections()[path]
    return text + sections()[SHARED] if SHARED.lower() in text else text


@pytest.mark.parametrize("path", COMMANDS)
def test_command_has_a_section_with_an_example_and_its_options(path: str) -> None:
    assert f"$ {path}" in described(path) or f"| {path}" in described(path)
    missing = {name for name in options(COMMANDS[path]) if f"`{name}" not in described(path)}
    assert not missing


def test_no_section_and_no_option_is_of_the_past() -> None:
    headings = {name for name in sections() if name.startswith("worksgate ")}
    names = ("client", "user", "source", "rules", "key", "keys", "admin", "alert", "line-works-api")
    groups = {f"worksgate {name}" for name in names}
    assert headings == {*COMMANDS, *groups}
    known = set().union(*map(options, COMMANDS.values())) | {"--help", "--version"}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE.read_text("utf-8"))) <= known


def test_the_table_at_the_top_has_every_command() -> None:
    table = PAGE.read_text("utf-8").partition("\n## ")[0]
    assert set(re.findall(r"(?m)^\| \[`worksgate ([a-z-]+)`\]", table)) == set(app.commands)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group.name))
def test_what_a_group_is_for_is_reported_whole(group: click.Group) -> None:
    assert not group.get_short_help_str(60).endswith("...")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_a_sentence_for_help(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert command.get_short_help_str(60).endswith((".", ")"))
    assert not command.get_short_help_str(60).endswith("...")
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help
