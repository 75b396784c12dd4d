"""The settings of an LDAP directory or of Active Directory as an identity source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self
from urllib.parse import SplitResult, urlsplit

from worksgate.settings.field import option
from worksgate.settings.sources.common import SourceSettings

MAX_TIMEOUT = 2.4
"""Seconds: a page is answered within 2.5, and LINE WORKS waits 3."""

_MAX_THREADS = 64

_PLACE = re.compile(r"\{(?:username|bind_name)\}")
_ASSERTION = re.compile(
    r"\(\s*([A-Za-z][\w.;-]*)(?::[\w.:-]*:)?\s*="  # an attribute, perhaps with a matching rule
    r"\s*([^()*]*\{(?:username|bind_name)\}[^()*]*?)\s*\)"
)
_ESCAPED = re.compile(r"(?:\\[0-9a-fA-F]{2})+")
"""Octets of a value as written in a filter (RFC 4515)."""


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a directory server, from ``ldap://host[:port]`` or ``ldaps://host[:port]``."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the address. Raises ValueError with the end of a sentence."""
        parts = urlsplit(url)
        if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
            raise ValueError("must look like ldaps://host or ldap://host")
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must end after the host or its port")
        tls = parts.scheme == "ldaps"
        return cls(parts.hostname, _port(parts) or (636 if tls else 389), tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


class GroupNames(StrEnum):
    """The names of a group in rules: its whole DN, or the value of the DN's first part."""

    DN = "dn"
    CN = "cn"


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapSettings(SourceSettings):
    """Where the directory is, how it is queried, and how its entries are mapped."""

    type: ClassVar[str] = "ldap"
    about: ClassVar[str] = (
        "People of an LDAP directory, such as OpenLDAP, or of Active Directory. See [LDAP and "
        "Active Directory](ldap.md)."
    )
    example: ClassVar[Mapping[str, object]] = {
        "name": "company",
        "servers": ["ldaps://ldap.example.com"],
        "base_dn": "dc=example,dc=com",
        "bind_dn": "cn=worksgate,ou=services,dc=example,dc=com",
        "bind_password_file": "/etc/worksgate/ldap-password",
        "external_key_attribute": "employeeNumber",
    }

    servers: tuple[str, ...] = option(
        (),
        "Addresses of the same directory, tried in turn: ldaps://host or ldap://host, with "
        ":port if it is not 636 or 389.",
    )
    start_tls: bool = option(False, "Encrypt ldap:// connections with StartTLS.")
    ca_file: str = option(
        "",
        "A PEM file with the authority that signed the servers' certificates; empty for the "
        "system's trusted authorities.",
    )
    allow_unencrypted_ldap_on_this_network: bool = option(
        False,
        "Send passwords over the network as plain text, for ldap:// without StartTLS. "
        "Dangerous: anyone who can read the traffic gets the passwords.",
    )
    active_directory: bool = option(
        False,
        "Whether this is Active Directory: its attributes become the defaults, its account "
        "states are enforced and its matching rule for nested groups is used.",
    )
    base_dn: str = option("", "The entry below which people are searched.")
    bind_dn: str = option(
        "",
        "The service account for searches: a DN, or user@domain on Active Directory.",
    )
    bind_password: str = option("", "The password of the service account.", secret=True)
    direct_bind: str = option(
        "",
        "Bind as the person under this name, without a service account: "
        "{username}@example.co.jp on Active Directory, or "
        "uid={username},ou=people,dc=example,dc=com.",
    )
    user_filter: str = option(
        "",
        "The filter that finds one person: {username} is what was typed, {bind_name} the name "
        "that direct_bind makes of it. Empty for (uid={username}), or for the account name "
        "and principal name of Active Directory.",
    )
    decoy_dn: str = option(
        "",
        "An entry with a password that nobody knows, against which passwords of unknown "
        "people are checked, so that they take equally long; empty for a name that does not "
        "exist.",
    )
    id_attribute: str = option(
        "",
        "The attribute that identifies a person permanently; empty for entryUUID, or "
        "objectGUID on Active Directory. It must never change or be reused for another "
        "person.",
    )
    username_attribute: str = option(
        "", "The attribute with the username; empty for uid, or sAMAccountName."
    )
    name_attribute: str = option(
        "", "The attribute with the person's name; empty for displayName, or else cn."
    )
    reading_attribute: str = option(
        "",
        "The attribute with the reading of the name (furigana); empty for none, or "
        "msDS-PhoneticDisplayName on Active Directory.",
    )
    external_key_attribute: str = option(
        "", "The attribute with the External Key of LINE WORKS, such as employeeNumber."
    )
    works_account_attribute: str = option(
        "",
        "The attribute with the LINE WORKS account, such as mail; it is converted to lower case.",
    )
    email_attribute: str = option(
        "mail",
        "The attribute with the e-mail address; empty for none. It is not used to find people.",
    )
    groups_attribute: str = option(
        "memberOf", "The attribute with the DNs of the person's groups; empty for none."
    )
    group_names: GroupNames = option(  # noqa: RUF009  # it makes a field
        GroupNames.DN,
        "How rules refer to a group: dn for its whole DN, or cn for the first part only, "
        "which another group can have too.",
    )
    nested_groups: bool = option(
        True, "Whether nested groups count, for required_groups and for rules."
    )
    group_filter: str = option(
        "(member={dn})", "The filter that finds the groups of which an entry is a direct member."
    )
    group_base_dn: str = option("", "The entry below which groups are searched; empty for base_dn.")
    group_depth: int = option(8, "How many levels of nested groups are followed.")
    group_limit: int = option(
        500, "How many groups a person may be in; people in more are refused, which is logged."
    )
    required_groups: tuple[str, ...] = option(
        (), "DNs of groups; a person must be in one of them to sign in. Empty to allow everybody."
    )
    pool_size: int = option(
        4, "How many sign-ins are checked concurrently, and how many connections are kept open."
    )
    pool_waiting: int = option(64, "How many more may wait; further ones are asked to try again.")
    connect_timeout: float = option(
        0.5, "Seconds within which a server must accept the connection."
    )
    timeout: float = option(
        2.0, "Seconds within which a sign-in must be decided, including all servers and searches."
    )
    answer_limit: int = option(512 * 1024, "Bytes that a server may send in a response.")
    circuit_failures: int = option(
        5, "Failures in a row after which the directory is not asked for a while."
    )
    circuit_seconds: float = option(15.0, "Seconds for which it is not asked.")
    found_lifetime: float = option(
        60.0,
        "Seconds for which a signed-in person is not looked up again; for so long a person "
        "who was disabled in the directory can keep a session.",
    )

    @property
    def id_attribute_used(self) -> str:
        return self.id_attribute or ("objectGUID" if self.active_directory else "entryUUID")

    @property
    def username_attribute_used(self) -> str:
        return self.username_attribute or ("sAMAccountName" if self.active_directory else "uid")

    @property
    def reading_attribute_used(self) -> str:
        """The attribute with the reading of the name; empty for none."""
        phonetic = "msDS-PhoneticDisplayName" if self.active_directory else ""
        return self.reading_attribute or phonetic

    @property
    def name_attributes(self) -> tuple[str, ...]:
        """Each attribute with its name; the first one that the entry has is used."""
        return (self.name_attribute,) if self.name_attribute else ("displayName", "cn")

    @property
    def user_filter_used(self) -> str:
        if self.user_filter:
            return self.user_filter
        if not self.active_directory:
            return "(uid={username})"
        principal = "{bind_name}" if "@" in self.direct_bind else "{username}"
        return (
            "(&(objectCategory=person)(objectClass=user)"
            f"(|(sAMAccountName={{username}})(userPrincipalName={principal})))"
        )

    @property
    def is_encrypted(self) -> bool:
        """Whether all traffic is encrypted."""
        return self.start_tls or all(url.startswith("ldaps://") for url in self.servers)

    @property
    def can_look_up(self) -> bool:
        """Whether there is a service account: nobody else may look for people."""
        return bool(self.bind_dn)

    def problems(self) -> Iterator[str]:
        """Return what is wrong with the values."""
        yield from self._problems_of_servers()
        yield from self._problems_of_names()
        yield from self._problems_of_numbers()

    def _problems_of_servers(self) -> Iterator[str]:
        if not self.servers:
            yield "servers: must name at least one server"
        problems = [problem for url in self.servers for problem in _problems_of(url)]
        yield from problems
        if problems or self.is_encrypted or self.allow_unencrypted_ldap_on_this_network:
            return
        yield (
            "servers: must be ldaps://, or ldap:// together with start_tls; otherwise "
            "passwords cross the network as plain text, which only "
            "allow_unencrypted_ldap_on_this_network = true permits"
        )

    def _problems_of_names(self) -> Iterator[str]:
        if "=" not in self.base_dn:
            yield "base_dn: must be a DN, such as dc=example,dc=com"
        if not self.bind_dn and not self.direct_bind:
            yield "bind_dn: must be set without direct_bind"
        if self.bind_dn and not self.bind_password:
            yield "bind_password: must be set with bind_dn"
        if self.direct_bind and self.direct_bind.count("{username}") != 1:
            yield "direct_bind: must contain {username} once"
        if not _is_filter(self.user_filter_used, "{username}", "{bind_name}"):
            yield "user_filter: must be a filter with {username}, such as (uid={username})"
        elif not _compares_names(self.user_filter_used):
            yield (
                "user_filter: must compare {username} with the whole value of an attribute, "
                "as in (uid={username}) or (mail={username}@example.com), without * or "
                "another kind of comparison"
            )
        if not _is_filter(self.group_filter, "{dn}"):
            yield "group_filter: must be a filter with {dn}, such as (member={dn})"
        if any("=" not in group for group in self.required_groups):
            yield "required_groups: must be DNs, such as cn=staff,ou=groups,dc=example,dc=com"
        if self.console_groups and self.group_names is not GroupNames.DN:
            yield "console_groups: requires group_names = dn: another group can have the same cn"
        elif any("=" not in group for _, group in self.console_grants):
            yield "console_groups: must name DNs, such as admin: cn=it,ou=groups,dc=example,dc=com"

    def _problems_of_numbers(self) -> Iterator[str]:
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield f"timeout: must be more than 0 and at most {MAX_TIMEOUT}"
        elif not 0 < self.connect_timeout <= self.timeout:
            yield "connect_timeout: must be more than 0 and at most timeout"
        if not 1 <= self.pool_size <= _MAX_THREADS:
            yield f"pool_size: must be 1 to {_MAX_THREADS}"
        for name in ("pool_waiting", "found_lifetime", "circuit_seconds"):
            if getattr(self, name) < 0:
                yield f"{name}: must not be negative"
        for name in ("group_depth", "group_limit", "circuit_failures", "answer_limit"):
            if getattr(self, name) < 1:
                yield f"{name}: must be at least 1"


@dataclass(frozen=True, slots=True)
class NameAssertion:
    """A part of a user filter that compares an attribute with the typed name and fixed text."""

    attribute: str
    template: str

    def value(self, *, username: str, bind_name: str) -> str:
        """The value that the attribute is compared with."""
        plain = _ESCAPED.sub(_octets, self.template)
        return filled(plain, username=username, bind_name=bind_name)

    @property
    def places(self) -> int:
        return len(_PLACE.findall(self.template))


def _octets(escaped: re.Match[str]) -> str:
    return bytes.fromhex(escaped[0].replace("\\", "")).decode(errors="replace")


def name_assertions(user_filter: str) -> list[NameAssertion]:
    """The comparisons of a filter with the name; other uses of the name are left out."""
    return [NameAssertion(*found) for found in _ASSERTION.findall(user_filter)]


def filled(template: str, **values: str) -> str:
    """Fill in all placeholders at once: a value may look like another placeholder."""
    places = "|".join(values)
    return re.sub(rf"\{{({places})\}}", lambda match: values[match[1]], template)


def _compares_names(user_filter: str) -> bool:
    """Whether every placeholder of the name is compared with the whole value of an attribute."""
    compared = sum(each.places for each in name_assertions(user_filter))
    return compared == len(_PLACE.findall(user_filter))


def _problems_of(url: str) -> Iterator[str]:
    try:
        Server.parse(url)
    except ValueError as error:
        yield f"servers: {error}"


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise ValueError("must have a number as its port") from None


def _is_filter(text: str, *places: str) -> bool:
    """Whether a text looks like a filter with one of the placeholders; servers check the rest."""
    balanced = text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")
    return balanced and any(place in text for place in places)
