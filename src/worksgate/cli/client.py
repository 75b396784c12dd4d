"""``worksgate client``: LINE WORKS tenants, as registered in their Developer Console."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli import client_branding
from worksgate.cli.asking import confirm
from worksgate.cli.client_apply import apply
from worksgate.cli.client_options import OPTIONS, client_options, read_changes
from worksgate.cli.options import CommandGroup, Duration, config_option, json_option, yes_option
from worksgate.cli.printing import (
    as_document,
    local_time,
    note,
    print_facts,
    print_json,
    print_line,
    print_table,
    seconds,
)
from worksgate.cli.running import administer, read_installation
from worksgate.oauth.model import Client

if TYPE_CHECKING:
    from worksgate.administration import Administration, NewClient

CONSOLE_FIELDS = {
    "web_login": "Web Login URL",
    "app_login": "Application Login URL",
    "access_token": "Access Token Return API",
    "user_info": "User info return API",
    "imap_login": "IMAP/CalDAV Login API",
    "logout": "Logout URL",
}
"""The Developer Console's name for each address to enter."""


@click.group("client", cls=CommandGroup)
def app() -> None:
    """Clients: the LINE WORKS tenants that people sign in to.

    NAME is the name of a client or its ID.
    """


@app.command("add")
@click.argument("name")
@client_options
@config_option
@json_option
def add(*, name: str, config: Path | None, as_json: bool, **values: Any) -> None:
    """Add a client; print the values for the Developer Console.

    The secret is shown only once.
    """
    changes = read_changes(values)
    made = administer(
        read_installation(config),
        lambda administration: administration.clients.add(name, **changes),
    )
    if as_json:
        print_json(_with_secret(made))
        return
    print_line(f"The client {made.client.name} has been added.")
    _print_console_values(made)


@app.command("list")
@config_option
@json_option
def list_clients(*, config: Path | None, as_json: bool) -> None:
    """List the clients."""
    clients = administer(
        read_installation(config), lambda administration: administration.clients.all()
    )
    if as_json:
        print_json([_document(client) for client in clients])
    elif clients:
        rows = [
            (each.name, each.client_id, each.profile, each.user_key, each.enabled)
            for each in clients
        ]
        print_table(("Name", "Client ID", "Profile", "User key", "Enabled"), rows)
    else:
        note("There are no clients yet. Add one: worksgate client add NAME")


@app.command("show")
@click.argument("name")
@config_option
@json_option
def show(*, name: str, config: Path | None, as_json: bool) -> None:
    """Show a client, its settings and its addresses. The secret is never shown."""

    async def work(administration: "Administration") -> tuple[Client, Mapping[str, str]]:
        client = await administration.clients.get(name)
        return client, administration.clients.urls(client.client_id)

    client, urls = administer(read_installation(config), work)
    if as_json:
        print_json({**_document(client), "urls": dict(urls)})
        return
    print_line(client.name)
    print_facts({"Client ID": client.client_id, "Client Secret": _about_secrets(client)})
    print_line()
    print_facts(_console_urls(client, urls))
    print_line()
    _print_settings(client, ("enabled", *(option.field for option in OPTIONS)))


@app.command("set")
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@client_options
@config_option
@json_option
def change(
    *, name: str, new_name: str | None, config: Path | None, as_json: bool, **values: Any
) -> None:
    """Change settings of a client. Options that are not given change nothing."""
    changes = read_changes(values)
    if new_name is not None:
        changes["name"] = new_name
    if not changes:
        raise click.UsageError("nothing to change; --help lists the options")
    client = administer(
        read_installation(config),
        lambda administration: administration.clients.change(name, **changes),
    )
    if as_json:
        print_json(_document(client))
        return
    print_line(f"The client {client.name} has been changed.")
    _print_settings(client, changes)


@app.command("rotate-secret")
@click.argument("name")
@click.option(
    "--overlap",
    type=Duration(),
    default="1d",
    show_default=True,
    help="How long the old secret stays valid, such as 0, 12h or 7d.",
)
@config_option
@json_option
def rotate_secret(*, name: str, overlap: float, config: Path | None, as_json: bool) -> None:
    """Give a client a new secret, shown only once.

    The old one stays valid for a while; at most two are valid at a time.
    """
    made = administer(
        read_installation(config),
        lambda administration: administration.clients.rotate_secret(name, overlap=overlap),
    )
    if as_json:
        print_json(_with_secret(made))
        return
    print_line(f"The client {made.client.name} has a new secret.")
    for secret in made.client.secrets:
        if secret.expires_at is not None:
            print_line(f"The old one is valid until {local_time(secret.expires_at)}.")
    _print_console_values(made)


@app.command("disable")
@click.argument("name")
@config_option
def disable(*, name: str, config: Path | None) -> None:
    """Refuse all calls and sign-ins of a client.

    Its codes and tokens are kept: they are valid again, until they expire, when it is enabled.
    """
    client = administer(
        read_installation(config), lambda administration: administration.clients.disable(name)
    )
    print_line(f"The client {client.name} is disabled.")


@app.command("enable")
@click.argument("name")
@config_option
def enable(*, name: str, config: Path | None) -> None:
    """Enable a disabled client."""
    client = administer(
        read_installation(config), lambda administration: administration.clients.enable(name)
    )
    print_line(f"The client {client.name} is enabled.")


@app.command("remove")
@click.argument("name")
@config_option
@yes_option
def remove(*, name: str, config: Path | None, yes: bool) -> None:
    """Remove a client permanently. Its people can no longer sign in to LINE WORKS."""
    settings = read_installation(config)
    confirm(f"Remove the client {name}?", yes=yes)
    client = administer(settings, lambda administration: administration.clients.remove(name))
    print_line(f"The client {client.name} has been removed.")


app.add_command(client_branding.app)
app.add_command(apply)


def _document(client: Client) -> dict[str, Any]:
    secrets = [as_document(secret, hidden=("digest",)) for secret in client.secrets]
    return {**as_document(client, hidden=("secrets", "version")), "secrets": secrets}


def _with_secret(made: "NewClient") -> dict[str, Any]:
    first = {"client_id": made.client.client_id, "client_secret": made.client_secret}
    return {**first, "urls": dict(made.urls), **_document(made.client)}


def _print_console_values(made: "NewClient") -> None:
    print_line("Enter these values in the LINE WORKS Developer Console (SSO type OAuth):")
    print_line()
    print_facts(
        {
            "Client ID": made.client.client_id,
            "Client Secret": made.client_secret,
            **_console_urls(made.client, made.urls),
        }
    )
    print_line()
    print_line("The secret is shown only once; rotate-secret creates a new one.")


def _console_urls(client: Client, urls: Mapping[str, str]) -> dict[str, str]:
    """What to enter where; the address for mail clients only if the API is enabled."""
    return {
        label: urls[name]
        for name, label in CONSOLE_FIELDS.items()
        if name != "imap_login" or client.imap_login
    }


def _about_secrets(client: Client) -> str:
    about = [
        f"created {local_time(secret.created_at)}"
        + (
            f", valid until {local_time(secret.expires_at)}"
            if secret.expires_at is not None
            else ""
        )
        for secret in client.secrets
    ]
    return "; ".join(about) or "none"


def _print_settings(client: Client, names: Iterable[str]) -> None:
    """Settings of a client by name; rules have a line each, in their order."""
    lines: dict[str, str] = {}
    for name in names:
        value = getattr(client, name)
        if name == "rules" and value:
            lines |= {f"rule {number}": rule for number, rule in enumerate(value, 1)}
        else:
            lines[name] = _shown(value)
    print_facts(lines)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, int):  # all its numbers are times
        return seconds(value)
    return "-" if value is None else str(value)
