"""The customer's side of LINE WORKS single sign-on, on FastAPI alone, without Worksgate.

`employees` stands for the company's directory, `grants` keeps codes and tokens. README.md says how
to run it, and what it does not do.
"""

import base64
import hmac
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl

from employees import EMPLOYEES, signed_in
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from grants import TOKEN_LIFETIME, new_code, redeemed, user_key_of
from starlette.middleware.sessions import SessionMiddleware

CLIENT_ID, CLIENT_SECRET = os.environ["SSO_CLIENT_ID"], os.environ["SSO_CLIENT_SECRET"]
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


def check(form: dict[str, str], *names: str) -> None:
    """Refuse a call without one of these names, or from anybody but LINE WORKS."""
    if not {"client_id", "client_secret", *names} <= form.keys():
        raise Refused("201")
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
    max_age=12 * 3600,
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
    check(form, "grant_type", "code")
    token = redeemed(form["code"])
    if token is None:
        raise Refused("302")
    return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}


@app.post("/userInfo")
async def user_info(form: CallForm) -> dict[str, str]:
    check(form, "access_token")
    user_key = user_key_of(form["access_token"])
    if user_key is None:
        raise Refused("303")
    return {"user_id": user_key}


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
