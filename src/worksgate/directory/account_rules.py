"""Validation of accounts. Refusals are sentences for the administrator."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from worksgate.credentials.password_policy import WeakPassword, check_new_password
from worksgate.credentials.usernames import username_key
from worksgate.directory import Account
from worksgate.oauth.user_info import check_external_key, check_works_account, is_seen
from worksgate.sources import Person

MAX_USERNAME = 190
MAX_NAME = 200
MAX_EMAIL = 254
MAX_GROUP = 100
MAX_GROUPS = 100

GROUP_SEPARATOR = ";"
"""Separates the groups in one cell of a CSV file."""

# As in a browser's e-mail field: real addresses, and nothing that could end a header.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*", re.ASCII)

_CONTROL = "a username must not contain control or invisible characters"

# Without letters and digits that look alike: somebody may have to type it from paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def check_account(account: Account, before: Account | None = None) -> Account:
    """Return a valid account. Raises ValueError.

    ``before`` is what is changed: a username or external key that it has had since there were fewer
    rules may stay, or nobody could disable that account.
    """
    check_username(account.username)
    if before is None or before.username != account.username:
        check_is_seen(account.username)
    check_display_name(account.name)
    check_display_name(account.reading)
    if account.email is not None:
        check_email(account.email)
    check_groups(account.groups)
    is_same_key = before is not None and before.external_key == account.external_key
    if account.external_key is not None and not is_same_key:
        check_external_key(account.external_key)
    if account.works_account is not None:
        check_works_account(account.works_account)
    return account


def check_username(username: str) -> str:
    if not 0 < len(username) <= MAX_USERNAME:
        raise ValueError(f"a username has 1 to {MAX_USERNAME} characters")
    if not username.isprintable() or not username_key(username):
        raise ValueError(_CONTROL)
    if username != username.strip():
        raise ValueError("a username must not begin or end with a space")
    return username


def check_is_seen(username: str) -> None:
    """Raise ValueError for a username that looks like another one without these characters."""
    if not is_seen(username):
        raise ValueError(_CONTROL)


def lacking(account: Account) -> tuple[str, ...]:
    """What a person still needs to sign in, in words for the administrator."""
    needs = {
        "password": account.password_hash,
        "user key": account.external_key or account.works_account,
    }
    return tuple(name for name, value in needs.items() if value is None)


def presentable(person: Person) -> Person:
    """A person of another source as pages can show them and rows can keep them.

    Their directory may let people write their own name: it has no control characters and no others
    that reorder what follows, and is no longer than one here. An address that is none is left out.
    """
    changes: dict[str, Any] = {
        name: _shown(text)
        for name in ("username", "name", "reading")
        if not (text := getattr(person, name)).isprintable() or len(text) > MAX_NAME
    }
    if person.email is not None and not _is_email(person.email):
        changes["email"] = None
    if not changes:
        return person
    shown = replace(person, **changes)
    username = shown.username or person.subject_id
    return replace(shown, username=username, name=shown.name or username)


def _shown(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:MAX_NAME].strip()


def check_display_name(name: str) -> str:
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"a name has at most {MAX_NAME} characters, without control characters")
    return name


def check_email(email: str) -> str:
    if not _is_email(email):
        raise ValueError("an e-mail address looks like name@example.com")
    return email


def _is_email(text: str) -> bool:
    return len(text) <= MAX_EMAIL and _EMAIL.fullmatch(text) is not None


def check_group(group: str) -> str:
    if not 0 < len(group) <= MAX_GROUP or not group.isprintable() or group != group.strip():
        raise ValueError(
            f"a group has 1 to {MAX_GROUP} characters, without control characters, and no "
            "space at its ends"
        )
    if GROUP_SEPARATOR in group:
        raise ValueError(f"the name of a group must not contain {GROUP_SEPARATOR}")
    return group


def check_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of a person. Raises ValueError."""
    checked = tuple(map(check_group, groups))
    if len(set(checked)) < len(checked):
        raise ValueError("a group is listed twice")
    if len(checked) > MAX_GROUPS:
        raise ValueError(f"a person is in at most {MAX_GROUPS} groups")
    return checked


def password_context(account: Account | Person, company: str = "") -> tuple[str, ...]:
    """Words of which this person's password must not consist (R-72)."""
    addresses = filter(None, (account.username, account.email, account.works_account))
    names = (name for address in addresses for name in (address, address.partition("@")[0]))
    return (*names, *account.name.split(), *company.split())


def check_password(password: str, account: Account, company: str = "") -> str:
    """Return a password that is allowed for this person (R-70 to R-72).

    Raises ValueError.
    """
    try:
        return check_new_password(password, password_context(account, company))
    except WeakPassword as weak:
        raise ValueError(f"the password is not accepted: {weak}") from None


def generated_password() -> str:
    """A new password of 99 bits: five groups of four, to be read out or typed once (R-84)."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))
