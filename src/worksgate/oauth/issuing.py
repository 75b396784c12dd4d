"""The result of a sign-in: the person's user key, and the one code that stands for it."""

from collections.abc import Iterable

from worksgate.oauth.model import AuthorizationCode, Client, LoginKind, UserKey


def user_key(client: Client, external_key: str | None, works_account: str | None) -> str | None:
    """The key of the kind that the client is set to, or None if the person has none."""
    return external_key if client.user_key is UserKey.EXTERNAL_KEY else works_account


def why_no_user_key(client: Client, refused: Iterable[str]) -> str:
    """Why there is no key of the client's kind for LINE WORKS, in words for the audit log.

    ``refused`` are keys that belong to another person, a sentence for each.
    """
    wanted = _IN_WORDS[client.user_key]
    fitting = [each for each in refused if each.startswith(f"the {wanted} ")]
    return f"no user key: {'; '.join(fitting) or f'there is no {wanted}'}"


_IN_WORDS = {UserKey.EXTERNAL_KEY: "external key", UserKey.WORKS_ACCOUNT: "LINE WORKS account"}


def authorization_code(
    client: Client,
    *,
    key: str,
    grant_id: str,
    subject_id: str,
    user_id: str,
    login_id: str,
    login_kind: LoginKind,
    now: float,
) -> AuthorizationCode:
    """A new code with the client's current lifetimes; ``key`` is the stored form of its secret."""
    return AuthorizationCode(
        key=key,
        grant_id=grant_id,
        subject_id=subject_id,
        client_id=client.client_id,
        expires_at=now + client.code_lifetime,
        user_id=user_id,
        login_id=login_id,
        login_kind=login_kind,
        lifetime=client.token_lifetime(login_kind),
        expires_in=client.expires_in(login_kind) if client.announce_expires_in else None,
    )
