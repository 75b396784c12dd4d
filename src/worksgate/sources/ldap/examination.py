"""Checks a directory step by step, for the administrator who sets it up."""

from collections.abc import Callable, Iterator

from worksgate.catalogues import sentence_of
from worksgate.settings.sources.ldap import LdapSettings, Server
from worksgate.sources import PersonDisabled, SourceFault, SourceFinding
from worksgate.sources.ldap.connection import (
    Budget,
    Entry,
    LdapConnection,
    ServerDown,
    Terms,
    TooMany,
)
from worksgate.sources.ldap.filters import filter_for_name
from worksgate.sources.ldap.groups import NO_ATTRIBUTES, groups_of, is_in_required_group
from worksgate.sources.ldap.people import (
    STATES,
    AccountStatus,
    MappedKey,
    id_of,
    keys_of,
    person_of,
    spellings,
    status_of_entry,
)
from worksgate.sources.ldap.servers import ServiceAccount
from worksgate.sources.sentences import said

NONE = said("none")


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

    def findings(self, username: str | None, seconds: float) -> Iterator[SourceFinding]:
        """Examine every server in turn; each may take so many seconds."""
        for url in self._settings.servers:
            server = Server.parse(url)
            try:
                yield from self._of_server(server, username, Budget(seconds))
            except ServerDown as error:
                yield _fails(_of(server, error), error.fault)

    def _of_server(
        self, server: Server, username: str | None, budget: Budget
    ) -> Iterator[SourceFinding]:
        LdapConnection.open(server, self._terms, budget).close()
        encrypted = server.tls or self._settings.start_tls
        text = said("%(server)s responds, NOT encrypted", server=server)
        if encrypted:
            text = said("%(server)s responds, encrypted, with a valid certificate", server=server)
        yield _works(text)
        if not self._settings.bind_dn:
            yield _works(said("no service account: people are looked up when they sign in"))
            return
        service = self._service.connect(server, budget)
        try:
            yield _works(said("the service account binds as %(name)s", name=self._settings.bind_dn))
            yield self._of_base(service)
            if username is not None:
                yield from self._of_person(service, username)
        finally:
            service.close()

    def _of_base(self, service: LdapConnection) -> SourceFinding:
        base = self._settings.base_dn
        try:
            found = service.search(base, "(objectClass=*)", NO_ATTRIBUTES, limit=1, below=False)
        except ServerDown as error:
            return _fails(_of(base, error), error.fault)
        if not found:
            return _fails(
                said("nothing below %(base)s is visible", base=base), SourceFault.BASE_NOT_FOUND
            )
        return _works(said("%(base)s exists", base=base))

    def _of_person(self, service: LdapConnection, username: str) -> Iterator[SourceFinding]:
        settings = self._settings
        entry = self._entry_of(service, username)
        if entry is None:
            yield _fails(self._why_not_found(service, username), SourceFault.PERSON_NOT_FOUND)
            return
        yield _works(said("found %(entry)s", entry=entry.dn))
        status = status_of_entry(entry, settings, self._now)
        if status is not AccountStatus.WELCOME:
            yield _fails(
                said("the account is %(state)s", state=STATES[status]), SourceFault.ACCOUNT_UNUSABLE
            )
        try:
            groups = groups_of(service, entry, settings)
        except PersonDisabled:
            yield _fails(
                said(
                    "the groups are too many or nested too deeply: see group_limit and group_depth"
                )
            )
            return
        if not is_in_required_group(service, entry, groups, settings):
            yield _fails(said("in none of required_groups"), SourceFault.PERSON_NOT_IN_GROUP)
        yield from _values(entry, groups, settings, username)

    def _why_not_found(self, service: LdapConnection, username: str) -> str:
        """Why a username does not match exactly one entry."""
        settings = self._settings
        condition = filter_for_name(settings, *spellings(settings, username))
        try:
            found = service.search(settings.base_dn, condition, NO_ATTRIBUTES, limit=1)
        except TooMany:
            return said("more than one entry matches %(filter)s", filter=condition)
        if found:
            return said(
                "%(entry)s matches %(filter)s, but under another name",
                entry=found[0].dn,
                filter=condition,
            )
        return said("no entry matches %(filter)s", filter=condition)


def _values(
    entry: Entry, groups: list[str], settings: LdapSettings, username: str
) -> Iterator[SourceFinding]:
    """What LINE WORKS and the rules would receive."""
    subject = id_of(entry, settings)
    yield _id(entry, settings.id_attribute_used, subject)
    person = person_of(entry, subject or "", groups, settings, username)
    yield _works(
        said("username: %(username)s, name: %(name)s", username=person.username, name=person.name)
    )
    yield from (_key(each) for each in keys_of(entry, settings) if each.attribute)
    yield _works(said("e-mail address: %(address)s", address=person.email or NONE))
    yield _works(said("groups: %(groups)s", groups="; ".join(person.groups) or NONE))


def _id(entry: Entry, attribute: str, subject: str | None) -> SourceFinding:
    if entry.count(attribute) > 1:
        text = said(
            "%(attribute)s has %(count)s values: the ID must be a single one",
            attribute=attribute,
            count=entry.count(attribute),
        )
        return _fails(text, SourceFault.ATTRIBUTE_UNUSABLE)
    return _attribute(said("id"), attribute, subject)


def _key(key: MappedKey) -> SourceFinding:
    if key.problem is None and key.values > 1:
        return _works(
            said(
                "%(kind)s (%(attribute)s): %(value)s, the first of %(count)s values, "
                "which a directory may reorder at any time",
                kind=key.label,
                attribute=key.attribute,
                value=key.value,
                count=key.values,
            )
        )
    if key.problem is None:
        return _attribute(key.label, key.attribute, key.value)
    text = said(
        "%(kind)s (%(attribute)s): %(value)s cannot be used: %(problem)s",
        kind=key.label,
        attribute=key.attribute,
        value=key.raw,
        problem=key.problem,
    )
    return _fails(text, SourceFault.ATTRIBUTE_UNUSABLE)


def _of(what: object, error: Exception) -> str:
    return said("%(what)s: %(problem)s", what=str(what), problem=sentence_of(error))


def _works(text: str) -> SourceFinding:
    return SourceFinding(works=True, text=text)


def _fails(text: str, fault: SourceFault | None = None) -> SourceFinding:
    return SourceFinding(works=False, text=text, fault=fault)


def _attribute(label: str, attribute: str, value: str | None) -> SourceFinding:
    text = said(
        "%(kind)s (%(attribute)s): %(value)s",
        kind=label,
        attribute=attribute,
        value=value or NONE,
    )
    return _works(text) if value is not None else _fails(text, SourceFault.ATTRIBUTE_MISSING)
