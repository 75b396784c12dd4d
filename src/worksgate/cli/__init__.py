"""The command line: ``worksgate``, one file for each noun.

A command reads its options, hands them to ``administration`` (or ``bootstrap``) and prints what
comes back; it decides nothing. Results go to standard output, as text or with ``--json`` as one
JSON document; questions, notes and progress go to standard error. Refusals of every room become
one line and exit code 1 here, in ``main``; wrong usage is 2.

Nothing heavy is imported before a command needs it: ``worksgate --help`` is quick.
"""

import os
import sys
from typing import Annotated

import typer

from worksgate.cli import audit, client, database, demo, init, serve, user
from worksgate.cli.refusals import sentences

app = typer.Typer(
    name="worksgate",
    help="Worksgate: the customer's side of LINE WORKS single sign-on.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help needs no rich, and a screen reader or a pipe likes it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001
    if asked:
        from importlib.metadata import version

        typer.echo(f"worksgate {version('worksgate')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.add_typer(client.app, name="client")
app.add_typer(user.app, name="user")
app.command("migrate")(database.migrate)
app.command("purge")(database.purge)
app.command("audit")(audit.audit)


def main() -> None:
    """Run the command that ``sys.argv`` asks for; ends the process.

    Exit code 0 done, 1 refused with one clear line (one for each problem of the settings) on
    standard error, 2 wrong usage.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        for sentence in sentences(error):
            sys.stderr.write(f"worksgate: {sentence}\n")
        sys.exit(1)
