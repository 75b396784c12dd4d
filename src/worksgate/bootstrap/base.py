"""What everything else of an installation is built on."""

from dataclasses import dataclass

from worksgate.bootstrap.stores import Clock
from worksgate.directory.audit.writer import AuditWriter
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store


@dataclass(frozen=True, slots=True)
class Base:
    """The resources on which everything else is built."""

    settings: Settings
    directory: Directory
    store: Store
    audit_writer: AuditWriter
    clock: Clock
