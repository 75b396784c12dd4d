"""All tables of the database, and which of them are persistent: for copies of a database.

The short-lived ones are the store's: codes, tokens, sessions, counters. The migrations create them,
so the list is here.
"""

from collections.abc import Mapping

from sqlalchemy import Table, TableClause, column, table

from worksgate.database import schema
from worksgate.database.artifact_tables import COUNTERS, TABLES
from worksgate.oauth.model import (
    ARTIFACT_KINDS,
    AuthorizationCode,
    Interim,
    Redeemable,
    RefreshToken,
)

REVISION_TABLE = "alembic_version"

_OF_ADMINISTRATORS = (
    schema.console_sessions,
    schema.first_links,
    schema.console_invitations,
    schema.deployer_tokens,
)
"""Sessions, one-time links and tokens: what has ended must not come back with a backup."""

LASTING: tuple[Table, ...] = tuple(
    each
    for each in schema.metadata.sorted_tables
    if each
    not in (
        *(schema.keys, schema.installation, schema.leases, schema.compatibility),
        *_OF_ADMINISTRATORS,
    )
)
"""The persistent tables, in the order of foreign keys: people, clients, factors, the audit log.

The server's keys are not included: they sign short-lived data, and a server without them creates
new ones. Nor is the ID of the installation: another database is another installation."""

NUMBERED: tuple[tuple[str, str], ...] = tuple(
    (each.name, each.c[0].name)
    for each in LASTING
    if each.dialect_options["sqlite"]["autoincrement"]
)
"""The tables whose rows the database numbers, and the column; no number is given twice."""

ARTIFACTS: Mapping[str, TableClause] = {
    TABLES[kind.kind]: table(
        TABLES[kind.kind],
        *map(column, kind.__struct_fields__),
        *([column("used")] if issubclass(kind, Redeemable) else []),
    )
    for kind in ARTIFACT_KINDS.values()
}
"""The store's tables of artifacts by name, in the order of ``oauth.model``."""

COUNTER_TABLE: TableClause = table(COUNTERS, column("name"), column("value"), column("expires_at"))

SINGLE_USE = (TABLES[AuthorizationCode.kind], TABLES[RefreshToken.kind])
"""Artifacts that work once, and are remembered after their use."""

INTERIMS = TABLES[Interim.kind]

SHORT_LIVED: tuple[str, ...] = (
    *ARTIFACTS,
    COUNTERS,
    schema.leases.name,
    *(each.name for each in _OF_ADMINISTRATORS),
)
"""The names of the tables whose content does not survive a restore."""

VOIDED: tuple[str, ...] = (*SHORT_LIVED, schema.keys.name)
"""The same, and the keys of the stores: what no backup contains, and no older copy keeps."""

ALL: tuple[str, ...] = (
    *(each.name for each in LASTING),
    schema.keys.name,
    schema.installation.name,
    *SHORT_LIVED,
    schema.compatibility.name,
    REVISION_TABLE,
)
"""The names of all tables."""
