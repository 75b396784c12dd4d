"""A company's own people, as a function that a ``[[source]]`` of type python names."""

from typing import Any

PEOPLE: dict[str, dict[str, Any]] = {}
"""By username; each has a password beside what the function answers, or raises as ``refusal``."""


def authenticate(username: str, password: str) -> dict[str, Any] | None:
    found = PEOPLE.get(username)
    if found is None or found["password"] != password:
        return None
    if "refusal" in found:
        raise found["refusal"]
    return {name: value for name, value in found.items() if name != "password"}
