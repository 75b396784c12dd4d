"""``worksgate client apply``: clients as a file says they should be."""

import json
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.options import config_option, json_option
from worksgate.cli.printing import note, print_facts, print_json, print_line
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.settings.loading import TOKEN_VARIABLE

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.applying import Applied, Planned

CHANGES_TO_MAKE = 3
"""The exit code of ``--check`` if the file and the clients differ, as of ``migrate --check``."""
_DONE = {"add": "added", "change": "changed", "keep": "unchanged"}


@click.command("apply")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 3 if something would be changed."
)
@click.option(
    "--to",
    metavar="URL",
    help="The address of a console elsewhere: with a token instead of settings.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Where the token is.  [default: it is in ${TOKEN_VARIABLE}]",
)
@click.option("--plan", metavar="ID", help="Apply only the plan that --check has shown (--to).")
@config_option
@json_option
def apply(
    *,
    file: Path,
    check: bool,
    to: str | None,
    token_file: Path | None,
    plan: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Create and change clients as FILE says.

    It is JSON as `client list --json` prints it, or TOML with [[client]] tables. Clients and
    settings that it does not name stay as they are; nothing is removed. The secret of a client that
    is added is shown only once. With - as FILE, JSON is read from standard input.

    With --to it is done by the console at that address, which receives the clients of the file and
    the token of a deployer (worksgate admin token add). No secret of a client comes back.
    """
    wanted = _read(file)
    if to is None:
        if token_file or plan:
            raise click.UsageError("--token-file and --plan are for --to")
        documents = _applied_here(wanted, config, check=check, as_json=as_json)
    else:
        documents = _applied_there(to, wanted, token_file, plan, check=check, as_json=as_json)
    _print_all(documents, as_json=as_json, is_done=not check)
    if check and any(each["action"] != "keep" for each in documents):
        sys.exit(CHANGES_TO_MAKE)


def _applied_here(
    wanted: list[Any], config: Path | None, *, check: bool, as_json: bool
) -> list[dict[str, Any]]:
    """What was done in this installation."""
    documents: list[dict[str, Any]] = []

    async def work(administration: "Administration") -> None:
        planned = await administration.applying.plan(wanted)
        if check:
            documents.extend(map(_document, planned))
            return
        async for each in administration.applying.apply(planned):
            documents.append(_document(each))

    try:
        administer(read_installation(config), work)
    except BaseException:
        if documents:  # the secrets of clients that were added are nowhere else
            _print_all(documents, as_json=as_json, is_done=True)
        raise
    return documents


def _applied_there(
    to: str,
    wanted: list[Any],
    token_file: Path | None,
    plan: str | None,
    *,
    check: bool,
    as_json: bool,
) -> list[dict[str, Any]]:
    """What a console elsewhere has done. Raises Refusal."""
    from worksgate.cli.console_client import Answer, apply_at

    if token_file is not None:
        token = token_file.read_text("utf-8").strip()
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise Refusal(f"the token is missing: set {TOKEN_VARIABLE}, or name --token-file")

    answer: Answer = apply_at(to, token, wanted, plan=plan, is_dry_run=check)
    if answer.problem:
        if answer.clients:
            _print_all(answer.clients, as_json=as_json, is_done=answer.is_partly_done)
        raise Refusal(answer.problem)
    if check and not as_json:
        note(f"The plan is {answer.plan}.")
    return answer.clients


def _read(file: Path) -> list[Any]:
    """The clients of a file. Raises Refusal."""
    is_standard_input = str(file) == "-"
    text = sys.stdin.read() if is_standard_input else file.read_text("utf-8")
    try:
        if file.suffix == ".toml":
            found = tomllib.loads(text).get("client", [])
        else:
            found = json.loads(text)
    except ValueError as problem:
        raise Refusal(f"{file}: {problem}") from None
    if not isinstance(found, list):
        raise Refusal(f"{file}: a list of clients is needed, or [[client]] tables")
    return found


def _document(each: "Planned | Applied") -> dict[str, Any]:
    """What is printed, with the secret of a client that was added here."""
    made = getattr(each, "made", None)
    secret = {} if made is None else {"client_secret": made.client_secret}
    return {**each.document(), **secret}


def _print_all(documents: Sequence[dict[str, Any]], *, as_json: bool, is_done: bool) -> None:
    if as_json:
        print_json(documents)
    else:
        for each in documents:
            _print(each, is_done=is_done)


def _print(document: dict[str, Any], *, is_done: bool) -> None:
    action = str(document["action"])
    print_line(f"{document['name']}: {_DONE[action] if is_done else action}")
    for each in document["settings"]:
        print_line(f"    {each['setting']}: {_shown(each['before'])} -> {_shown(each['after'])}")
    if "client_secret" in document:
        print_facts(
            {"Client ID": document["client_id"], "Client Secret": document["client_secret"]}
        )
        note("The secret is shown only once.")
    elif is_done and action == "add":
        note("Its secret is shown to nobody: make a new one in the console of Worksgate.")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)
