"""The same call, framed as different HTTP clients frame it.

What LINE WORKS' HTTP client is, is not published. Every form here has right credentials and a code
or a token that is made up: 302 and 303 prove that the server has read the whole form, 201 that it
has lost a part of it. No check needs a sign-in.
"""

from typing import Final
from urllib.parse import urlencode

from worksgate.conformance.checks.expectations import expect_answer, expect_error, outcome_of
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.verdicts import Finding
from worksgate.conformance.checks.wire import Framing, Part, Pause, chunk
from worksgate.conformance.exchange import FORM

FRAMING: Final = Family(
    "framing", official="sso-sp-oauth-token", page="protocol.md#access-token-return-api"
)

_UPGRADE: Final = (
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
)
"""What Java's HttpClient sends over plain http, and `curl --http2`."""
_SWITCHING: Final = 101
_LINGER: Final = 0.5
"""Seconds to wait for an answer to what was not a request."""
_ACCEPTS: Final = ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "*/*", None)
"""Of Java's HttpURLConnection, of curl, and of who sends none."""
_CHARSETS: Final = (
    "; charset=utf-8",
    "; charset=ISO-8859-1",
    "; charset=US-ASCII",
    ";charset=UTF-8",
)


async def _each(run: Run, framings: "list[Framing]", number: str, url: str) -> None:
    for framing in framings:
        expect_error((await run.converse(url, framing)).exchange, number)


def _token_form(run: Run) -> bytes:
    return urlencode(run.token_form()).encode()


def _user_info_form(run: Run) -> bytes:
    return urlencode(run.user_info_form()).encode()


def _halves(form: bytes) -> list[Part]:
    middle = len(form) // 2
    return [Pause(), form[:middle], Pause(), form[middle:]]


@FRAMING.check(
    "split",
    "A body that arrives later than its headers, in two parts, is read whole",
    "Networks and proxies split requests where they like. A server that reads once reads half.",
)
async def split(run: Run) -> None:
    ends = run.target.endpoints
    token, user_info = _token_form(run), _user_info_form(run)
    await _each(run, [Framing(form=token, parts=_halves(token))], "302", ends.access_token)
    await _each(run, [Framing(form=user_info, parts=_halves(user_info))], "303", ends.user_info)


@FRAMING.check(
    "chunked",
    "A chunked body is read",
    "Clients that do not know the length in advance send Transfer-Encoding: chunked (RFC 9112 §7).",
)
async def chunked(run: Run) -> None:
    ends = run.target.endpoints
    for form, number, url in (
        (_token_form(run), "302", ends.access_token),
        (_user_info_form(run), "303", ends.user_info),
    ):
        middle = len(form) // 2
        chunks: list[Part] = [chunk(form[:middle]), Pause(), chunk(form[middle:]), chunk(b"")]
        await _each(run, [Framing(form=form, chunks=chunks)], number, url)


@FRAMING.check(
    "expect",
    "Expect: 100-continue is answered, or ignored",
    "Some clients wait for 100 Continue before they send the body; a refusal (417) or silence "
    "costs the sign-in.",
)
async def expect(run: Run) -> None:
    form = _token_form(run)
    framing = Framing(
        form=form,
        head=(("Expect", "100-continue"),),
        parts=[Pause(1.0, until_bytes=True), form],
    )
    await _each(run, [framing], "302", run.target.endpoints.access_token)


@FRAMING.check(
    "charset",
    "A charset in the content type is accepted: utf-8, ISO-8859-1, US-ASCII",
    "Apache HttpClient 5, which many Java systems use, sends charset=ISO-8859-1 by default.",
)
async def charset(run: Run) -> None:
    types = [*(f"{FORM}{each}" for each in _CHARSETS), FORM.title()]
    framings = [Framing(form=_token_form(run), content_type=each) for each in types]
    await _each(run, framings, "302", run.target.endpoints.access_token)


@FRAMING.check(
    "accept",
    "The answer is JSON, whatever the client says it accepts",
    "Java's clients accept text/html first, curl anything, some say nothing. A framework that "
    "chooses the form of an error by that header answers with a page.",
)
async def accept(run: Run) -> None:
    framings = [Framing(form=_token_form(run), accept=each) for each in _ACCEPTS]
    await _each(run, framings, "302", run.target.endpoints.access_token)


@FRAMING.check(
    "stray_ampersand",
    "Empty parts between & are skipped",
    "Forms that are put together by hand begin or end with &.",
)
async def stray_ampersand(run: Run) -> None:
    framings = [
        Framing(form=form)
        for form in (
            _token_form(run) + b"&",
            b"&" + _token_form(run),
            _token_form(run).replace(b"&", b"&&", 1),
        )
    ]
    await _each(run, framings, "302", run.target.endpoints.access_token)


@FRAMING.check(
    "percent",
    "A form in which every character is percent-encoded is read",
    "Clients encode as many characters as they like, in capitals or small letters. A server that "
    "compares what is encoded refuses a secret with a + in it.",
)
async def percent(run: Run) -> None:
    def encoded(text: str) -> str:
        return "".join(f"%{byte:02x}" for byte in text.encode())

    form = "&".join(f"{name}={encoded(value)}" for name, value in run.token_form())
    await _each(run, [Framing(form=form.encode())], "302", run.target.endpoints.access_token)


@FRAMING.check(
    "lower_case",
    "The names of headers are read in lower case too",
    "They have no case (RFC 9110 §5.1). Proxies that speak HTTP/2 pass them on in lower case.",
)
async def lower_case(run: Run) -> None:
    framing = Framing(form=_token_form(run), has_small_names=True)
    await _each(run, [framing], "302", run.target.endpoints.access_token)


@FRAMING.check(
    "keep_alive",
    "After a call that was refused, the next one on the same connection is read from its beginning",
    "HTTP clients use a connection again. A server that refuses a call without reading its body "
    "takes that for the next request. Closing the connection is right too.",
)
async def keep_alive(run: Run) -> None:
    url, form = run.target.endpoints.access_token, _token_form(run)
    second = b"".join(part for part in Framing(form=form).pieces(url) if isinstance(part, bytes))
    first = Framing(
        form=form, content_type="text/plain", parts=[form, Pause(1.0, until_bytes=True), second]
    )
    said = await run.converse(url, first, linger=_LINGER)
    expect_answer(said.exchange)
    if not said.rest:
        return  # it has closed the connection, or says so
    answer = said.following()
    if answer is None or outcome_of(answer) != "302":
        raise Finding("out_of_step", exchange=said.exchange)


@FRAMING.check(
    "http10",
    "HTTP/1.0 is answered",
    "Old proxies speak it; nginx does so with the servers behind it by default.",
)
async def http10(run: Run) -> None:
    framing = Framing(form=_token_form(run), version="HTTP/1.0")
    await _each(run, [framing], "302", run.target.endpoints.access_token)


@FRAMING.check(
    "upgrade",
    "An Upgrade is ignored, and the body read; or it is carried out; or answered, and the "
    "connection closed",
    "Java's HttpClient asks for h2c at its first request. RFC 9110 §7.8: a server may ignore it.",
)
async def upgrade(run: Run) -> None:
    form = _token_form(run)
    framing = Framing(form=form, head=_UPGRADE, parts=[Pause(), form])
    said = await run.converse(run.target.endpoints.access_token, framing, linger=_LINGER)
    if said.is_closed or said.exchange.status == _SWITCHING:
        expect_answer(said.exchange)
        return
    expect_error(said.exchange, "302")


@FRAMING.check(
    "smuggling",
    "What follows an Upgrade in the body is not read as another request",
    "Behind a proxy that keeps connections, such a request is answered to somebody else: request "
    "smuggling. The body of this check looks like a request.",
)
async def smuggling(run: Run) -> None:
    inner = b"GET /worksgate-check HTTP/1.1\r\nHost: worksgate-check.invalid\r\n\r\n"
    framing = Framing(form=inner, head=_UPGRADE, parts=[Pause(), inner])
    said = await run.converse(run.target.endpoints.access_token, framing, linger=_LINGER)
    if said.rest.startswith(b"HTTP/"):
        raise Finding("smuggled", exchange=said.exchange)
    expect_answer(said.exchange)
