"""What to type against the demonstration: the commands, and the files that they read.

They are in the folder of the demonstration, and of use there alone: its secrets are others at the
next start.
"""

import csv
import io
import os
import sys
from pathlib import Path
from shlex import join

from worksgate.cli.demo.members import members
from worksgate.cli.demo.mistakes import JOINER
from worksgate.cli.demo.people import GUESTS, PASSWORD
from worksgate.conformance.line_works import Credentials
from worksgate.conformance.simulator import SimulatorSettings

FILE = "commands.txt"

_PASSWORD = "person.password"
_SECRET = "client.secret"
_DISABLED_SECRET = "disabled-client.secret"
_MEMBERS = "ExternalKey_member.csv"
_STAND_INS = "stand-ins.toml"


def write_commands(settings_file: Path, sso: str, prepared: SimulatorSettings) -> Path:
    """Write them beside the settings for commands, and return the file that lists them.

    ``sso`` is the address of the demonstrated Worksgate, and ``prepared`` what the simulator knows.
    """
    folder = settings_file.parent
    disabled = prepared.disabled_client or Credentials("", "")
    _write(folder / _PASSWORD, PASSWORD + "\n")
    _write(folder / _SECRET, prepared.credentials.client_secret + "\n")
    _write(folder / _DISABLED_SECRET, disabled.client_secret + "\n")
    _write(folder / _STAND_INS, _stand_ins(prepared))
    _write(folder / _MEMBERS, _members_file())
    listed = _listed(folder, settings_file, sso, prepared)
    _write(folder / FILE, "\n".join(f"# {title}\n{command}\n" for title, command in listed))
    return folder / FILE


def _listed(
    folder: Path, settings_file: Path, sso: str, prepared: SimulatorSettings
) -> list[tuple[str, str]]:
    person, disabled = GUESTS[0], prepared.disabled_client
    config = ("--config", settings_file)
    check: tuple[str | Path, ...] = (
        *("check", sso, "--redirect-uri", prepared.redirect_uri),
        *("--client-id", prepared.credentials.client_id),
        *("--client-secret-file", folder / _SECRET),
        *("--username", person.username, "--password-file", folder / _PASSWORD),
        *("--user-key", person.external_key),
    )
    if disabled is not None:
        check += ("--disabled-client-id", disabled.client_id)
        check += ("--disabled-client-secret-file", folder / _DISABLED_SECRET)
    recording = folder / "calls.recording"
    replay = ("replay", recording, sso, "--stand-ins", folder / _STAND_INS)
    return [
        ("Check it as LINE WORKS would use it", _command(*check)),
        (
            "Fill the keys into the file of the Developer Console",
            _command("keys", "fill", folder / _MEMBERS, "--client", "Demo", *config),
        ),
        ("Which keys would be written by the API", _command("keys", "sync", "--dry-run", *config)),
        ("Write them", _command("keys", "sync", "--folder", folder, *config)),
        ("Why can't she get in?", _command("trace", JOINER.username, *config)),
        (
            "Record the calls of two minutes; meanwhile, sign in with the simulator, or check",
            _command("record", recording, "--reason", "a trial", "--for", "2m", *config),
        ),
        ("Send them again, and compare the answers", _command(*replay)),
    ]


def _command(*words: str | Path) -> str:
    program = Path(sys.executable).with_name("worksgate")
    return join(str(word) for word in (program, *words))


def _members_file() -> str:
    """What the Developer Console would give: with a byte order mark, and CRLF."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(("Name", "LINE WORKS Account", "External Key"))
    rows.writerows((each.name, each.email, each.external_key or "") for each in members())
    return "\ufeff" + text.getvalue()


def _stand_ins(prepared: SimulatorSettings) -> str:
    """The client and the people of a replay (docs/record-and-replay.md)."""
    client = prepared.credentials
    person = GUESTS[0]
    return (
        f'[[client]]\nclient_id = "{client.client_id}"\nclient_secret = "{client.client_secret}"\n'
        f'redirect_uri = "{prepared.redirect_uri}"\n\n'
        f'[[person]]\nusername = "{person.username}"\npassword = "{PASSWORD}"\n'
        f'works_id = "{person.works_account}"\n'
    )


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner can read, in place of that of an earlier start."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(file, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        opened.write(text)
