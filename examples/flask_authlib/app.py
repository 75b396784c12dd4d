"""The customer's side of LINE WORKS single sign-on, on Flask and Authlib, without Worksgate.

Authlib is a server for RFC 6749. Each comment that names it is a place at which LINE WORKS differs.
README.md in this folder says how to run it, and what it does not do.
"""

import base64
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, OAuth2Error, grants
from flask import Flask, Response, jsonify, redirect, render_template, request, session
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.security import check_password_hash, generate_password_hash

CODE_LIFETIME, TOKEN_LIFETIME = 60, 24 * 3600
FORM = "application/x-www-form-urlencoded"
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
NUMBERS = {"invalid_client": "301", "invalid_grant": "302", "unsupported_grant_type": "203"}

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SSO_SECRET_KEY"],
    MAX_CONTENT_LENGTH=16 * 1024,
    SESSION_COOKIE_NAME="__Host-sso",
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE="Lax",
    OAUTH2_TOKEN_EXPIRES_IN={"authorization_code": TOKEN_LIFETIME},
)
app.permanent_session_lifetime = timedelta(hours=12)


@dataclass(frozen=True)
class Employee:
    """Stands for a row of the company's directory."""

    user_key: str
    works_account: str
    password_hash: str


ALICE = Employee("E-1001", "alice@example", generate_password_hash("paper lantern by the river"))
NOBODY = Employee("", "", generate_password_hash(secrets.token_urlsafe()))
EMPLOYEES = {"alice": ALICE, ALICE.works_account: ALICE}


def signed_in(username: str, password: str) -> Employee | None:
    found = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    is_right = check_password_hash(found.password_hash, password)
    return found if is_right and found is not NOBODY else None


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass(frozen=True)
class Grant(AuthorizationCodeMixin):
    """What a code and its token stand for; ``expires_at`` is in seconds since the epoch."""

    code: str
    user_key: str
    expires_at: float

    def get_redirect_uri(self) -> None:
        """None: LINE WORKS' call has no redirect_uri, for which Authlib would refuse it."""

    def get_scope(self) -> str:
        return ""


codes: dict[str, Grant] = {}
tokens: dict[str, Grant] = {}


def new_code(user_key: str) -> str:
    now, code = time.time(), secrets.token_urlsafe(32)
    for kept in (codes, tokens):
        for key in [key for key, grant in list(kept.items()) if grant.expires_at < now]:
            kept.pop(key, None)
    codes[code] = Grant(code, user_key, now + CODE_LIFETIME)
    return code


class Client(ClientMixin):
    """The one client: what the Developer Console of LINE WORKS has been told."""

    client_id = os.environ["SSO_CLIENT_ID"]
    _secret = os.environ["SSO_CLIENT_SECRET"]

    def check_client_secret(self, client_secret: str) -> bool:
        return same(client_secret, self._secret)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # With Authlib one compares whole addresses. LINE WORKS' state is in it: no two are alike.
        return REDIRECT_URI.fullmatch(redirect_uri) is not None

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, _scope: str | None) -> str:
        return ""

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_post"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_post",)

    def create_authorization_response(self, redirect_uri: str, grant_user: str) -> Any:
        # Authlib would read and write the query anew, and LINE WORKS not find its state in it.
        separator = "&" if "?" in redirect_uri else "?"
        location = f"{redirect_uri}{separator}code={new_code(grant_user)}"
        return 303, "", [("Location", location)]

    def query_authorization_code(self, code: str, _client: Client) -> Grant | None:
        # Authlib deletes a code after the token is saved; until then others could use it, too.
        grant = codes.pop(code, None)
        if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
            for key in [key for key, other in list(tokens.items()) if other.code == code]:
                tokens.pop(key, None)
        return grant if grant is not None and grant.expires_at > time.time() else None

    def authenticate_user(self, grant: Grant) -> str:
        return grant.user_key

    def delete_authorization_code(self, _grant: Grant) -> None:
        """It is gone already."""


class Server(AuthorizationServer):
    def handle_error_response(self, _request: Any, error: OAuth2Error) -> Response:
        return refused(NUMBERS.get(error.error, "201"))  # LINE WORKS has numbers for them


CLIENT = Client()


def save_token(token: dict[str, Any], asked: Any) -> None:
    grant, expires_at = asked.authorization_code, time.time() + token["expires_in"]
    tokens[token["access_token"]] = Grant(grant.code, grant.user_key, expires_at)


server = Server(app, {CLIENT.client_id: CLIENT}.get, save_token)
server.register_grant(CodeGrant)


def refused(number: str) -> Response:
    status, description = ERRORS[number]
    answer = jsonify(error=number, error_description=description)
    answer.status_code = status
    return answer


def is_form_with(*names: str) -> bool:
    """Whether the body has each of these, nothing twice, nothing empty."""
    is_once = all(len(values) == 1 and values[0] for values in request.form.listvalues())
    return request.mimetype == FORM and is_once and all(map(request.form.get, names))


def page(title: str, message: str = "", status: int = 200) -> tuple[str, int]:
    csrf = session.setdefault("csrf", secrets.token_urlsafe()) if title == "Sign in" else ""
    return render_template("sign_in.html", title=title, message=message, csrf=csrf), status


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    try:
        grant = server.get_consent_grant()
    except (OAuth2Error, ValueError):  # the latter for some characters, which Authlib would quote
        # Never a redirect, which Authlib makes of some errors: the address may be an attacker's.
        return page("This is not a request of LINE WORKS", status=400)
    works_id = request.args.get("worksId", "").casefold()
    if request.method == "GET":
        employee = EMPLOYEES.get(session.get("works_account", ""))
        if employee is None or works_id not in ("", employee.works_account):
            return page("Sign in")
        return server.create_authorization_response(grant=grant, grant_user=employee.user_key)
    if not same(request.form.get("csrf", ""), session.get("csrf", "-")):
        return page("Sign in", "The page was too old. Please try again.", 403)
    employee = signed_in(request.form.get("username", ""), request.form.get("password", ""))
    if employee is None:
        return page("Sign in", "User name or password is wrong.", 403)
    session.clear()
    session.permanent = True
    session["works_account"] = employee.works_account
    return server.create_authorization_response(grant=grant, grant_user=employee.user_key)


@app.post("/accessToken")
def access_token() -> Response:
    if not is_form_with("grant_type", "client_id", "client_secret"):
        return refused("201")
    answer: Response = server.create_token_response()
    return answer


@app.post("/userInfo")
def user_info() -> Response:
    if not is_form_with("client_id", "client_secret", "access_token"):
        return refused("201")
    is_known = same(request.form["client_id"], CLIENT.client_id)
    if not CLIENT.check_client_secret(request.form["client_secret"]) or not is_known:
        return refused("301")
    grant = tokens.get(request.form["access_token"])
    if grant is None or grant.expires_at < time.time():
        return refused("303")
    return jsonify(user_id=grant.user_key)


@app.get("/apiLogin/<client_id>")
def imap_login(client_id: str) -> Response:
    try:
        email = base64.b64decode(request.args["email"], validate=True).decode()
        password = base64.b64decode(request.args["password"], validate=True).decode()
    except (KeyError, ValueError):
        return refused("201")
    employee = signed_in(email, password) if client_id == CLIENT.client_id else None
    return jsonify(code=new_code(employee.user_key)) if employee else refused("101")


@app.get("/logout")
def logout() -> Any:
    session.clear()
    redirect_uri = request.args.get("redirect_uri", "")
    if REDIRECT_URI.fullmatch(redirect_uri):
        return redirect(redirect_uri, 303)
    return page("You are signed out")


@app.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> Response:
    return refused("201")


@app.after_request
def with_headers(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
