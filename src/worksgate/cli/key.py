"""``worksgate key``: the master key, under which the secrets in the database are encrypted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.key_file import write_key
from worksgate.cli.options import CommandGroup, config_option, json_option, yes_option
from worksgate.cli.printing import (
    counted,
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
    """The master key, under which secrets are encrypted."""


@app.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def new(*, file: Path, as_json: bool) -> None:
    """Make a master key and write it to a new file.

    Only this user can read the file. Name it by master_key_file in the settings, and keep a copy
    apart from the backups: without the key, authenticator apps in a backup are lost.
    """
    key = write_key(file)
    if as_json:
        print_json({"file": str(file), "id": key.id})
        return
    print_line(f"Wrote master key {key.id} to {file}.")
    print_line("Name it by master_key_file on every node, reload, then: worksgate key encrypt")


@app.command("show")
@config_option
@json_option
def show(*, config: Path | None, as_json: bool) -> None:
    """Show which master keys are at hand, by their ids.

    It also says how many secrets are encrypted under which, or in clear. No key is shown.
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
            **{f"Under {key_id}": str(number) for key_id, number in sorted(found.by_key.items())},
            "In clear": str(found.in_clear),
        }
    )
    if current is not None and (left := found.left_for(current)):
        print_line(f"{counted(left, 'secret is', 'secrets are')} to do: worksgate key encrypt")


@app.command("encrypt")
@yes_option
@config_option
@json_option
def encrypt(*, yes: bool, config: Path | None, as_json: bool) -> None:
    """Encrypt all secrets under the current master key.

    Those are the secrets of authenticator apps, and the key that signs cookies and forms. It is run
    once to begin with, and again when the key is replaced. Servers go on meanwhile; all of them
    must be of this version and know the key already. It can be interrupted and run again.
    """
    settings = read_installation(config)
    key = Keyring.of(settings.master_key).current
    if key is None:
        raise Refusal(
            "no master key is configured: make one with worksgate key new FILE, and name it by "
            "master_key_file"
        )
    confirm(f"Do all servers of this installation know master key {key.id} by now?", yes=yes)

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
            "What was deleted earlier may still be in the file: run this once more while the "
            "server is stopped, and the file is written anew."
        )


@app.command("forget-lost")
@click.option(
    "--remove-authenticator-apps",
    is_flag=True,
    help="Remove the authenticator apps that cannot be read, and disable whoever has no other "
    "factor. Without it, only what would happen is shown.",
)
@yes_option
@config_option
@json_option
def forget_lost(
    *, remove_authenticator_apps: bool, yes: bool, config: Path | None, as_json: bool
) -> None:
    """Give up what is encrypted under a master key that is lost.

    The last resort: look for a copy of the key first. Stop all servers, and have a new key in the
    settings. Authenticator apps are removed; people who have no passkey are disabled, so that
    nobody gets in by a password alone. Cookies and forms are signed by new keys.
    """
    settings = read_installation(config)
    lost = administer(settings, lambda administration: administration.lost_keys.find())
    if not as_json:
        _print_lost(lost, is_done=False)
    if remove_authenticator_apps:
        ids = " and ".join(lost.key_ids)
        confirm(f"Is there no copy of master key {ids} anywhere? This cannot be undone.", yes=yes)

        async def work(administration: "Administration") -> None:
            with progress_bar("Removing", len(lost.people)) as progress:
                await administration.lost_keys.forget(lost, progress)

        administer(settings, work)
    if as_json:
        print_json(_document_of(lost, is_done=remove_authenticator_apps))
    elif remove_authenticator_apps:
        _print_lost(lost, is_done=True)
    else:
        note("Nothing has been changed. If this is meant, add --remove-authenticator-apps.")


def _print_lost(lost: "LostKeys", *, is_done: bool) -> None:
    people = counted(len(lost.people), "person", "people")
    ids = ", ".join(lost.key_ids)
    if is_done:
        print_line(f"Given up: master key {ids}, and the authenticator apps of {people}.")
        print_line("When it is certain who somebody is: worksgate user enable")
        return
    print_line(f"Master key {ids} is not at hand: lost with it are the apps of {people}.")
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
    """Rid a SQLite file of what was deleted in it, if nobody uses it; None where there is none."""
    if database is None:
        return None
    from worksgate.database.sqlite_file import rewrite

    return rewrite(database)
