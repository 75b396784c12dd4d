"""The command line: ``worksgate``, one file for each noun.

A command reads its options, hands them to ``administration`` (or ``server``) and prints what
comes back; it decides nothing. Results go to standard output, as text or with ``--json`` as one
JSON document; questions, notes and progress go to standard error. Refusals of every room become
one line and exit code 1 here, in ``main``; wrong usage is 2, and 3 says that ``migrate --check``
has found something to do.

    init, serve, demo, doctor, migrate, move, backup, purge    the installation
    user, client, source, rules, key, audit                    what is in it
    user_csv, user_filter, user_invite, user_printing, first_passwords, people_file,
    client_options, key_file                                   parts of these
    running       opens what a command works on
    options       options that several commands have
    asking        questions on the terminal
    printing      tables, JSON and notes; findings: those of an examination
    refusals      every refusal of the other rooms as one line

Nothing heavy is imported before a command needs it: ``worksgate --help`` is quick, and the server
carries nothing of the command line but click, which uvicorn brings along anyway.
"""

import os
import sys
from pathlib import Path

import click

from worksgate.cli import (
    audit,
    backup,
    client,
    doctor,
    init,
    key,
    migrate,
    move,
    purge,
    rules,
    serve,
    source,
    user,
)
from worksgate.cli.demo import command as demo
from worksgate.cli.options import CommandGroup, remember_config
from worksgate.cli.refusals import sentences


def _print_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:  # noqa: FBT001  # click calls it
    if asked:
        from importlib.metadata import version

        click.echo(f"worksgate {version('worksgate')}")
        context.exit()


@click.group(
    name="worksgate",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    expose_value=False,
    callback=remember_config,
    help="The settings file; it can be given after the command as well.",
)
def app() -> None:
    """Worksgate: the customer's side of LINE WORKS single sign-on."""


for command in (
    serve.serve,
    demo.demo,
    init.init,
    client.app,
    user.app,
    source.app,
    rules.app,
    audit.audit,
    doctor.doctor,
    purge.purge,
    migrate.migrate,
    key.app,
    backup.backup,
    backup.restore,
    move.move,
):
    app.add_command(command)


def main() -> None:
    """Run the command that ``sys.argv`` asks for; ends the process.

    Exit code 0 done, 1 refused with one clear line (one for each problem of the settings) on
    standard error, 2 wrong usage, 3 ``migrate --check`` has found something to do.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper
    try:
        try:
            app(prog_name="worksgate")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        for sentence in sentences(error):
            sys.stderr.write(f"worksgate: {sentence}\n")
        sys.exit(1)
