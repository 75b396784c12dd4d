"""One sign-in of a mail app, from LINE WORKS' side: from a password to the mailbox.

Somebody has typed an e-mail address and a password into their mail app, which sends both to LINE
WORKS (IMAP, CalDAV). LINE WORKS passes them on to the IMAP/CalDAV Login API, and redeems the
resulting code like any other. A `MailLogin` has only masked records, and never the password.
https://developers.worksmobile.com/jp/docs/sso-sp-oauth-login-imap-caldav
"""

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

from worksgate.conformance.exchange import Exchange, Failure
from worksgate.conformance.line_works import LineWorks


class MailRefusal(StrEnum):
    """Why LINE WORKS refused the mail app."""

    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    NO_CODE = "no_code"
    TOKEN = "token"
    USER_INFO = "user_info"


@dataclass(frozen=True, slots=True)
class MailLogin:
    """A completed sign-in of a mail app; `api` is the call that passed the password on."""

    id: str
    browser: str
    email: str
    api: Exchange
    token: Exchange | None = None
    user_info: Exchange | None = None
    user_id: str | None = None
    refusal: MailRefusal | None = None


async def sign_in(line_works: LineWorks, email: str, password: str, *, browser: str) -> MailLogin:
    """Make the three calls, as far as they succeed, and return the result.

    Raises ValueError if the endpoints have no IMAP/CalDAV Login API.
    """
    api = await line_works.imap_login(email, password)
    login = MailLogin(secrets.token_urlsafe(16), browser, email, api.masked())
    refusal = _refusal(api)
    code = api.value("code")
    if refusal is not None or code is None:
        return replace(login, refusal=refusal or MailRefusal.NO_CODE)
    return await _redeem(login, code, line_works)


async def _redeem(login: MailLogin, code: str, line_works: LineWorks) -> MailLogin:
    token = await line_works.exchange_code(code)
    login = replace(login, token=token.masked())
    access_token = token.value("access_token") if _is_good(token) else None
    if access_token is None:
        return replace(login, refusal=MailRefusal.TOKEN)
    user_info = await line_works.user_info(access_token)
    login = replace(login, user_info=user_info.masked())
    user_id = user_info.value("user_id") if _is_good(user_info) else None
    if user_id is None:
        return replace(login, refusal=MailRefusal.USER_INFO)
    return replace(login, user_id=user_id)


def _refusal(api: Exchange) -> MailRefusal | None:
    """Return why there can be no code, or None."""
    unread = api.failure is not None and api.failure is not Failure.NOT_JSON
    if unread or not api.answered_in_time or (api.status or 0) >= 500:
        return MailRefusal.NO_ANSWER
    return None if api.status == 200 and api.error is None else MailRefusal.REFUSED


def _is_good(exchange: Exchange) -> bool:
    return exchange.status == 200 and exchange.answered_in_time
