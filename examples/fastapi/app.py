"""The customer's side of LINE WORKS single sign-on, on FastAPI alone, without Worksgate.

README.md in this folder says how to run it, and what it does not do.
"""

import base64
import hmac
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.middleware.sessions import SessionMiddleware

CLIENT_ID, CLIENT_SECRET = os.environ["SSO_CLIENT_ID"], os.environ["SSO_CLIENT_SECRET"]
CODE_LIFETIME, TOKEN_LIFETIME, SESSION_LIFETIME = 60, 24 * 3600, 12 * 3600
ORIGIN = re.escape(os.environ.get("SSO_REDIRECT_ORIGIN", "https://auth.worksmobile.com"))
REDIRECT_URI = re.compile(
    rf"{ORIGIN}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?(\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
ERRORS = {
    "101": (403, "access_denied: Wrong user name or password"),
    "201": (400, "invalid_request: Missing or invalid request"),
    "203": (400, "unsupported_grant_type: The grant_type is not supported"),
    "301": (401, "unauthorized_client: Invalid client ID or secret"),
    "302": (400, "invalid_authorization: Invalid authorization code"),
    "303": (401, "invalid_access: Access token verification failed"),
}


class Refused(Exception):
    """A call of LINE WORKS is answered with one of its numbers."""


@dataclass(frozen=True)
class Employee:
    """Stands for a row of the company's directory."""

    user_key: str
    works_account: str
    password_hash: str


HASHER = PasswordHasher()
ALICE = Employee("E-1001", "alice@example", HASHER.hash("paper lantern by the river"))
NOBODY = Employee("", "", HASHER.hash(secrets.token_urlsafe()))
EMPLOYEES = {"alice": ALICE, ALICE.works_account: ALICE}


def signed_in(username: str, password: str) -> Employee | None:
    found = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    try:
        HASHER.verify(found.password_hash, password)
    except VerificationError:
        return None
    return None if found is NOBODY else found


@dataclass(frozen=True)
class Grant:
    """What a code and its token stand for; ``expires_at`` is in seconds since the epoch."""

    code: str
    user_key: str
    expires_at: float


codes: dict[str, Grant] = {}
tokens: dict[str, Grant] = {}
# One event loop and no await within: what follows is atomic in this process, and in no other.


def new_code(user_key: str) -> str:
    now, code = time.time(), secrets.token_urlsafe(32)
    for kept in (codes, tokens):
        for key in [key for key, grant in kept.items() if grant.expires_at < now]:
            del kept[key]
    codes[code] = Grant(code, user_key, now + CODE_LIFETIME)
    return code


def redeemed(code: str) -> str:
    grant, now = codes.pop(code, None), time.time()
    if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
        for key in [key for key, other in tokens.items() if other.code == code]:
            del tokens[key]
    if grant is None or grant.expires_at < now:
        raise Refused("302")
    token = secrets.token_urlsafe(32)
    tokens[token] = Grant(code, grant.user_key, now + TOKEN_LIFETIME)
    return token


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


async def call_form(request: Request) -> dict[str, str]:
    """The form of a call: nothing in it is empty or there twice, nothing is read from the query."""
    # FastAPI's own Form takes the last of several values, and answers 422 in a form of its own.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise Refused("201")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > 16 * 1024:
            raise Refused("201")
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    form = {name: value for name, value in pairs if value}
    if len(form) != len(pairs):
        raise Refused("201")
    return form


CallForm = Annotated[dict[str, str], Depends(call_form)]


def check_client(form: dict[str, str]) -> None:
    given = f"{form['client_id']}\n{form['client_secret']}"
    if not same(given, f"{CLIENT_ID}\n{CLIENT_SECRET}"):
        raise Refused("301")


def check_request(request: Request) -> str:
    """The redirect_uri of an authorization request, as it came; never a redirect if it is wrong."""
    names = ("response_type", "client_id", "redirect_uri")
    kind, client_id, redirect_uri = map(request.query_params.getlist, names)
    is_known = (kind, client_id, len(redirect_uri)) == (["code"], [CLIENT_ID], 1)
    if not is_known or not REDIRECT_URI.fullmatch(redirect_uri[0]):
        raise HTTPException(400, "This is not a request of LINE WORKS")
    return redirect_uri[0]


RedirectUri = Annotated[str, Depends(check_request)]

app = FastAPI(openapi_url=None)
app.add_middleware(
    SessionMiddleware,
    secret_key=os.environ["SSO_SECRET_KEY"],
    session_cookie="__Host-sso",
    max_age=SESSION_LIFETIME,
    https_only=True,
)
pages = Jinja2Templates(Path(__file__).parent)


def page(request: Request, title: str, message: str = "", status: int = 200) -> Response:
    values = {"title": title, "message": message}
    if title == "Sign in":
        values["csrf"] = request.session.setdefault("csrf", secrets.token_urlsafe())
    return pages.TemplateResponse(request, "sign_in.html", values, status_code=status)


def to_line_works(redirect_uri: str, user_key: str) -> Response:
    separator = "&" if "?" in redirect_uri else "?"
    # A RedirectResponse quotes some characters: the address has to stay byte for byte.
    location = f"{redirect_uri}{separator}code={new_code(user_key)}"
    return Response(status_code=303, headers={"Location": location})


@app.get("/login")
async def show_login(request: Request, redirect_uri: RedirectUri) -> Response:
    found = EMPLOYEES.get(request.session.get("works_account", ""))
    works_id = request.query_params.get("worksId", "").casefold()
    if found is None or works_id not in ("", found.works_account):
        return page(request, "Sign in")
    return to_line_works(redirect_uri, found.user_key)


@app.post("/login")
async def login(
    request: Request,
    redirect_uri: RedirectUri,
    csrf: Annotated[str, Form()] = "",
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    if not same(csrf, request.session.get("csrf", "-")):
        return page(request, "Sign in", "The page was too old. Please try again.", 403)
    found = await run_in_threadpool(signed_in, username, password)
    if found is None:
        return page(request, "Sign in", "User name or password is wrong.", 403)
    request.session.clear()
    request.session["works_account"] = found.works_account
    return to_line_works(redirect_uri, found.user_key)


@app.post("/accessToken")
async def access_token(form: CallForm) -> dict[str, str | int]:
    if form.get("grant_type", "authorization_code") != "authorization_code":
        raise Refused("203")
    if not {"grant_type", "client_id", "client_secret", "code"} <= form.keys():
        raise Refused("201")
    check_client(form)
    token = redeemed(form["code"])
    return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}


@app.post("/userInfo")
async def user_info(form: CallForm) -> dict[str, str]:
    if not {"client_id", "client_secret", "access_token"} <= form.keys():
        raise Refused("201")
    check_client(form)
    grant = tokens.get(form["access_token"])
    if grant is None or grant.expires_at < time.time():
        raise Refused("303")
    return {"user_id": grant.user_key}


@app.get("/apiLogin/{client_id}")
async def imap_login(client_id: str, email: str = "?", password: str = "?") -> dict[str, str]:
    try:
        given = [base64.b64decode(each, validate=True).decode() for each in (email, password)]
    except ValueError:
        raise Refused("201") from None
    found = await run_in_threadpool(signed_in, *given) if client_id == CLIENT_ID else None
    if found is None:
        raise Refused("101")
    return {"code": new_code(found.user_key)}


@app.get("/logout")
async def logout(request: Request, redirect_uri: str = "") -> Response:
    request.session.clear()
    if REDIRECT_URI.fullmatch(redirect_uri):
        return RedirectResponse(redirect_uri, 303)
    return page(request, "You are signed out")


@app.exception_handler(Refused)
async def refuse(_request: Request, refused: Exception) -> Response:
    status, description = ERRORS[number := str(refused)]
    return JSONResponse({"error": number, "error_description": description}, status)


@app.middleware("http")
async def with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
