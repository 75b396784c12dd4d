"""``worksgate keys``: external keys at LINE WORKS, here in the file of its Developer Console.

``keys_sync`` has the commands that use its API.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli import keys_sync
from worksgate.cli.console_file import (
    client_option,
    csv_option,
    encoding_option,
    read_at_most,
)
from worksgate.cli.options import (
    STANDARD_STREAM,
    CommandGroup,
    check_form,
    config_option,
    json_option,
)
from worksgate.cli.printing import counted, note, print_json, print_line, print_table
from worksgate.cli.refusals import Refusal, naming
from worksgate.cli.running import quietly, read_installation

if TYPE_CHECKING:
    from worksgate.administration.external_keys.comparison import Comparison, Found
    from worksgate.administration.external_keys.console_file import ConsoleFile, FileChoices
    from worksgate.administration.external_keys.faults import BadMembersFile
    from worksgate.doctor.key_holders import KeyHolders
    from worksgate.settings.options import Settings

_COLUMNS = ("row", "member", "person", "finding", "key_here", "key_there", "detail", "what_to_do")


@click.group("keys", cls=CommandGroup)
def app() -> None:
    """External keys at LINE WORKS, by its file or its API."""


app.add_command(keys_sync.sync)
app.add_command(keys_sync.undo)

_OPTIONS = (
    client_option,
    encoding_option,
    click.option("--column", metavar="HEADER", help="The column of the External Key."),
    click.option(
        "--match-column",
        metavar="HEADER",
        help="The column of the members' LINE WORKS accounts or addresses.",
    ),
    click.option(
        "--except",
        "excepted",
        metavar="ACCOUNT",
        multiple=True,
        help="A member, or a person here, about whom nothing is done or said; repeatable.",
    ),
    csv_option,
    config_option,
    json_option,
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options that both have."""
    return reduce(lambda given, option: option(given), reversed(_OPTIONS), command)


@app.command("fill")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="NEW.csv",
    help="The file to write, which must not exist.  [default: FILE.filled.csv, beside it]",
)
@click.option("--replace", is_flag=True, help="Also change keys that are there and differ.")
@_with_options
def fill(*, file: Path, output: Path | None, replace: bool, **options: Any) -> None:
    """Fill in the External Keys in the file of LINE WORKS.

    FILE.csv is what the Developer Console gives (ExternalKey_member.csv). It stays as it is; in the
    new file the key of a member is changed and no other byte. A member gets a key only if it is
    certain whose it is; everybody else is a finding, and the exit code is 1.
    """
    from worksgate.administration.external_keys.comparison import compare

    if not file.name:
        raise click.UsageError("FILE.csv is empty")
    if file == STANDARD_STREAM and output is None:
        raise click.UsageError("name the file to write with --output")
    output = output or file.with_name(f"{file.stem}.filled{file.suffix}")
    if os.path.lexists(output):
        raise Refusal(f"{output} exists, and is not replaced: name another file with --output")
    command = _Command(file, **options)
    done = command.run(compare, replaces=replace)
    if done.keys:
        _write_new(output, command.console_file.with_keys(done.keys))
    wrote = f"Wrote {output}: " if done.keys else "Nothing to fill, so no file was written: "
    command.print(
        done,
        f"{wrote}{_having(done, done.right + len(done.keys))}; {len(done.keys)} filled, "
        f"{done.replaced} of them replaced, {done.right} there before.",
        {"output": str(output) if done.keys else None, "filled": len(done.keys)},
    )


@app.command("verify")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@_with_options
def verify(*, file: Path, **options: Any) -> None:
    """Verify that LINE WORKS has everybody's External Key.

    FILE.csv is what the Developer Console gives after the filled one was uploaded and saved; - is
    standard input. The exit code is 1 if a member has no key, or another one than here.
    """
    from worksgate.administration.external_keys.comparison import verify as compare

    command = _Command(file, **options)
    done = command.run(compare)
    command.print(done, f"{_having(done, done.right)}.", {})


class _Command:
    """What both commands do: read the file, gather the people, compare, report."""

    console_file: "ConsoleFile"

    def __init__(
        self,
        file: Path,
        *,
        client: str | None,
        encoding: str | None,
        column: str | None,
        match_column: str | None,
        excepted: tuple[str, ...],
        as_csv: bool,
        config: Path | None,
        as_json: bool,
    ) -> None:
        from worksgate.administration.external_keys.console_file import FileChoices

        check_form(as_csv=as_csv, as_json=as_json)
        self._file = file
        self._client = client
        self._choices = FileChoices(encoding, column, match_column)
        self._excepted = excepted
        self._as_csv = as_csv
        self._as_json = as_json
        self._settings = read_installation(config)

    def run(self, compare: "Callable[..., Comparison]", *, replaces: bool = False) -> "Comparison":
        """Compare; ``console_file`` is there afterwards. Raises Refusal."""
        from worksgate.administration.external_keys.comparison import Standard
        from worksgate.administration.external_keys.console_file import MOST_BYTES

        data = read_at_most(self._file, MOST_BYTES)
        holders = _holders(self._settings, self._client)
        self.console_file = _read_file(self._file, data, holders, self._choices)
        standard = Standard(
            replaces=replaces,
            allows_similar=self._settings.allow_similar_keys,
            excepted=self._excepted,
        )
        return compare(self.console_file, holders.people, standard)

    def print(self, done: "Comparison", summary: str, more: dict[str, object]) -> None:
        """The report; ends the process with 1 if anything was found."""
        spoilt = self._spoilt(done)
        if self._as_json:
            rows = list(map(_document, done.found))
            counts = {"members": done.members, "right": done.right, "replaced": done.replaced}
            print_json({**more, **counts, "spoilt_by_excel": len(spoilt), "findings": rows})
        elif self._as_csv:
            _print_csv(done.found)
            note(summary)
        else:
            print_line(summary)
            _print_table(done.found)
        if spoilt:
            some = counted(len(spoilt), "key", "keys")
            note(f"Do not open the file in Excel: it would spoil {some} such as {spoilt[0]}.")
        if done.found:
            sys.exit(1)

    def _spoilt(self, done: "Comparison") -> list[str]:
        from worksgate.administration.external_keys.spreadsheets import spoilt_by_a_spreadsheet

        rows = enumerate(self.console_file.rows)
        return spoilt_by_a_spreadsheet(done.keys.get(number, row.key) for number, row in rows)


def _having(done: "Comparison", number: int) -> str:
    members = counted(done.members, "member has", "members have")
    return f"{number} of {members} the key from here"


def _holders(settings: "Settings", client: str | None) -> "KeyHolders":
    from worksgate.doctor.key_holders import key_holders
    from worksgate.sources import SourceUnavailable

    try:
        holders = quietly(key_holders(settings, client))
    except SourceUnavailable as outage:
        raise Refusal(str(outage)) from None
    for each in holders.unasked:
        note(f"Of this source only those who have signed in are known: {each}.")
    return holders


def _read_file(
    file: Path, data: bytes, holders: "KeyHolders", choices: "FileChoices"
) -> "ConsoleFile":
    from worksgate.administration.external_keys.console_file import read_console_file
    from worksgate.administration.external_keys.faults import BadMembersFile

    try:
        return read_console_file(data, holders.people, choices)
    except BadMembersFile as bad:
        raise Refusal(f"{file}: {bad}{_hint(bad)}") from None


def _hint(bad: "BadMembersFile") -> str:
    from worksgate.administration.external_keys.faults import FileFault

    options = {
        FileFault.ENCODING: "--encoding",
        FileFault.KEY_COLUMN: "--column",
        FileFault.ACCOUNT_COLUMN: "--match-column",
    }
    return f" ({options[bad.fault]})" if bad.fault in options else ""


def _write_new(file: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only, and never over another."""
    from worksgate.database.temporary_files import remove_abandoned, written_beside

    remove_abandoned(file.parent)
    with naming(file), written_beside(file) as beside:
        with beside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        try:
            # A rename would replace a file that has come meanwhile; a link does not.
            file.hardlink_to(beside)
        except FileExistsError:
            raise Refusal(f"{file} exists, and is not replaced") from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP):
                raise
            raise Refusal(
                f"{file}: this file system has no hard links: name a file on another with --output"
            ) from None


def _print_table(found: "Sequence[Found]") -> None:
    from worksgate.administration.external_keys.wording import ADVICE, NAMES

    if found:
        print_line()
        rows = [
            (
                each.row,
                each.member or each.person,
                NAMES[each.finding],
                "; ".join(filter(None, (each.detail, ADVICE[each.finding]))),
            )
            for each in found
        ]
        print_table(("Row", "Member", "Finding", "What to do"), rows)


def _print_csv(found: "Sequence[Found]") -> None:
    from worksgate.cli.people_file import print_csv

    rows = ([document[name] for name in _COLUMNS] for document in map(_document, found))
    print_csv(_COLUMNS, rows)


def _document(each: "Found") -> dict[str, object]:
    from worksgate.administration.external_keys.wording import ADVICE

    values = {name: getattr(each, name) for name in _COLUMNS if name != "what_to_do"}
    return {**values, "finding": each.finding.value, "what_to_do": ADVICE[each.finding]}
