"""``worksgate init``: a settings file, a database, and the first administrator."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.asking import ask, is_person_there, new_password
from worksgate.cli.key_file import write_key
from worksgate.cli.options import force_option, init_config_option, password_option
from worksgate.cli.printing import note, print_facts, print_line
from worksgate.cli.refusals import Refusal, naming
from worksgate.cli.running import administer, ended_in_order, is_in_environment, read_settings
from worksgate.database.temporary_files import remove_abandoned, written_beside
from worksgate.directory import Account
from worksgate.settings import loading as configuration
from worksgate.settings.checks import public_url as public_url_of
from worksgate.settings.options import FIELDS, Settings
from worksgate.settings.reference import template

if TYPE_CHECKING:
    from worksgate.administration import NewUser

KEY_FILE = "master.key"
"""The name of the master key file, next to the settings file."""


@click.command("init")
@init_config_option
@click.option(
    "--public-url",
    metavar="URL",
    help="The URL at which people and LINE WORKS will reach this server.",
)
@click.option("--database-url", metavar="URL", help="The database to use.")
@click.option("--administrator", metavar="USERNAME", help="Username of the first administrator.")
@password_option
@force_option
def init(
    *,
    config: Path | None,
    public_url: str | None,
    database_url: str | None,
    administrator: str | None,
    password_stdin: bool,
    force: bool,
) -> None:
    """Create settings, a key, a database and an administrator.

    The master key encrypts secrets in the database; its file is next to the settings file. An
    administrator is marked for the administration console, which is planned. The settings file
    names the database, and every other option as a comment. Missing values are prompted for.
    Nothing is written if anything is refused.
    """
    file = config or Path(os.environ.get(configuration.CONFIG_VARIABLE) or configuration.FILE_NAME)
    if file.exists() and not force:
        raise Refusal(f"{file} exists; --force replaces it")
    chosen = _ask_for_what_is_missing(_checked("public_url", public_url))
    username = _administrator(administrator)
    database = _checked("database_url", database_url)
    given = {"public_url": chosen, "database_url": database or _database()}
    values = {name: value for name, value in given.items() if value is not None}
    is_private = database is not None
    with ended_in_order(), _master_key(file) as named:
        made = _make(
            file, values | named, username, from_stdin=password_stdin, is_private=is_private
        )
    print_line(f"Wrote {file}, and made {made.account.username} an administrator.")
    if named:
        print_line(f"Keep a copy of {file.with_name(KEY_FILE)}, separate from the backups.")
    if made.password is not None:
        print_facts({"Password": made.password})
        print_line("It is shown only once.")
    note("Next: worksgate client add NAME, worksgate user add USERNAME, worksgate serve")


@contextmanager
def _master_key(file: Path) -> Iterator[dict[str, str]]:
    """Create a master key next to the settings file, unless one exists or a variable names one.

    An existing key may be needed for secrets: it is used, and never replaced. Yields the setting
    for the file; a new key is removed again if the block fails.
    """
    if is_in_environment("master_key"):
        yield {}
        return
    key_file = file.with_name(KEY_FILE)
    is_new = not key_file.exists()
    if is_new:
        with naming(file):
            write_key(key_file)
    try:
        yield {"master_key_file": KEY_FILE}
    except BaseException:
        if is_new:
            key_file.unlink(missing_ok=True)
        raise


def _make(
    file: Path, values: dict[str, str], username: str, *, from_stdin: bool, is_private: bool
) -> "NewUser":
    """Write the settings file and create database and administrator; all or nothing."""
    remove_abandoned(file.parent)
    with ExitStack() as stack:
        with naming(file):
            draft = stack.enter_context(written_beside(file))
            draft.write_text(template(values), "utf-8")
            draft.chmod((0o600 if is_private else 0o644) & ~_umask())
        made = _make_database(draft, file, username, from_stdin=from_stdin)
        draft.replace(file)
    return made


def _make_database(draft: Path, file: Path, username: str, *, from_stdin: bool) -> "NewUser":
    try:
        settings = read_settings(draft)
    except configuration.ConfigurationError as error:
        problems = [problem.replace(str(draft), str(file)) for problem in error.problems]
        raise configuration.ConfigurationError(problems) from None
    account = Account(id="", username=username)
    password = new_password(account, settings, from_stdin=from_stdin)
    return administer(
        settings,
        lambda administration: administration.users.add(
            username, password=password, administrator=True
        ),
    )


def _checked(name: str, value: str | None) -> str | None:
    """The value of an option, resolved: a relative path is relative to the working folder.

    Raises Refusal.
    """
    try:
        return None if value is None else str(FIELDS[name].metadata["check"](value))
    except ValueError as problem:
        raise Refusal(f"--{name.replace('_', '-')}: {problem}") from None


def _database() -> str | None:
    """A database next to the settings file; None if the environment decides."""
    return None if is_in_environment("database_url") else Settings().database_url


def _ask_for_what_is_missing(public_url: str | None) -> str | None:
    """The public address; None if the environment or the default decides."""
    if public_url is not None or "WORKSGATE_PUBLIC_URL" in os.environ or not is_person_there():
        return public_url
    default = "http://127.0.0.1:8080"
    sentence = "The URL at which people will reach this server"
    return ask(sentence, default, public_url_of)


def _administrator(username: str | None) -> str:
    from worksgate.directory.account_rules import check_username

    if username is None and not is_person_there():
        raise click.UsageError("pass --administrator USERNAME; there is no terminal to ask on")
    if username is None:
        return ask("Username of the first administrator", "administrator", check_username)
    try:
        return check_username(username)
    except ValueError as problem:
        raise Refusal(str(problem)) from None


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
