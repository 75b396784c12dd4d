"""The key by which LINE WORKS knows a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from worksgate.oauth.model import Client, UserKey

IN_WORDS: Final[Mapping[UserKey, str]] = {
    UserKey.EXTERNAL_KEY: "external key",
    UserKey.WORKS_ACCOUNT: "LINE WORKS account",
}


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why a person's key of a kind cannot be used; ``text`` is a sentence without a full stop."""

    kind: UserKey
    text: str

    def __str__(self) -> str:
        return self.text


def user_key(client: Client, external_key: str | None, works_account: str | None) -> str | None:
    """The key of the kind that the client is set to, or None if the person has none."""
    return external_key if client.user_key is UserKey.EXTERNAL_KEY else works_account


def why_no_user_key(client: Client, refused: Iterable[KeyProblem]) -> str:
    """Why there is no key of the client's kind for LINE WORKS, in words for the audit log.

    ``refused`` are keys that belong to another person.
    """
    fitting = "; ".join(each.text for each in refused if each.kind is client.user_key)
    return f"no user key: {fitting or f'there is no {IN_WORDS[client.user_key]}'}"


def is_refused(client: Client, refused: Iterable[KeyProblem]) -> bool:
    """Whether there is no key since it belongs to another person; ``refused`` is as above."""
    return any(each.kind is client.user_key for each in refused)
