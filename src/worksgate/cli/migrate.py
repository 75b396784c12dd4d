"""``worksgate migrate``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import config_option, json_option
from worksgate.cli.printing import print_json, print_line
from worksgate.cli.running import read_settings, run

if TYPE_CHECKING:
    from worksgate.database.migrations.plan import Plan

WORK_TO_DO = 3
"""The exit code of a check that has found something to do: neither a refusal nor wrong usage."""

_LOCKS = {
    "none": "does not lock tables that are in use",
    "brief": "locks tables briefly",
    "rewrite": "rewrites a table, and blocks its users meanwhile",
}


@click.command("migrate")
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; show what is due. The exit code is 3 if anything is.",
)
@config_option
@json_option
def migrate(*, check: bool, config: Path | None, as_json: bool) -> None:
    """Migrate the database to this version.

    On SQLite the server does so itself at startup.
    """
    if check:
        _check(config, as_json=as_json)
        return
    from worksgate.database.migrations import migrate as migrate_database

    revision = run(migrate_database(read_settings(config).database_url))
    if as_json:
        print_json({"revision": revision})
    else:
        print_line(f"The database is at revision {revision}.")


def _check(config: Path | None, *, as_json: bool) -> None:
    from worksgate.database.migrations.plan import plan

    found = run(plan(read_settings(config).database_url))
    if as_json:
        print_json(_document(found))
    elif found.is_up_to_date:
        print_line(f"The database is at revision {found.revision}; there is nothing to do.")
    else:
        _print_plan(found)
    if not found.is_up_to_date:
        sys.exit(WORK_TO_DO)


def _document(plan: "Plan") -> dict[str, object]:
    return {
        "revision": plan.revision,
        "newest": plan.newest,
        "up_to_date": plan.is_up_to_date,
        "expands": plan.expands,
        "steps": [
            {
                "revision": step.revision,
                "description": step.description,
                "expands": step.expands,
                "locks": step.locks.value,
                "statements": list(step.statements),
            }
            for step in plan.steps
        ],
    }


def _print_plan(plan: "Plan") -> None:
    present = "has no tables yet" if plan.revision is None else f"is at revision {plan.revision}"
    print_line(f"The database {present}; this version needs {plan.newest}.")
    print_line(
        "It only adds: servers of the previous version can run during and after the migration."
        if plan.expands
        else "It removes something: stop the servers of the previous version first."
    )
    for step in plan.steps:
        print_line()
        print_line(f"{step.revision}: {step.description}")
        print_line(f"  It {_LOCKS[step.locks.value]}.")
        for statement in step.statements:
            for line in f"{statement};".splitlines():
                print_line(f"  {line}".rstrip())
    print_line()
    print_line("To migrate, run: worksgate migrate")
