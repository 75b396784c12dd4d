"""What works and what does not, step by step, for the administrator who sets a directory up."""

from collections.abc import Callable, Iterator

from worksgate.source_settings.ldap import LdapSettings, Server
from worksgate.sources import PersonDisabled
from worksgate.sources.ldap_connection import Budget, Down, Entry, LdapConnection, Terms
from worksgate.sources.ldap_groups import NO_ATTRIBUTES, groups_of, is_in_required_group
from worksgate.sources.ldap_people import (
    Verdict,
    id_of,
    person_of,
    verdict_of_entry,
)
from worksgate.sources.ldap_servers import ServiceAccount

Finding = tuple[bool, str]
"""Whether something works, and a sentence about it."""

_STATES = {
    Verdict.DISABLED: "disabled or expired",
    Verdict.LOCKED: "locked after wrong passwords",
    Verdict.MUST_CHANGE: "in need of a new password",
}


class Examination:
    """``entry_of`` finds the one entry of a username, as a sign-in would."""

    def __init__(
        self,
        settings: LdapSettings,
        terms: Terms,
        service: ServiceAccount,
        entry_of: Callable[[LdapConnection, str], Entry | None],
        now: float,
    ) -> None:
        self._settings = settings
        self._terms = terms
        self._service = service
        self._entry_of = entry_of
        self._now = now

    def findings(self, username: str | None, seconds: float) -> Iterator[Finding]:
        """Of every server in turn; each has so many seconds."""
        for url in self._settings.servers:
            server = Server.parse(url)
            try:
                yield from self._of_server(server, username, Budget(seconds))
            except Down as error:
                yield False, f"{server}: {error}"

    def _of_server(self, server: Server, username: str | None, budget: Budget) -> Iterator[Finding]:
        LdapConnection.open(server, self._terms, budget).close()
        encrypted = server.tls or self._settings.start_tls
        how = "encrypted, the certificate is right" if encrypted else "NOT encrypted"
        yield True, f"{server} answers, {how}"
        if not self._settings.bind_dn:
            yield True, "no service account: people are looked up as they sign in"
            return
        service = self._service.connect(server, budget)
        try:
            yield True, f"the service account binds as {self._settings.bind_dn}"
            yield self._of_base(service)
            if username is not None:
                yield from self._of_person(service, username)
        finally:
            service.close()

    def _of_base(self, service: LdapConnection) -> Finding:
        base = self._settings.base_dn
        try:
            found = service.search(base, "(objectClass=*)", NO_ATTRIBUTES, limit=1, below=False)
        except Down as error:
            return False, f"{base}: {error}"
        return bool(found), f"{base} is there" if found else f"nothing can be seen of {base}"

    def _of_person(self, service: LdapConnection, username: str) -> Iterator[Finding]:
        settings = self._settings
        entry = self._entry_of(service, username)
        if entry is None:
            yield False, f"not exactly one entry matches {settings.user_filter_used}"
            return
        yield True, f"found {entry.dn}"
        verdict = verdict_of_entry(entry, settings, self._now)
        if verdict is not Verdict.WELCOME:
            yield False, f"the account is {_STATES[verdict]}"
        try:
            groups = groups_of(service, entry, settings)
        except PersonDisabled:
            yield False, "the groups are too many or too deep: see group_limit and group_depth"
            return
        if not is_in_required_group(service, entry, groups, settings):
            yield False, "in none of required_groups"
        yield from _values(entry, groups, settings, username)


def _values(
    entry: Entry, groups: list[str], settings: LdapSettings, username: str
) -> Iterator[Finding]:
    """What LINE WORKS and the rules would be told."""
    subject = id_of(entry, settings)
    yield subject is not None, f"id ({settings.id_attribute_used}): {subject or 'none'}"
    person = person_of(entry, subject or "", groups, settings, username)
    yield True, f"username: {person.username}, name: {person.name}"
    keys = (
        ("External Key", person.external_key, settings.external_key_attribute),
        ("LINE WORKS account", person.works_account, settings.works_account_attribute),
    )
    for label, value, attribute in keys:
        if attribute:
            yield value is not None, f"{label} ({attribute}): {value or 'none that can be used'}"
    yield True, f"e-mail address: {person.email or 'none'}"
    yield True, f"groups: {'; '.join(person.groups) or 'none'}"
