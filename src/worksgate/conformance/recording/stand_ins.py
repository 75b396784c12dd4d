"""The clients and people of the target that stand in for those of a recording.

A recording has no secrets, so a replay needs some of its own: a test client and test people of the
installation that it is sent to. They are in a TOML file:

    [[client]]
    client_id = "…"
    client_secret = "…"
    redirect_uri = "https://auth.worksmobile.com/sso/callback"

    [[person]]
    username = "test1@example.com"
    password = "…"

A client may have a ``logout_redirect_uri``, a person a ``works_id`` and, for mail programs, an
``email`` and a ``mail_password``. ``[paths]`` names paths that are not those of the documentation.
"""

import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

_PATHS: Final = {
    "token": "/accessToken",
    "user_info": "/userInfo",
    "imap": "/apiLogin",
    "login": "/login",
    "logout": "/logout",
}
_CLIENT: Final = ("client_id", "client_secret", "redirect_uri")
_PERSON: Final = ("username", "password")


class BadStandIns(ValueError):
    """The file cannot be used; a sentence for the administrator, without a value."""


@dataclass(frozen=True, slots=True)
class StandInClient:
    """A client of the target."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    logout_redirect_uri: str = ""

    @property
    def after_logout(self) -> str:
        """Where its people go when they have signed out; by default the origin of its code's."""
        parts = urlsplit(self.redirect_uri)
        return self.logout_redirect_uri or f"{parts.scheme}://{parts.netloc}/"


@dataclass(frozen=True, slots=True)
class StandInPerson:
    """A person of the target who signs in with a password alone."""

    username: str
    password: str = field(repr=False)
    works_id: str = ""
    email: str = ""
    mail_password: str = field(default="", repr=False)

    @property
    def mail_login(self) -> tuple[str, str]:
        """The name and the password of their mail program."""
        return self.email or self.username, self.mail_password or self.password


@dataclass(frozen=True, slots=True)
class StandIns:
    """At least one client and one person; ``paths`` are those of the target, by kind of call."""

    clients: Sequence[StandInClient]
    people: Sequence[StandInPerson]
    paths: Mapping[str, str] = field(default_factory=lambda: _PATHS)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises BadStandIns, also if others can read the file, or OSError."""
        with file.open("rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise BadStandIns(f"{file}: others can read it, and it has secrets: chmod 600")
            try:
                return cls.of(tomllib.load(opened))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError):
                raise BadStandIns(f"{file}: it is no valid TOML") from None
            except BadStandIns as bad:
                raise BadStandIns(f"{file}: {bad}") from None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Raises BadStandIns."""
        clients = [
            StandInClient(**_texts(each, "client", _CLIENT, ("logout_redirect_uri",)))
            for each in _tables(document, "client")
        ]
        people = [
            StandInPerson(**_texts(each, "person", _PERSON, ("works_id", "email", "mail_password")))
            for each in _tables(document, "person")
        ]
        paths = _texts(document.get("paths", {}), "paths", (), tuple(_PATHS))
        if not all(path.startswith("/") for path in paths.values()):
            raise BadStandIns("a path begins with /")
        return cls(clients, people, {**_PATHS, **paths})


def _tables(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    if not isinstance(found, list) or not found:
        raise BadStandIns(f"there must be a [[{name}]]")
    return found


def _texts(
    table: object, name: str, required: Sequence[str], optional: Sequence[str]
) -> dict[str, str]:
    if not isinstance(table, dict):
        raise BadStandIns(f"{name} is no table")
    for each, value in table.items():
        if each not in (*required, *optional):
            raise BadStandIns(f"{name} has an unknown entry")
        if not isinstance(value, str) or not value.isprintable():
            raise BadStandIns(f"{each} of a {name} is no text")
    if missing := [each for each in required if not table.get(each)]:
        raise BadStandIns(f"a {name} lacks {', '.join(missing)}")
    return table
