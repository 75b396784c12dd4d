"""Access tokens of an app: fetched with an assertion, kept in memory only, never refreshed.

There is one for each set of scopes, so that what only reads has a token that cannot write. The
assertion is always at hand, so a refresh token would only be another secret to keep (90 days).
https://developers.worksmobile.com/en/docs/auth-jwt
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.assertion import assertion
from worksgate.line_works_api.errors import ApiUnavailable, TokenRefused, shown
from worksgate.settings.assumptions import Assumptions

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USED_SHARE: Final = 0.8
"""Of its life a token is used."""
_USUAL_LIFE: Final = 3_600.0
"""Seconds, if the answer does not say; the shorter one of the two that the console offers."""
_LONGEST_TOKEN: Final = 16_384

_ADVICE: Final = {
    "invalid_client": "check the client ID and the client secret",
    "invalid_scope": "tick the scope in the Developer Console; a change there takes some minutes",
    "invalid_grant": "check the service account and the private key, and this machine's clock",
}


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the authorization server answered: a status, and a JSON object or None."""

    status: int
    document: Mapping[str, Any] | None = field(repr=False)


Post = Callable[[bytes], Awaitable[TokenAnswer]]
"""Posts a form to the token endpoint. Raises ApiUnavailable."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    use_until: float
    granted: frozenset[str]


class AccessTokens:
    """The access tokens of an app, by their scopes, each fetched when it is needed.

    ``now`` is in seconds since the epoch, ``clock`` is monotonic.
    """

    def __init__(
        self,
        app: ApiApp,
        post: Post,
        now: Callable[[], float],
        clock: Callable[[], float],
        assumed: Assumptions,
    ) -> None:
        self._app = app
        self._post = post
        self._now = now
        self._clock = clock
        self._assumed = assumed
        self._tokens: dict[tuple[str, ...], _Token] = {}

    async def get(self, scopes: tuple[str, ...]) -> str:
        """A token with these scopes, to be used now. Raises TokenRefused or ApiUnavailable."""
        token = self._tokens.get(scopes)
        if token is None or self._clock() >= token.use_until:
            token = self._tokens[scopes] = await self._fetch(scopes)
        return token.text

    def granted(self, scopes: tuple[str, ...]) -> frozenset[str]:
        """The scopes that the last token has for which these were asked; none without one."""
        token = self._tokens.get(scopes)
        return frozenset() if token is None else token.granted

    def drop(self, scopes: tuple[str, ...]) -> None:
        """Fetch another one with these scopes next time: this one was refused."""
        self._tokens.pop(scopes, None)

    def hide(self, text: str) -> str:
        """A text of LINE WORKS without tokens and the client secret, which it may quote."""
        tokens = (each.text for each in self._tokens.values())
        return _without((*tokens, self._app.client_secret), text)

    async def _fetch(self, scopes: tuple[str, ...]) -> _Token:
        app = self._app
        form = {
            "assertion": assertion(app, self._now(), self._assumed),
            "grant_type": GRANT_TYPE,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "scope": " ".join(scopes),
        }
        # Every value is percent-encoded: unencoded ones were seen to be refused with code 99.
        answer = await self._post(urlencode(form, quote_via=quote, safe="").encode("ascii"))
        text = (answer.document or {}).get("access_token")
        if answer.status != 200 or not _is_usable(text):
            secrets = (form["assertion"], app.client_secret)
            raise TokenRefused(_why_refused(answer, secrets))
        document = answer.document or {}
        life = _seconds(document.get("expires_in"))
        use_until = self._clock() + USED_SHARE * life
        return _Token(str(text), use_until, _granted(document, scopes))


def _is_usable(token: object) -> bool:
    return (
        isinstance(token, str)
        and 0 < len(token) <= _LONGEST_TOKEN
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )


def _seconds(value: object) -> float:
    """``expires_in``, which comes as a number or as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10**9:
        return float(value)
    return _USUAL_LIFE


def _granted(document: Mapping[str, Any], asked: Iterable[str]) -> frozenset[str]:
    """The granted scopes, separated by blanks or commas; those asked for, if it does not say."""
    scope = document.get("scope")
    if not isinstance(scope, str) or not scope.strip():
        return frozenset(asked)
    return frozenset(scope.replace(",", " ").split())


def _why_refused(answer: TokenAnswer, secrets: tuple[str, ...]) -> str:
    """One sentence, from either form of error that the authorization server has."""
    document = answer.document
    if document is None:
        raise ApiUnavailable(
            f"the authorization server answered with status {answer.status} and no JSON"
        )
    said = [document.get(name) for name in ("error", "error_description")]
    said += [document.get(name) for name in ("returnCode", "returnMessage")]
    text = ": ".join(str(each) for each in said if each)
    text = _without(secrets, text)
    advice = _ADVICE.get(str(document.get("error")), "check the app in the Developer Console")
    what = shown(text) or f"status {answer.status} without a reason"
    return f"the authorization server refuses an access token ({what}): {advice}"


def _without(secrets: Iterable[str], text: str) -> str:
    """A text without these secrets, plain or as a form has them."""
    for secret in secrets:
        for written in (secret, quote(secret, safe=""), quote(secret)):
            text = text.replace(written, "…")
    return text
