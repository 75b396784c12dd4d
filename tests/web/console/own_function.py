"""A company's own function, as a source of the console's tests."""


def authenticate(username: str, password: str) -> dict[str, str] | None:
    """One person."""
    if (username, password) != ("ben", "right"):
        return None
    return {"id": "ben", "username": "ben", "name": "Ben", "external_key": "B1"}
