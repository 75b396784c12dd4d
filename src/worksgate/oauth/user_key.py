"""The key by which LINE WORKS knows a person."""

from collections.abc import Iterable

from worksgate.oauth.model import Client, UserKey


def user_key(client: Client, external_key: str | None, works_account: str | None) -> str | None:
    """The key of the kind that the client is set to, or None if the person has none."""
    return external_key if client.user_key is UserKey.EXTERNAL_KEY else works_account


def why_no_user_key(client: Client, refused: Iterable[str]) -> str:
    """Why there is no key of the client's kind for LINE WORKS, in words for the audit log.

    ``refused`` are keys that belong to another person, a sentence for each.
    """
    fitting = "; ".join(_fitting(client, refused))
    return f"no user key: {fitting or f'there is no {_IN_WORDS[client.user_key]}'}"


def is_refused(client: Client, refused: Iterable[str]) -> bool:
    """Whether there is no key since it belongs to another person; ``refused`` is as above."""
    return bool(_fitting(client, refused))


def _fitting(client: Client, refused: Iterable[str]) -> list[str]:
    """Those of the client's kind."""
    return [each for each in refused if each.startswith(f"the {_IN_WORDS[client.user_key]} ")]


_IN_WORDS = {UserKey.EXTERNAL_KEY: "external key", UserKey.WORKS_ACCOUNT: "LINE WORKS account"}
