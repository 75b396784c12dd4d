"""Sends people links with which they choose a password, in the name of an administrator."""

from worksgate.administration.errors import Refused
from worksgate.administration.users import UserAdministration
from worksgate.clients.companies import Companies
from worksgate.mail import Mailer, MailUnavailable
from worksgate.provider.account.reset_requests import MailTexts
from worksgate.provider.account.values import Languages
from worksgate.sources import Person


class ResetMails:
    """Sends them in the language that a person has chosen, or else in ``language``.

    A link is valid for ``lifetime`` seconds.
    Nobody but the person sees the link: it is neither shown nor kept.
    """

    def __init__(
        self,
        mailer: Mailer,
        texts: MailTexts,
        companies: Companies,
        languages: Languages,
        language: str,
        lifetime: float,
    ) -> None:
        self._mailer = mailer
        self._texts = texts
        self._companies = companies
        self._languages = languages
        self._language = language
        self._lifetime = lifetime

    async def send(self, users: UserAdministration, username: str) -> None:
        """Send one. Raises NotFound, Forbidden, Refused or StoreUnavailable."""
        person = await _reachable(users, username)
        link = await users.issue_reset_link(person.username, mailed=True)
        # A link is void once the address has changed: so it goes to the one that it was made for.
        person = await _reachable(users, person.username)
        company = await self._companies.of(person.subject_id)
        language = await self._languages.language(person.subject_id) or self._language
        message = self._texts.reset_link(person, link, self._lifetime, language, company)
        if message is None:
            raise Refused("the mail address is not valid")
        try:
            await self._mailer.send(message)
        except MailUnavailable as error:
            raise Refused(str(error)) from None


async def _reachable(users: UserAdministration, username: str) -> Person:
    """Whom a link may be sent to. Raises as ``ResetMails.send``."""
    account = await users.get_to_change(username)
    if not account.email:
        raise Refused("there is no mail address")
    return account.person
