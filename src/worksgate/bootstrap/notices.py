"""E-mail, and notices of changes that the directory announces."""

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from worksgate.clients.companies import Companies
from worksgate.clients.registry import ClientRegistry
from worksgate.directory.client_list import ClientList
from worksgate.directory.credential_changes import CredentialChange
from worksgate.directory.database import Directory
from worksgate.provider.account.notices import SILENT, Links, Notices, Outcome, Report
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.mail import Mailer
    from worksgate.web.pages.mails import Mails

    Mail = tuple[Mailer, Mails] | tuple[None, None]


def open_mail(settings: Settings, stack: AsyncExitStack) -> "Mail":
    """The sender and writer of e-mail, if e-mail is configured; otherwise nothing is imported."""
    if not settings.smtp_url:
        return None, None
    from worksgate.mail import Mailer
    from worksgate.web.pages.mails import Mails

    mailer = Mailer(settings.smtp_url, settings.mail_from, name=settings.company_name)
    stack.push_async_callback(mailer.close)
    return mailer, Mails(settings)


def open_notices(
    directory: Directory,
    mail: "Mail",
    links: Links | None,
    report: Report,
    stack: AsyncExitStack,
    companies: Companies | None = None,
) -> None:
    """Send notices of changes that the directory announces, or ``report`` that none is sent.

    ``companies`` are those of the clients that are in memory already, if they are.
    """
    mailer, mails = mail
    if mailer is None or mails is None:
        directory.announce = partial(_report_no_mail, report)
        return
    notices = Notices(
        directory,
        mailer,
        mails,
        links,
        report,
        companies or companies_of(directory),
        directory.preferences,
    )
    stack.push_async_callback(notices.close)
    directory.announce = notices.notify


def companies_of(directory: Directory) -> Companies:
    """The names of companies, read from the directory when they are needed: mails are few."""
    listed = ClientList(directory)
    return Companies(ClientRegistry(listed.read, brandings=listed.brandings, max_age=0.0))


def _report_no_mail(report: Report, change: CredentialChange) -> None:
    if change.change not in SILENT:
        report(Outcome.NO_MAIL)
