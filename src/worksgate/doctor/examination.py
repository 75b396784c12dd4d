"""The complete examination, in the order of dependencies."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.doctor.database_check import DATABASE, examine_clients, examine_database, is_usable
from worksgate.doctor.machine_check import examine_machine
from worksgate.doctor.public_address_check import examine_public_address
from worksgate.doctor.sentences import said
from worksgate.doctor.settings_check import examine_settings
from worksgate.doctor.source_check import examine_source
from worksgate.doctor.store_check import examine_store
from worksgate.settings.options import Settings

MAIL = said("mail")


async def examine(
    settings: Settings, file: Path | None, *, if_missing: str
) -> AsyncIterator[Finding]:
    """Everything that can be examined from here.

    ``file`` is the settings file, if any, and ``if_missing`` the advice if there is no database.
    """
    for finding in examine_settings(settings, file):
        yield finding
    async for finding in examine_public_address(settings):
        yield finding
    database = settings.database_file
    if database is not None:
        for finding in examine_machine(database):
            yield finding
    found = list(_missing(database, if_missing)) or [
        each async for each in examine_database(settings)
    ]
    for finding in found:
        yield finding
    usable = is_usable(found)
    if settings.store_url or (usable and database is None):  # an SQLite file has just been checked
        yield await examine_store(settings)
    if usable:  # clients are in the database, wherever the store is
        async for finding in _examine_contents(settings):
            yield finding
    for source in settings.all_sources:
        if not source.is_built_in:  # the store is in the database
            async for finding in examine_source(settings, source):
                yield finding
    if settings.smtp_url:
        yield await _examine_mail(settings)


def _missing(database: Path | None, advice: str) -> Iterator[Finding]:
    if database is not None and not database.exists():
        yield fail(DATABASE, said("there is none at %(file)s", file=database), advice)


async def _examine_contents(settings: Settings) -> AsyncIterator[Finding]:
    """What the clients in a database of this version need."""
    from worksgate.bootstrap.administration import open_administration

    async with open_administration(settings) as administration:
        clients = await administration.clients.all()
    for finding in examine_clients(clients, settings):
        yield finding


async def _examine_mail(settings: Settings) -> Finding:
    from worksgate.mail import Mailer, MailUnavailable

    mailer = Mailer(settings.smtp_url, settings.mail_from)
    try:
        await mailer.ping()
    except MailUnavailable as error:
        advice = said("check smtp_url, and whether the mail server is up")
        return warn(MAIL, str(error), advice)
    finally:
        await mailer.close(0)
    return ok(MAIL, said("the mail server can be reached"))
