"""All people of a directory, with their problems, before anybody signs in."""

from collections.abc import Callable, Generator

from worksgate.oauth.user_key import IN_WORDS, KeyProblem
from worksgate.settings.sources.ldap import LdapSettings, Server
from worksgate.sources import ListedPerson, PersonDisabled
from worksgate.sources.ldap.connection import Budget, Entry, LdapConnection
from worksgate.sources.ldap.filters import filter_for_all
from worksgate.sources.ldap.groups import groups_of, is_in_required_group
from worksgate.sources.ldap.people import (
    STATES,
    AccountStatus,
    attributes_of,
    id_of,
    keys_of,
    person_of,
    status_of_entry,
)
from worksgate.sources.ldap.servers import Servers, ServiceAccount

PAGE = 100
"""Entries per page: below the default limits of directories."""


class Listing:
    """The service account's view of people. All methods raise ServerDown."""

    def __init__(
        self,
        settings: LdapSettings,
        servers: Servers,
        service: ServiceAccount,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._service = service
        self._clock = clock
        # Groups take long, and are only queried if they decide.
        self._attributes = [
            each
            for each in attributes_of(settings)
            if settings.required_groups or each != settings.groups_attribute
        ]

    def all_people(self, seconds: float) -> Generator[list[ListedPerson], None, None]:
        """Everybody who could sign in with some name, by pages; ``seconds`` limits each page."""
        settings = self._settings
        pages, groups = self._servers.try_each(Budget(seconds), self._connect)
        try:
            for page in pages.pages(
                settings.base_dn,
                filter_for_all(settings),
                self._attributes,
                size=PAGE,
                seconds=seconds,
            ):
                groups.renew(Budget(seconds))
                yield [self._listed(groups, entry) for entry in page]
        finally:
            pages.close()
            groups.close()

    def of_name(self, service: LdapConnection, entry: Entry | None) -> ListedPerson | None:
        """The person of an entry that was found by name."""
        return None if entry is None else self._listed(service, entry)

    def _connect(self, server: Server, budget: Budget) -> tuple[LdapConnection, LdapConnection]:
        """Two connections: some servers lose a paged search when another query comes in between."""
        pages = self._service.connect(server, budget)
        try:
            return pages, self._service.connect(server, budget)
        except BaseException:
            pages.close()
            raise

    def _listed(self, connection: LdapConnection, entry: Entry) -> ListedPerson:
        settings = self._settings
        problems = []
        status = status_of_entry(entry, settings, self._clock())
        if status is not AccountStatus.WELCOME:
            problems.append(f"the account is {STATES[status]}")
        groups, problem = self._groups(connection, entry)
        if problem is not None:
            problems.append(problem)
        subject = id_of(entry, settings)
        # A lock passes, and a password can be changed.
        is_out = status is AccountStatus.DISABLED or problem is not None or subject is None
        if subject is None:
            problems.append(f"there is no ID, or more than one ({settings.id_attribute_used})")
        key_problems = [
            KeyProblem(
                key.kind, f"the {IN_WORDS[key.kind]} {key.raw} cannot be used: {key.problem}"
            )
            for key in keys_of(entry, settings)
            if key.problem is not None
        ]
        person = person_of(entry, subject or "", groups, settings, entry.dn)
        return ListedPerson(person, tuple(problems), is_out, tuple(key_problems))

    def _groups(self, connection: LdapConnection, entry: Entry) -> tuple[list[str], str | None]:
        """The groups, if some are required, and why the person may not sign in because of them."""
        if not self._settings.required_groups:
            return [], None
        try:
            groups = groups_of(connection, entry, self._settings)
        except PersonDisabled:
            return (
                [],
                "the groups are too many or nested too deeply: see group_limit and group_depth",
            )
        if is_in_required_group(connection, entry, groups, self._settings):
            return groups, None
        return groups, "in none of required_groups"
