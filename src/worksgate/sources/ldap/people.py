"""The person of a directory entry: who they are, and whether they may sign in.

https://learn.microsoft.com/en-us/windows/win32/adschema/a-useraccountcontrol
"""

import enum
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from ldap3.core.exceptions import LDAPInvalidDnError  # type: ignore[import-untyped]  # ldap3 has no types
from ldap3.utils.dn import escape_rdn, parse_dn  # type: ignore[import-untyped]  # ldap3 has no types

from worksgate.credentials.usernames import username_key
from worksgate.oauth.model import UserKey
from worksgate.oauth.user_info import check_external_key, check_works_account
from worksgate.settings.sources.ldap import GroupNames, LdapSettings, filled, name_assertions
from worksgate.sources import Person
from worksgate.sources.ldap.connection import BindAnswer, Entry
from worksgate.sources.sentences import said

_DISABLED, _LOCKED, _NEVER_EXPIRES, _EXPIRED = 0x2, 0x10, 0x10000, 0x800000
_COMPUTED = "msDS-User-Account-Control-Computed"
_ACTIVE_DIRECTORY_ATTRIBUTES = (
    "userAccountControl",
    _COMPUTED,
    "accountExpires",
    "lockoutTime",
    "pwdLastSet",
)
_OTHER_ATTRIBUTES = ("nsAccountLock", "pwdAccountLockedTime", "pwdReset", "pwdChangedTime")
_LOCKED_BY_AN_ADMINISTRATOR = "000001010000Z"
_NO_TIME = frozenset((0, 0x7FFFFFFFFFFFFFFF))
_FILETIME_EPOCH = 11_644_473_600
"""Seconds from 1601, the epoch of Windows, to 1970."""

_SUB_CODE = re.compile(r"\bdata ([0-9a-f]{3,4})\b", re.IGNORECASE)
_POLICY_PASSWORD_EXPIRED, _POLICY_CHANGE_AFTER_RESET = 0, 2
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
_OF_PATHS = frozenset("\\/=")
"""Of what no sAMAccountName and no userPrincipalName has."""
_ESCAPE = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.)")

_log = structlog.get_logger("worksgate.sources.ldap")


class AccountStatus(enum.Enum):
    """The state of an account, from a bind or an entry."""

    WELCOME = enum.auto()
    WRONG = enum.auto()
    DISABLED = enum.auto()
    LOCKED = enum.auto()
    MUST_CHANGE = enum.auto()


STATES = {
    AccountStatus.DISABLED: said("disabled or expired"),
    AccountStatus.LOCKED: said("locked after wrong passwords"),
    AccountStatus.MUST_CHANGE: said("in need of a new password"),
}
"""Descriptions of accounts that may not be used."""
_LABELS = {
    UserKey.EXTERNAL_KEY: said("external key"),
    UserKey.WORKS_ACCOUNT: said("LINE WORKS account"),
}


@dataclass(frozen=True, slots=True)
class MappedKey:
    """The user key of an entry: ``raw`` is the attribute's value, ``value`` the key if valid.

    ``problem`` says why LINE WORKS would not accept the attribute's value. ``values`` is how many
    the attribute has: the first is used, although directories promise no order (RFC 4511, 4.1.7).
    """

    kind: UserKey
    attribute: str
    raw: str | None
    value: str | None
    problem: str | None = None
    values: int = 1

    @property
    def label(self) -> str:
        """What it is called, in a sentence that is translated."""
        return _LABELS[self.kind]


_SUB_CODES = {
    "530": AccountStatus.DISABLED,  # not at this time of day
    "531": AccountStatus.DISABLED,  # not from this computer
    "532": AccountStatus.MUST_CHANGE,  # the password has expired
    "533": AccountStatus.DISABLED,
    "701": AccountStatus.DISABLED,  # the account has expired
    "773": AccountStatus.MUST_CHANGE,
}
"""Codes that Active Directory adds to a refusal only after the password was right. The others, such
as 525 (no such user), 52e (wrong password) and 775 (locked), say nothing about the password."""

_REASONS = {
    "52e": "wrong name or password",
    "530": "not at this time of day",
    "531": "not from this computer",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed",
    "775": "the account is locked",
}
"""Descriptions for an administrator."""


def status_of_bind(answer: BindAnswer, settings: LdapSettings) -> AccountStatus:
    """Whether the password is right, and what the server added to it."""
    if answer.policy_error in (_POLICY_PASSWORD_EXPIRED, _POLICY_CHANGE_AFTER_RESET):
        return AccountStatus.MUST_CHANGE  # only revealed after the password was right
    if answer.accepted:
        return AccountStatus.WELCOME
    return _SUB_CODES.get(_sub_code(answer, settings), AccountStatus.WRONG)


def reason_of_refusal(answer: BindAnswer, settings: LdapSettings) -> str:
    """Why a bind was refused, as far as the server says it, without the server's own text."""
    return _REASONS.get(_sub_code(answer, settings), f"result {answer.code}")


def _sub_code(answer: BindAnswer, settings: LdapSettings) -> str:
    """Active Directory's code in a refusal, empty without one."""
    found = _SUB_CODE.search(answer.message) if settings.active_directory else None
    return found[1].lower() if found else ""


def status_of_entry(entry: Entry, settings: LdapSettings, now: float) -> AccountStatus:
    """Whether the account may be used (R-87), according to its attributes."""
    if settings.active_directory:
        return _status_of_active_directory(entry, now)
    locked_at = entry.text("pwdAccountLockedTime")
    if (entry.text("nsAccountLock") or "").lower() == "true":
        return AccountStatus.DISABLED
    if locked_at == _LOCKED_BY_AN_ADMINISTRATOR:
        return AccountStatus.DISABLED
    if (entry.text("pwdReset") or "").upper() == "TRUE":
        return AccountStatus.MUST_CHANGE
    # Other locks are temporary, and the bind has shown whether they are over.
    return AccountStatus.WELCOME


def _status_of_active_directory(entry: Entry, now: float) -> AccountStatus:
    control = _number(entry, "userAccountControl") or 0
    computed = _number(entry, _COMPUTED)
    expires = _number(entry, "accountExpires") or 0
    if control & _DISABLED or (expires not in _NO_TIME and _unix_time(expires) <= now):
        return AccountStatus.DISABLED
    # lockoutTime remains after the lock has expired: only the computed flags know.
    if computed & _LOCKED if computed is not None else _number(entry, "lockoutTime"):
        return AccountStatus.LOCKED
    must_change = _number(entry, "pwdLastSet") == 0 and not control & _NEVER_EXPIRES
    if must_change or (computed or 0) & _EXPIRED:
        return AccountStatus.MUST_CHANGE
    return AccountStatus.WELCOME


def attributes_of(settings: LdapSettings) -> tuple[str, ...]:
    """The attributes that are requested, and no others."""
    states = _ACTIVE_DIRECTORY_ATTRIBUTES if settings.active_directory else _OTHER_ATTRIBUTES
    mapped = (
        settings.id_attribute_used,
        settings.username_attribute_used,
        *settings.name_attributes,
        settings.reading_attribute_used,
        settings.external_key_attribute,
        settings.works_account_attribute,
        settings.email_attribute,
        settings.groups_attribute,
        *(each.attribute for each in name_assertions(settings.user_filter_used)),
    )
    return tuple(dict.fromkeys(each for each in (*mapped, *states) if each))


def id_of(entry: Entry, settings: LdapSettings) -> str | None:
    """The entry's permanent ID as text; None without one or with several, which have no order.

    Blanks are none: all who have them would be one person (R-281).
    """
    attribute = settings.id_attribute_used
    value = entry.raw(attribute)
    if not value or entry.count(attribute) > 1:
        return None
    if is_guid(attribute):
        return str(uuid.UUID(bytes_le=value)) if len(value) == 16 else None
    text = entry.text(attribute)
    return text if text and not text.isspace() else None


def person_of(
    entry: Entry, subject: str, groups: Iterable[str], settings: LdapSettings, typed: str
) -> Person:
    """The person of an entry; ``typed`` is the username if the entry has none."""
    username = entry.text(settings.username_attribute_used) or typed
    names = (entry.text(attribute) for attribute in settings.name_attributes)
    external_key, works_account = keys_of(entry, settings)
    return Person(
        subject_id=f"{settings.name}:{subject}",
        username=username,
        name=next((name for name in names if name), username),
        reading=_mapped(entry, settings.reading_attribute_used) or "",
        external_key=external_key.value,
        works_account=works_account.value,
        revision=entry.text("pwdLastSet" if settings.active_directory else "pwdChangedTime"),
        email=_mapped(entry, settings.email_attribute),
        groups=tuple(_group_names(groups, settings)),
    )


def keys_of(entry: Entry, settings: LdapSettings) -> tuple[MappedKey, MappedKey]:
    """The external key and the LINE WORKS account of an entry."""
    account = _mapped(entry, settings.works_account_attribute)
    return (
        _usable(
            entry,
            UserKey.EXTERNAL_KEY,
            settings.external_key_attribute,
            _mapped(entry, settings.external_key_attribute),
            check_external_key,
        ),
        _usable(
            entry,
            UserKey.WORKS_ACCOUNT,
            settings.works_account_attribute,
            account and account.lower(),  # LINE WORKS accounts have no upper case, directories do
            check_works_account,
        ),
    )


def warn_of_unusable_keys(entry: Entry, settings: LdapSettings) -> None:
    """Log which attribute of a person who signs in contains an invalid user key."""
    for key in keys_of(entry, settings):
        if key.problem is not None:
            _log.warning(
                "ldap.unusable_key",
                source=settings.name,
                attribute=key.attribute,
                detail=key.problem,
            )


def answers_to(entry: Entry, settings: LdapSettings, typed: Sequence[str]) -> bool:
    """Whether one of the values compared by the filter is what it makes of the typed name.

    Some directories match more than that, such as other accents. Those spellings would escape the
    throttle, which counts by name, too (R-78). ``typed`` is a result of ``spellings``.
    """
    username, bound = typed
    return any(
        username_key(value) == username_key(each.value(username=username, bind_name=bound))
        for each in name_assertions(settings.user_filter_used)
        for value in entry.texts(each.attribute)
    )


def bind_name(settings: LdapSettings, username: str) -> str:
    """The name for a direct bind; a DN is escaped by RFC 4514 (R-86).

    If a username is typed with the domain of the template, the domain is used once.
    """
    template = settings.direct_bind
    name = bare_username(settings, username)
    return filled(template, username=escape_rdn(name) if "=" in template else name)


def spellings(settings: LdapSettings, username: str) -> tuple[str, str]:
    """A username as the filter compares it: bare, and as in the bind."""
    bound = bind_name(settings, username) if settings.direct_bind else username
    return bare_username(settings, username), bound


def bare_username(settings: LdapSettings, username: str) -> str:
    """A username without the suffix that ``direct_bind`` adds to all of them."""
    begin, _, end = settings.direct_bind.partition("{username}")
    if begin or not end.startswith("@") or not username.lower().endswith(end.lower()):
        return username
    return username[: -len(end)] or username


def guess_key(settings: LdapSettings, username: str) -> str:
    """One text for all spellings of a name that a direct bind takes for the same (R-280).

    Directories take blanks in a row for one (RFC 4518, 2.6.1); Active Directory also ignores
    accents and the kind of kana. Most spellings sign nobody in (``answers_to``), but an expired
    password is reported before that is known.

    Active Directory also binds by a domain and a name, a path, or a DN, which has many spellings.
    Nobody is found by those: they are counted as one.
    """
    if _is_of_another_kind(settings, username):
        return "a name of another kind"
    key = " ".join(username_key(bind_name(settings, username)).split())
    if not settings.active_directory:
        return key
    letters = unicodedata.normalize("NFKD", key).translate(_HIRAGANA)
    return "".join(each for each in letters if not unicodedata.combining(each))


def _is_of_another_kind(settings: LdapSettings, username: str) -> bool:
    """Whether Active Directory would bind by it, but no account and no principal is called so."""
    is_bound_by_dn = "=" in settings.direct_bind
    return settings.active_directory and not is_bound_by_dn and bool(_OF_PATHS & set(username))


def dn_key(dn: str) -> tuple[tuple[str, str], ...]:
    """The canonical form of a DN's spellings."""
    try:
        parts = parse_dn(dn, strip=True)
    except (LDAPInvalidDnError, IndexError):
        return (("", dn.casefold()),)
    return tuple((kind.lower(), username_key(_unescaped(value))) for kind, value, _ in parts)


def _group_names(dns: Iterable[str], settings: LdapSettings) -> Iterable[str]:
    if settings.group_names is GroupNames.DN:
        return dns
    return dict.fromkeys(filter(None, map(_first_value, dns)))


def _first_value(dn: str) -> str | None:
    """The attribute type of the first part of a DN."""
    try:
        return _unescaped(parse_dn(dn)[0][1])
    except (LDAPInvalidDnError, IndexError):
        return None


def _unescaped(value: str) -> str:
    """The unescaped value of a part of a DN (RFC 4514)."""

    def plain(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[2]
        return bytes.fromhex(match[1].replace("\\", "")).decode(errors="replace")

    return _ESCAPE.sub(plain, value)


def _usable(
    entry: Entry, kind: UserKey, attribute: str, raw: str | None, check: Callable[[str], str]
) -> MappedKey:
    if raw is None:
        return MappedKey(kind, attribute, None, None)
    values = entry.count(attribute)
    try:
        return MappedKey(kind, attribute, raw, check(raw), values=values)
    except ValueError as error:
        return MappedKey(kind, attribute, raw, None, str(error), values)


def _mapped(entry: Entry, attribute: str) -> str | None:
    return entry.text(attribute) or None if attribute else None


def _number(entry: Entry, attribute: str) -> int | None:
    text = entry.text(attribute)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _unix_time(filetime: int) -> float:
    """Seconds since 1970 of a Windows time, which counts 100 ns since 1601."""
    return filetime / 10_000_000 - _FILETIME_EPOCH


def is_guid(attribute: str) -> bool:
    return attribute.lower() == "objectguid"
