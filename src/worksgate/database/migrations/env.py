"""Alembic's entry point: it runs on the connection and in the transaction of ``migrate``."""

from typing import Literal

from alembic import context

from worksgate.database.schema import metadata


def is_ours(
    name: str | None,
    kind: Literal[
        "schema",
        "table",
        "column",
        "index",
        "unique_constraint",
        "foreign_key_constraint",
        "check_constraint",
    ],
    _parents: object,
) -> bool:
    """The store's tables share the database, but are not part of the directory's metadata."""
    return kind != "table" or name in metadata.tables


def run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        include_name=is_ours,
        transactional_ddl=True,  # SQLite can, though Alembic does not expect it
    )
    with context.begin_transaction():
        context.run_migrations()


run()
