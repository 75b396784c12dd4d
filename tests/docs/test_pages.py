"""The project's pages are correct: links resolve, commands exist as written."""

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby, takewhile
from pathlib import Path

import click
import pytest
from tools.links import broken_links, pages

from worksgate.cli import app
from worksgate.clients.validation import CHANGEABLE
from worksgate.oauth.errors import OAuthError
from worksgate.settings.options import Settings
from worksgate.settings.source_tables import read_sources
from worksgate.web.pages.wording import NOTICES, PROBLEMS, Problem

ROOT = Path(__file__).parents[2]
PAGES = list(pages(ROOT))
SETTINGS = {field.name for field in fields(Settings)}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


_BEFORE = {"console": "$ ", "ini": "ExecStart=", "sh": ""}
"""What stands before a command, by the language of its block."""


def typed_commands(text: str) -> Iterator[list[str]]:
    """The words of each command that somebody is told to type, or that systemd is."""
    for language, block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if language in _BEFORE and line.startswith(_BEFORE[language]):
                words = shlex.split(line.removeprefix(_BEFORE[language]), comments=True)
                yield from simple_commands(words)


def simple_commands(words: list[str]) -> Iterator[list[str]]:
    """The commands of a pipe or a chain, each without what it is given by redirection."""
    for joined, group in groupby(words, lambda word: word in ("|", "&&")):
        if not joined:
            yield list(takewhile(lambda word: word not in ("<", ">"), group))


def worksgate_arguments(words: list[str]) -> list[str] | None:
    """What a command gives to ``worksgate``; None where it calls something else."""
    while words and ("=" in words[0] or words[0] == "sudo"):
        words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
    if not words or words[0].rpartition("/")[2] != "worksgate":
        return None
    return words[1:]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, and the words after it."""
    command: click.Command = app
    while isinstance(command, click.Group):
        if command.invoke_without_command and not (words and words[0] in command.commands):
            break  # it has options of its own
        assert words, f"worksgate {command.name} needs a command"
        assert words[0] in command.commands, f"there is no {words[0]} in worksgate {command.name}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def check_command(words: list[str]) -> None:
    """Read a whole command line as the command would, without running it."""
    command, arguments = find_command(words)
    command.make_context(command.name, list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page, ROOT)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_a_page_can_be_typed_as_they_stand(page: Path) -> None:
    for words in typed_commands(page.read_text("utf-8")):
        if (arguments := worksgate_arguments(words)) is not None:
            check_command(arguments)
        if words[0] == "make":
            assert set(words[1:]) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_within_a_sentence_exist(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for span in re.findall(r"`worksgate ([a-z][^`]*)`", text):
        command: click.Command = app
        for word in span.split():
            if isinstance(command, click.Group) and (
                word in command.commands or not command.invoke_without_command
            ):
                assert word in command.commands, f"there is no worksgate {span}"
                command = command.commands[word]
            elif word.startswith("--"):
                names = [
                    name for each in command.params for name in (*each.opts, *each.secondary_opts)
                ]
                assert word in names, f"worksgate {span}: there is no such option"
    for target in re.findall(r"`make ([a-z]+)", text):
        assert target in TARGETS


def test_commands_are_found_in_every_kind_of_block() -> None:
    page = """
```console
$ printf %s "$PASSWORD" | worksgate user add aoi \\
    --password-stdin > aoi.json
added
```
```ini
ExecStart=/opt/worksgate/bin/worksgate serve
```
```sh
A=b sudo -u worksgate worksgate purge  # and so on
```
```text
$ worksgate nonsense
```
"""
    found = [worksgate_arguments(words) for words in typed_commands(page)]
    assert found == [None, ["user", "add", "aoi", "--password-stdin"], ["serve"], ["purge"]]


@pytest.mark.parametrize("line", ["user ad alice", "user add alice --colour red", "client"])
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(line.split())


def test_a_command_with_too_few_words_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        check_command(["client", "add"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_on_a_page_can_be_read(page: Path) -> None:
    for language, block in _BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            compile(block, name_of(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if language == "toml":
            table = tomllib.loads(block)
            _, problems = read_sources(table.pop("source", []), name_of(page), {})
            # the files with the secrets are on the reader's machine
            assert [each for each in problems if "there is no such file" not in each] == []
            clients = table.pop("client", [])
            assert {name for each in clients for name in each} <= CHANGEABLE | {"branding"}
            assert set(table) <= SETTINGS


def test_every_error_and_every_page_is_explained() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    for error in _family(OAuthError):
        if error.__module__ == OAuthError.__module__:
            assert re.search(rf"^\| `?{error.number}`?\b.*\b{error.status}\b", text, re.MULTILINE)
    for notice in NOTICES.values():
        assert f"| {notice.title % {'product': 'LINE WORKS'}} |" in text
    for problem in (each for each in Problem if each is not Problem.EMPTY):
        assert PROBLEMS[problem].happened.rstrip(".").split(",")[0] in text


def test_the_table_of_errors_is_the_one_of_the_code() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    for error in _family(OAuthError):
        if error.number.isdigit():
            (row,) = re.findall(rf"^\| {error.number} \|.*", page, re.MULTILINE)
            cells = [cell.strip(" `") for cell in row.strip("|").split("|")]
            assert (cells[1], cells[4]) == (error.message, error.description)
            assert str(error.status) in cells[3].split(", ")


def _family(error: type[OAuthError]) -> Iterator[type[OAuthError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _family(kind)
