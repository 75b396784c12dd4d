"""Sign-ins and lookups on the servers of one directory, in the caller's thread.

Every sign-in ends with a bind as the person, on the entry from which the rest is read (R-87): with
a service account the entry is looked up first; without one the person binds under a name, looks up
their own entry, and binds again as exactly that entry.
"""

import time
from collections.abc import Callable, Generator

import structlog

from worksgate.observability.rate_limited_warning import RateLimitedWarning
from worksgate.settings.sources.ldap import LdapSettings, Server
from worksgate.sources import (
    ListedPerson,
    PasswordExpired,
    Person,
    PersonDisabled,
    PersonNotAllowed,
    SourceFinding,
)
from worksgate.sources.ldap.connection import Budget, Entry, LdapConnection, Terms, TooMany
from worksgate.sources.ldap.examination import Examination
from worksgate.sources.ldap.filters import (
    filter_for_id,
    filter_for_name,
)
from worksgate.sources.ldap.groups import groups_of, is_in_required_group
from worksgate.sources.ldap.listing import Listing
from worksgate.sources.ldap.people import (
    AccountStatus,
    answers_to,
    attributes_of,
    bind_name,
    guess_key,
    id_of,
    person_of,
    spellings,
    status_of_bind,
    status_of_entry,
    warn_of_unusable_keys,
)
from worksgate.sources.ldap.servers import Servers, ServiceAccount
from worksgate.sources.sentences import said

_log = structlog.get_logger("worksgate.sources.ldap")


class LdapLookup:
    """Queries of a directory. Safe to use from several threads.

    All methods raise ServerDown if no server has responded within its budget.
    """

    def __init__(
        self, settings: LdapSettings, terms: Terms, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._terms = terms
        self._clock = clock
        self._servers = Servers(settings)
        self._service = ServiceAccount(settings, terms)
        self._attributes = attributes_of(settings)
        self._listing = Listing(settings, self._servers, self._service, clock)
        # Unauthenticated callers can type such names as often as they like.
        self._differs = RateLimitedWarning("ldap.username_differs")
        self._ambiguous = RateLimitedWarning("ldap.ambiguous")

    def guess_key(self, username: str) -> str:
        """The same text for all names that a direct bind takes for this one."""
        return guess_key(self._settings, username)

    def seek(self, username: str, budget: Budget) -> Entry | None:
        """The one entry of a username, if there is one. Requires a service account."""
        return self._servers.try_each(
            budget,
            lambda server, part: self._service.work(
                server, part, lambda service: self._entry(service, username)
            ),
        )

    def id_of(self, entry: Entry) -> str:
        """An identifier that is the same for all names of an entry."""
        return id_of(entry, self._settings) or entry.dn

    def check(
        self,
        username: str,
        entry: Entry | None,
        password: str,
        admitted: bool,  # noqa: FBT001  # partial applies it
        budget: Budget,
    ) -> Person | None:
        """Return the person whose password this is, or None.

        ``entry`` is the result of ``seek``, None also for a direct bind. If not ``admitted``, it
        costs a bind in vain. Raises PersonDisabled, after the password was right.
        """
        if not admitted:
            return self._servers.try_each(
                budget, lambda server, part: self._refused(server, part, password)
            )
        if self._settings.direct_bind:
            return self._servers.try_each(
                budget,
                lambda server, part: self._sign_in_directly(server, part, username, password),
            )
        return self._servers.try_each(
            budget, lambda server, part: self._sign_in_as(server, part, entry, username, password)
        )

    def find(self, subject: str, budget: Budget) -> Person | None:
        """The current state of the person with this ID, or None. Requires a service account.

        A lock does not count: it results from other people's guesses, and would end sessions
        (R-79).
        """
        condition = filter_for_id(self._settings, subject)
        if condition is None:
            return None
        return self._servers.try_each(
            budget,
            lambda server, part: self._service.work(
                server, part, lambda service: self._found(service, condition)
            ),
        )

    def people(self, seconds: float) -> Generator[list[ListedPerson], None, None]:
        """All people, by pages, each within ``seconds``. Requires a service account."""
        return self._listing.all_people(seconds)

    def look_up(self, username: str, seconds: float) -> ListedPerson | None:
        """The person of a name, whether they may sign in or not. Requires a service account."""
        return self._servers.try_each(
            Budget(seconds),
            lambda server, part: self._service.work(
                server,
                part,
                lambda service: self._listing.of_name(service, self._entry(service, username)),
            ),
        )

    def examine(self, username: str | None, seconds: float) -> list[SourceFinding]:
        """Report for every server what works; each may take so many seconds. Raises nothing."""
        examination = Examination(
            self._settings, self._terms, self._service, self._entry, self._clock()
        )
        return list(examination.findings(username, seconds))

    def close(self) -> None:
        self._service.close()

    def _refused(self, server: Server, budget: Budget, password: str) -> None:
        self._status(server, budget, self._decoy, password)

    def _sign_in_as(
        self, server: Server, budget: Budget, entry: Entry | None, username: str, password: str
    ) -> Person | None:
        status = self._status(server, budget, entry.dn if entry else self._decoy, password)
        if entry is None or status is AccountStatus.WRONG:
            return None
        _refuse(status)
        return self._service.work(
            server, budget, lambda service: self._admitted(service, entry, username)
        )

    def _sign_in_directly(
        self, server: Server, budget: Budget, username: str, password: str
    ) -> Person | None:
        own = LdapConnection.open(server, self._terms, budget)
        try:
            status = self._bound(own, bind_name(self._settings, username), password)
            entry = self._entry(own, username) if status is AccountStatus.WELCOME else None
            if entry is None:
                _refuse(status)
                return None
            try:
                person: Person | PersonDisabled = self._admitted(own, entry, username)
            except PersonDisabled as refusal:
                person = refusal
            # The name and the filter may identify two different people: only this bind decides.
            status = self._bound(own, entry.dn, password)
        finally:
            own.close()
        if status is AccountStatus.WRONG:
            return None
        _refuse(status)
        if isinstance(person, PersonDisabled):
            raise person
        return person

    @property
    def _decoy(self) -> str:
        """For unknown people a password is checked too, in vain (R-77)."""
        return self._settings.decoy_dn or f"cn=nobody,{self._settings.base_dn}"

    def _status(self, server: Server, budget: Budget, dn: str, password: str) -> AccountStatus:
        own = LdapConnection.open(server, self._terms, budget)
        try:
            return self._bound(own, dn, password)
        finally:
            own.close()

    def _bound(self, own: LdapConnection, name: str, password: str) -> AccountStatus:
        return status_of_bind(own.bind(name, password), self._settings)

    def _entry(self, connection: LdapConnection, username: str) -> Entry | None:
        """The one entry of a username. Two count as none: there is no guessing (R-86)."""
        settings = self._settings
        typed = spellings(settings, username)
        entry = self._single(connection, filter_for_name(settings, *typed))
        if entry is not None and not answers_to(entry, settings, typed):
            self._differs.log("", f"source {settings.name}")
            return None
        return entry

    def _single(self, connection: LdapConnection, condition: str) -> Entry | None:
        try:
            found = connection.search(self._settings.base_dn, condition, self._attributes, limit=1)
        except TooMany:
            self._ambiguous.log("", f"source {self._settings.name}")
            return None
        return found[0] if found else None

    def _found(self, service: LdapConnection, condition: str) -> Person | None:
        entry = self._single(service, condition)
        if entry is None:
            return None
        try:
            return self._admitted(service, entry, "", locked_too=True)
        except PersonDisabled:
            return None

    def _admitted(
        self, connection: LdapConnection, entry: Entry, typed: str, *, locked_too: bool = False
    ) -> Person:
        """The person of an entry. Raises PersonDisabled for people who may not sign in (R-87)."""
        settings = self._settings
        status = status_of_entry(entry, settings, self._clock())
        if not (locked_too and status is AccountStatus.LOCKED):
            _refuse(status)
        groups = groups_of(connection, entry, settings)
        if not is_in_required_group(connection, entry, groups, settings):
            raise PersonNotAllowed(said("the person is in none of required_groups"))
        subject = id_of(entry, settings)
        if subject is None:
            _log.error("ldap.no_id", source=settings.name, attribute=settings.id_attribute_used)
            raise PersonDisabled
        warn_of_unusable_keys(entry, settings)
        return person_of(entry, subject, groups, settings, typed)


def _refuse(status: AccountStatus) -> None:
    """Raise for people who may not sign in although the password is right."""
    if status is AccountStatus.MUST_CHANGE:
        raise PasswordExpired
    if status in (AccountStatus.DISABLED, AccountStatus.LOCKED):
        raise PersonDisabled
