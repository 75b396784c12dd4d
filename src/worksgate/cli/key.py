"""``worksgate key``: the master key, under which the secrets in the database are encrypted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import confirm
from worksgate.cli.key_file import write_key
from worksgate.cli.options import CommandGroup, config_option, json_option, yes_option
from worksgate.cli.printing import counted, note, print_facts, print_json, print_line, progress_bar
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, read_installation
from worksgate.master_key import Keyring

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.directory.secrets_at_rest import Counted


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

    And how many secrets are encrypted under which, or in clear. No key is shown.
    """
    settings = read_installation(config)
    keyring = Keyring.of(settings.master_key, settings.previous_master_key)

    async def work(administration: "Administration") -> "Counted":
        return await administration.secrets_at_rest()

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

    Those are the secrets of authenticator apps, and the key that signs cookies and forms. For the
    first time, or under a new key in place of the previous one. Servers go on meanwhile; all of
    them must be of this version and know the key already. It can be interrupted and run again.
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
            return await administration.encrypt_secrets(progress)

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


def _rewrite(database: Path | None) -> bool | None:
    """Rid a SQLite file of what was deleted in it, if nobody uses it; None where there is none."""
    if database is None:
        return None
    from worksgate.directory.sqlite_file import rewrite

    return rewrite(database)
