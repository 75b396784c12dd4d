"""``worksgate key``: the master key, which encrypts the secrets in the database."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.key_file import write_key
from worksgate.cli.options import CommandGroup, config_option, json_option, yes_option
from worksgate.cli.printing import (
    counted,
    iso,
    local_time,
    note,
    print_facts,
    print_json,
    print_line,
    print_table,
    progress_bar,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.credentials.master_key import Keyring

if TYPE_CHECKING:
    from worksgate.administration import Administration, LostKeys
    from worksgate.database.secrets_at_rest import Counted


@click.group("key", cls=CommandGroup)
def app() -> None:
    """The master key, which encrypts secrets in the database."""


@app.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def new(*, file: Path, as_json: bool) -> None:
    """Create a master key and write it to a new file.

    Only this user can read the file. Set master_key_file to its name, and keep a copy separate from
    the backups: without the key, authenticator apps in a backup are lost.
    """
    key = write_key(file)
    if as_json:
        print_json({"file": str(file), "id": key.id})
        return
    print_line(f"Wrote master key {key.id} to {file}.")
    print_line("Set master_key_file to it on every node, reload, then run: worksgate key encrypt")


@app.command("show")
@config_option
@json_option
def show(*, config: Path | None, as_json: bool) -> None:
    """Show the IDs of the configured master keys.

    It also shows how many secrets each key encrypts, and how many are not encrypted. The keys
    themselves are not shown.
    """
    settings = read_installation(config)
    keyring = Keyring.of(settings.master_key, settings.previous_master_key)

    async def work(administration: "Administration") -> "Counted":
        return await administration.upkeep.secrets_at_rest()

    found = administer(settings, work)
    current = None if keyring.current is None else keyring.current.id
    previous = None if keyring.previous is None else keyring.previous.id
    if as_json:
        print_json(
            {
                "current": current,
                "previous": previous,
                "in_force": found.in_force,
                "in_force_since": iso(found.in_force_since),
                "encrypted": dict(found.by_key),
                "in_clear": found.in_clear,
            }
        )
        return
    print_facts(
        {
            "Current key": current or "none is configured",
            "Previous key": previous or "-",
            "In force": found.in_force or "none",
            "In force since": local_time(found.in_force_since) or "-",
            **{f"Under {key_id}": str(number) for key_id, number in sorted(found.by_key.items())},
            "In clear": str(found.in_clear),
        }
    )
    if current is not None and (left := found.left_for(current)):
        print_line(f"{counted(left, 'secret is', 'secrets are')} left: run worksgate key encrypt")


@app.command("encrypt")
@yes_option
@config_option
@json_option
def encrypt(*, yes: bool, config: Path | None, as_json: bool) -> None:
    """Encrypt all secrets under the current master key.

    These are the secrets of authenticator apps, and the key that signs cookies and forms. Run it
    once after the first key is configured, and again when the key is replaced. Servers keep
    running; all of them must be of this version and have the key already. It can be interrupted and
    rerun.
    """
    settings = read_installation(config)
    key = Keyring.of(settings.master_key).current
    if key is None:
        raise Refusal(
            "no master key is configured: create one with worksgate key new FILE, and set "
            "master_key_file to it"
        )
    confirm(f"Do all servers of this installation have master key {key.id} by now?", yes=yes)

    async def work(administration: "Administration") -> int:
        with progress_bar("Encrypting", None) as progress:
            return await administration.upkeep.encrypt_secrets(progress)

    done = administer(settings, work)
    is_rewritten = _rewrite(settings.database_file)
    if as_json:
        print_json({"key": key.id, "encrypted": done, "rewritten": is_rewritten})
        return
    secrets = counted(done, "secret was", "secrets were")
    print_line(f"{secrets} encrypted; all are under master key {key.id}.")
    if is_rewritten is False:
        note(
            "Deleted secrets may still be in the file: run this once more while the server is "
            "stopped to rewrite it."
        )


@app.command("forget-lost")
@click.option(
    "--remove-authenticator-apps",
    is_flag=True,
    help="Remove authenticator apps that cannot be decrypted, and disable people without "
    "another factor. Without this option, the command only shows what it would do.",
)
@yes_option
@config_option
@json_option
def forget_lost(
    *, remove_authenticator_apps: bool, yes: bool, config: Path | None, as_json: bool
) -> None:
    """Give up what is encrypted under a lost master key.

    A last resort: look for a copy of the key first. Stop all servers, and configure a new key.
    Authenticator apps are removed; people without a passkey are disabled, so that nobody gets in
    with a password alone. Cookies and forms are signed with new keys.
    """
    settings = read_installation(config)
    lost = administer(settings, lambda administration: administration.lost_keys.find())
    if not as_json:
        _print_lost(lost, is_done=False)
    if remove_authenticator_apps:
        ids = " and ".join(lost.key_ids)
        confirm(f"Are all copies of master key {ids} lost? This cannot be undone.", yes=yes)

        async def work(administration: "Administration") -> None:
            with progress_bar("Removing", len(lost.people)) as progress:
                await administration.lost_keys.forget(lost, progress)

        administer(settings, work)
    if as_json:
        print_json(_document_of(lost, is_done=remove_authenticator_apps))
    elif remove_authenticator_apps:
        _print_lost(lost, is_done=True)
    else:
        note("Nothing has been changed. To confirm, add --remove-authenticator-apps.")


def _print_lost(lost: "LostKeys", *, is_done: bool) -> None:
    people = counted(len(lost.people), "person", "people")
    ids = ", ".join(lost.key_ids)
    if is_done:
        print_line(f"Given up: master key {ids}, and the authenticator apps of {people}.")
        print_line("Once you have verified who somebody is: worksgate user enable")
        return
    print_line(f"Master key {ids} is missing; the authenticator apps of {people} depend on it.")
    if lost.people:
        print_table(
            ("User", "Subject", "Afterwards"),
            [
                (
                    None if each.person is None else each.person.username,
                    each.subject_id,
                    "disabled" if each.is_closed else "signs in with a passkey",
                )
                for each in lost.people
            ],
        )


def _document_of(lost: "LostKeys", *, is_done: bool) -> dict[str, object]:
    return {
        "lost": list(lost.key_ids),
        "done": is_done,
        "people": [
            {
                "subject_id": each.subject_id,
                "username": None if each.person is None else each.person.username,
                "disabled": each.is_closed,
            }
            for each in lost.people
        ],
    }


def _rewrite(database: Path | None) -> bool | None:
    """Remove deleted data from an SQLite file if nothing else uses it; None if there is no file."""
    if database is None:
        return None
    from worksgate.database.sqlite_file import rewrite

    return rewrite(database)
