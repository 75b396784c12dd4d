"""A company's own class, as a source of administrators: its people are in ``PEOPLE``."""

PASSWORD = "a password of their own directory"
PEOPLE: dict[str, str] = {}
"""Names by ID, as a test wants them."""
GROUPS: dict[str, list[str]] = {}
"""Their groups by ID."""
OUTAGE = "outage"
"""While this ID is among them, the source is down."""


def only(**people: str) -> None:
    """Let these be all people, in no group, whatever a test before has left."""
    PEOPLE.clear()
    GROUPS.clear()
    PEOPLE.update(people)


class Company:
    """People with one password."""

    def authenticate(self, username: str, password: str) -> dict[str, object] | None:
        """Whoever is there, if the password is right."""
        return self.find(username) if password == PASSWORD else None

    def find(self, id: str) -> dict[str, object] | None:  # noqa: A002  # the name of the field
        """Whoever is there."""
        if OUTAGE in PEOPLE:
            raise ConnectionError("the directory is down")
        name = PEOPLE.get(id)
        if name is None:
            return None
        return {"id": id, "username": id, "name": name, "groups": GROUPS.get(id, [])}
