"""``worksgate line-works-api``: the app of the Developer Console that calls the LINE WORKS API."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import MAX_INPUT, confirm, present_password
from worksgate.cli.console_file import ENCODINGS, csv_option
from worksgate.cli.options import (
    CommandGroup,
    Moment,
    check_form,
    config_option,
    force_option,
    json_option,
    until_option,
    yes_option,
)
from worksgate.cli.printing import (
    as_document,
    counted,
    iso,
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
    from worksgate.administration.line_works_logs import Compared, Saved


_COLUMNS = ("username", "account", "codes", "last_at")
_SIGN_INS = "auth"
"""The service whose log has the sign-ins."""
_LANGUAGES = ("en_US", "ja_JP", "ko_KR", "zh_CN", "zh_TW")
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
    """Set the app; it replaces an earlier one.

    The Client Secret is prompted for, unless it comes from a file or standard input. It and the
    private key are kept encrypted under the master key, and never shown.
    """
    from worksgate.line_works_api.app import WRITE, ApiApp
    from worksgate.settings.assumptions import Assumptions

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
            fewest_key_bits=Assumptions.of(settings.line_works_assumptions).fewest_key_bits,
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
    """Test the app: key, access token, scope, listing.

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


@app.command("audit-log")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--client", metavar="CLIENT", help="Whose log; the only client, if there is one.")
@click.option(
    "--service",
    default=_SIGN_INS,
    metavar="NAME",
    help="Which log: auth (sign-ins), admin, developer and others.  [default: auth]",
)
@click.option(
    "--since",
    type=Moment(),
    required=True,
    help="Since a time (2026-01-31T09:00, local if no zone is given) or an age (12h).",
)
@until_option
@click.option(
    "--language", type=click.Choice(_LANGUAGES), default="en_US", help="Of the names of columns."
)
@click.option(
    "--domain-id", "domain", type=click.IntRange(1), metavar="ID", help="Of which domain."
)
@click.option(
    "--compare", is_flag=True, help="Say who was given a code here and is not in the log (auth)."
)
@click.option(
    "--saved", is_flag=True, help="Do not download: FILE is there, from here or from their pages."
)
@click.option("--account-column", metavar="HEADER", help="The column with the account.")
@click.option(
    "--encoding", type=click.Choice(ENCODINGS), help="The file's encoding, if it is not Unicode."
)
@force_option
@csv_option
@config_option
@json_option
def audit_log(
    *,
    file: Path,
    client: str | None,
    service: str,
    since: float,
    until: float | None,
    language: str,
    domain: int | None,
    compare: bool,
    saved: bool,
    account_column: str | None,
    encoding: str | None,
    force: bool,
    as_csv: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Save an audit log of LINE WORKS, of 31 days at most.

    FILE is written whole or not at all, and readable by its owner only. With --compare the exit
    code is 1 if somebody was given a code here and is not in the log of sign-ins.
    """
    from worksgate.administration.line_works_logs import Wanted

    check_form(as_csv=as_csv, as_json=as_json)
    compare = compare or saved
    if compare and service != _SIGN_INS:
        raise click.UsageError(f"only the log {_SIGN_INS} can be compared")
    wanted = Wanted(
        client=client,
        service=service,
        since=since,
        until=time.time() if until is None else until,
        language=language,
        domain=domain,
    )

    async def work(administration: "Administration") -> "tuple[Saved | None, Compared | None]":
        logs, asked = administration.line_works_logs, wanted
        done = None if saved else await logs.save(wanted, file, replace=force)
        if done is not None:
            asked = replace(wanted, client=done.client_id)
        if not compare:
            return done, None
        return done, await logs.compare(
            asked, file, account_column=account_column, encoding=encoding
        )

    done, compared = administer(read_installation(config), work)
    document = {"file": str(file), "bytes": None if done is None else done.size}
    if as_json:
        print_json(document | ({} if compared is None else _compared_document(compared)))
    elif done is not None and not as_csv:
        print_line(f"Saved {file}: {done.size} bytes.")
    if compared is None:
        return
    if not as_json:
        _print_compared(compared, as_csv=as_csv)
    if compared.missing:
        sys.exit(1)


def _compared_document(compared: "Compared") -> dict[str, Any]:
    missing = [as_document(each) for each in compared.missing]
    return {**as_document(compared), "missing": missing}


def _print_compared(compared: "Compared", *, as_csv: bool) -> None:
    if as_csv:
        from worksgate.cli.people_file import print_csv

        rows = [
            (each.username, each.account, each.codes, iso(each.last_at))
            for each in compared.missing
        ]
        print_csv(_COLUMNS, rows)
        return
    print_line(f"{counted(compared.here, 'person was', 'people were')} given a code here.")
    print_line(f"Their log has {counted(compared.there, 'account', 'accounts')}.")
    print_line(f"Of these, {compared.only_there} were given none here.")
    if not compared.missing:
        print_line("Everybody who was given a code here is in their log.")
        return
    print_line()
    print_table(
        ("Not in their log", "Account looked for", "Codes", "Last code"),
        [
            (each.username, each.account or "unknown here", each.codes, local_time(each.last_at))
            for each in compared.missing
        ],
    )


@app.command("remove")
@click.argument("client")
@yes_option
@config_option
def remove(*, client: str, yes: bool, config: Path | None) -> None:
    """Remove the app and its secrets here. At LINE WORKS it stays until it is deleted there."""
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
