"""One sign-in, from LINE WORKS' side: from the redirect out to its own session.

`begin` creates the `Login` and the URL for the browser; `complete` is called when the browser comes
back, makes the two back-channel calls, and returns the login with the result. A `Login` has only
masked records: the code and the token are dropped after their use.
"""

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

from worksgate.conformance.exchange import Exchange, mask_url
from worksgate.conformance.line_works import (
    LOGIN_LIFETIME,
    CallbackError,
    LineWorks,
    authorization_url,
    parse_callback,
    redirect_uri_with_state,
)


class Kind(StrEnum):
    """Where the person signs in."""

    BROWSER = "browser"
    APP = "app"


class Refusal(StrEnum):
    """Why LINE WORKS did not start a session although the browser came back."""

    TOO_LATE = "too_late"
    BAD_CALLBACK = "bad_callback"
    DENIED = "denied"
    TOKEN = "token"
    USER_INFO = "user_info"


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in in progress or completed. `seconds_away` is the time at the SSO system.

    `intent` names the misbehaviour that the code is for, if it is not for signing in, and `trial`
    its result. `callback_url` is masked.
    """

    id: str
    state: str
    browser: str
    kind: Kind
    redirect_uri: str
    url: str
    started_at: float
    works_id: str | None = None
    session_key: str | None = None
    session_key_requested: bool = False
    intent: str | None = None
    callback_url: str | None = None
    seconds_away: float | None = None
    token: Exchange | None = None
    user_info: Exchange | None = None
    user_id: str | None = None
    refusal: Refusal | None = None
    trial: str | None = None

    @property
    def is_over(self) -> bool:
        return self.seconds_away is not None


def begin(
    line_works: LineWorks,
    redirect_uri: str,
    *,
    browser: str,
    now: float,
    kind: Kind = Kind.BROWSER,
    works_id: str | None = None,
    intent: str | None = None,
) -> Login:
    """Return a new login; the browser goes to its `url`."""
    state = secrets.token_urlsafe(24)
    session_key = secrets.token_urlsafe(24) if kind is Kind.APP else None
    ends = line_works.endpoints
    destination = redirect_uri_with_state(redirect_uri, state)
    return Login(
        id=secrets.token_urlsafe(16),
        state=state,
        browser=browser,
        kind=kind,
        redirect_uri=destination,
        url=authorization_url(
            ends.app_login if kind is Kind.APP else ends.web_login,
            client_id=line_works.credentials.client_id,
            redirect_uri=destination,
            works_id=works_id,
            app=kind is Kind.APP,
            session_key=session_key,
        ),
        started_at=now,
        works_id=works_id,
        session_key=session_key,
        intent=intent,
    )


def read_callback(login: Login, callback_url: str, *, now: float) -> tuple[Login, str | None]:
    """Return the completed login, and the code, or no code and the reason in `refusal`."""
    shown = mask_url(callback_url)
    over = replace(login, callback_url=shown, seconds_away=now - login.started_at)
    try:
        code = parse_callback(callback_url, redirect_uri=login.redirect_uri)
    except CallbackError as error:
        refusal = Refusal.BAD_CALLBACK if error.error is None else Refusal.DENIED
        return replace(over, refusal=refusal), None
    if now - login.started_at > LOGIN_LIFETIME:
        return replace(over, refusal=Refusal.TOO_LATE), None
    return over, code


async def complete(login: Login, code: str, line_works: LineWorks) -> Login:
    """Make the two back-channel calls (steps 7 to 10) and return the login with their records."""
    token = await line_works.exchange_code(code)
    login = replace(login, token=token.masked())
    access_token = token.value("access_token") if token.status == 200 else None
    if access_token is None or not token.answered_in_time:
        return replace(login, refusal=Refusal.TOKEN)
    user_info = await line_works.user_info(access_token)
    login = replace(login, user_info=user_info.masked())
    user_id = user_info.value("user_id") if user_info.status == 200 else None
    if user_id is None or not user_info.answered_in_time:
        return replace(login, refusal=Refusal.USER_INFO)
    return replace(login, user_id=user_id)
