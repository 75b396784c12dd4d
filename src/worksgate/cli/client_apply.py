"""``worksgate client apply``: clients as a file says they should be."""

import json
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
@config_option
@json_option
def apply(*, file: Path, check: bool, config: Path | None, as_json: bool) -> None:
    """Make clients as FILE says.

    It is JSON as `client list --json` prints it, or TOML with [[client]] tables. Clients and
    settings that it does not name stay as they are; nothing is removed. The secret of a client that
    is added is shown only once. With - as FILE, JSON is read from standard input.
    """
    wanted = _read(file)
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
    _print_all(documents, as_json=as_json, is_done=not check)
    if check and any(each["action"] != "keep" for each in documents):
        sys.exit(CHANGES_TO_MAKE)


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
    from worksgate.administration.applying import Applied

    planned = each.planned if isinstance(each, Applied) else each
    client = each.client
    document: dict[str, Any] = {
        "name": planned.name,
        "client_id": None if client is None else client.client_id,
        "action": planned.action,
        "settings": [
            {"setting": one.setting, "before": _plain(one.before), "after": _plain(one.after)}
            for one in planned.differences
        ],
    }
    if isinstance(each, Applied) and each.made is not None:
        document |= {"client_secret": each.made.client_secret, "urls": dict(each.made.urls)}
    return document


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


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


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)
