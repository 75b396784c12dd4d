"""The command line: ``worksgate``, one file for each noun.

A command reads its options, passes them to ``administration`` (or ``server``) and prints the
result; it makes no decisions. Results go to standard output, as text or with ``--json`` as one JSON
document; prompts, notes and progress go to standard error. ``main`` turns refusals of every room
into one line and exit code 1; wrong usage is 2, and 3 means that ``migrate --check`` has found
something to do.

    init, serve, demo, doctor, migrate, move, backup, purge    the installation
    check         plays LINE WORKS against any implementation
    record, replay                         what LINE WORKS sends, kept and sent again
    user, client, source, rules, key, audit, changes, admin, alert, trace, rehearse,
    line_works_api, keys                                       its content
    user_csv, user_filter, user_invite, user_leave, user_password, user_printing, user_removal,
    user_show, first_passwords, people_file, client_options, client_apply, client_branding,
    console_client, key_file, console_file, keys_sync          parts of these
    running       opens settings and database for a command
    options       options that several commands have
    asking        prompts on the terminal
    printing      tables, JSON and notes; findings: those of an examination
    refusals      every refusal of the other rooms as one line

A command is imported when it is asked for, and heavy modules by the commands that need them alone:
a server carries neither.
"""

import gc
import os
import sys
from pathlib import Path

import click

from worksgate.cli.options import CommandGroup, LazyCommands, remember_config
from worksgate.cli.refusals import sentences
from worksgate.database.core_only import leave_out_orm

leave_out_orm()  # also in workers and in the console's process, which import this module first


def _print_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:  # noqa: FBT001  # click calls it
    if asked:
        from importlib.metadata import version

        click.echo(f"worksgate {version('worksgate')}")
        context.exit()


_COMMANDS = LazyCommands(
    {
        "serve": "worksgate.cli.serve:serve",
        "demo": "worksgate.cli.demo.command:demo",
        "init": "worksgate.cli.init:init",
        "client": "worksgate.cli.client:app",
        "user": "worksgate.cli.user:app",
        "source": "worksgate.cli.source:app",
        "rules": "worksgate.cli.rules:app",
        "admin": "worksgate.cli.admin:app",
        "alert": "worksgate.cli.alert:app",
        "trace": "worksgate.cli.trace:trace",
        "rehearse": "worksgate.cli.rehearse:rehearse",
        "line-works-api": "worksgate.cli.line_works_api:app",
        "record": "worksgate.cli.record:record",
        "replay": "worksgate.cli.replay:replay",
        "audit": "worksgate.cli.audit:audit",
        "check": "worksgate.cli.check:check",
        "changes": "worksgate.cli.changes:changes",
        "doctor": "worksgate.cli.doctor:doctor",
        "purge": "worksgate.cli.purge:purge",
        "migrate": "worksgate.cli.migrate:migrate",
        "key": "worksgate.cli.key:app",
        "keys": "worksgate.cli.keys:app",
        "backup": "worksgate.cli.backup:backup",
        "restore": "worksgate.cli.backup:restore",
        "move": "worksgate.cli.move:move",
    }
)


@click.group(
    name="worksgate",
    cls=CommandGroup,
    commands=_COMMANDS,
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
    help="The settings file; can also be given after the command.",
)
def app() -> None:
    """Worksgate: the customer's side of LINE WORKS single sign-on."""


def main() -> None:
    """Run the command in ``sys.argv`` and end the process.

    Exit codes: 0 done, 1 refused with one line (one per problem of the settings) on standard error,
    2 wrong usage, 3 ``migrate --check`` has found something to do.
    """
    gc.set_threshold(10_000)  # as in server.process, before there is anything of a server
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIOWrapper
    try:
        try:
            app(prog_name="worksgate")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        for sentence in sentences(error):
            sys.stderr.write(f"worksgate: {sentence}\n")
        sys.exit(1)
