"""The sign-in page: from the authorization request to the redirect with the code."""

from typing import Final
from urllib.parse import urlsplit

from worksgate.conformance.checks.calls import UNKNOWN_CLIENT
from worksgate.conformance.checks.forms import joined
from worksgate.conformance.checks.markup import tags_of
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Journey, Run, made_up
from worksgate.conformance.checks.sign_in import Arrival, FormSignIn, Stops, Stuck
from worksgate.conformance.checks.target import Person
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import Exchange, decode_parameters, query_of
from worksgate.conformance.line_works import authorization_url, with_parameters

LOGIN: Final = Family(
    "login", official="sso-sp-oauth-login-web", page="protocol.md#the-sign-in-page"
)
_REDIRECT_URI: Final = "protocol.md#redirect_uri"

SHORTEST_CODE: Final = 16
"""Characters. RFC 6749 §10.10 asks for 128 bits: 22 characters of Base64, 32 of hexadecimal."""
FOREIGN: Final = "worksgate-check.invalid"
"""A host that belongs to nobody and never will (RFC 2606)."""
_LONG_URI: Final = 1_000
_NOBODY: Final = "worksgate-check-nobody@example.com"
_TAG: Final = "worksgate-check"
_TAGGED: Final = f"a'\" {_TAG}=1><{_TAG}>"
"""Written into a page as it is, it becomes a tag there, or an attribute of one."""


@LOGIN.check(
    "page",
    "The Web Login URL answers with a page or a redirect",
    "LINE WORKS sends every browser there. An error is all that people would see.",
)
async def page(run: Run) -> None:
    expect_page(await open_page(run))


@LOGIN.check(
    "missing",
    "Without client_id, redirect_uri or any parameter the answer is no crash, and leads nowhere",
    "All three parameters are required. What anybody can open must not be an error of the server, "
    "and nobody is signed in for a client that was not named.",
)
async def missing(run: Run) -> None:
    pairs = decode_parameters(query_of(_page_url(run)))
    for name in ("client_id", "redirect_uri", "response_type", None):
        rest = [pair for pair in pairs if pair[0] != name] if name else []
        url = with_parameters(run.target.endpoints.web_login, rest)
        exchange = await run.send_as_browser(url)
        expect_no_crash(exchange)
        location = _location(exchange)
        if location is not None and "code" in dict(_parameters(location)):
            raise Finding("redirected", exchange=exchange)


@LOGIN.check(
    "comes_back",
    "A person who signs in is sent back to redirect_uri",
    "Browsers and apps wait for this redirect; without it nobody gets in, and apps hang.",
)
async def comes_back(run: Run) -> None:
    expect_arrival((await run.journey()).arrival)


@LOGIN.check(
    "wrong_password",
    "A wrong password leads to no code",
    "Nobody gets in who is not the person. This check types one wrong password: the right one with "
    "a character more, which a system that reads the first eight takes for the right one.",
)
async def wrong_password(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    assert run.sign_in is not None  # noqa: S101  # there is a journey
    if run.target.person is None:
        raise Untested("no_person")
    person = run.target.person
    stranger = run.sign_in.as_other(Person(person.username, f"{person.password}x"))
    try:
        arrival = await run.authorize(run.redirect_uri(), sign_in=stranger)
    finally:
        await stranger.aclose()
    if arrival.code:
        raise Finding("any_password", exchange=arrival.exchange)


@LOGIN.check(
    "code",
    "The redirect has one parameter code, and it is not empty",
    "LINE WORKS reads the authorization code from it. Twice, and it is open which one counts.",
)
async def code(run: Run) -> None:
    callback = await _callback(run)
    codes = [value for name, value in _parameters(callback) if name == "code"]
    if len(codes) != 1 or not codes[0]:
        raise Finding("codes_in_callback", count=len([each for each in codes if each]))


@LOGIN.check(
    "state",
    "The state inside redirect_uri comes back",
    "LINE WORKS recognizes its own request by it. A sign-in without its state is refused.",
    page=_REDIRECT_URI,
)
async def state(run: Run) -> None:
    callback = await _callback(run)
    journey = await run.journey()
    (wanted,) = [value for name, value in _parameters(journey.redirect_uri) if name == "state"]
    if [value for name, value in _parameters(callback) if name == "state"] != [wanted]:
        raise Finding("state_lost")


@LOGIN.check(
    "byte_for_byte",
    "redirect_uri is used as it came, with the code added at its end",
    "An address that is decoded and encoded again is another one: %2B becomes a blank, parameters "
    "change places, and LINE WORKS no longer finds its state.",
    page=_REDIRECT_URI,
)
async def byte_for_byte(run: Run) -> None:
    callback = await _callback(run)
    journey = await run.journey()
    start, end = journey.redirect_uri, callback[len(journey.redirect_uri) :]
    if not callback.startswith(start) or not end.startswith(("&", "?")):
        raise Finding("redirect_uri_changed", exchange=journey.arrival.exchange)


@LOGIN.check(
    "as_get",
    "The browser comes back by GET: the redirect after a form is not 307 or 308",
    "With these two a browser sends the form once more, name and password included, to the address "
    "that it is sent to (RFC 9700 §4.12).",
    page=_REDIRECT_URI,
)
async def as_get(run: Run) -> None:
    await _callback(run)
    last = (await run.journey()).arrival.exchange
    if last is not None and last.request.method == "POST" and last.status in (307, 308):
        raise Finding("form_sent_on", exchange=last, status=last.status)


@LOGIN.check(
    "long_state",
    "A redirect_uri of 1,000 characters comes back whole; refusing it is right too",
    "How long LINE WORKS' state is, is not published. What a database cuts off is lost.",
    page=_REDIRECT_URI,
)
async def long_state(run: Run) -> None:
    redirect_uri = run.redirect_uri()
    redirect_uri += f"&more={'0123456789' * 100}"[: _LONG_URI - len(redirect_uri)]
    run.automatic()
    run.signed_in(await run.journey())
    arrival = await run.authorize(redirect_uri, session="long_state")
    if arrival.callback is not None and not arrival.callback.startswith(redirect_uri):
        raise Finding("redirect_uri_changed", exchange=arrival.exchange)


@LOGIN.check(
    "two_tabs",
    "Of two sign-ins that one browser has begun, each comes back to its own redirect_uri",
    "Whoever opens LINE WORKS in two tabs gets two pages. With one place for both, the first is "
    "sent to the address of the second, with its state. Asking to begin again is right too.",
    page=_REDIRECT_URI,
)
async def two_tabs(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    first, second = run.redirect_uri(), run.redirect_uri()
    arrival = await run.authorize(first, session="tabs", meanwhile=second)
    if arrival.callback is not None and not arrival.callback.startswith(first):
        raise Finding("mixed_up", exchange=arrival.exchange)


@LOGIN.check(
    "empty_password",
    "An empty password leads to no code",
    "Many LDAP servers answer a bind without a password with success (RFC 4513 §5.1.2): then a "
    "name is enough. This check sends one empty password.",
)
async def empty_password(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    if run.target.person is None:
        raise Untested("no_person")
    browser = FormSignIn(run.target, Person(run.target.person.username, ""), run.meter)
    try:
        arrival = await run.authorize(run.redirect_uri(), sign_in=browser)
    finally:
        await browser.aclose()
    if arrival.code:
        raise Finding("any_password", exchange=arrival.exchange)
    if arrival.stuck is Stuck.NO_FORM:
        raise Untested("no_plain_form")


@LOGIN.check(
    "ampersand",
    "The code is added with & where redirect_uri has a query",
    "LINE WORKS' state is in the query, so there always is one. A second ? belongs to the last "
    "value, and no code arrives.",
    page=_REDIRECT_URI,
)
async def ampersand(run: Run) -> None:
    callback = await _callback(run)
    if callback.partition("#")[0].count("?") != 1:
        raise Finding("wrong_separator", wanted="&")


@LOGIN.check(
    "question_mark",
    "The code is added with ? where redirect_uri has no query; refusing such a redirect_uri is "
    "right too",
    "With & in its place the code becomes part of the path.",
    page=_REDIRECT_URI,
)
async def question_mark(run: Run) -> None:
    arrival = await _further(run, run.target.redirect_uri.partition("?")[0])
    if arrival.callback is not None and not _parameters(arrival.callback):
        raise Finding("wrong_separator", wanted="?")


@LOGIN.check(
    "fragment",
    "The code stands before a fragment of redirect_uri; refusing such a redirect_uri is right too",
    "No browser sends to a server what stands after #.",
    page=_REDIRECT_URI,
)
async def fragment(run: Run) -> None:
    arrival = await _further(run, f"{run.redirect_uri()}#end")
    callback = arrival.callback
    if callback is not None and not any(n == "code" for n, _ in _parameters(callback)):
        raise Finding("code_in_fragment")


@LOGIN.check(
    "code_is_random",
    "Each sign-in has a code of its own, long enough that nobody guesses it",
    "Whoever has a code of somebody else is signed in as them. RFC 6749 §10.10 asks for 128 bits.",
)
async def code_is_random(run: Run) -> None:
    first = run.signed_in(await run.journey()).arrival.code or ""
    if len(first) < SHORTEST_CODE:
        raise Finding("code_too_short", length=len(first), shortest=SHORTEST_CODE)
    if await run.spare_code() == first:
        raise Finding("code_repeated")


@LOGIN.check(
    "response_type",
    "response_type=token brings no access token to the browser",
    "LINE WORKS sends code, always. A token in an address is in histories and logs (RFC 9700 "
    "§2.1.2); refusing the request is what RFC 6749 §3.1.1 asks for.",
)
async def response_type(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    arrival = await run.authorize(run.redirect_uri(), response_type="token")
    after = (arrival.callback or "").partition("#")
    if "access_token" in dict(decode_parameters(f"{query_of(after[0])}&{after[2]}")):
        raise Finding("token_in_redirect", exchange=arrival.exchange)


@LOGIN.check(
    "app",
    "A sign-in of an app (userAgent, sessionKey) leads to a user key",
    "The apps add two parameters. They open the same page, and wait for the same redirect.",
)
async def app(run: Run) -> None:
    journey = await run.app_journey()
    if run.refuses_session_keys:
        raise Untested("session_key_verified")
    expect_arrival(journey.arrival)
    if journey.user_key is None:
        raise Finding("no_user_key", exchange=journey.user_info or journey.token)


@LOGIN.check(
    "works_id",
    "The hint worksId is accepted",
    "LINE WORKS adds it where the person has typed their account. It must not get in their way.",
)
async def works_id(run: Run) -> None:
    expect_page(await open_page(run, ("worksId", _NOBODY)))


@LOGIN.check(
    "escaped",
    "What a page repeats of its address, or of its form, is escaped",
    "Otherwise a link to your sign-in page runs an attacker's script in it, and that reads the "
    "password. Tried: worksId, client_id and redirect_uri with a tag in them, and a name that is "
    "typed.",
)
async def escaped(run: Run) -> None:
    registered = f"{run.redirect_uri()}&more={_TAGGED}"
    foreign = f"https://{FOREIGN}/?state={_TAGGED}"
    for name, url in (
        ("worksId", _page_url(run, works_id=_TAGGED)),
        ("client_id", _page_url(run, client_id=_TAGGED)),
        ("redirect_uri", _page_url(run, redirect_uri=registered)),
        ("redirect_uri", _page_url(run, redirect_uri=foreign)),
    ):
        arrival = await visit(run, url)
        if arrival.exchange is not None and _has_our_tag(arrival.exchange):
            raise Finding("not_escaped", exchange=arrival.exchange, name=name)
    if not _signs_in(run) or (await run.journey()).arrival.code is None:
        return
    assert run.sign_in is not None  # noqa: S101  # somebody signs in
    typist = run.sign_in.as_other(Person(_TAGGED, made_up()))
    try:
        arrival = await run.authorize(run.redirect_uri(), sign_in=typist)
    finally:
        await typist.aclose()
    if arrival.exchange is not None and _has_our_tag(arrival.exchange):
        raise Finding("not_escaped", exchange=arrival.exchange, name="value.username")


@LOGIN.check(
    "other_account",
    "A session of somebody else is not used where worksId names another account",
    "Otherwise the second person at a shared computer opens the mailbox of the first, without a "
    "word.",
)
async def other_account(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    arrival = await run.authorize(run.redirect_uri(), works_id=_NOBODY, fills=False)
    if arrival.code:
        raise Finding("wrong_person", exchange=arrival.exchange)


@LOGIN.check(
    "extra_parameter",
    "A parameter that nobody knows is ignored",
    "RFC 6749 §3.1 asks for it, and LINE WORKS may send a new one tomorrow.",
)
async def extra_parameter(run: Run) -> None:
    expect_page(await open_page(run, ("worksgateCheck", "1")))


@LOGIN.check(
    "foreign_redirect",
    "Nobody is ever sent to a redirect_uri of somebody else",
    "An attacker would send people a link to your sign-in page and collect their codes. Tried: "
    "another host, a host that begins with the right one, a name before @, a backslash, no scheme, "
    "two redirect_uri at once, and the right host over plain http.",
    page=_REDIRECT_URI,
)
async def foreign_redirect(run: Run) -> None:
    are_refused = True
    for redirect_uri, second in foreign_redirect_uris(run.target.redirect_uri):
        arrival = await _open_foreign(run, redirect_uri, second)
        if arrival.callback is not None and _leads_astray(run, arrival.callback):
            raise Finding("foreign_redirect", exchange=arrival.exchange)
        are_refused &= arrival.stuck is Stuck.ERROR_PAGE
    if not are_refused and not _signs_in(run):
        raise Untested("form_for_foreign")


@LOGIN.check(
    "unknown_client",
    "Nobody is sent back for a client that does not exist",
    "Where the client is unknown, so are its addresses: RFC 6749 §4.1.2.1 asks for a page.",
)
async def unknown_client(run: Run) -> None:
    if not _signs_in(run):
        exchange = await open_page(run, client_id=UNKNOWN_CLIENT)
        location = _location(exchange)
        is_sent = location is not None and run.is_callback(location)
    else:
        run.signed_in(await run.journey())
        arrival = await run.authorize(run.redirect_uri(), client_id=UNKNOWN_CLIENT)
        exchange, is_sent = arrival.exchange or await open_page(run), arrival.callback is not None
    if is_sent:
        raise Finding("redirected", exchange=exchange)


# What several checks look at


async def open_page(run: Run, *extra: tuple[str, str], client_id: str | None = None) -> Exchange:
    """Open the sign-in page as a browser that was never here."""
    url = _page_url(run, client_id=client_id, works_id=dict(extra).get("worksId"))
    more = [pair for pair in extra if pair[0] != "worksId"]
    return await run.send_as_browser(with_parameters(url, more))


def leaving(run: Run, url: str) -> Stops:
    """Return whether a redirect from this URL on leads out of the implementation."""

    def leaves(location: str) -> bool:
        return is_foreign(location) or _host_at(location, url) not in run.target.hosts

    return leaves


async def visit(run: Run, url: str) -> Arrival:
    """Open a URL as a browser that was never here, and follow it within the implementation."""
    browser = FormSignIn(run.target, None, run.meter)
    try:
        return await browser.arrive(url, leaving(run, url), fills=False)
    finally:
        await browser.aclose()


def _page_url(
    run: Run,
    *,
    client_id: str | None = None,
    works_id: str | None = None,
    redirect_uri: str | None = None,
) -> str:
    return authorization_url(
        run.target.endpoints.web_login,
        client_id=client_id or run.target.credentials.client_id,
        redirect_uri=redirect_uri or run.redirect_uri(),
        works_id=works_id,
    )


def _has_our_tag(page: Exchange) -> bool:
    """Whether the tag that was sent is one of the page."""
    if page.answer is None or "html" not in (page.answer.header("content-type") or "html").lower():
        return False
    tags = tags_of(page.answer.body.decode("utf-8", "replace"))
    return any(tag.name == _TAG or _TAG in tag.attributes for tag in tags)


def expect_no_crash(exchange: Exchange) -> None:
    """Expect an answer that is no error of the server."""
    if exchange.answer is None:
        raise Finding("no_answer", exchange=exchange, got=f"value.{exchange.failure}")
    if exchange.answer.status >= 500:
        raise Finding("error_page", exchange=exchange, status=exchange.answer.status)


def expect_page(exchange: Exchange) -> None:
    """Expect no error."""
    if exchange.answer is None:
        raise Finding("no_answer", exchange=exchange, got=f"value.{exchange.failure}")
    if exchange.answer.status >= 400:
        raise Finding("error_page", exchange=exchange, status=exchange.answer.status)


_OURS: Final = (Stuck.SECOND_FACTOR, Stuck.NO_FORM, Stuck.OTHER_SITE, Stuck.SKIPPED)
"""Where this check could not go on, although a person perhaps could."""


def expect_arrival(arrival: Arrival) -> None:
    """Expect that a sign-in led back."""
    if arrival.callback is not None or arrival.typed_code is not None:
        return
    if arrival.stuck in _OURS:
        raise Untested(f"stuck_{arrival.stuck}")
    raise Finding(f"stuck_{arrival.stuck}", exchange=arrival.exchange)


async def _callback(run: Run) -> str:
    journey: Journey = await run.journey()
    if journey.arrival.callback is None:
        raise Untested("not_signed_in" if journey.arrival.stuck else "typed_code")
    return journey.arrival.callback


async def _further(run: Run, redirect_uri: str) -> Arrival:
    run.automatic()
    run.signed_in(await run.journey())
    return await run.authorize(redirect_uri)


def _parameters(url: str) -> list[tuple[str, str]]:
    return decode_parameters(query_of(url))


def foreign_redirect_uris(registered: str) -> list[tuple[str, str | None]]:
    """Return foreign redirect_uri, and what is sent as a second one."""
    scheme, host, path = urlsplit(registered)[:3]
    foreign = f"https://{FOREIGN}/?state=a"
    return [
        (foreign, None),
        (f"https://{host}.{FOREIGN}/?state=a", None),
        (f"https://{host}@{FOREIGN}/?state=a", None),
        (f"https://{FOREIGN}\\@{host}/?state=a", None),
        (f"//{FOREIGN}/?state=a", None),
        (f"{registered}?state=a", foreign),
        (foreign, f"{registered}?state=a"),
        *([(f"http://{host}{path}?state=a", None)] if scheme == "https" else []),
    ]


async def _open_foreign(run: Run, redirect_uri: str, second: str | None) -> Arrival:
    extra = [] if second is None else [("redirect_uri", second)]
    if _signs_in(run):
        run.signed_in(await run.journey())
        return await run.authorize(
            redirect_uri,
            extra=extra,
            stops=lambda url: _leads_astray(run, url) or run.is_callback(url),
        )
    url = authorization_url(
        run.target.endpoints.web_login,
        client_id=run.target.credentials.client_id,
        redirect_uri=redirect_uri,
    )
    exchange = await run.send_as_browser(with_parameters(url, extra))
    is_error = (exchange.status or 0) >= 400
    stuck = Stuck.ERROR_PAGE if is_error else Stuck.PAGE
    return Arrival(callback=_location(exchange), stuck=stuck, exchange=exchange)


def _signs_in(run: Run) -> bool:
    return run.sign_in is not None and run.sign_in.is_automatic


def _location(exchange: Exchange) -> str | None:
    return None if exchange.answer is None else exchange.answer.header("location")


def _host_at(location: str, page: str) -> str:
    """Return the host that a browser would go to: it reads a backslash as a slash."""
    read = joined(page, location.strip().replace("\\", "/"))
    return (urlsplit(read).hostname if read else None) or ""


def _leads_astray(run: Run, location: str) -> bool:
    """Whether a code sent there is anybody's: at a foreign host, or on the way in plain text."""
    scheme, host = urlsplit(run.target.redirect_uri)[:2]
    is_plain = scheme == "https" and location.lower().startswith(f"http://{host}/")
    return is_plain or is_foreign(location)


def is_foreign(location: str) -> bool:
    """Whether a browser would go to the host of an attacker."""
    host = _host_at(location, "https://here.invalid/")
    return host == FOREIGN or host.endswith(f".{FOREIGN}")
