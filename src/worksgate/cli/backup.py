"""``worksgate backup`` and ``worksgate restore``."""

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.asking import MAX_INPUT
from worksgate.cli.options import config_option, force_option, json_option
from worksgate.cli.printing import (
    counted,
    iso,
    local_time,
    note,
    print_json,
    print_line,
    progress_bar,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import actor, ended_in_order, quietly, read_installation, read_settings
from worksgate.credentials.master_key import Keyring

if TYPE_CHECKING:
    from worksgate.database.backup.archive import Manifest

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file whose first line is the passphrase that encrypts the backup.",
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@force_option
@config_option
@json_option
def backup(
    *,
    file: Path,
    passphrase_file: Path | None,
    force: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write all persistent data to one file.

    The server can keep running. Codes, tokens and sessions are not included.
    """
    settings = read_installation(config)
    passphrase = _read_passphrase(passphrase_file)
    from worksgate.database.backup.writing import write_backup

    work = partial(write_backup, settings.database_url, file, passphrase=passphrase, replace=force)
    manifest = _with_progress_bar("Writing a backup", work)
    if as_json:
        document = {"file": str(file), "encrypted": passphrase is not None}
        keys = {"master_keys": list(manifest.master_keys)}
        print_json({**document, **keys, "revision": manifest.revision, "rows": dict(manifest.rows)})
        return
    print_line(f"Wrote {file}: {_counted(manifest.rows)}.")
    if manifest.master_keys:
        ids = " and ".join(manifest.master_keys)
        print_line(f"This backup requires master key {ids}; store the key separately.")
    if passphrase is None:
        note("It contains password hashes and is not encrypted; --passphrase-file encrypts it.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@passphrase_option
@click.option("--force", is_flag=True, help="Replace a database that is not empty.")
@click.option(
    "--although-its-key-is-lost",
    is_flag=True,
    help="Restore without the master key that the backup needs; servers will not start on it "
    "before worksgate key forget-lost.",
)
@config_option
@json_option
def restore(
    *,
    file: Path,
    passphrase_file: Path | None,
    force: bool,
    although_its_key_is_lost: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Replace the database with a backup.

    Stop the server first, and configure the master key of the backup. Everybody has to sign in
    again.
    """
    settings = read_settings(config)
    passphrase = _read_passphrase(passphrase_file)
    from worksgate.database.backup.restoring import restore_backup

    work = partial(
        restore_backup,
        settings.database_url,
        file,
        passphrase=passphrase,
        force=force,
        keyring=Keyring.of(settings.master_key, settings.previous_master_key),
        key_may_be_lost=although_its_key_is_lost,
    )
    manifest = _with_progress_bar("Restoring", work)
    if as_json:
        made_at = iso(manifest.created_at)
        print_json({"file": str(file), "created_at": made_at, "rows": dict(manifest.rows)})
        return
    made = local_time(manifest.created_at)
    print_line(f"Restored the backup of {made}: {_counted(manifest.rows)}.")
    print_line("Codes, tokens and sessions are void; people have to sign in again.")


def _with_progress_bar(
    doing: str, work: Callable[..., Coroutine[Any, Any, "Manifest"]]
) -> "Manifest":
    """Write or restore a backup, now and in the name of the calling user."""
    with ended_in_order(), progress_bar(doing, 100) as progress:
        return quietly(work(actor=actor(), now=time.time(), progress=progress))


def _read_passphrase(file: Path | None) -> bytes | None:
    """The first line of a file. Raises Refusal, or OSError."""
    if file is None:
        return None
    with file.open("rb") as opened:
        passphrase = opened.read(MAX_INPUT).partition(b"\n")[0].removesuffix(b"\r")
    if not passphrase:
        raise Refusal(f"{file}: its first line is empty; it must be the passphrase")
    return passphrase


def _counted(rows: Mapping[str, int]) -> str:
    words = {
        ("accounts", "people"): ("person", "people"),  # of the built-in directory, and of others
        ("clients",): ("client", "clients"),
        ("audit",): ("audit record", "audit records"),
    }
    counts = (
        (sum(rows.get(table, 0) for table in tables), *each) for tables, each in words.items()
    )
    return ", ".join(counted(*count) for count in counts)
