"""How the test person is signed in, and what is never done to them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.conformance.implementation import (
    PASSWORD,
    USERNAME,
    Implementation,
    Implementations,
    Way,
    serving,
    url_of,
)
from tests.conformance.runs import run_checks, target_at

from worksgate.conformance.checks import sign_in
from worksgate.conformance.checks.examination import chosen, examine
from worksgate.conformance.checks.forms import (
    Step,
    charset_of,
    forms_of,
    joined,
    refresh_of,
    sign_in_form,
)
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.recording import Redactor
from worksgate.conformance.checks.sign_in import PAGE_SIZE_LIMIT, HandSignIn
from worksgate.conformance.checks.target import Mailbox, Person
from worksgate.conformance.checks.verdicts import Outcome, Untested

URL = "https://sso.example.com/login?x=1"


@pytest.fixture(scope="module")
def implementations() -> Implementations:
    return Implementations()


@pytest.fixture(scope="module")
def origin(implementations: Implementations) -> Iterator[str]:
    with serving(implementations) as address:
        yield address


# Forms


def test_the_form_with_the_password_is_filled_in_and_the_rest_is_sent_as_it_is() -> None:
    page = """
    <form action="/search"><input name="q"></form>
    <form action="in" method="POST">
      <input type="hidden" name="csrf" value="a&amp;b"><input name="account">
      <input type=password name=pw><input type=checkbox name=stay>
      <input type=checkbox name=terms checked><input name=off disabled value=x>
      <button name="do" value="cancel">No</button><button name="do" value="sign-in">Go</button>
    </form>
    """
    form = sign_in_form(page, URL)
    assert form is not None
    assert (form.action, form.step) == ("https://sso.example.com/in", Step.PASSWORD)
    assert form.filled("hana", "secret") == [
        ("csrf", "a&b"),
        ("account", "hana"),
        ("pw", "secret"),
        ("terms", "on"),
        ("do", "sign-in"),
    ]


def test_choices_and_texts_are_sent_as_they_stand_there() -> None:
    page = """
    <form action="in" method="post"><input type=password name=pw>
      <select name="lang"><option value="ja">日本語<option value=en selected>English</select>
      <select name="realm"><option disabled>Choose<option> Staff &amp; more </option>
        <option value="guests">Guests</select>
      <select name="many" multiple><option>a<option selected>b<option selected>c</select>
      <select name="none" multiple><option>a</select><select name=off disabled><option>x</select>
      <textarea name="note">\n<b>as &lt; it is</textarea><textarea name=off disabled></textarea>
      <button name=go value=1 formaction="/go?a=1&amp;b=2">Go</button>
    </form><select name="outside"><option>x</select>
    """
    form = sign_in_form(page, URL)
    assert form is not None
    assert form.action == "https://sso.example.com/go?a=1&b=2"
    assert form.filled("hana", "secret") == [
        ("pw", "secret"),
        ("lang", "en"),
        ("realm", "Staff & more"),
        ("many", "b"),
        ("many", "c"),
        ("note", "<b>as < it is"),
        ("go", "1"),
    ]


@pytest.mark.parametrize(
    ("page", "step"),
    [
        ("<form method=post><input name=email></form>", Step.USERNAME),
        ("<form method=post><input autocomplete=username name=a></form>", Step.USERNAME),
        ("<form method=post><input autocomplete=one-time-code name=a></form>", Step.CODE),
        ("<form method=post><button>Agree</button></form>", Step.CONSENT),
        ("<form><button>Agree</button></form>", None),
        ("<form><input type=search name=q></form>", None),
        ("<form method=post><input name=comment></form>", None),
    ],
)
def test_what_a_form_asks_for(page: str, step: Step | None) -> None:
    assert [form.step for form in forms_of(page, URL)] == [step]


@pytest.mark.parametrize(
    ("content_type", "page", "charset"),
    [
        ("text/html; charset=EUC-KR", b"<meta charset=utf-8>", "euc_kr"),
        (
            "text/html",
            b'<meta http-equiv="content-type" content="text/html; charset=x-sjis">',
            "shift_jis",
        ),
        ("text/html", b"<meta charset='Shift_JIS'>", "shift_jis"),
        ("text/html; charset=hex", b"", None),
        ("text/html; charset=undefined", b"", None),
        ("", b"\xff", None),
    ],
)
def test_a_page_is_read_in_its_own_encoding(
    content_type: str, page: bytes, charset: str | None
) -> None:
    assert charset_of(content_type, page) == (charset or "utf-8")


def test_a_form_without_an_action_leads_to_its_own_page() -> None:
    (form,) = forms_of("<form method=post><input type=password>", URL)
    assert form.action == URL


@pytest.mark.parametrize(
    ("page", "url"),
    [
        (
            '<meta http-equiv="refresh" content="0; url=https://a.example/?b=1&amp;c=2">',
            "https://a.example/?b=1&c=2",
        ),
        ("<META HTTP-EQUIV=refresh CONTENT='3;URL=/next'>", "/next"),
        ('<meta http-equiv="refresh" content="30">', None),
        ("<meta charset=utf-8>", None),
    ],
)
def test_a_page_that_sends_the_browser_on(page: str, url: str | None) -> None:
    assert refresh_of(page) == url


@pytest.mark.parametrize(
    "page",
    [
        '<!-- <form><input type=password></form> --><form action="/in"><input type=password>',
        '<script>"<form action=/x>"</script><form action="/in"><input type=password>',
        "<textarea><form action=/x></textarea><form action=/in action=/y><input type=password>",
        "<![endif]><form action='/in' title='a > b'/><input type=password value=it's>",
        "<form action=/in><input type='password'<p>",
    ],
)
def test_a_form_is_found_as_a_browser_finds_it(page: str) -> None:
    form = sign_in_form(page, URL)
    assert form is None if page.endswith("<p>") else form is not None
    assert form is None or form.action == "https://sso.example.com/in"


@pytest.mark.parametrize(
    "unit", ["<a ", "<meta ", "<!--", "<![", "</a ", "<form action='", "<input value=\"'", "&#1"]
)
def test_r201_no_page_keeps_the_check_busy(unit: str) -> None:
    page = unit * (PAGE_SIZE_LIMIT // len(unit))
    began = time.process_time()
    assert (sign_in_form(page, URL), refresh_of(page)) == (None, None)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    "page",
    [
        '<form action="https://["><input type=password></form>',
        '<form action="https://a:99999/"><input type=password></form>',
        '<meta http-equiv="refresh" content="0; url=https://[">',
        f'<form method=post><input name=a type=search value="&#{"1" * 5_000};"></form>',
    ],
)
def test_what_is_no_url_leads_nowhere(page: str) -> None:
    assert sign_in_form(page, URL) is None
    location = refresh_of(page)
    assert location is None or joined(URL, location) is None


@dataclass
class _Misleading(Implementation):
    """Its sign-in page redirects to what is no URL, or none in ASCII."""

    location: str = ""

    async def login(self, request: Request) -> Response:
        return Response(status_code=302, headers={"Location": self.location})


@pytest.mark.parametrize("location", ["https://[/?code=a", "/caf\xe9", "\xff"])
async def test_a_redirect_to_what_is_no_url_is_no_end_of_the_run(
    origin: str, implementations: Implementations, location: str
) -> None:
    implementations.all["misleading"] = _Misleading(Way(), location=location)
    for person in (Person(USERNAME, PASSWORD), None):
        target = target_at(origin, "misleading", person=person)
        done = await run_checks(target, ["login", "logout"])
        assert done.results["login.unknown_client"].outcome is not Outcome.FAIL
        assert "login.comes_back" not in done.ids(Outcome.PASS)


# Lock-outs


async def test_r201_a_password_that_was_refused_is_not_typed_again(
    origin: str, implementations: Implementations
) -> None:
    target = target_at(origin, "refusing", person=Person(USERNAME, "wrong"), mailbox=None)
    done = await run_checks(target, ["login", "token.exchange", "token.race", "logout"])
    assert implementations.all["refusing"].passwords == 1
    result = done.results["login.comes_back"]
    assert result.message is not None
    assert (result.outcome, result.message.key) == (Outcome.FAIL, "stuck_refused")
    assert done.results["token.exchange"].outcome is Outcome.NOT_TESTED


async def test_r201_one_wrong_password_is_sent_for_a_mail_client(
    origin: str, implementations: Implementations
) -> None:
    await run_checks(target_at(origin, "mail", wrong_mail_passwords=0), only=["imap"])
    assert implementations.all["mail"].wrong_mail_passwords == 1


async def test_r201_with_a_wrong_password_a_mail_client_is_refused_twice(
    origin: str, implementations: Implementations
) -> None:
    mailbox = Mailbox(USERNAME, "old")
    target = target_at(origin, "old-mail", mailbox=mailbox, wrong_mail_passwords=0)
    await run_checks(target, only=["imap"])
    assert implementations.all["old-mail"].wrong_mail_passwords == 2


async def test_r201_no_password_is_typed_into_the_form_of_another_site(
    origin: str, implementations: Implementations
) -> None:
    name = "login.elsewhere"
    implementations.named(name).posts_to = url_of(origin.replace("127.0.0.1", "localhost"), name)
    done = await run_checks(target_at(origin, name), only=["login.comes_back"])
    message = done.results["login.comes_back"].message
    assert message is not None
    assert message.key == "stuck_other_site"
    assert implementations.all[name].passwords == 0


@dataclass
class _Answering(Implementation):
    """Answers every form with this status, and sends what is asked to repeat it elsewhere."""

    status: int = 401
    elsewhere: str = ""

    async def login(self, request: Request) -> Response:
        if request.method != "POST":
            return await super().login(request)
        self.passwords += b"password" in await request.body()
        headers = {"Location": self.elsewhere} if self.elsewhere else {}
        return Response("No.", self.status, headers=headers)


async def said_of_the_sign_in(origin: str, name: str) -> str | None:
    done = await run_checks(target_at(origin, name, mailbox=None), ["login", "token.race"])
    message = done.results["login.comes_back"].message
    return None if message is None else message.key


async def test_r201_an_error_page_after_the_password_is_a_refusal(
    origin: str, implementations: Implementations
) -> None:
    implementations.all["unwelcoming"] = _Answering(Way())
    assert await said_of_the_sign_in(origin, "unwelcoming") == "stuck_refused"
    assert implementations.all["unwelcoming"].passwords == 1


@pytest.mark.parametrize("status", [307, 308])
async def test_r201_no_password_is_sent_on_to_another_site(
    origin: str, implementations: Implementations, status: int
) -> None:
    other = url_of(origin.replace("127.0.0.1", "localhost"), "other-site")
    implementations.all["other-site"] = there = _Answering(Way())
    here = _Answering(Way(), status=status, elsewhere=f"{other}/login")
    implementations.all["sending-on"] = here
    assert await said_of_the_sign_in(origin, "sending-on") == "stuck_other_site"
    assert (here.passwords, there.passwords) == (1, 0)


async def test_r201_the_right_password_is_typed_no_more_often_than_stated(
    origin: str, implementations: Implementations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "MOST_PASSWORDS", 3)
    done = await run_checks(target_at(origin, "no-sessions"), ["token", "userinfo"])
    assert implementations.all["no-sessions"].passwords == 3
    message = done.results["token.race"].message
    assert message is not None
    assert message.key == "no_further_code"


# Bounds


async def test_r202_a_sign_in_that_leads_in_a_circle_ends(
    origin: str, implementations: Implementations
) -> None:
    implementations.all["circle"] = _Misleading(Way(), location="/circle/login")
    done = await run_checks(target_at(origin, "circle"), ["login.comes_back"])
    message = done.results["login.comes_back"].message
    assert message is not None
    assert message.key == "stuck_too_many_steps"
    assert done.requests <= sign_in.MOST_STEPS


async def test_r202_no_more_requests_are_made_than_stated(origin: str) -> None:
    target = target_at(origin, "bounded")
    meter = Meter(Redactor(target.secrets), most_requests=10)
    outcomes = [
        result.message.key if result.message else "pass"
        async for result in examine(target, chosen(["token", "framing"], []), None, meter)
    ]
    assert meter.requests == 10
    assert outcomes[-1] == "out_of_budget"


async def test_r202_no_request_is_made_after_the_time_is_over() -> None:
    now = 0.0
    meter = Meter(Redactor(), seconds=60, now=lambda: now)
    with meter.waiting_for_a_person():
        now = 1_000.0
    async with meter.request():
        pass
    now = 1_061.0
    with pytest.raises(Untested):
        async with meter.request():
            pass


# By hand


async def test_a_person_at_the_keyboard_signs_in(
    origin: str, implementations: Implementations
) -> None:
    asked: list[str] = []

    async def ask(url: str) -> str:
        asked.append(url)
        (redirect_uri,) = [v for n, v in parse_qsl(urlsplit(url).query) if n == "redirect_uri"]
        code = implementations.named("plain").issue_code("acme", "E-1001")
        return f"{redirect_uri}&code={code}\n"

    target = target_at(origin, "plain", person=None, mailbox=None)
    meter = Meter(Redactor(target.secrets))
    checks = chosen(["login", "token", "userinfo"], ["login.page"])
    results = {
        result.check.id: result.outcome
        async for result in examine(target, checks, HandSignIn(ask, meter), meter)
    }
    assert [name for name, outcome in results.items() if outcome is Outcome.FAIL] == []
    assert results["login.byte_for_byte"] is Outcome.PASS
    assert results["token.race"] is Outcome.PASS
    assert results["login.other_account"] is Outcome.NOT_TESTED
    assert len(asked) == 6
    assert all(urlsplit(url).path == "/plain/login" for url in asked)


async def test_a_code_alone_will_do_and_nothing_is_a_refusal(
    origin: str, implementations: Implementations
) -> None:
    target = target_at(origin, "plain", person=None)
    answers = [implementations.named("plain").issue_code("acme", "E-1001"), ""]

    async def ask(_: str) -> str:
        return answers.pop(0)

    meter = Meter(Redactor(target.secrets))
    by_hand = HandSignIn(ask, meter)
    checks = chosen(["token.exchange", "login.state", "token.one_time"], [])
    found = {
        result.check.id: result.message.key if result.message else str(result.outcome)
        async for result in examine(target, checks, by_hand, meter)
    }
    assert found == {
        "login.state": "typed_code",
        "token.exchange": "pass",
        "token.one_time": "no_further_code",
    }
