"""What ``migrate`` would do: the missing revisions, in words and as SQL. Changes nothing.

Each file in ``versions`` states, in a sentence, its purpose (``description``), whether it only adds
(``expands``: then processes of this and the previous release can run side by side), and for how
long it locks tables (``locks``). From ``0003`` on it also states the oldest revision whose program
can still use the database (``serves``), and stores that.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from worksgate.database.engines import driver_url, open_engines, outages
from worksgate.database.migrations import (
    FOLDER,
    HEAD,
    SchemaTooNew,
    is_newer_and_serves,
    revision_of,
    unknown_revision,
)


class Locks(StrEnum):
    """How long a revision locks tables that are in use.

    ``none``: it creates tables that nobody uses yet. ``brief``: columns and indexes are added, in
    milliseconds regardless of the number of rows, except for indexes on the directory's own tables,
    which are small. ``rewrite``: a table is rewritten, and its users have to wait.
    """

    NONE = "none"
    BRIEF = "brief"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class Step:
    """One missing revision."""

    revision: str
    description: str
    expands: bool
    locks: Locks
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """From the current revision, None for a database without tables, to the newest."""

    revision: str | None
    newest: str
    steps: tuple[Step, ...]

    @property
    def is_up_to_date(self) -> bool:
        return not self.steps

    @property
    def expands(self) -> bool:
        """Whether processes of the previous release can run during and after the migration."""
        return all(step.expands for step in self.steps)


async def plan(database_url: str) -> Plan:
    """What is missing in a database; a nonexistent one lacks everything.

    Raises SchemaTooNew, DatabaseUnavailable, or ValueError for an unusable address.
    """
    url = driver_url(database_url)
    if url.get_backend_name() == "sqlite" and not _is_file(url.database):
        return Plan(None, HEAD, tuple(_steps(None, "sqlite")))
    engines = open_engines(database_url)
    try:
        with outages():
            async with engines.read.connect() as connection:
                present = await connection.run_sync(revision_of)
                if await connection.run_sync(is_newer_and_serves):
                    return Plan(present, HEAD, ())
    finally:
        await engines.close()
    return Plan(present, HEAD, tuple(_steps(present, url.get_backend_name())))


def known_revisions() -> list[str]:
    """All revisions, the oldest first."""
    return [script.revision for script in _scripts()]


def _steps(present: str | None, dialect: str) -> Iterator[Step]:
    scripts = _scripts()
    known = [script.revision for script in scripts]
    if present is not None and present not in known:
        raise SchemaTooNew(unknown_revision(present))
    for script in scripts[0 if present is None else known.index(present) + 1 :]:
        yield Step(
            revision=script.revision,
            description=script.module.description,
            expands=script.module.expands,
            locks=Locks(script.module.locks),
            statements=tuple(_statements(script.module, dialect)),
        )


def _scripts() -> list[Any]:
    """The files in ``versions``, the oldest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return list(ScriptDirectory.from_config(config).walk_revisions())[::-1]


def _statements(module: Any, dialect: str) -> Iterator[str]:
    """The SQL of a revision, as Alembic generates it offline."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        module.upgrade()
    for statement in written.getvalue().split(";\n"):
        if statement.strip():
            yield statement.strip()


def _is_file(name: str | None) -> bool:
    from pathlib import Path

    return name is not None and Path(name).exists()
