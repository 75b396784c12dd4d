"""The customer's side of LINE WORKS single sign-on, on Flask and Authlib, without Worksgate.

`employees` stands for the company's directory, `oauth` is what Authlib is told. README.md says how
to run it, and what it does not do.
"""

import base64
import os
import secrets
from datetime import timedelta
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Error
from employees import EMPLOYEES, signed_in
from flask import Flask, Response, jsonify, redirect, render_template, request, session
from oauth import (
    CLIENT,
    REDIRECT_URI,
    TOKEN_LIFETIME,
    CodeGrant,
    new_code,
    same,
    save_token,
    user_key_of,
)
from werkzeug.exceptions import RequestEntityTooLarge

FORM = "application/x-www-form-urlencoded"
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


class Server(AuthorizationServer):
    def handle_error_response(self, _request: Any, error: OAuth2Error) -> Response:
        return refused(NUMBERS.get(error.error, "201"))  # LINE WORKS has numbers for them


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
    user_key = user_key_of(request.form["access_token"])
    return refused("303") if user_key is None else jsonify(user_id=user_key)


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
