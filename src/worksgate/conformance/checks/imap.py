"""The IMAP/CalDAV Login API: a mail client's name and password become a code."""

from typing import Final

from worksgate.conformance.checks.calls import UNKNOWN_CLIENT, other_client_of
from worksgate.conformance.checks.expectations import (
    expect_error,
    expect_json_type,
    expect_no_store,
    expect_refusal,
    expect_success,
    expect_text,
)
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run, made_up
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.exchange import Exchange, in_base64
from worksgate.conformance.line_works import with_parameters

IMAP: Final = Family(
    "imap", official="sso-sp-oauth-login-imap-caldav", page="protocol.md#imapcaldav-login-api"
)


@IMAP.check(
    "wrong_password",
    "A wrong password is an error in JSON, without a code",
    "LINE WORKS passes the refusal on to the mail client. An empty code counts as one too, but "
    "says nothing. This check sends one wrong password: the right one with a character more.",
)
async def wrong_password(run: Run) -> None:
    mailbox = run.mailbox()
    expect_refusal(await run.imap_login(mailbox.email, f"{mailbox.password}x"))


@IMAP.check(
    "code",
    "The right password gets a code, also after a wrong one",
    "Mail clients go on with an old password: one refusal must not lock a person out.",
)
async def code(run: Run) -> None:
    expect_success((await run.mail_journey()).login, "code")


@IMAP.check(
    "base64",
    "A + in Base64 survives",
    "LINE WORKS sends name and password in Base64, percent-encoded: + comes as %2B. A server that "
    "decodes twice reads a blank, and some passwords never work.",
)
async def survives_base64(run: Run) -> None:
    mailbox = run.mailbox()
    encoded = in_base64(mailbox.email) + in_base64(mailbox.password)
    if "+" not in encoded:
        raise Untested("no_plus")
    expect_success((await run.mail_journey()).login, "code")


@IMAP.check(
    "redeem",
    "The code is redeemed as that of a browser, and leads to a user key",
    "LINE WORKS makes the same two calls after it.",
)
async def redeem(run: Run) -> None:
    journey = await run.mail_journey()
    if journey.token is None:
        raise Untested("no_mail_code")
    expect_success(journey.token, "access_token")
    if journey.user_info is not None:
        expect_success(journey.user_info, "user_id")


@IMAP.check(
    "one_time",
    "The code works once",
    "A second use gets 302, as with the code of a browser.",
)
async def one_time(run: Run) -> None:
    journey = await run.mail_journey()
    code = journey.login.value("code")
    if code is None or journey.access_token is None:
        raise Untested("no_mail_code")
    expect_error(await run.exchange_code(code), "302")


@IMAP.check(
    "other_client",
    "The code is refused to another client",
    "Otherwise one company's client redeems what was issued to another.",
)
async def other_client(run: Run) -> None:
    mailbox, other = run.mailbox(), other_client_of(run)
    await _granted(run)
    code = (await run.imap_login(mailbox.email, mailbox.password)).value("code")
    if code is None:
        raise Untested("no_mail_code")
    expect_error(await run.exchange_code(code, credentials=other), "302")


@IMAP.check(
    "same_person",
    "The mail client leads to the same user key as the browser",
    "Otherwise somebody reads the mail of another person.",
)
async def same_person(run: Run) -> None:
    in_mail = (await run.mail_journey()).user_info
    if in_mail is None or in_mail.value("user_id") is None:
        raise Untested("no_mail_code")
    if in_mail.value("user_id") != (await run.identified()).value("user_id"):
        raise Finding("two_keys", exchange=in_mail)


@IMAP.check(
    "missing",
    "A missing password is an error in JSON, without a code",
    "Not a crash, and not a sign-in without a password.",
)
async def missing(run: Run) -> None:
    mailbox = run.mailbox()
    url = run.target.endpoints.imap_login or ""
    query = [("email", in_base64(mailbox.email))]
    expect_refusal(await run.send("GET", with_parameters(url, query)))


@IMAP.check(
    "empty_password",
    "An empty password is an error in JSON, without a code",
    "Many LDAP servers answer a bind without a password with success (RFC 4513 §5.1.2): then a "
    "name is enough.",
)
async def empty_password(run: Run) -> None:
    expect_refusal(await run.imap_login(run.mailbox().email, ""))


@IMAP.check(
    "bad_base64",
    "What is no Base64 is an error in JSON, without a code",
    "What anybody can send must not be an error of the server.",
)
async def bad_base64(run: Run) -> None:
    run.mailbox()
    url = run.target.endpoints.imap_login or ""
    query = [("email", "not Base64!"), ("password", "not Base64!")]
    expect_refusal(await run.send("GET", with_parameters(url, query)))


@IMAP.check(
    "utf8",
    "A name and a password in other letters than ASCII are no crash",
    "Both are UTF-8, in Base64. This check sends those of a person who does not exist.",
)
async def utf8(run: Run) -> None:
    run.mailbox()
    expect_refusal(await run.imap_login("検査-검사@worksgate-check.invalid", "パスワード-비밀번호"))


@IMAP.check(
    "unknown_client",
    "Where the client ID is in the address, one that does not exist gets no code",
    "The address is all that says for whom LINE WORKS asks.",
)
async def unknown_client(run: Run) -> None:
    mailbox = run.mailbox()
    await _granted(run)  # a password that is wrong is sent no third time
    before, client_id, after = (run.target.endpoints.imap_login or "").partition(
        run.target.credentials.client_id
    )
    if not client_id:
        raise Untested("no_client_in_address")
    url = f"{before}{UNKNOWN_CLIENT}{after}"
    encoded = [("email", in_base64(mailbox.email)), ("password", in_base64(mailbox.password))]
    expect_refusal(await run.send("GET", with_parameters(url, encoded)))


@IMAP.check(
    "error_form",
    "An error has error and error_description, both texts",
    "The documentation has both members.",
)
async def error_form(run: Run) -> None:
    mailbox = run.mailbox()
    url = run.target.endpoints.imap_login or ""
    answer = await run.send("GET", with_parameters(url, [("email", in_base64(mailbox.email))]))
    expect_refusal(answer)
    for member in ("error", "error_description"):
        expect_text(answer, member)


@IMAP.check(
    "json",
    "The answer is declared as JSON",
    "HTTP libraries parse an answer by its Content-Type.",
)
async def as_json(run: Run) -> None:
    expect_json_type(await _granted(run))


@IMAP.check(
    "no_store",
    "No cache may keep the code",
    "The answer has a code, and its address has a password.",
)
async def no_store(run: Run) -> None:
    expect_no_store(await _granted(run))


@IMAP.check(
    "no_lockout",
    "Wrong passwords here do not lock the person out of the sign-in page",
    "A mail client goes on with an old password every few minutes. LINE WORKS asks not to lock the "
    "account for that.",
)
async def no_lockout(run: Run) -> None:
    mailbox = run.mailbox()
    count = run.target.wrong_mail_passwords
    if not count:
        raise Untested("no_wrong_passwords")
    run.automatic()
    run.signed_in(await run.journey())
    for _ in range(count):
        await run.imap_login(mailbox.email, made_up())
    arrival = await run.authorize(run.redirect_uri(), session="after_mail")
    if not arrival.code:
        raise Finding("locked_out", exchange=arrival.exchange, count=count)


async def _granted(run: Run) -> Exchange:
    login = (await run.mail_journey()).login
    if login.value("code") is None:
        raise Untested("no_mail_code")
    return login
