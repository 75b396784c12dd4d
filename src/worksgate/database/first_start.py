"""What a server does with its SQLite file before anything opens it."""

from worksgate.database.identity import forget_overwriting, mark_overwritten
from worksgate.database.migrations import migrate
from worksgate.database.older_copies import (
    check_not_lost,
    check_undamaged,
    difference_of,
    void_copy,
)
from worksgate.database.sqlite_file import file_of, make_room


async def prepare_file(database_url: str, now: float) -> None:
    """Create or migrate the file; what a copy of it holds for a while becomes void.

    ``now`` is in seconds since the epoch. Raises DatabaseUnavailable, also if a server had a file
    that is missing.
    """
    file = file_of(database_url)
    check_not_lost(file)
    make_room(file)
    difference = difference_of(file)
    if difference is not None:
        mark_overwritten(file)  # if this is interrupted, the next start continues
        check_undamaged(file)
    await migrate(database_url)
    if difference is not None:
        await void_copy(database_url, difference, now)
    forget_overwriting(file)
