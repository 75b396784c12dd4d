"""The precondition of an entry: its ``setup``, and the values of its placeholders.

Placeholders are made when they are first needed; a setup makes those that it is about.
"""

import base64
import html
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import pyotp
from tests.bad_inputs.company import EXPIRED_ACCOUNT
from tests.bad_inputs.entries import Entry, filled, wire
from tests.bad_inputs.site import (
    CALLBACK,
    CLIENTS_KNOWN,
    PASSWORD,
    SIGNED_OUT,
    USERNAME,
    Node,
    Site,
)
from tests.bad_inputs.wire import Answer, request

from worksgate.administration import NewClient
from worksgate.credentials.password_hashing import ARGON2
from worksgate.credentials.secrets import new_id
from worksgate.directory import Account
from worksgate.oauth.model import ImapPasswords, SecondFactor
from worksgate.store import REPLAY_MEMORY

CODE_LIFETIME = 60.0
PASSWORD_WITH_SYMBOLS = "pass+word/=?&%"

PATHS = {
    "token": "/accessToken",
    "userinfo": "/userInfo",
    "login": "/login",
    "login_submit": "/login",
    "logout": "/logout",
    "imap": "/apiLogin",
}
"""Where an endpoint is; the client's ID follows that of IMAP."""


@dataclass
class Form:
    """A login form in front of a browser, whose cookies are ``cookies``."""

    txn: str
    csrf: str
    cookies: dict[str, str]

    @classmethod
    def of(cls, answer: Answer) -> "Form":
        assert answer.status == 200, answer.text
        return cls(hidden(answer.text, "txn"), hidden(answer.text, "csrf"), answer.cookies())


@dataclass
class Situation:
    """The state of one entry. ``secret_code`` is the good code, whatever ``{{code}}`` says."""

    site: Site
    client: NewClient
    person: Account
    path: str
    cookies: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    code_client: NewClient | None = None
    secret_code: str = ""
    grant_id: str = ""
    first_token: str = ""
    redirect_uri: str = ""
    times: int = 1
    during: Callable[[], AbstractContextManager[object]] = nullcontext
    special_node: Node | None = None

    @property
    def node(self) -> Node:
        """The server that the entry is sent to."""
        return self.special_node or self.site.node

    def value(self, name: str) -> str:
        """The value of a placeholder. Raises KeyError for an unknown one."""
        if name in FRESH_EACH_TIME:
            return FRESH_EACH_TIME[name]()
        if name not in self.values:
            self.values[name] = PLACEHOLDERS[name](self)
        return self.values[name]

    def fill(self, text: str) -> str:
        return filled(text, self.value)

    def message(self, entry: Entry, body: Any = None, *, node: int = 0) -> bytes:
        """The bytes of the entry's request, or of the same with another body."""
        target, asked = self.path.encode(), wire(entry.query, self.fill)
        content = wire(entry.body if body is None else body, self.fill)
        headers = {name: self._header(value) for name, value in entry.headers.items()}
        if self.cookies and "Cookie" not in headers:
            headers["Cookie"] = cookie_header(self.cookies)
        target += f"/{self.client.client.client_id}".encode() if entry.endpoint == "imap" else b""
        port = self.special_node.port if self.special_node else self.site.nodes[node].port
        host = f"127.0.0.1:{port}"
        # No caller can put a blank into a request line; it comes as this.
        target += b"?" + asked.replace(b" ", b"%20") if asked else b""
        return request(entry.method, target, headers, content, host=host)

    def _header(self, value: str | list[str] | None) -> str | list[str] | None:
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return self.fill(value) if value is not None else None

    # Steps that setups are made of

    def open_form(self) -> Form:
        """Come from LINE WORKS, with no cookie, to the login form."""
        self.redirect_uri = CALLBACK + "?state=a%2Bb%3D%3D"
        answer = self.site.node.get(self.site.login_url(self.redirect_uri))
        return Form.of(answer)

    def submit(self, form: Form, username: str = USERNAME, password: str = PASSWORD) -> Answer:
        fields = {
            "txn": form.txn,
            "csrf": form.csrf,
            "username": username,
            "password": password,
        }
        return self.site.node.post("/login", fields, cookie=cookie_header(form.cookies))

    def follow(self, answer: Answer, cookies: Mapping[str, str]) -> Answer:
        """The page to which a browser with these cookies is redirected."""
        location = urlsplit(answer.location or "")
        path = f"{location.path}?{location.query}"
        return self.site.node.get(path, cookie=cookie_header({**cookies, **answer.cookies()}))

    def sign_in(self) -> str:
        """Sign the person in by the form; their cookies are kept, the code is returned."""
        form = self.open_form()
        answer = self.submit(form, self.person.username)
        assert answer.status == 303, answer.text
        self.cookies = {**form.cookies, **answer.cookies()}
        self.site.secrets |= set(self.cookies.values())
        code = code_in(answer)
        assert code
        self.site.secrets.add(code)
        return code

    def is_signed_in(self, node: int = 0) -> bool:
        """Whether our cookies spare us the login page there."""
        url = self.site.login_url(CALLBACK + "?state=still")
        answer = self.site.nodes[node].get(url, cookie=cookie_header(self.cookies))
        assert answer.status in (200, 303), answer.text
        return answer.status == 303

    def fresh_code(self, *, expires_in: float = CODE_LIFETIME) -> None:
        client = self.code_client or self.client
        self.secret_code, self.grant_id = self.site.issue_code(
            client, self.person, expires_in=expires_in
        )
        self.values["code"] = self.secret_code

    def use_code(self) -> None:
        self.fresh_code()
        self.first_token = self.site.access_token(self.client, self.secret_code)
        self.values["access_token"] = self.first_token


def arrange(site: Site, entry: Entry) -> Situation:
    """Bring about what an entry needs. Raises KeyError for a setup that nobody knows."""
    site.forget_failures()
    situation = Situation(site, _client_for(site, entry), site.owner, PATHS[entry.endpoint])
    situation.special_node = _special_node(site, entry)
    site.company.binds.clear()
    situation.redirect_uri = CALLBACK + "?state=a%2Bb%3D%3D"
    setup = entry.setup
    if setup is None and entry.endpoint == "logout":
        setup = "logged_in"  # or nothing could end
    SETUPS[setup](situation)
    return situation


def _client_for(site: Site, entry: Entry) -> NewClient:
    if entry.endpoint == "imap":
        return site.mail
    outgoing = any(key.startswith("outgoing_") for key in entry.expect)
    return site.apps if outgoing or entry.id in WITH_SESSION_KEY else site.client


def _special_node(site: Site, entry: Entry) -> Node | None:
    """One that is set up for the entry: behind https, or with people in LDAP alone."""
    if entry.expect.get("scheme") == "http":
        return site.behind_https
    is_about_ldap = entry.expect.get("no_ldap_bind") or (entry.setup or "").startswith("ldap_")
    return site.with_ldap if entry.endpoint == "imap" and is_about_ldap else None


WITH_SESSION_KEY = ("login-131",)
"""The app's form of the request, sent to the tenant that has session keys checked."""


def _fresh_token(situation: Situation, *, expires_in: float = 86_400.0) -> None:
    situation.values["access_token"] = situation.site.issue_token(
        situation.client, situation.person, expires_in=expires_in
    )


def _secret_rotated(situation: Situation) -> None:
    situation.client = situation.site.new_client()
    situation.fresh_code()
    administration = situation.site.administration
    client_id = situation.client.client.client_id
    situation.site.run(administration.clients.rotate_secret(client_id, overlap=0))
    time.sleep(CLIENTS_KNOWN)


def _client_disabled(situation: Situation) -> None:
    situation.client = situation.site.new_client()
    situation.fresh_code()
    administration = situation.site.administration
    situation.site.run(administration.clients.disable(situation.client.client.client_id))
    time.sleep(CLIENTS_KNOWN)


def _used_code_30s(situation: Situation) -> None:
    situation.use_code()
    for table in ("codes", "access_tokens"):
        situation.site.age(table, situation.grant_id, 30)


def _used_code_after_purge(situation: Situation) -> None:
    situation.use_code()
    situation.site.age("codes", situation.grant_id, CODE_LIFETIME + REPLAY_MEMORY + 1)
    situation.site.run(situation.site.administration.upkeep.purge())
    grant_id = situation.grant_id
    assert not situation.site.rows("SELECT 1 FROM codes WHERE grant_id = ?", grant_id)


def _other_client_code(situation: Situation) -> None:
    situation.code_client = situation.site.other
    situation.fresh_code()


def _changed_code(situation: Situation, change: Callable[[str], str]) -> None:
    situation.fresh_code()
    situation.values["code"] = change(situation.secret_code)
    assert situation.values["code"] != situation.secret_code


def _other_last_character(code: str) -> str:
    return code[:-1] + ("A" if code[-1] != "A" else "Q")


def _password_changed_after_code(situation: Situation) -> None:
    situation.person = situation.site.new_person()
    situation.fresh_code()
    situation.site.run(
        situation.site.administration.users.set_password(
            situation.person.username, "another horse battery"
        )
    )


def _wrong_secret_first(situation: Situation) -> None:
    situation.fresh_code()
    form = {
        "grant_type": "authorization_code",
        "client_id": situation.client.client.client_id,
        "client_secret": "wrong",
        "code": situation.secret_code,
    }
    assert situation.site.node.post("/accessToken", form).status == 401


def _repeat_50(situation: Situation) -> None:
    situation.fresh_code()
    situation.times = 50


def _user_deleted_after_token(situation: Situation) -> None:
    situation.person = situation.site.new_person()
    situation.use_code()
    situation.site.run(situation.site.administration.users.remove(situation.person.username))


def _logged_out_after_token(situation: Situation) -> None:
    code = situation.sign_in()
    situation.values["access_token"] = situation.site.access_token(situation.client, code)
    cookie = cookie_header(situation.cookies)
    assert situation.site.node.get("/logout", cookie=cookie).status == 200
    assert not situation.is_signed_in()


def _revoked_token_by_replay(situation: Situation) -> None:
    situation.use_code()
    assert situation.site.exchange(situation.client, situation.secret_code).status == 400
    assert situation.site.user_info(situation.client, situation.first_token).status == 401


def _db_delay_4s(situation: Situation) -> None:
    _fresh_token(situation)
    situation.during = partial(readers_kept_out, situation.site, 4.0)


def _db_down(situation: Situation) -> None:
    situation.during = partial(readers_kept_out, situation.site, 4.0)


def _user1_disabled(situation: Situation) -> None:
    @contextmanager
    def disabled() -> Iterator[None]:
        administration = situation.site.administration
        situation.site.run(administration.users.disable(USERNAME))
        try:
            yield
        finally:
            situation.site.run(administration.users.enable(USERNAME))

    situation.during = disabled


def _user1_password_symbols(situation: Situation) -> None:
    """The password is shorter than an administrator may choose one, but a person may have it."""

    @contextmanager
    def changed() -> Iterator[None]:
        rows = situation.site.rows
        ((before,),) = rows("SELECT password_hash FROM accounts WHERE username = ?", USERNAME)
        statement = "UPDATE accounts SET password_hash = ? WHERE username = ?"
        rows(statement, ARGON2.hash(PASSWORD_WITH_SYMBOLS), USERNAME)
        try:
            yield
        finally:
            rows(statement, before, USERNAME)

    situation.during = changed


def _user1_mfa_required(situation: Situation) -> None:
    situation.client = situation.site.new_client(
        imap_login=True, imap_passwords=ImapPasswords.ALL, second_factor=SecondFactor.REQUIRED
    )


def _ldap_user_expired(situation: Situation) -> None:
    situation.site.company.answer = EXPIRED_ACCOUNT


def _ldap_hang(situation: Situation) -> None:
    @contextmanager
    def hanging() -> Iterator[None]:
        situation.site.company.hangs = True
        try:
            yield
        finally:
            situation.site.company.hangs = False

    situation.during = hanging


def _login_form(situation: Situation) -> None:
    form = situation.open_form()
    situation.cookies = form.cookies
    situation.values |= {"txn": form.txn, "csrf": form.csrf}


def _otp_form(situation: Situation) -> None:
    """Somebody has given their password, and is asked for the code of an app."""
    situation.person = situation.site.new_person()
    secret, step = os.urandom(20), int(time.time()) // 30
    situation.site.rows(
        "INSERT INTO totp_secrets (subject_id, secret, last_step, created_at) VALUES (?, ?, ?, ?)",
        situation.person.person.subject_id,
        secret,
        step - 1,
        time.time(),
    )
    app = pyotp.TOTP(base64.b32encode(secret).decode())
    first = situation.open_form()
    asked = situation.submit(first, situation.person.username)
    assert asked.status == 303, asked.text
    form = Form.of(situation.follow(asked, first.cookies))
    situation.cookies = first.cookies
    situation.values |= {
        "txn": form.txn,
        "csrf": form.csrf,
        "otp": app.at(step * 30),
        "otp_used": app.at((step - 1) * 30),
    }


def _path_trailing_slash(situation: Situation) -> None:
    situation.path += "/"


SETUPS: Mapping[str | None, Callable[[Situation], object]] = {
    None: lambda _: None,
    "fresh_code": Situation.fresh_code,
    "secret_rotated": _secret_rotated,
    "client_disabled": _client_disabled,
    "used_code": Situation.use_code,
    "used_code_30s": _used_code_30s,
    "used_code_after_purge": _used_code_after_purge,
    "expired_code": lambda situation: situation.fresh_code(expires_in=-1),
    "other_client_code": _other_client_code,
    "tampered_code": lambda situation: _changed_code(situation, _other_last_character),
    "flip_case_code": lambda situation: _changed_code(situation, str.swapcase),
    "password_changed_after_code": _password_changed_after_code,
    "wrong_secret_first": _wrong_secret_first,
    "repeat_50": _repeat_50,
    "fresh_token": _fresh_token,
    "expired_token": lambda situation: _fresh_token(situation, expires_in=-1),
    "user_deleted_after_token": _user_deleted_after_token,
    "logged_out_after_token": _logged_out_after_token,
    "revoked_token_by_replay": _revoked_token_by_replay,
    "db_delay_4s": _db_delay_4s,
    "db_down": _db_down,
    "user1": lambda _: None,
    "user1_disabled": _user1_disabled,
    "user1_password_symbols": _user1_password_symbols,
    "user1_mfa_required": _user1_mfa_required,
    "ldap_user_expired": _ldap_user_expired,
    "ldap_hang": _ldap_hang,
    "login_form": _login_form,
    "otp_form": _otp_form,
    "logged_in": Situation.sign_in,
    "logged_out": lambda _: None,
    "path_trailing_slash": _path_trailing_slash,
}


def _code(situation: Situation) -> str:
    situation.fresh_code()
    return situation.values["code"]


def _access_token(situation: Situation) -> str:
    return situation.site.issue_token(situation.client, situation.person)


def _redirect_uri(situation: Situation, query: str = "?state=a%2Bb%3D%3D") -> str:
    situation.redirect_uri = CALLBACK + query
    return quote(situation.redirect_uri, safe="")


def _basic(situation: Situation) -> str:
    pair = f"{situation.client.client.client_id}:{situation.client.client_secret}"
    return base64.b64encode(pair.encode()).decode()


PLACEHOLDERS: Mapping[str, Callable[[Situation], str]] = {
    "client_id": lambda situation: situation.client.client.client_id,
    "client_secret": lambda situation: situation.client.client_secret,
    "code": _code,
    "access_token": _access_token,
    "basic": _basic,
    "basic_user1": lambda _: base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode(),
    "redirect_uri": _redirect_uri,
    "redirect_uri_without_state": lambda situation: _redirect_uri(situation, ""),
    "redirect_uri_state_special": lambda situation: _redirect_uri(
        situation, "?lang=ja&state=%2Bx%2Fy%3Dz%2525&end=%2B"
    ),
    "logout_redirect_uri": lambda _: quote(SIGNED_OUT, safe=""),
    "login_url": lambda situation: quote(
        f"http://127.0.0.1:{situation.site.node.port}"
        + situation.site.login_url(CALLBACK + "?state=again"),
        safe="",
    ),
    "csrf_other_session": lambda situation: situation.open_form().csrf,
    "txn_other_browser": lambda situation: situation.open_form().txn,
}

FRESH_EACH_TIME: Mapping[str, Callable[[], str]] = {
    "random_ip": lambda: ".".join(str(random.randint(1, 254)) for _ in range(4)),
    "random_locale": lambda: f"{new_id()[:8]}-{new_id()[:4]};q=0.{random.randint(1, 9)}",
}
"""Placeholders that differ in each of several requests."""


_KEEP_READERS_OUT = """
import fcntl, sys
file, first, length = open(sys.argv[1], "r+b"), 123, 5
fcntl.lockf(file, fcntl.LOCK_EX, length, first)
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def readers_kept_out(site: Site, seconds: float) -> Iterator[None]:
    """Another process keeps everybody from reading the database for so long.

    A writer would not: in WAL mode readers pass it. So this one holds all of the locks of which a
    reader needs one (WAL_READ_LOCK, https://sqlite.org/walformat.html#locks). It has done so for
    a moment when the block begins: what was read before has grown old.
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", _KEEP_READERS_OUT, f"{site.database}-shm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    timer = threading.Timer(seconds, holder.terminate)
    timer.start()
    time.sleep(CLIENTS_KNOWN)
    try:
        yield
    finally:
        timer.join()
        holder.communicate()


# What is read out of answers


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', text)
    assert found, f"no {name} in {text}"
    return html.unescape(found[1])


def code_in(answer: Answer) -> str | None:
    """The code that an answer sends the browser on with, or gives to a mail client, if it does."""
    if (answer.header("content-type") or "").startswith("application/json") and answer.body:
        code = answer.json().get("code")
        return str(code) if code is not None else None
    found = re.search(r"[?&]code=([A-Za-z0-9_-]+)", answer.location or "")
    return found[1] if found else None


def cookie_header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
