"""Stands for the company's directory, with one person in it."""

import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError


@dataclass(frozen=True)
class Employee:
    user_key: str
    works_account: str
    password_hash: str


HASHER = PasswordHasher()
ALICE = Employee("E-1001", "alice@example", HASHER.hash("paper lantern by the river"))
NOBODY = Employee("", "", HASHER.hash(secrets.token_urlsafe()))
EMPLOYEES = {"alice": ALICE, ALICE.works_account: ALICE}


def signed_in(username: str, password: str) -> Employee | None:
    found = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    try:
        HASHER.verify(found.password_hash, password)
    except VerificationError:
        return None
    return None if found is NOBODY else found
