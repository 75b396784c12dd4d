"""The customer's side of LINE WORKS single sign-on, on Flask and Authlib: see README.md."""

import base64
import hmac
import json
import os
import re
import secrets
import time
from typing import Any, NamedTuple

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Error, grants
from flask import Flask, Response, redirect, render_template, request, session
from werkzeug.security import check_password_hash

CLIENT_ID, CLIENT_SECRET = os.environ["SSO_CLIENT_ID"], os.environ["SSO_CLIENT_SECRET"]
CODE_LIFETIME, TOKEN_LIFETIME = 60, 24 * 3600
ORIGIN = re.escape(os.environ.get("SSO_REDIRECT_ORIGIN", "https://auth.worksmobile.com"))
REDIRECT_URI = re.compile(
    rf"{ORIGIN}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?(\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
)
ERRORS = {  # LINE WORKS has numbers for what Authlib has names for
    "access_denied": (403, "101", "access_denied: Wrong user name or password"),
    "invalid_request": (400, "201", "invalid_request: Missing or invalid request"),
    "unsupported_grant_type": (400, "203", "unsupported_grant_type: It is not supported"),
    "invalid_client": (401, "301", "unauthorized_client: Invalid client ID or secret"),
    "invalid_grant": (400, "302", "invalid_authorization: Invalid authorization code"),
    "invalid_token": (401, "303", "invalid_access: Access token verification failed"),
}

app = Flask(__name__, template_folder=".")
app.config.update(SECRET_KEY=os.environ["SSO_SECRET_KEY"], PERMANENT_SESSION_LIFETIME=12 * 3600)
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax")
app.config.update(SESSION_COOKIE_NAME="__Host-sso", MAX_CONTENT_LENGTH=16 * 1024)
# Stands for the company's directory. The first one is nobody: a hash for unknown names.
NOBODY, *PEOPLE = json.load(app.open_resource("employees.json"))
EMPLOYEES = {each[name]: each for each in PEOPLE for name in ("username", "works_account")}


class Grant(NamedTuple):
    code: str
    user_key: str
    expires_at: float  # in seconds since the epoch

    def get_redirect_uri(self) -> None:
        """None: LINE WORKS' call has no redirect_uri, for which Authlib would refuse it."""


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
    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(client_secret.encode(), CLIENT_SECRET.encode())

    def check_grant_type(self, name: str, *_: str) -> bool:
        return name in ("authorization_code", "client_secret_post")

    check_endpoint_auth_method = check_grant_type


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_post",)

    def query_authorization_code(self, code: str, _client: Client) -> Grant | None:
        # Authlib deletes a code after the token is saved; until then others could use it, too.
        grant = codes.pop(code, None)
        if grant is None:  # a second use revokes what the first one got (RFC 6749 §4.1.2)
            for key in [key for key, other in list(tokens.items()) if other.code == code]:
                tokens.pop(key, None)
        return grant if grant and grant.expires_at > time.time() else None

    def create_token_response(self) -> Any:
        token, grant = secrets.token_urlsafe(32), self.request.authorization_code
        tokens[token] = Grant(grant.code, grant.user_key, time.time() + TOKEN_LIFETIME)
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME}


server = AuthorizationServer(app, {CLIENT_ID: Client()}.get)
server.register_grant(CodeGrant)


def check_form(*names: str) -> None:
    """Refuse a call whose form lacks one of these, or has anything twice or empty."""
    is_once = all(len(values) == 1 and values[0] for values in request.form.listvalues())
    if not is_once or not all(map(request.form.get, names)):
        raise OAuth2Error(error="invalid_request")


def signed_in(username: str, password: str) -> dict[str, str] | None:
    found: dict[str, str] = EMPLOYEES.get(username.strip().casefold(), NOBODY)
    # Hashing for unknown names as well: an answer must not tell by its time who works here.
    return found if check_password_hash(found["password_hash"], password) else None


def page(title: str, message: str = "", status: int = 200) -> Any:
    csrf = session.setdefault("csrf", secrets.token_urlsafe()) if title == "Sign in" else ""
    return render_template("sign_in.html", title=title, message=message, csrf=csrf), status


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    names = ("response_type", "client_id", "redirect_uri")
    *asked, redirect_uri = (" ".join(request.args.getlist(name)) for name in names)
    if asked != ["code", CLIENT_ID] or not REDIRECT_URI.fullmatch(redirect_uri):
        # Never a redirect, which Authlib makes of some errors: the address may be an attacker's.
        return page("This is not a request of LINE WORKS", status=400)
    if request.method == "GET":
        found = EMPLOYEES.get(session.get("works_account", ""))
        works_id = request.args.get("worksId", "").casefold()
        if found is None or works_id not in ("", found["works_account"]):
            return page("Sign in")
    else:
        given, csrf = request.form.get("csrf", ""), session.get("csrf", "-")
        if not hmac.compare_digest(given.encode(), csrf.encode()):
            return page("Sign in", "The page was too old. Please try again.", 403)
        found = signed_in(request.form.get("username", ""), request.form.get("password", ""))
        if found is None:
            return page("Sign in", "User name or password is wrong.", 403)
        session.clear()
        session.permanent = True
        session["works_account"] = found["works_account"]
    # Authlib would read and write the query anew, and LINE WORKS not find its state in it.
    separator = "&code=" if "?" in redirect_uri else "?code="
    return "", 303, {"Location": redirect_uri + separator + new_code(found["user_key"])}


@app.post("/accessToken")
def access_token() -> Any:
    check_form("grant_type", "client_id", "client_secret")
    grant = server.get_token_grant(server.create_oauth2_request(None))
    grant.validate_token_request()
    return grant.create_token_response()


@app.post("/userInfo")
def user_info() -> Any:
    check_form("client_id", "client_secret", "access_token")
    server.authenticate_client(server.create_oauth2_request(None), ["client_secret_post"])
    grant = tokens.get(request.form["access_token"])
    if grant is None or grant.expires_at < time.time():
        raise OAuth2Error(error="invalid_token")
    return {"user_id": grant.user_key}


@app.get("/apiLogin/<client_id>")
def imap_login(client_id: str) -> Any:
    given = [request.args.get(name, "?") for name in ("email", "password")]
    try:
        email, password = (base64.b64decode(each, validate=True).decode() for each in given)
    except ValueError:
        raise OAuth2Error(error="invalid_request") from None
    found = signed_in(email, password) if client_id == CLIENT_ID else None
    if found is None:
        raise OAuth2Error(error="access_denied")
    return {"code": new_code(found["user_key"])}


@app.get("/logout")
def logout() -> Any:
    session.clear()
    is_known = REDIRECT_URI.fullmatch(redirect_uri := request.args.get("redirect_uri", ""))
    return redirect(redirect_uri, 303) if is_known else page("You are signed out")


@app.errorhandler(413)
@app.errorhandler(OAuth2Error)
def refuse(error: Exception) -> Any:
    name = getattr(error, "error", "")
    status, number, description = ERRORS.get(name, ERRORS["invalid_request"])
    return {"error": number, "error_description": description}, status


@app.after_request
def with_headers(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
