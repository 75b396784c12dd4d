"""The customer's side of LINE WORKS single sign-on, on FastAPI alone: see README.md."""

import base64
import hmac
import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

from argon2 import PasswordHasher, exceptions
from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.templating import Jinja2Templates
from starlette.middleware.sessions import SessionMiddleware

CLIENT_ID, CLIENT_SECRET = os.environ["SSO_CLIENT_ID"], os.environ["SSO_CLIENT_SECRET"]
CODE_LIFETIME, TOKEN_LIFETIME = 60, 24 * 3600
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
# Stands for the company's directory. The first one is nobody: a hash for unknown names.
NOBODY, *PEOPLE = json.loads(Path(__file__).with_name("employees.json").read_text("utf-8"))
EMPLOYEES = {each[name]: each for each in PEOPLE for name in ("username", "works_account")}
app = FastAPI(openapi_url=None)
key, name = os.environ["SSO_SECRET_KEY"], "__Host-sso"
app.add_middleware(SessionMiddleware, key, name, max_age=12 * 3600, https_only=True)
pages = Jinja2Templates(Path(__file__).parent)


class Grant(NamedTuple):
    code: str
    user_key: str
    expires_at: float  # in seconds since the epoch


codes: dict[str, Grant] = {}
tokens: dict[str, Grant] = {}


def new_code(user_key: str) -> str:
    now, code = time.time(), secrets.token_urlsafe(32)
    for kept in (codes, tokens):
        for key in [key for key, grant in kept.items() if grant.expires_at < now]:
            del kept[key]
    codes[code] = Grant(code, user_key, now + CODE_LIFETIME)
    return code


def signed_in(username: str, password: str) -> dict[str, str] | None:
    found: dict[str, str] = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    try:  # also for unknown names: an answer must not tell by its time who works here
        PasswordHasher().verify(found["password_hash"], password)
    except exceptions.VerificationError:
        return None
    return found


class Refused(Exception):
    """A call of LINE WORKS is answered with one of its numbers."""


async def read_form(request: Request) -> dict[str, str]:
    """The form of a request, nothing in it twice: FastAPI's Form takes the last of several."""
    body, media_type = b"", request.headers.get("content-type", "").partition(";")[0]
    async for chunk in request.stream():
        if len(body := body + chunk) > 16 * 1024:
            raise Refused("201")
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    is_form = media_type.strip().lower() == "application/x-www-form-urlencoded"
    if not is_form or len(dict(pairs)) != len(pairs):
        raise Refused("201")
    return dict(pairs)


def check(form: dict[str, str], *names: str) -> None:
    """Refuse a call without one of these names, or from anybody but LINE WORKS."""
    if not all(map(form.get, ("client_id", "client_secret", *names))):
        raise Refused("201")
    given = f"{form['client_id']}\n{form['client_secret']}"
    if not hmac.compare_digest(given.encode(), f"{CLIENT_ID}\n{CLIENT_SECRET}".encode()):
        raise Refused("301")


def page(request: Request, title: str, message: str = "", status: int = 200) -> Response:
    csrf = request.session.setdefault("csrf", secrets.token_urlsafe()) if title == "Sign in" else ""
    values = {"title": title, "message": message, "csrf": csrf}
    return pages.TemplateResponse(request, "sign_in.html", values, status_code=status)


@app.api_route("/login", methods=["GET", "POST"])
async def login(request: Request) -> Response:
    names = ("response_type", "client_id", "redirect_uri")
    *asked, redirect_uri = (" ".join(request.query_params.getlist(name)) for name in names)
    if asked != ["code", CLIENT_ID] or not REDIRECT_URI.fullmatch(redirect_uri):
        return page(request, "This is not a request of LINE WORKS", status=400)  # never a redirect
    if request.method == "GET":
        found = EMPLOYEES.get(request.session.get("works_account", ""))
        works_id = request.query_params.get("worksId", "").casefold()
        if found is None or works_id not in ("", found["works_account"]):
            return page(request, "Sign in")
    else:
        form = await read_form(request)
        given, csrf = form.get("csrf", ""), request.session.get("csrf", "-")
        if not hmac.compare_digest(given.encode(), csrf.encode()):
            return page(request, "Sign in", "The page was too old. Please try again.", 403)
        username, password = form.get("username", ""), form.get("password", "")
        found = await run_in_threadpool(signed_in, username, password)
        if found is None:
            return page(request, "Sign in", "User name or password is wrong.", 403)
        request.session.clear()
        request.session["works_account"] = found["works_account"]
    # FastAPI's RedirectResponse quotes some characters: the address has to stay byte for byte.
    separator = "&code=" if "?" in redirect_uri else "?code="
    location = redirect_uri + separator + new_code(found["user_key"])
    return Response(status_code=303, headers={"Location": location})


@app.post("/accessToken")
async def access_token(form: Annotated[dict[str, str], Depends(read_form)]) -> Any:
    if form.get("grant_type", "authorization_code") not in ("authorization_code", ""):
        raise Refused("203")
    check(form, "grant_type", "code")
    # From here on nothing awaits: nobody gets in between, and no code gets two tokens.
    grant, now = codes.pop(form["code"], None), time.time()
    if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
        for key in [key for key, other in tokens.items() if other.code == form["code"]]:
            del tokens[key]
    if grant is None or grant.expires_at < now:
        raise Refused("302")
    token = secrets.token_urlsafe(32)
    tokens[token] = grant._replace(expires_at=now + TOKEN_LIFETIME)
    return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}


@app.post("/userInfo")
async def user_info(form: Annotated[dict[str, str], Depends(read_form)]) -> Any:
    check(form, "access_token")
    grant = tokens.get(form["access_token"])
    if grant is None or grant.expires_at < time.time():
        raise Refused("303")
    return {"user_id": grant.user_key}


@app.get("/apiLogin/{client_id}")
async def imap_login(client_id: str, email: str = "?", password: str = "?") -> Any:
    try:
        given = [base64.b64decode(each, validate=True).decode() for each in (email, password)]
    except ValueError:
        raise Refused("201") from None
    found = await run_in_threadpool(signed_in, *given) if client_id == CLIENT_ID else None
    if found is None:
        raise Refused("101")
    return {"code": new_code(found["user_key"])}


@app.get("/logout")
async def logout(request: Request, redirect_uri: str = "") -> Response:
    request.session.clear()
    if REDIRECT_URI.fullmatch(redirect_uri):
        return Response(status_code=303, headers={"Location": redirect_uri})
    return page(request, "You are signed out")


@app.exception_handler(Refused)
async def refuse(_request: Request, refused: Exception) -> Response:
    status, description = ERRORS[number := str(refused)]
    return JSONResponse({"error": number, "error_description": description}, status)


@app.middleware("http")
async def with_headers(request: Request, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
