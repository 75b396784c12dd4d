"""First passwords for people imported without one, and the file that contains them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from worksgate.administration.people_import.columns import ImportOutcome, ImportReport
from worksgate.cli.people_file import csv_line, save_privately
from worksgate.credentials.usernames import username_key
from worksgate.directory import Account
from worksgate.directory.account_rules import generated_password

Rows = Sequence[dict[str | None, str]]


def give_passwords(rows: Rows, accounts: Iterable[Account]) -> dict[int, str]:
    """Add a new password to each row whose person has none and whose row sets none.

    Returns the passwords by row number.
    """
    settled = {username_key(each.username) for each in accounts if each.password_hash is not None}
    made: dict[int, str] = {}
    for number, row in enumerate(rows):
        name = username_key(row["username"].strip())
        has_hash = bool(row.get("password_hash", "").strip())
        if not row.setdefault("password", "") and not has_hash and name not in settled:
            made[number] = row["password"] = generated_password()
    return made


def save_passwords(file: Path, rows: Rows, passwords: dict[int, str]) -> None:
    """Write usernames and passwords as CSV, readable by its owner only."""
    lines = [
        csv_line((rows[number]["username"].strip(), password))
        for number, password in passwords.items()
    ]
    save_privately(file, "".join([csv_line(("username", "password")), *lines]).encode())


def passwords_in_use(passwords: dict[int, str], report: ImportReport) -> dict[int, str]:
    """The passwords of the rows that were added or updated."""
    changed = (ImportOutcome.ADDED, ImportOutcome.UPDATED)
    return {
        number: password
        for number, password in passwords.items()
        if report.rows[number].outcome in changed
    }
