"""``worksgate line-works-api``: the app of the Developer Console that calls the LINE WORKS API."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import MAX_INPUT, confirm, present_password
from worksgate.cli.options import CommandGroup, config_option, json_option, yes_option
from worksgate.cli.printing import (
    as_document,
    local_time,
    print_facts,
    print_json,
    print_line,
    print_table,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.line_works_api import Tested


TEST_MESSAGE = "Worksgate: this is a test message. Alerts will arrive here."


@click.group("line-works-api", cls=CommandGroup)
def app() -> None:
    """The app with which the LINE WORKS API is called.

    CLIENT is the name of a client or its ID.
    """


@app.command("set")
@click.argument("client")
@click.option("--app-id", required=True, metavar="ID", help="The Client ID of the app.")
@click.option(
    "--service-account",
    required=True,
    metavar="ACCOUNT",
    help="Its service account: xxxxx.serviceaccount@domain.",
)
@click.option(
    "--private-key-file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file of its private key, as the Developer Console gave it. Delete it afterwards.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="A scope that is ticked for it; can be repeated.  [default: directory]",
)
@click.option(
    "--domain-id",
    "domains",
    multiple=True,
    type=click.IntRange(1),
    metavar="ID",
    help="A LINE WORKS domain whose people are read; can be repeated.  [default: that of the app]",
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file of its Client Secret.",
)
@click.option("--secret-stdin", is_flag=True, help="Read the Client Secret from standard input.")
@config_option
def set_app(
    *,
    client: str,
    app_id: str,
    service_account: str,
    private_key_file: Path,
    scopes: tuple[str, ...],
    domains: tuple[int, ...],
    secret_file: Path | None,
    secret_stdin: bool,
    config: Path | None,
) -> None:
    """Set the app, in place of an earlier one.

    The Client Secret is prompted for, unless it comes from a file or standard input. It and the
    private key are kept encrypted under the master key, and never shown.
    """
    from worksgate.line_works_api.app import WRITE, ApiApp

    if secret_file is not None and secret_stdin:
        raise click.UsageError("--secret-file and --secret-stdin exclude each other")
    settings = read_installation(config)
    private_key = _read(private_key_file, "private key")
    try:
        checked = ApiApp.checked(
            client_id=app_id,
            client_secret=_secret(secret_file, from_stdin=secret_stdin),
            service_account=service_account,
            private_key=private_key,
            scopes=scopes or (WRITE,),
            domains=domains,
        )
    except ValueError as problem:
        raise Refusal(str(problem)) from None
    kept = administer(
        settings, lambda administration: administration.line_works_api.set(client, checked)
    )
    print_line(f"The app of the LINE WORKS API of {kept.name} has been set.")
    print_line("Then test it: worksgate line-works-api test")


@app.command("show")
@click.argument("client")
@config_option
@json_option
def show(*, client: str, config: Path | None, as_json: bool) -> None:
    """Show the app, without its secrets."""
    shown = administer(
        read_installation(config),
        lambda administration: administration.line_works_api.show(client),
    )
    if as_json:
        print_json(as_document(shown))
        return
    print_line(shown.client)
    print_facts(
        {
            "Client ID": shown.app_client_id,
            "Client Secret": "set; never shown",
            "Service account": shown.service_account,
            "Private key": f"set; never shown (public key: SHA-256 {shown.key})",
            "Scopes": " ".join(shown.scopes),
            "Domains": " ".join(map(str, shown.domains)) or "its own",
            "API": shown.api or "-",
            "Authorization server": shown.auth or "-",
            "Downloads": shown.downloads or "-",
            "SCIM (not used)": shown.scim or "-",
            "Set": f"{local_time(shown.set_at)} by {shown.actor or '-'}",
        }
    )
    if shown.problem:
        raise Refusal(shown.problem)


@app.command("test")
@click.argument("client", required=False)
@click.option(
    "--message", is_flag=True, help="Also have the bot of alert_bot send a test message, for all."
)
@config_option
@json_option
def test(*, client: str | None, message: bool, config: Path | None, as_json: bool) -> None:
    """Say in steps what works: key, access token, scope, listing.

    Without --message nothing is changed at LINE WORKS. The exit code is 1 if a step does not work.
    """
    from worksgate.administration.alerts.bot import AlertBot, test_of

    settings = read_installation(config)
    bot = AlertBot.of(settings) if message else None
    if message and bot is None:
        raise Refusal("no bot sends alerts: set alert_bot, and to whom it sends")

    async def work(administration: "Administration") -> "list[Tested]":
        send = None if bot is None else test_of(bot, TEST_MESSAGE)
        name = client or (bot.client if bot else "") or None
        return [each async for each in administration.line_works_api.test(name, send)]

    steps = administer(settings, work)
    if as_json:
        print_json([as_document(each) for each in steps])
    else:
        rows = [(each.step, "works" if each.works else "FAILS", each.text) for each in steps]
        print_table(("Step", "Result", "Details"), rows)
    if not all(each.works for each in steps):
        sys.exit(1)


@app.command("remove")
@click.argument("client")
@yes_option
@config_option
def remove(*, client: str, yes: bool, config: Path | None) -> None:
    """Forget the app and its secrets. At LINE WORKS it stays until it is deleted there."""
    settings = read_installation(config)
    confirm(f"Forget the app of the LINE WORKS API of {client}?", yes=yes)
    removed = administer(
        settings, lambda administration: administration.line_works_api.remove(client)
    )
    print_line(f"The app of the LINE WORKS API of {removed.name} has been removed.")


def _secret(file: Path | None, *, from_stdin: bool) -> str:
    """The client secret; never an argument, which other users of this machine could read."""
    if file is not None:
        return _read(file, "client secret").strip()
    secret = present_password("Client Secret of the app: ", from_stdin=from_stdin)
    if secret is None:
        raise Refusal("there is no client secret: pass --secret-file or --secret-stdin")
    return secret.strip()


def _read(file: Path, what: str) -> str:
    with file.open("rb") as stream:
        data = stream.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise Refusal(f"{file} is too long for a {what}")
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise Refusal(f"{file} is not the file of a {what}") from None
