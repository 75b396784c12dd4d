"""``worksgate init``: settings, a database, and the first administrator or the link for one."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
    from worksgate.administration import Administration, NewUser

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
@click.option(
    "--console-port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="Serve the administrators' console, at this port.",
)
@click.option("--console-url", metavar="URL", help="The URL at which administrators reach it.")
@click.option(
    "--owner", metavar="USERNAME", help="Make the console's owner here, instead of by a link."
)
@password_option
@force_option
def init(
    *,
    config: Path | None,
    public_url: str | None,
    database_url: str | None,
    administrator: str | None,
    console_port: int | None,
    console_url: str | None,
    owner: str | None,
    password_stdin: bool,
    force: bool,
) -> None:
    """Create settings, a key, a database and an administrator.

    With a console, the one-time link for its first owner is printed instead. The master key
    encrypts secrets in the database; its file is next to the settings file. The settings file names
    the database, and every other option as a comment. Missing values are prompted for. Nothing is
    written if anything is refused.
    """
    if owner is not None and administrator is not None:
        raise click.UsageError("pass --owner or --administrator, not both")
    file = config or Path(os.environ.get(configuration.CONFIG_VARIABLE) or configuration.FILE_NAME)
    if file.exists() and not force:
        raise Refusal(f"{file} exists; --force replaces it")
    chosen = _ask_for_what_is_missing(_checked("public_url", public_url))
    console_url = _checked("console_url", console_url)
    has_console = console_port is not None or is_in_environment("console_port")
    first = _first(administrator, owner, has_console=has_console)
    if first is None and password_stdin:
        raise click.UsageError("--password-stdin is for --owner or --administrator")
    database = _checked("database_url", database_url)
    given: dict[str, str | int | None] = {
        "public_url": chosen,
        "database_url": database or _database(),
        "console_port": console_port,
        "console_url": console_url,
    }
    values = {name: value for name, value in given.items() if value is not None}
    is_private = database is not None
    with ended_in_order(), _master_key(file) as named:
        made = _make(file, values | named, first, from_stdin=password_stdin, is_private=is_private)
    _report(file, made, has_key=bool(named))


@dataclass(frozen=True, slots=True)
class _First:
    """Whom to add: an owner of the console, or an administrator without a role in it."""

    username: str
    is_owner: bool


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made: somebody, or the link with which somebody begins."""

    first: _First | None
    user: "NewUser | None" = None
    link: str | None = None


def _report(file: Path, made: _Made, *, has_key: bool) -> None:
    if made.user is None or made.first is None:
        print_line(f"Wrote {file}.")
    else:
        what = "the owner of the console" if made.first.is_owner else "an administrator"
        print_line(f"Wrote {file}, and made {made.user.account.username} {what}.")
    if has_key:
        print_line(f"Keep a copy of {file.with_name(KEY_FILE)}, separate from the backups.")
    if made.user is not None and made.user.password is not None:
        print_facts({"Password": made.user.password})
        print_line("It is shown only once.")
    if made.link is not None:
        print_line("The console's first owner begins here, once and within half an hour:")
        print_line(made.link)
        note("Start worksgate serve first. Another link: worksgate admin link")
    elif made.first is not None and made.first.is_owner:
        note("The owner sets up an authenticator app at their account page before the console.")
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
    file: Path,
    values: Mapping[str, str | int],
    first: _First | None,
    *,
    from_stdin: bool,
    is_private: bool,
) -> _Made:
    """Write the settings file and create database and administrator; all or nothing."""
    remove_abandoned(file.parent)
    with ExitStack() as stack:
        with naming(file):
            draft = stack.enter_context(written_beside(file))
            draft.write_text(template(values), "utf-8")
            draft.chmod((0o600 if is_private else 0o644) & ~_umask())
        made = _make_database(draft, file, first, from_stdin=from_stdin)
        draft.replace(file)
    return made


def _make_database(draft: Path, file: Path, first: _First | None, *, from_stdin: bool) -> _Made:
    try:
        settings = read_settings(draft)
    except configuration.ConfigurationError as error:
        problems = [problem.replace(str(draft), str(file)) for problem in error.problems]
        raise configuration.ConfigurationError(problems) from None
    password = None
    if first is not None:
        account = Account(id="", username=first.username)
        password = new_password(account, settings, from_stdin=from_stdin)
    elif not settings.console_port:
        raise Refusal("the console is off, so --administrator or --owner is needed")
    return administer(
        settings,
        lambda each: _begin(each, first, password, has_console=bool(settings.console_port)),
    )


async def _begin(
    administration: "Administration",
    first: _First | None,
    password: str | None,
    *,
    has_console: bool,
) -> _Made:
    """Add the administrator, and make a link if nobody is an owner of the console yet."""
    from worksgate.administration.roles import Role

    user = link = None
    if first is not None:
        user = await administration.users.add(first.username, password=password, administrator=True)
        if first.is_owner:
            await administration.administrators.set_role(first.username, Role.OWNER)
    if has_console and not (first is not None and first.is_owner):
        link = await administration.first_owner.issue_link()
    return _Made(first, user, link)


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


def _first(administrator: str | None, owner: str | None, *, has_console: bool) -> _First | None:
    """Whom to add; None if a link for the console is to do that."""
    from worksgate.directory.account_rules import check_username

    username = administrator if owner is None else owner
    if username is None and has_console:
        return None
    if username is None and not is_person_there():
        raise click.UsageError("pass --administrator USERNAME; there is no terminal to ask on")
    if username is None:
        asked = ask("Username of the first administrator", "administrator", check_username)
        return _First(asked, is_owner=False)
    try:
        return _First(check_username(username), is_owner=owner is not None)
    except ValueError as problem:
        raise Refusal(str(problem)) from None


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
