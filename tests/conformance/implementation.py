"""A small implementation of the customer's side: right in several ways, or with one planted fault.

Each path begins with a name: that of a way of being right (`WAYS`), or of a planted fault
(`FAULTS`), so that one server on one socket is all of them.
"""

import asyncio
import base64
import json
import math
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote_plus, urlencode
from uuid import uuid4

import uvicorn
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from worksgate.conformance.checks import sign_in
from worksgate.conformance.line_works import Credentials

CLIENT = Credentials("acme", "the-Secret-of-acme-that-nobody-may-see")
DISABLED = Credentials("left", "the-secret-of-left-that-nobody-may-see")
BARRED = Credentials("barred", "the-secret-of-barred-that-nobody-may-see")
OTHER = Credentials("other", "the-secret-of-other-that-nobody-may-see")
CLIENTS = {each.client_id: each for each in (CLIENT, DISABLED, BARRED, OTHER)}
REDIRECT_URI = "https://auth.worksmobile.com/cb"
USERNAME, PASSWORD, KEY = "hana@acme.example", "canary ?>?>?> meadow lantern", "E-1001"
LIFETIME = 5.0
"""Seconds for which a code is good, and a token, where a check waits for their end."""
LATE = 7_200.0
"""Seconds after which a sign-in is late, for an implementation that is to notice (``waited``)."""
ACCOUNT = "hana.sato@acme.example"
"""The password has a + in Base64."""

FAULTS: Final = {
    "login.page": "The page is an error.",
    "login.missing": "Without client_id the page is a crash.",
    "login.missing/anything": "Without any parameter it is.",
    "login.comes_back": "A person who has signed in sees a page, and stays there.",
    "login.wrong_password": "The password is not looked at.",
    "login.wrong_password/longer": "The first eight characters of a password count.",
    "login.empty_password": "Without a password a name is enough.",
    "login.code": "The code is added twice.",
    "login.state": "The query of redirect_uri is dropped.",
    "login.byte_for_byte": "redirect_uri is decoded and encoded again.",
    "login.as_get": "The form is sent on to LINE WORKS, with its password.",
    "login.ampersand": "The code is added with ?, always.",
    "login.long_state": "redirect_uri is kept in 255 characters.",
    "login.two_tabs": "redirect_uri is kept once for each browser.",
    "login.question_mark": "The code is added with &, always.",
    "login.fragment": "The code is added at the very end.",
    "login.code_is_random": "Codes are six digits.",
    "login.code_is_random/repeated": "All codes of a client are the same.",
    "login.response_type": "response_type=token brings an access token.",
    "login.app": "A sign-in of an app is an error.",
    "login.works_id": "worksId is an error.",
    "login.escaped": "worksId is written into the page as it is.",
    "login.escaped/attribute": "Of worksId only < and > are escaped.",
    "login.escaped/client": "An error repeats client_id as it is.",
    "login.escaped/address": "An error repeats redirect_uri as it is.",
    "login.escaped/field": "A hidden field has redirect_uri as it is.",
    "login.escaped/typed": "A name that is wrong is repeated as it is.",
    "login.other_account": "worksId is ignored where there is a session.",
    "login.extra_parameter": "A parameter that is not known is an error.",
    "login.foreign_redirect": "Any redirect_uri will do.",
    "login.foreign_redirect/prefix": "Any redirect_uri that begins with the right host will do.",
    "login.foreign_redirect/at": "The host may be followed by @.",
    "login.foreign_redirect/backslash": "The host is what stands after the last @.",
    "login.foreign_redirect/scheme": "What begins with / counts as a path.",
    "login.foreign_redirect/second": "The first redirect_uri is checked, and the last one is used.",
    "login.foreign_redirect/plain": "Plain http to the right host will do.",
    "login.unknown_client": "Any client will do at the sign-in page.",
    "token.exchange": "The code is refused without redirect_uri.",
    "token.exchange/mark": "JSON begins with a byte order mark.",
    "token.token_type": "There is no token_type.",
    "token.token_type/mac": "token_type is another one.",
    "token.expires_in": "expires_in is a text.",
    "token.expires_in/zero": "expires_in is zero.",
    "token.json": "The token comes as text/html.",
    "token.no_store": "The token may be kept by caches.",
    "token.is_random": "Access tokens are twelve characters.",
    "token.is_random/repeated": "All access tokens of a person are the same.",
    "token.one_time": "A code can be used again.",
    "token.replay_revokes": "The token survives a second use of its code.",
    "token.two_codes": "A person has one code, the last one.",
    "token.race": "A code is looked up first, and marked as used a moment later.",
    "token.expired": "Codes are valid for ever.",
    "token.other_client": "A code is not bound to its client.",
    "token.exact_code": "Upper and lower case are one in a code.",
    "token.exact_code/wildcard": "A code is looked up with LIKE.",
    "token.exact_code/longer": "Only as much of a code is compared as it should have.",
    "token.missing": "A missing parameter counts as one that is wrong.",
    "token.missing/operator": "code[$ne]=1 is any code, to the database.",
    "token.missing/secret": "A missing client secret counts as a wrong one.",
    "token.missing/nothing": "An empty body is a crash.",
    "token.empty/secret": "An empty client secret counts as a wrong one.",
    "token.empty": "An empty code counts as an unknown one.",
    "token.duplicate": "Of two values the last one is used.",
    "token.duplicate/client": "Of two client IDs the last one is used.",
    "token.json_body": "A body in JSON is taken too.",
    "token.query": "Parameters are taken from the address too.",
    "token.query/get": "GET does as well.",
    "token.long_code": "A long code is a crash.",
    "token.malformed": "What is no UTF-8 is a crash.",
    "token.malformed/nul": "A NUL is a crash.",
    "token.extra_parameter": "A parameter that is not known is an error.",
    "token.grant_type": "grant_type is not looked at.",
    "token.grant_type/credentials": "client_credentials counts as authorization_code.",
    "token.unknown_client": "An unknown client counts as a wrong code.",
    "token.wrong_secret": "The secret is not looked at.",
    "token.wrong_secret/code": "With a good code the secret is not looked at.",
    "token.unknown_client/code": "With a good code any client will do.",
    "token.wrong_secret/case": "Upper and lower case are one in the secret.",
    "token.wrong_secret/longer": "Whatever begins with the secret will do.",
    "token.says_not_which": "The description says whether the client exists.",
    "token.disabled_client": "A disabled client is served.",
    "token.barred_client": "A client may call from anywhere.",
    "token.unknown_code": "An unknown code is invalid_grant, as in RFC 6749.",
    "token.unknown_code/granted": "An unknown code is error 302, with a token beside it.",
    "token.unknown_code/status": "An unknown code is error 302 with HTTP 500.",
    "token.error_form": "error is a number.",
    "token.error_form/alone": "There is no error_description.",
    "token.error_headers": "Errors may be kept by caches.",
    "token.error_headers/text": "Errors come as text/plain.",
    "userinfo.user_id": "user_id is a number.",
    "userinfo.user_id/sub": "The person is called sub, as in OpenID Connect.",
    "userinfo.key_form": "The user key has a /.",
    "userinfo.account_form": "The account is in capital letters.",
    "userinfo.expected_key": "The user key is the username.",
    "userinfo.same_person": "The user key of a sign-in in the app is another one.",
    "userinfo.json": "The user key comes as text/html.",
    "userinfo.no_store": "The user key may be kept by caches.",
    "userinfo.missing": "A missing parameter counts as one that is wrong.",
    "userinfo.missing/operator": "access_token[$ne]=1 is any token, to the database.",
    "userinfo.missing/secret": "A missing client secret counts as a wrong one.",
    "userinfo.missing/nothing": "An empty body is a crash.",
    "userinfo.empty": "An empty token counts as an unknown one.",
    "userinfo.empty/secret": "An empty client secret counts as a wrong one.",
    "userinfo.duplicate": "Of two values the last one is used.",
    "userinfo.duplicate/client": "Of two client IDs the last one is used.",
    "userinfo.json_body": "A body in JSON is taken too.",
    "userinfo.query": "Parameters are taken from the address too.",
    "userinfo.query/get": "GET does as well.",
    "userinfo.long_token": "A long token is a crash.",
    "userinfo.malformed": "What is no UTF-8 is a crash.",
    "userinfo.extra_parameter": "A parameter that is not known is an error.",
    "userinfo.error_form": "There is no error_description.",
    "userinfo.error_form/number": "error is a number.",
    "userinfo.error_headers": "Errors may be kept by caches.",
    "userinfo.unknown_token": "An unknown token is error 302.",
    "userinfo.exact_token": "Upper and lower case are one in a token.",
    "userinfo.exact_token/wildcard": "A token is looked up with LIKE.",
    "userinfo.code": "A code will do as well.",
    "userinfo.expired": "Access tokens are valid for ever.",
    "userinfo.unknown_client": "Any client will do.",
    "userinfo.wrong_secret": "The secret is not looked at.",
    "userinfo.wrong_secret/longer": "Whatever begins with the secret will do.",
    "userinfo.says_not_which": "The description says whether the client exists.",
    "userinfo.disabled_client": "A disabled client is served.",
    "userinfo.barred_client": "A client may call from anywhere.",
    "userinfo.other_client": "A token is not bound to its client.",
    "refresh.works": "Refresh tokens are issued, and refused.",
    "refresh.unknown_token": "An unknown refresh token counts as a missing one.",
    "refresh.wrong_secret": "With a refresh token the secret is not looked at.",
    "refresh.other_client": "A refresh token is not bound to its client.",
    "refresh.no_access_token": "A refresh token is taken for an access token.",
    "refresh.reuse": "A refresh token works again after it was replaced.",
    "refresh.reuse_revokes": "The new refresh token survives a second use of the old one.",
    "refresh.off": "grant_type=refresh_token counts as a wrong code.",
    "framing.split": "The body is read once.",
    "framing.split/userinfo": "The body is read once by the User info return API.",
    "framing.chunked": "A body without a length is none.",
    "framing.chunked/userinfo": "A body without a length is none, by that API.",
    "framing.expect": "Expect is refused.",
    "framing.charset": "A content type with a charset is refused.",
    "framing.charset/latin": "Only utf-8 is accepted.",
    "framing.charset/ascii": "us-ascii is refused.",
    "framing.charset/blank": "A charset must have a blank before it.",
    "framing.percent": "Nothing is decoded.",
    "framing.accept": "Whoever accepts text/html first gets errors as a page.",
    "framing.accept/none": "Without Accept an answer is XML.",
    "framing.charset/letters": "The content type must be in small letters.",
    "framing.stray_ampersand": "An empty part of a form is an error.",
    "framing.stray_ampersand/first": "An & at the beginning is an error.",
    "framing.stray_ampersand/double": "Two & in a row are an error.",
    "framing.http10": "HTTP/1.0 is refused.",
    "imap.wrong_password": "A wrong password gets an empty code.",
    "imap.wrong_password/status": "A wrong password is an error with HTTP 500.",
    "imap.wrong_password/longer": "The first eight characters of a password count.",
    "imap.wrong_password/code": "Any password gets a code.",
    "imap.code": "One wrong password locks the person out.",
    "imap.base64": "The query is decoded twice.",
    "imap.redeem": "The code of a mail client cannot be redeemed.",
    "imap.one_time": "The code of a mail client works again.",
    "imap.other_client": "The code of a mail client is not bound to its client.",
    "imap.same_person": "The mail client leads to another user key.",
    "imap.missing": "A missing password is a crash.",
    "imap.empty_password": "Without a password a name is enough.",
    "imap.bad_base64": "What is no Base64 is a crash.",
    "imap.utf8": "What is not ASCII is a crash.",
    "imap.unknown_client": "The client in the address is not looked at.",
    "imap.error_form": "There is no error_description.",
    "imap.json": "The code comes as text/html.",
    "imap.no_store": "The code may be kept by caches.",
    "imap.no_lockout": "Three wrong passwords of a mail client lock the person out.",
    "logout.without_session": "Logout needs a session.",
    "logout.redirect_uri": "Logout with a redirect_uri is an error.",
    "logout.foreign_redirect": "Logout leads anywhere.",
    "logout.foreign_redirect/prefix": "Logout leads to what begins with the right host.",
    "logout.foreign_redirect/scheme": "Logout takes what begins with / for a path.",
    "logout.foreign_redirect/hop": "Logout leads anywhere, by an address of its own.",
    "logout.foreign_redirect/meta": "The page after logout leads anywhere.",
    "logout.ends_session": "The session survives.",
    "logout.ends_session/redirect": "The session survives where there is a redirect_uri.",
    "time.answer": "The answer takes two seconds.",
    "operation.late_sign_in": "The page can be sent in as late as one likes.",
    "operation.overload": "Who is one too many has an unknown token.",
    "operation.outage": "Without its store no code and no token is known.",
    "operation.outage/client": "Without its store no client is known.",
    "operation.outage/status": "Without its store all is forbidden, with HTTP 403.",
    "operation.disabled_person": "Nobody asks again whose token it is.",
    "operation.disabled_sign_in": "A session outlives its person.",
    "operation.disabled_client": "A client stays in memory when it is disabled.",
    "operation.disabled_client/call": "It does at the User info return API.",
}
"""What is broken, by the check that must notice; a check with several faults has them after a /."""


@dataclass(frozen=True)
class Way:
    """How an implementation may differ and be right."""

    login: str = "login"
    access_token: str = "accessToken"
    user_info: str = "userInfo"
    logout: str = "logout"
    imap_login: str = "apiLogin/{client_id}"
    style: str = "code"
    always_200: bool = False
    is_reversed: bool = False
    refresh_tokens: str = "none"  # none, rotated, lasting
    extra_members: bool = False
    expires_in: bool = True
    has_sessions: bool = True
    pages: str = "one"  # one, two (the name first), consent
    redirect: str = "303"  # a status, or meta
    needs_state: bool = False
    takes_fragments: bool = True
    content_type: str = "application/json"
    code_lifetime: float = 60.0
    token_lifetime: float = 86_400.0
    codes: str = "random"  # random, or uuid: in letters of any case
    user_key: str = "external"  # external, account
    outage: str = "json"  # json, page (of a proxy), unnoticed
    capacity: int = 0  # calls at once; 0 is any number
    page_lifetime: float = math.inf
    logout_page: bool = False
    adds_issuer: bool = False
    charset: str = "utf-8"  # of its pages
    multipart: bool = False
    null_errors: bool = False
    no_store_comes_second: bool = False
    asks_about_session_keys: bool = False


WAYS = {
    "plain": Way(),
    "words": Way(style="text", expires_in=False, redirect="302", needs_state=True),
    "always-200": Way(always_200=True, is_reversed=True, extra_members=True, logout_page=True),
    "words-200": Way(style="text", always_200=True, content_type="application/json;charset=UTF-8"),
    "other-paths": Way(
        login="sso/sign-in.do",
        access_token="api/v2/oauth/token.jsp",
        user_info="api/v2/me",
        logout="sso/bye",
        imap_login="mail/{client_id}/login",
        takes_fragments=False,
    ),
    "refresh": Way(refresh_tokens="rotated", adds_issuer=True),
    "lasting-refresh": Way(refresh_tokens="lasting", redirect="302"),
    "no-sessions": Way(has_sessions=False),
    "two-pages": Way(pages="two", redirect="meta"),
    "consent": Way(pages="consent", no_store_comes_second=True),
    "short-lived": Way(code_lifetime=LIFETIME, token_lifetime=LIFETIME),
    "uuids": Way(codes="uuid", redirect="refresh", null_errors=True),
    "korean": Way(charset="euc-kr", redirect="302"),
    "multipart": Way(multipart=True, pages="two"),
    "accounts": Way(user_key="account"),
    "session-keys": Way(asks_about_session_keys=True),
}

_WORDS = {
    "101": ("access_denied", "Request from unauthorized client"),
    "201": ("invalid_request", "Missing or invalid request"),
    "203": ("unsupported_grant_type", "The grant_type is not supported"),
    "301": ("unauthorized_client", "Invalid client ID or secret"),
    "302": ("invalid_authorization", "Invalid authorization code"),
    "303": ("invalid_access", "Access token verification failed"),
}


def _parted(pair: str) -> tuple[str, str, str]:
    return pair.partition("=")


class Refused(Exception):
    """One of the errors of the two APIs."""

    def __init__(self, number: str, description: str | None = None) -> None:
        super().__init__(number)
        self.number = number
        self.description = description


@dataclass
class Issued:
    """A code, with the token that it has bought."""

    client_id: str
    key: str
    at: float
    token: str | None = None
    token_at: float = 0.0
    is_of_mail: bool = False


@dataclass
class Implementation:
    """One implementation, in memory."""

    way: Way
    fault: str = ""
    codes: dict[str, Issued] = field(default_factory=dict)
    tokens: dict[str, Issued] = field(default_factory=dict)
    refresh: dict[str, Issued] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    posts_to: str = ""
    passwords: int = 0
    last_redirect_uri: str = ""
    is_out: bool = False
    under_way: int = 0
    has_left: bool = False
    is_disabled: bool = False
    wrong_mail_passwords: int = 0

    def has(self, fault: str) -> bool:
        return self.fault == fault

    async def answer(self, path: str, request: Request) -> Response:
        way = self.way
        mail = re.escape(way.imap_login).replace(r"\{client_id\}", "([^/]+)")
        if path == way.login:
            return await self.login(request)
        if path == way.logout:
            return self.log_out(request)
        if path in (way.access_token, way.user_info):
            return await self.call(path, request)
        if found := re.fullmatch(mail, path):
            return self.mail_login(found[1], request)
        return HTMLResponse("<p>There is no such page.</p>", 404)

    # The sign-in page

    async def login(self, request: Request) -> Response:
        query = parse_qsl(request.url.query, keep_blank_values=True)
        first, last = dict(reversed(query)), dict(query)
        is_crash = (self.has("login.missing") and "client_id" not in last) or (
            self.has("login.missing/anything") and not last
        )
        if self.has("login.page") or is_crash:
            return HTMLResponse("<p>Something broke.</p>", 500)
        if self._refuses(first, last, [name for name, _ in query]):
            return HTMLResponse(f"<p>This is not right: {self._repeated(last)}</p>", 400)
        if self._has_session(request) and not self._is_other(last):
            return self._send_back(request, last)
        return await self._form(request, last)

    def _refuses(self, first: dict[str, str], last: dict[str, str], names: list[str]) -> bool:
        fault = self.fault
        known = {
            *("response_type", "client_id", "redirect_uri", "worksId", "userAgent", "sessionKey")
        }
        checked = first if fault == "login.foreign_redirect/second" else last
        is_known = checked.get("client_id") in CLIENTS or fault == "login.unknown_client"
        return (
            (not fault.startswith("login.foreign") and names.count("redirect_uri") != 1)
            or not is_known
            or not self._is_allowed(checked.get("redirect_uri", ""))
            or (fault == "login.app" and "userAgent" in last)
            or (self.way.asks_about_session_keys and "sessionKey" in last)
            or (fault == "login.works_id" and "worksId" in last)
            or (fault == "login.extra_parameter" and not set(names) <= known)
        )

    def _repeated(self, query: dict[str, str]) -> str:
        """What an error says of the address."""
        client_id, redirect_uri = (query.get(name, "") for name in ("client_id", "redirect_uri"))
        if not self.has("login.escaped/client"):
            client_id = escape(client_id)
        if not self.has("login.escaped/address"):
            redirect_uri = escape(redirect_uri)
        return f"{client_id}, {redirect_uri}"

    def _is_allowed(self, redirect_uri: str) -> bool:
        if self.has("login.foreign_redirect"):
            return True
        if self.has("login.foreign_redirect/prefix"):
            return redirect_uri.startswith("https://auth.worksmobile.com")
        if (
            self.has("login.foreign_redirect/at")
            and "https://auth.worksmobile.com@" in redirect_uri
        ):
            return True
        if (
            self.has("login.foreign_redirect/backslash")
            and "@auth.worksmobile.com/" in redirect_uri
        ):
            return True
        if self.has("login.foreign_redirect/scheme") and redirect_uri.startswith("/"):
            return True
        if self.has("login.foreign_redirect/plain"):
            redirect_uri = redirect_uri.replace("http://", "https://")
        before, question_mark, _ = redirect_uri.partition("?")
        if "#" in redirect_uri and not self.way.takes_fragments:
            return False
        return before == REDIRECT_URI and bool(question_mark or not self.way.needs_state)

    def _has_session(self, request: Request) -> bool:
        if self.has_left and not self.has("operation.disabled_sign_in"):
            return False
        return self.way.has_sessions and request.cookies.get("session") in self.sessions

    def _is_other(self, query: dict[str, str]) -> bool:
        hint = query.get("worksId", USERNAME)
        return hint != USERNAME and not self.has("login.other_account")

    async def _form(self, request: Request, query: dict[str, str]) -> Response:
        form = await self._sent(request)
        if request.method == "POST" and form.get("lang") != "영어":
            return HTMLResponse("<p>No browser leaves a field out.</p>", 400)
        if request.method == "POST" and form.get("step") == "agree":
            return self._send_back(request, query)
        if self.has("login.empty_password") and "username" in form:
            form.setdefault("password", "")
        if request.method == "POST" and "password" in form:
            self.passwords += bool(form["password"])
            is_locked = self.has("imap.no_lockout") and self.wrong_mail_passwords > 3
            is_wrong = (form.get("username"), form["password"]) != (USERNAME, PASSWORD)
            if self.has("login.wrong_password/longer"):
                is_wrong = not form["password"].startswith(PASSWORD[:8])
            is_wrong &= bool(form["password"]) or not self.has("login.empty_password")
            is_late = waited.now() - float(form.get("at", 0)) > self.way.page_lifetime
            is_locked |= is_late and not self.has("operation.late_sign_in")
            if is_locked or self.has_left or (is_wrong and not self.has("login.wrong_password")):
                name = form.get("username", "")
                name = name if self.has("login.escaped/typed") else escape(name)
                return self._page(request, "one", f"<p>{name}, or the password, is wrong.</p>")
            if self.has("login.two_tabs"):
                query = {**query, "redirect_uri": self.last_redirect_uri}
            if self.has("login.comes_back"):
                return HTMLResponse("<p>Welcome!</p>")
            if self.way.pages == "consent":
                return self._page(request, "agree")
            return self._send_back(request, query)
        self.last_redirect_uri = query["redirect_uri"]
        if self.way.pages == "two":
            return self._page(request, "two" if "username" in form else "name", form=form)
        return self._page(request, "one")

    async def _sent(self, request: Request) -> dict[str, str]:
        body = (await request.body()).decode()
        if self.way.multipart:
            return dict(re.findall(r'name="([^"]*)"\r\n\r\n(.*?)\r\n--', body, re.DOTALL))
        return dict(parse_qsl(body, encoding=self.way.charset))

    def _page(
        self, request: Request, kind: str, text: str = "", form: dict[str, str] | None = None
    ) -> Response:
        """Pages with what gets in the way: a search, a hidden field, buttons that mean no."""
        hint = request.query_params.get("worksId", "")
        if not self.has("login.escaped"):
            hint = escape(hint, quote=not self.has("login.escaped/attribute"))
        name = f'<input name="username" autocomplete="username" value="{hint}">'
        query = request.url.query
        next_page = escape(query)
        if self.has("login.escaped/field"):
            next_page = unquote_plus(query)
        known = escape((form or {}).get("username", ""))
        hidden = f'<input type="hidden" name="username" value="{known}">'
        password = '<input type="password" name="password"><input type="checkbox" name="remember">'
        agree = (
            '<input type="hidden" name="step" value="agree">'
            '<button name="decision" value="cancel">No</button>'
            '<button name="decision" value="ok">Yes</button>'
        )
        kinds = {"one": name + password, "name": name, "two": hidden + password, "agree": agree}
        kind_of_form = " enctype='multipart/form-data'" if self.way.multipart else ""
        action = escape(self.posts_to or f"{request.url.path}?{request.url.query}")
        html = (
            f"<form action='/search'><input type='search' name='q'></form>{text}"
            f"<form method='post' action='{action}'{kind_of_form}>"
            "<input type='hidden' name='csrf' value='x'>"
            f"<input type='hidden' name='at' value='{waited.now()}'>"
            f"<input type='hidden' name='next' value='{next_page}'>"
            "<select name='lang'><option>ja</option><option selected>영어</option></select>"
            f"{kinds[kind]}<button>Next</button></form>"
        )
        if self.way.charset != "utf-8":
            html = f"<meta charset='{self.way.charset}'>{html}"
            headers = {"content-type": "text/html"}
            return Response(html.encode(self.way.charset), headers=headers)
        if self.has("login.script"):
            html = f"<body><script>document.body.innerHTML = {json.dumps(html)}</script>"
        return HTMLResponse(html)

    def _send_back(self, request: Request, query: dict[str, str]) -> Response:
        is_app = query.get("userAgent") == "LineWorks"
        key = "E-2002" if is_app and self.has("userinfo.same_person") else self._key
        code = self.issue_code(query["client_id"], key)
        url = self._with_code(query["redirect_uri"], code)
        if self.has("login.response_type") and query.get("response_type") == "token":
            url = f"{query['redirect_uri']}#access_token={code}&token_type=Bearer"
        session = secrets.token_urlsafe(16)
        self.sessions.add(session)
        if self.way.redirect == "meta":
            page = f'<meta http-equiv="refresh" content="0; url={escape(url)}">'
            response: Response = HTMLResponse(page)
        elif self.way.redirect == "refresh":
            response = HTMLResponse("<p>One moment.</p>", headers={"refresh": f"0;URL={url}"})
        else:
            status = "307" if self.has("login.as_get") else self.way.redirect
            response = Response(status_code=int(status), headers={"location": url})
        response.set_cookie("session", session, path="/")
        return response

    def _with_code(self, redirect_uri: str, code: str) -> str:
        if self.has("login.long_state"):
            redirect_uri = redirect_uri[:255]
        before, hash_sign, fragment = redirect_uri.partition("#")
        separator = "&" if "?" in before else "?"
        if self.has("login.ampersand"):
            separator = "?"
        if self.has("login.question_mark"):
            separator = "&"
        if self.has("login.fragment"):
            return f"{redirect_uri}{separator}code={code}"
        if self.has("login.state"):
            return f"{before.partition('?')[0]}?code={code}"
        if self.has("login.byte_for_byte"):
            path, _, query = before.partition("?")
            return f"{path}?{urlencode([*parse_qsl(query), ('code', code)])}"
        more = f"&code={code}" if self.has("login.code") else ""
        issuer = "&iss=https%3A%2F%2Fsso.example.com" if self.way.adds_issuer else ""
        return f"{before}{separator}code={code}{more}{issuer}{hash_sign}{fragment}"

    @property
    def _key(self) -> str:
        return ACCOUNT if self.way.user_key == "account" else KEY

    def issue_code(self, client_id: str, key: str) -> str:
        code = str(uuid4()) if self.way.codes == "uuid" else secrets.token_urlsafe(24)
        if self.has("login.code_is_random"):
            code = f"{secrets.randbelow(900_000) + 100_000}"
        if self.has("login.code_is_random/repeated"):
            code = "always-the-same-code"
        if self.has("token.two_codes"):
            self.codes.clear()
        self.codes[code] = Issued(client_id, key, time.monotonic())
        return code

    # The two APIs

    async def call(self, path: str, request: Request) -> Response:
        family = "token" if path == self.way.access_token else "userinfo"
        if self.has("time.answer"):
            await asyncio.sleep(2)
        if self.is_out and (said := self._outage(family)) is not None:
            return said
        if (self.way.capacity or self.has("operation.overload")) and await self._is_too_many():
            is_wrong = self.has("operation.overload")
            return self._error(Refused("303"), family) if is_wrong else self._overloaded()
        try:
            form = await self._read_form(family, request)
            self._check_form(family, form)
            values = dict(form)
            client = self._client(family, values)
            if family == "token":
                found = await self._token(values, client)
            else:
                found = self._user(values, client)
        except Refused as refused:
            accepts = request.headers.get("accept", "none")
            is_page = self.has("framing.accept") and accepts.startswith("text/html")
            if is_page or (self.has("framing.accept/none") and accepts == "none"):
                return HTMLResponse("<p>Something is wrong.</p>", 400)
            return self._error(refused, family)
        return self._json(family, found)

    async def _is_too_many(self) -> bool:
        self.under_way += 1
        try:
            await asyncio.sleep(1.0 if self.has("operation.overload") else 0.05)
            return self.under_way > (self.way.capacity or 3)
        finally:
            self.under_way -= 1

    def _outage(self, family: str) -> Response | None:
        """What is said while the store is out of reach; None if nothing has noticed."""
        if self.way.outage == "unnoticed":
            return None
        if self.has("operation.outage/client"):
            return self._error(Refused("301"), family)
        if self.has("operation.outage"):
            return self._error(Refused("302" if family == "token" else "303"), family)
        if self.has("operation.outage/status"):
            return HTMLResponse("<p>Forbidden.</p>", 403)
        return self._overloaded()

    def _overloaded(self) -> Response:
        if self.way.outage == "page":
            return HTMLResponse("<p>Bad Gateway</p>", 502)
        response = self._json("error", {"error": "server_error", "error_description": "Later"})
        response.status_code = 200 if self.way.always_200 else 503
        return response

    async def _read_form(self, family: str, request: Request) -> list[tuple[str, str]]:
        body = await self._body(family, request)
        declared = request.headers.get("content-type", "")
        form_type, _, charset = declared.partition(
            "; " if self.has("framing.charset/blank") else ";"
        )
        if request.method == "GET" and self.has(f"{family}.query/get"):
            return parse_qsl(request.url.query)
        if request.method != "POST" or self._refuses_charset(charset.strip().lower()):
            raise Refused("201")
        if self.has(f"{family}.json_body") and form_type == "application/json":
            return list(json.loads(body).items())
        if not self.has("framing.charset/letters"):
            form_type = form_type.lower()
        if form_type != "application/x-www-form-urlencoded":
            raise Refused("201")
        if self._refuses_parts(body.decode()):
            raise Refused("201")
        form = parse_qsl(body.decode(), keep_blank_values=True)
        if self.has("framing.percent"):
            form = [(name, value) for name, _, value in map(_parted, body.decode().split("&"))]
        if self.has(f"{family}.missing/operator"):
            form = [(name.replace("[$ne]", ""), value) for name, value in form]
        sent = "".join(value for _, value in form)
        if ("\ufffd" in sent and self.has(f"{family}.malformed")) or (
            "\0" in sent and self.has(f"{family}.malformed/nul")
        ):
            raise Refused("500")
        if not form and self.has(f"{family}.missing/nothing"):
            raise Refused("500")
        if self.has(f"{family}.query"):
            form += parse_qsl(request.url.query)
        if self.has(f"{family}.duplicate"):
            form = list(dict(form).items())
        if self.has(f"{family}.duplicate/client"):
            client_id = dict(form).get("client_id", "")
            others = [each for each in form if each[0] != "client_id"]
            form = [("client_id", client_id), *others]
        return form

    def _refuses_charset(self, charset: str) -> bool:
        refused = {
            "framing.charset": charset != "",
            "framing.charset/latin": charset == "charset=iso-8859-1",
            "framing.charset/ascii": charset == "charset=us-ascii",
        }
        return refused.get(self.fault, False)

    def _refuses_parts(self, body: str) -> bool:
        refused = {
            "framing.stray_ampersand": body.endswith("&"),
            "framing.stray_ampersand/first": body.startswith("&"),
            "framing.stray_ampersand/double": "&&" in body,
        }
        return refused.get(self.fault, False)

    async def _body(self, family: str, request: Request) -> bytes:
        headers = request.headers
        is_broken = self.fault.endswith("/userinfo") == (family == "userinfo")
        if "expect" in headers and self.has("framing.expect"):
            raise Refused("417")
        if request.scope["http_version"] == "1.0" and self.has("framing.http10"):
            raise Refused("505")
        if self.fault.startswith("framing.split") and is_broken:
            return bytes((await request.receive()).get("body", b""))
        body = await request.body()
        is_lost = self.fault.startswith("framing.chunked") and is_broken
        return b"" if is_lost and "transfer-encoding" in headers else body

    def _check_form(self, family: str, form: list[tuple[str, str]]) -> None:
        values = dict(form)
        needed = ["client_id", "client_secret"]
        if family == "token":
            needed.append("grant_type")
        if values.get("grant_type") != "refresh_token":
            needed.append("code" if family == "token" else "access_token")
        is_missing = any(name not in values for name in needed)
        is_empty = any(values.get(name) == "" for name in needed if not self._takes(family, name))
        known = {*needed, "refresh_token"}
        if (
            len(values) != len(form)
            or (is_missing and not self._overlooks(family, values))
            or is_empty
            or (self.has(f"{family}.extra_parameter") and not set(values) <= known)
            or (self.has("token.exchange") and family == "token" and "redirect_uri" not in values)
        ):
            raise Refused("201")

    def _takes(self, family: str, name: str) -> bool:
        """Whether an empty value is one."""
        is_secret = name == "client_secret"
        return self.has(f"{family}.empty/secret") if is_secret else self.has(f"{family}.empty")

    def _overlooks(self, family: str, values: dict[str, str]) -> bool:
        is_secret = "client_secret" not in values
        return self.has(f"{family}.missing") or (is_secret and self.has(f"{family}.missing/secret"))

    def _client(self, family: str, values: dict[str, str]) -> Credentials:
        grant = values.get("grant_type", "authorization_code")
        grants = ["authorization_code"]
        if self.way.refresh_tokens != "none" or self.has("refresh.off"):
            grants.append("refresh_token")
        if self.has("token.grant_type/credentials"):
            grants.append("client_credentials")
        if family == "token" and grant not in grants and not self.has("token.grant_type"):
            raise Refused("203")
        client = CLIENTS.get(values.get("client_id", ""))
        is_known = values.get("code") in self.codes
        if is_known and self.has("token.unknown_client/code"):
            return CLIENT
        if client is None:
            if self.has(f"{family}.unknown_client"):
                return CLIENT
            tells = self.has(f"{family}.says_not_which")
            raise Refused("301", "There is no such client" if tells else None)
        is_right = self._is_secret(family, values, client.client_secret)
        if not is_right and not self.has(f"{family}.wrong_secret"):
            raise Refused("301")
        if client is DISABLED and not self.has(f"{family}.disabled_client"):
            raise Refused("101")
        is_kept = self.fault == "operation.disabled_client" or (
            self.has("operation.disabled_client/call") and family == "userinfo"
        )
        if self.is_disabled and not is_kept:
            raise Refused("101")
        if client is BARRED and not self.has(f"{family}.barred_client"):
            raise Refused("101")
        return client

    def _is_secret(self, family: str, values: dict[str, str], secret: str) -> bool:
        sent = values.get("client_secret", "")
        is_lax = (self.has("token.wrong_secret/code") and values.get("code") in self.codes) or (
            self.has("refresh.wrong_secret") and values.get("grant_type") == "refresh_token"
        )
        if is_lax:
            return True
        if self.has(f"{family}.wrong_secret/longer"):
            return sent.startswith(secret)
        if self.has(f"{family}.wrong_secret/case"):
            return sent.lower() == secret.lower()
        return sent == secret

    async def _token(self, values: dict[str, str], client: Credentials) -> dict[str, Any]:
        if self.has("token.long_code") and len(values.get("code", "")) > 16_000:
            raise Refused("500")
        if values.get("grant_type") == "refresh_token":
            return self._refreshed(values.get("refresh_token", ""), client)
        issued = self._found(self.codes, values.get("code", ""))
        if issued is None or self._is_too_old(issued) or self._is_anothers(issued, client, "token"):
            raise Refused("invalid_grant" if self.has("token.unknown_code") else "302")
        is_good_again = issued.is_of_mail and self.has("imap.one_time")
        if issued.token is not None and not self.has("token.one_time") and not is_good_again:
            if not self.has("token.replay_revokes"):
                self.tokens.pop(issued.token, None)
            raise Refused("302")
        if self.has("token.race"):
            await asyncio.sleep(1.0)
        return self._granted(issued)

    def _found(self, known: dict[str, Issued], sent: str) -> Issued | None:
        """A code, or a token; by the fault with too little of it, or in another case."""
        if self.has("token.exact_code/longer"):
            sent = sent[:32]
        if self.fault in ("token.exact_code/wildcard", "userinfo.exact_token/wildcard"):
            like = re.escape(sent).replace("%", ".*")
            return next((v for k, v in known.items() if re.fullmatch(like, k)), None)
        if self.has("token.exact_code") or self.has("userinfo.exact_token"):
            return next((v for k, v in known.items() if k.lower() == sent.lower()), None)
        return known.get(sent.lower() if self.way.codes == "uuid" and len(sent) == 36 else sent)

    def _is_too_old(self, issued: Issued) -> bool:
        age = time.monotonic() - issued.at
        return age > self.way.code_lifetime and not self.has("token.expired")

    def _is_anothers(self, issued: Issued, client: Credentials, family: str) -> bool:
        is_open = issued.is_of_mail and self.has("imap.other_client")
        is_anothers = issued.client_id != client.client_id
        return is_anothers and not is_open and not self.has(f"{family}.other_client")

    def _granted(self, issued: Issued) -> dict[str, Any]:
        lengths = {"token.is_random": 9}
        issued.token = secrets.token_urlsafe(lengths.get(self.fault, 32))
        if self.has("token.is_random/repeated"):
            issued.token = f"the-token-of-{issued.key}"
        issued.token_at = time.monotonic()
        self.tokens[issued.token] = issued
        found: dict[str, Any] = {"access_token": issued.token, "token_type": "Bearer"}
        if self.way.expires_in:
            found["expires_in"] = 86_400
        if self.has("token.token_type"):
            del found["token_type"]
        if self.has("token.token_type/mac"):
            found["token_type"] = "mac"
        if self.has("token.expires_in"):
            found["expires_in"] = "86400"
        if self.has("token.expires_in/zero"):
            found["expires_in"] = 0
        if self.way.refresh_tokens != "none":
            found["refresh_token"] = secrets.token_urlsafe(32)
            self.refresh[found["refresh_token"]] = issued
        if self.way.extra_members:
            found |= {"scope": None, "id": 17, "nested": {"a": [1]}}
        return found

    def _refreshed(self, refresh_token: str, client: Credentials) -> dict[str, Any]:
        issued = self.refresh.get(refresh_token)
        if issued is None or self.has("refresh.works"):
            raise Refused("201" if self.has("refresh.unknown_token") else "302")
        if issued.client_id != client.client_id and not self.has("refresh.other_client"):
            raise Refused("302")
        if refresh_token in self.replaced and not self.has("refresh.reuse"):
            if not self.has("refresh.reuse_revokes"):
                self.refresh = {k: v for k, v in self.refresh.items() if v is not issued}
            raise Refused("302")
        found = self._granted(issued)
        if self.way.refresh_tokens == "lasting":
            del self.refresh[found.pop("refresh_token")]
        else:
            self.replaced.add(refresh_token)
        return found

    def _user(self, values: dict[str, str], client: Credentials) -> dict[str, Any]:
        token = values.get("access_token", "")
        if self.has("userinfo.long_token") and len(token) > 16_000:
            raise Refused("500")
        issued = self._found(self.tokens, token)
        if self.has("userinfo.code"):
            issued = issued or self.codes.get(token)
        if self.has("refresh.no_access_token"):
            issued = issued or self.refresh.get(token)
        if issued is not None and issued.token_at:
            is_old = time.monotonic() - issued.token_at > self.way.token_lifetime
            issued = None if is_old and not self.has("userinfo.expired") else issued
        if self.has_left and not self.has("operation.disabled_person"):
            raise Refused("303")
        if issued is None or self._is_anothers(issued, client, "userinfo"):
            raise Refused("302" if self.has("userinfo.unknown_token") else "303")
        key: dict[str, Any] = {"user_id": issued.key}
        if self.has("userinfo.user_id"):
            key = {"user_id": 1001}
        if self.has("userinfo.user_id/sub"):
            key = {"sub": issued.key}
        if self.has("userinfo.key_form"):
            key = {"user_id": "10/01"}
        if self.has("userinfo.account_form"):
            key = {"user_id": ACCOUNT.upper()}
        if self.has("userinfo.expected_key"):
            key = {"user_id": USERNAME}
        return {**key, "name": "Hana", "groups": []} if self.way.extra_members else key

    # Answers

    def _json(self, family: str, found: dict[str, Any]) -> Response:
        if self.way.null_errors:
            found = {"error": None, "error_description": None, **found}
        if self.way.is_reversed:
            found = dict(reversed(found.items()))
        content_type = "text/html" if self.has(f"{family}.json") else self.way.content_type
        caching = "max-age=60" if self.has(f"{family}.no_store") else "no-store"
        headers = {"content-type": content_type, "cache-control": caching}
        mark = "\ufeff" if family == "token" and self.has("token.exchange/mark") else ""
        response = Response(mark + json.dumps(found), headers=headers)
        if self.way.no_store_comes_second and caching == "no-store":
            response.headers["cache-control"] = "private"
            response.headers.append("cache-control", "No-Store")
        return response

    def _error(self, refused: Refused, family: str) -> Response:
        number = refused.number
        if number in ("417", "500", "505"):
            return HTMLResponse("<p>No.</p>", int(number))
        word, description = _WORDS.get(number, (number, "As in RFC 6749"))
        description = refused.description or description
        error: object = number if self.way.style == "code" else word
        if self.has("token.error_form") or self.has("userinfo.error_form/number"):
            error = int(number)
        found = {"error": error, "error_description": f"{word}: {description}"}
        is_alone = self.fault in ("token.error_form/alone", "userinfo.error_form")
        if is_alone or self.has("imap.error_form"):
            del found["error_description"]
        if self.way.extra_members:
            found |= {"code": number, "trace": {"id": secrets.token_hex(4)}}
        if self.has("token.unknown_code/granted"):
            found["access_token"] = secrets.token_urlsafe(32)
        status = (
            200 if self.way.always_200 else {"101": 403, "301": 401, "303": 401}.get(number, 400)
        )
        response = self._json("error", found)
        response.status_code = 500 if self.has("token.unknown_code/status") else status
        if self.has(f"{family}.error_headers"):
            del response.headers["cache-control"]
        if self.has("token.error_headers/text"):
            response.headers["content-type"] = "text/plain"
        return response

    # Mail clients, and logout

    def mail_login(self, client_id: str, request: Request) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        if self.has("imap.base64"):
            query = {name: unquote_plus(value) for name, value in query.items()}
        try:
            email, password = (
                base64.b64decode(query[name], validate=True).decode()
                for name in ("email", "password")
            )
        except KeyError:
            return self._bad_mail("imap.missing")
        except ValueError:
            return self._bad_mail("imap.bad_base64")
        if self.has("imap.utf8") and not (email + password).isascii():
            return self._error(Refused("500"), "imap")
        is_client = client_id == CLIENT.client_id or self.has("imap.unknown_client")
        is_near = self.has("imap.wrong_password/longer") and password.startswith(PASSWORD[:8])
        if is_near or (not password and self.has("imap.empty_password")):
            password = PASSWORD
        if not is_client or (email, password) != (USERNAME, PASSWORD):
            self.wrong_mail_passwords += email == USERNAME and password not in ("", PASSWORD)
            if not self.has("imap.wrong_password/code"):
                return self._wrong_mail_password()
        if self.has("imap.code") and self.wrong_mail_passwords:
            return self._wrong_mail_password()
        key = "E-3003" if self.has("imap.same_person") else self._key
        code = self.issue_code(client_id, key)
        self.codes[code].is_of_mail = True
        if self.has("imap.redeem"):
            del self.codes[code]
        return self._json("imap", {"code": code})

    def _bad_mail(self, fault: str) -> Response:
        return self._error(Refused("500" if self.has(fault) else "201"), "imap")

    def _wrong_mail_password(self) -> Response:
        if self.has("imap.wrong_password"):
            return self._json("imap", {"code": ""})
        response = self._json("imap", {"error": "no", "error_description": "Wrong"})
        response.status_code = 200 if self.way.always_200 else 401
        if self.has("imap.wrong_password/status"):
            response.status_code = 500
        return response

    def log_out(self, request: Request) -> Response:
        session = request.cookies.get("session")
        redirect_uri = request.query_params.get("redirect_uri")
        if self.has("logout.without_session") and session not in self.sessions:
            return HTMLResponse("<p>Sign in first.</p>", 401)
        is_kept = redirect_uri is not None and self.has("logout.ends_session/redirect")
        if not (self.has("logout.ends_session") or is_kept):
            self.sessions.discard(session or "")
        if redirect_uri is None or self.way.logout_page:
            return HTMLResponse("<p>You are signed out.</p>")
        if self.has("logout.redirect_uri"):
            return HTMLResponse("<p>This address is not right.</p>", 400)
        if self.has("logout.foreign_redirect/meta"):
            page = f'<meta http-equiv="refresh" content="0; url={escape(redirect_uri)}">'
            return HTMLResponse(page)
        if self.has("logout.foreign_redirect/hop") and "hop" not in request.query_params:
            query = urlencode({"redirect_uri": redirect_uri, "hop": "1"})
            return RedirectResponse(f"{request.url.path}?{query}", 302)
        if not self._logs_out_to(redirect_uri):
            return HTMLResponse("<p>You are signed out.</p>")
        return RedirectResponse(redirect_uri, 302)

    def _logs_out_to(self, redirect_uri: str) -> bool:
        found = self.fault.partition("logout.foreign_redirect")[1:]
        begins = {"/prefix": "https://auth.worksmobile.com", "/scheme": "/", "/hop": "", "": ""}
        is_faulty = bool(found[0]) and redirect_uri.startswith(begins.get(found[1], REDIRECT_URI))
        return is_faulty or redirect_uri == REDIRECT_URI


class Implementations:
    """An ASGI application that is every one of them, by the first part of the path."""

    def __init__(self) -> None:
        self.all: dict[str, Implementation] = {}

    def named(self, name: str) -> Implementation:
        if name not in self.all:
            way = WAYS.get(name, WAYS["plain"])
            if name.startswith("refresh.") and name != "refresh.off":
                way = WAYS["refresh"]
            if name in ("token.expired", "userinfo.expired"):
                way = replace(way, code_lifetime=LIFETIME, token_lifetime=LIFETIME)
            self.all[name] = Implementation(way, "" if name in WAYS else name)
        return self.all[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        name, _, path = scope["path"].removeprefix("/").partition("/")
        name = unquote_plus(name).replace("~", "/")
        response = await self.named(name).answer(path, Request(scope, receive))
        await response(scope, receive, send)


@dataclass
class Waited:
    """What people are said to have waited before a page; no test does."""

    seconds: float = 0.0

    def now(self) -> float:
        return time.monotonic() + self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


waited = Waited()


@contextmanager
def nobody_waits() -> Iterator[None]:
    """A person who waits before the password is sent takes no time."""
    with patch.object(sign_in, "asyncio", SimpleNamespace(sleep=waited.sleep)):
        yield


def url_of(origin: str, name: str) -> str:
    """The public address of an implementation."""
    return f"{origin}/{name.replace('/', '~')}"


@contextmanager
def serving(app: Implementations, certificate: Path | None = None) -> Iterator[str]:
    """Serve them all on one port of 127.0.0.1, in a thread; yields the origin.

    With a certificate, in a file with its key, over TLS.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # httptools would lose the body of a request with an Upgrade, and read it as another one.
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
            ssl_certfile=certificate,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
