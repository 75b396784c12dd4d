"""Stands for the company's directory, with one person in it."""

import secrets
from dataclasses import dataclass

from werkzeug.security import check_password_hash, generate_password_hash


@dataclass(frozen=True)
class Employee:
    user_key: str
    works_account: str
    password_hash: str


ALICE = Employee("E-1001", "alice@example", generate_password_hash("paper lantern by the river"))
NOBODY = Employee("", "", generate_password_hash(secrets.token_urlsafe()))
EMPLOYEES = {"alice": ALICE, ALICE.works_account: ALICE}


def signed_in(username: str, password: str) -> Employee | None:
    found = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    is_right = check_password_hash(found.password_hash, password)
    return found if is_right and found is not NOBODY else None
