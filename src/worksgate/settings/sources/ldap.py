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
"""Seconds: a page is answered after 2.5, and LINE WORKS waits 3."""

_MAX_THREADS = 64

_PLACE = re.compile(r"\{(?:username|bind_name)\}")
_ASSERTION = re.compile(
    r"\(\s*([A-Za-z][\w.;-]*)(?::[\w.:-]*:)?\s*="  # an attribute, perhaps with a matching rule
    r"\s*([^()*]*\{(?:username|bind_name)\}[^()*]*?)\s*\)"
)
_ESCAPED = re.compile(r"(?:\\[0-9a-fA-F]{2})+")
"""Octets of a value as a filter writes them (RFC 4515)."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a directory listens, from ``ldap://host[:port]`` or ``ldaps://host[:port]``."""

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
    """What rules call a group: its whole DN, or the value of the DN's first part alone."""

    DN = "dn"
    CN = "cn"


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapSettings(SourceSettings):
    """Where the directory is, how it is asked, and what its entries mean."""

    type: ClassVar[str] = "ldap"
    about: ClassVar[str] = (
        "The people of an LDAP directory, such as OpenLDAP, or of Active Directory. See [LDAP and "
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
        "Addresses of the same directory, tried in turn: ldaps://host or ldap://host, "
        "with :port where it is not 636 or 389.",
    )
    start_tls: bool = option(False, "Encrypt ldap:// connections with StartTLS.")
    ca_file: str = option(
        "",
        "A PEM file with the authority that has signed the servers' certificates; empty for those "
        "that the system trusts.",
    )
    allow_unencrypted_ldap_on_this_network: bool = option(
        False,
        "Let passwords cross the network as plain text, for ldap:// without StartTLS. "
        "Dangerous: whoever can read along has the passwords.",
    )
    active_directory: bool = option(
        False,
        "Whether this is Active Directory: its attributes are the defaults, its account states "
        "are obeyed and its rule for groups within groups is used.",
    )
    base_dn: str = option("", "Where people are looked for: this entry and all below it.")
    bind_dn: str = option(
        "",
        "The service account that looks people up: a DN, or user@domain on Active Directory.",
    )
    bind_password: str = option("", "The password of the service account.", secret=True)
    direct_bind: str = option(
        "",
        "Sign people in without a service account, under this name: {username}@example.co.jp on "
        "Active Directory, or uid={username},ou=people,dc=example,dc=com.",
    )
    user_filter: str = option(
        "",
        "The filter that finds one person: {username} is what was typed, {bind_name} what "
        "direct_bind makes of it. Empty for (uid={username}), or for the account and the "
        "principal name of Active Directory.",
    )
    decoy_dn: str = option(
        "",
        "An entry whose password nobody knows, to check passwords of unknown people against, so "
        "that they take as long; empty for a name that does not exist.",
    )
    id_attribute: str = option(
        "",
        "The attribute that identifies a person for ever; empty for entryUUID, or objectGUID of "
        "Active Directory. It must never change, nor be given to somebody else.",
    )
    username_attribute: str = option(
        "", "The attribute with the username; empty for uid, or sAMAccountName."
    )
    name_attribute: str = option(
        "", "The attribute with the person's name; empty for displayName, else cn."
    )
    external_key_attribute: str = option(
        "", "The attribute with the External Key of LINE WORKS, such as employeeNumber."
    )
    works_account_attribute: str = option(
        "", "The attribute with the LINE WORKS account, such as mail; it is put in lower case."
    )
    email_attribute: str = option(
        "mail", "The attribute with the e-mail address; empty for none. Nobody is found by it."
    )
    groups_attribute: str = option(
        "memberOf", "The attribute with the DNs of the person's groups; empty for none."
    )
    group_names: GroupNames = option(  # noqa: RUF009  # it makes a field
        GroupNames.DN,
        "What rules call a group: dn for its whole DN, or cn for the first part of it alone, "
        "which another group can have too.",
    )
    nested_groups: bool = option(
        True, "Whether groups within groups count, for required_groups and for rules."
    )
    group_filter: str = option(
        "(member={dn})", "The filter that finds the groups which an entry is directly in."
    )
    group_base_dn: str = option("", "Where groups are looked for; empty for base_dn.")
    group_depth: int = option(8, "How deep groups within groups are followed.")
    group_limit: int = option(
        500, "How many groups a person may be in; whoever is in more is refused, and the log says."
    )
    required_groups: tuple[str, ...] = option(
        (), "DNs of groups; a person must be in one of them to sign in. Empty for everybody."
    )
    pool_size: int = option(
        4, "How many sign-ins are checked at once, and how many connections are kept open."
    )
    pool_waiting: int = option(
        64, "How many more may wait; beyond that people are asked to try again."
    )
    connect_timeout: float = option(0.5, "Seconds in which a server must take the connection.")
    timeout: float = option(
        2.0, "Seconds in which a sign-in must be decided, all servers and searches together."
    )
    answer_limit: int = option(512 * 1024, "Bytes that a server may send in answer.")
    circuit_failures: int = option(
        5, "Outages in a row after which the directory is left alone for a while."
    )
    circuit_seconds: float = option(15.0, "For how many seconds it is left alone.")
    found_lifetime: float = option(
        60.0,
        "Seconds for which a person who is signed in is not looked up again: so long may somebody "
        "who was disabled in the directory keep a session.",
    )

    @property
    def id_attribute_used(self) -> str:
        return self.id_attribute or ("objectGUID" if self.active_directory else "entryUUID")

    @property
    def username_attribute_used(self) -> str:
        return self.username_attribute or ("sAMAccountName" if self.active_directory else "uid")

    @property
    def name_attributes(self) -> tuple[str, ...]:
        """The attributes with a name; the first that the entry has is taken."""
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
        """Whether nothing goes over the network as plain text."""
        return self.start_tls or all(url.startswith("ldaps://") for url in self.servers)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values."""
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
            "servers: must be ldaps://, or ldap:// together with start_tls; without either, "
            "passwords cross the network as plain text, and only "
            "allow_unencrypted_ldap_on_this_network = true permits that"
        )

    def _problems_of_names(self) -> Iterator[str]:
        if "=" not in self.base_dn:
            yield "base_dn: must be a DN, such as dc=example,dc=com"
        if not self.bind_dn and not self.direct_bind:
            yield "bind_dn: must be given where direct_bind is not"
        if self.bind_dn and not self.bind_password:
            yield "bind_password: must be given with bind_dn"
        if self.direct_bind and self.direct_bind.count("{username}") != 1:
            yield "direct_bind: must hold {username} once"
        if not _is_filter(self.user_filter_used, "{username}", "{bind_name}"):
            yield "user_filter: must be a filter with {username}, such as (uid={username})"
        elif not _compares_names(self.user_filter_used):
            yield (
                "user_filter: must compare {username} with the whole of an attribute, as in "
                "(uid={username}) or (mail={username}@example.com), and without * or another way "
                "of comparing"
            )
        if not _is_filter(self.group_filter, "{dn}"):
            yield "group_filter: must be a filter with {dn}, such as (member={dn})"
        if any("=" not in group for group in self.required_groups):
            yield "required_groups: must be DNs, such as cn=staff,ou=groups,dc=example,dc=com"

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
    """A part of a user filter that compares an attribute with a typed name, and text around it."""

    attribute: str
    template: str

    def value(self, *, username: str, bind_name: str) -> str:
        """What the attribute is compared with."""
        plain = _ESCAPED.sub(_octets, self.template)
        return filled(plain, username=username, bind_name=bind_name)

    @property
    def places(self) -> int:
        return len(_PLACE.findall(self.template))


def _octets(escaped: re.Match[str]) -> str:
    return bytes.fromhex(escaped[0].replace("\\", "")).decode(errors="replace")


def name_assertions(user_filter: str) -> list[NameAssertion]:
    """Where a filter compares an attribute with the name; other places of the name are left out."""
    return [NameAssertion(*found) for found in _ASSERTION.findall(user_filter)]


def filled(template: str, **values: str) -> str:
    """The template with its values, all at once: a value may look like another's place."""
    places = "|".join(values)
    return re.sub(rf"\{{({places})\}}", lambda match: values[match[1]], template)


def _compares_names(user_filter: str) -> bool:
    """Whether each place of the name is compared with the whole of an attribute's value."""
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
    """Whether a text has the outer form of a filter with one of the places; servers know more."""
    balanced = text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")
    return balanced and any(place in text for place in places)
