"""Bulk import of people from the rows of a file."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from worksgate.administration.actor import Actor
from worksgate.administration.errors import refusals
from worksgate.administration.people_import.columns import ImportReport, ImportRow, Reader
from worksgate.administration.people_import.importer import Importer, ImportOptions
from worksgate.administration.revoking import Revoker
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory

IMPORT_BATCH = 200
"""Rows per transaction: the server's own writes get their turn in between."""

T = TypeVar("T")


class ImportAdministration:
    """The import of people; it may raise Unfinished.

    ``company`` is a name of which no password may be made (R-72).
    """

    def __init__(
        self,
        directory: Directory,
        hashing: PasswordHashing,
        revoker: Revoker,
        actor: Actor,
        *,
        company: str,
    ) -> None:
        self._directory = directory
        self._hashing = hashing
        self._revoker = revoker
        self._actor = actor
        self._company = company

    async def run(
        self,
        rows: Iterable[Mapping[Any, Any]],
        *,
        dry_run: bool,
        update: bool = False,
        reuse_retired_keys: bool = False,
        temporary: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Add people, and with ``update`` change existing ones; the report is row by row.

        ``rows`` are a CSV file's, as read by ``csv.DictReader`` (see ``columns`` for the columns).
        A refused row does not stop others. ``temporary`` is for the passwords of the file, not for
        hashes. ``progress`` gets the number of rows done after each batch. Raises Refused if the
        columns are wrong; nothing has happened then. After any other exception the previous batches
        are kept: import the file again.
        """
        options = ImportOptions(
            dry_run=dry_run,
            update=update,
            reuse_retired_keys=reuse_retired_keys,
            temporary=temporary,
            company=self._company,
        )
        importer = Importer(self._directory, self._hashing, options, self._actor)
        report: list[ImportRow] = []
        for batch in _batches(Reader().read(rows), IMPORT_BATCH):
            imported = await importer.run(batch)
            report += imported.rows
            if not dry_run:
                for account in imported.must_sign_in:
                    if account.enabled:
                        await self._revoker.sign_out(account.person)
                    else:
                        await self._revoker.end_everything(account.person, Change.ACCOUNT_CLOSED)
                await self._revoker.end_issued_to(imported.former_owners)
            if progress is not None:
                progress(len(report))
        return ImportReport(tuple(report), dry_run)


def _batches(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    """Rows in lists of at most ``size``. Problems of the columns are Refused."""
    while True:
        with refusals():
            batch = list(islice(rows, size))
        if not batch:
            return
        yield batch
