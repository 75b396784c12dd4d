"""What an account may look like. Refusals are sentences for the administrator."""

import secrets

from worksgate.credentials import WeakPassword, check_new_password
from worksgate.directory import Account
from worksgate.oauth.user_info import check_external_key, check_works_account
from worksgate.throttle import account_key

MAX_USERNAME = 190
MAX_NAME = 200

# Without the letters and digits that look alike: somebody may have to type it from paper.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def check_account(account: Account) -> Account:
    """Return an account whose names and user keys are well formed. Raises ValueError."""
    check_username(account.username)
    check_display_name(account.name)
    if account.external_key is not None:
        check_external_key(account.external_key)
    if account.works_account is not None:
        check_works_account(account.works_account)
    return account


def check_username(username: str) -> str:
    if not 0 < len(username) <= MAX_USERNAME:
        raise ValueError(f"a username has 1 to {MAX_USERNAME} characters")
    if not username.isprintable() or not account_key(username):
        raise ValueError("a username must not hold control or invisible characters")
    if username != username.strip():
        raise ValueError("a username must not begin or end with a blank")
    return username


def lacking(account: Account) -> tuple[str, ...]:
    """What a person does not have yet and needs to sign in, in words for the administrator."""
    needs = {
        "password": account.password_hash,
        "user key": account.external_key or account.works_account,
    }
    return tuple(name for name, value in needs.items() if value is None)


def check_display_name(name: str) -> str:
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"a name has at most {MAX_NAME} characters, none of them a control one")
    return name


def check_password(password: str, account: Account, company: str = "") -> str:
    """Return a password that this person may have (R-70 to R-72).

    Raises ValueError.
    """
    local_part = account.username.partition("@")[0]
    context = (account.username, local_part, *account.name.split(), *company.split())
    try:
        return check_new_password(password, context)
    except WeakPassword as weak:
        raise ValueError(f"the password is not accepted: {weak}") from None


def generated_password() -> str:
    """A new password of 99 bits: five groups of four, to be read out or typed once (R-84)."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))
