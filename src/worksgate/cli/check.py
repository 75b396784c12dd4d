"""``worksgate check``: plays LINE WORKS against any implementation, and says what is wrong."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import urlsplit

import click

from worksgate.cli.asking import is_person_there
from worksgate.cli.options import Duration, json_option
from worksgate.cli.printing import note, print_json, print_line

if TYPE_CHECKING:
    from worksgate.conformance.checks.examination import Result
    from worksgate.conformance.checks.meter import Meter
    from worksgate.conformance.checks.operator import Act, Deed
    from worksgate.conformance.checks.sign_in import SignIn
    from worksgate.conformance.checks.target import Mailbox, Person, Target
    from worksgate.conformance.line_works import Credentials
    from worksgate.conformance.report.summary import Report
    from worksgate.conformance.report.texts import Texts

_PATHS = ("login", "app_login", "access_token", "user_info", "logout", "imap_login")
COULD_NOT_RUN = 2
_LONGEST_SECRET = 4_096
_MARGIN = 5
"""Seconds after the 30 minutes at which a sign-in is late beyond doubt."""
_FILE = click.Path(path_type=Path)
_OUTPUT = click.Path(path_type=Path, dir_okay=False)


class HostAndPort(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``."""

    name = "HOST:PORT"

    def convert(
        self,
        value: str | tuple[str, int],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            self.fail(f"{value!r} is not a host and a port such as 192.0.2.1:443", param, ctx)
        return host.strip("[]"), int(port)


Way = Literal["form", "browser", "hand", "none"]
"""How the test person signs in."""


@click.command("check")
@click.argument("url", metavar="URL")
@click.option("--client-id", metavar="ID", required=True, help="The client ID of the test client.")
@click.option(
    "--client-secret-file",
    metavar="FILE",
    type=_FILE,
    help="A file whose first line is the client secret; prompted for by default.",
)
@click.option(
    "--redirect-uri",
    metavar="URL",
    default="https://auth.worksmobile.com/",
    show_default=True,
    help="A redirect_uri of the client, without state.",
)
@click.option("--username", metavar="NAME", help="The test person; without it nobody signs in.")
@click.option(
    "--password-file",
    metavar="FILE",
    type=_FILE,
    help="A file whose first line is the person's password; prompted for by default.",
)
@click.option("--user-key", metavar="KEY", help="The user key that LINE WORKS must receive.")
@click.option(
    "--key-is-account", is_flag=True, help="The user key is the LINE WORKS account: test its form."
)
@click.option("--browser", is_flag=True, help="Sign in with a real browser (Playwright).")
@click.option("--code", "by_hand", is_flag=True, help="Sign in by hand: open URLs, paste back.")
@click.option("--imap", is_flag=True, help="Test the IMAP/CalDAV Login API too.")
@click.option("--imap-email", metavar="EMAIL", help="The person's name there.  [default: NAME]")
@click.option(
    "--imap-password-file",
    metavar="FILE",
    type=_FILE,
    help="A file with the person's password there, such as an app password.",
)
@click.option(
    "--imap-wrong-passwords",
    metavar="NUMBER",
    type=click.IntRange(1, 20),
    help="So many wrong ones there must not lock the person out of the sign-in page.",
)
@click.option("--login", metavar="PATH", help="The Web Login URL.  [default: login]")
@click.option(
    "--app-login", metavar="PATH", help="The Application Login URL.  [default: as --login]"
)
@click.option("--access-token", metavar="PATH", help="Its API.  [default: accessToken]")
@click.option("--user-info", metavar="PATH", help="Its API.  [default: userInfo]")
@click.option("--logout", metavar="PATH", help="The Logout URL.  [default: logout]")
@click.option("--imap-login", metavar="PATH", help="Its API.  [default: apiLogin/{client_id}]")
@click.option("--disabled-client-id", metavar="ID", help="A disabled client, for error 101.")
@click.option(
    "--disabled-client-secret-file", metavar="FILE", type=_FILE, help="A file with its secret."
)
@click.option(
    "--barred-client-id", metavar="ID", help="One that may not call from here, for error 101."
)
@click.option(
    "--barred-client-secret-file", metavar="FILE", type=_FILE, help="A file with its secret."
)
@click.option("--other-client-id", metavar="ID", help="Another client, which must be refused.")
@click.option(
    "--other-client-secret-file", metavar="FILE", type=_FILE, help="A file with its secret."
)
@click.option(
    "--code-lifetime",
    type=Duration(),
    help="How long codes are valid; waits until one must have expired.",
)
@click.option(
    "--token-lifetime",
    type=Duration(),
    help="How long access tokens are valid; waits until one must have expired.",
)
@click.option(
    "--late-sign-in", is_flag=True, help="Test one of half an hour: it must lead to no code."
)
@click.option(
    "--overload",
    metavar="CALLS",
    type=click.IntRange(10, 500),
    help="Send so many calls at once: the answers must not blame the token.",
)
@click.option("--outage-command", metavar="CMD", help="Takes the store out of reach.")
@click.option("--recovery-command", metavar="CMD", help="Ends that.")
@click.option("--disable-user-command", metavar="CMD", help="Disables the test person.")
@click.option("--disable-client-command", metavar="CMD", help="Disables the test client.")
@click.option(
    "--assisted", is_flag=True, help="Ask you to do what there is no command for, then go on."
)
@click.option(
    "--connect-to",
    type=HostAndPort(),
    help="Connect there instead of to the host of URL, as before a change of DNS.",
)
@click.option(
    "--ca-file", metavar="FILE", type=_FILE, help="The only certificate authority to trust (PEM)."
)
@click.option(
    "--send-secrets-over-plain-http",
    is_flag=True,
    help="Test an http:// address of another machine, for a trial in your own network.",
)
@click.option("--only", metavar="ID", multiple=True, help="A check or a family; repeatable.")
@click.option("--without", metavar="ID", multiple=True, help="Leave one out; repeatable.")
@click.option(
    "--language",
    type=click.Choice(("en", "ja", "ko")),
    default="en",
    show_default=True,
    help="The language of the report.",
)
@click.option("--junit", metavar="FILE", type=_OUTPUT, help="Also write the report as JUnit XML.")
@click.option("--html", metavar="FILE", type=_OUTPUT, help="Also write the report as a page.")
@click.option("--plan", is_flag=True, help="Only say what would be done.")
@json_option
def check(*, url: str, language: str, plan: bool, as_json: bool, **options: Any) -> None:
    """Check any implementation as LINE WORKS would use it.

    URL is the public address of the customer's side of LINE WORKS SSO, to which the paths are
    added. It first prints what it will do; no output contains a secret. The exit code is 0 if no
    rule is broken, 1 with findings, and 2 if it could not run.
    """
    from worksgate.conformance.checks.examination import chosen
    from worksgate.conformance.report import plain_text
    from worksgate.conformance.report.texts import Texts

    texts = Texts(language)
    way = _way(options)
    _check_places(options["junit"], options["html"])
    _check_authority(options["ca_file"])
    try:
        checks = chosen(options["only"], options["without"])
    except ValueError as unknown:
        raise click.UsageError(f"there is no check and no family {unknown}") from None
    target = _target(url, options, asks=not plan)
    acts = _acts(options, texts)
    for line in plain_text.plan(target, checks, way, texts, acts):
        note(line)
    if plan:
        return
    report = _run(target, checks, way, acts, _Printer(texts, silent=as_json))
    _write(report, texts, options)
    if as_json:
        from worksgate.conformance.report.json_document import document

        print_json(document(report, texts))
    else:
        print_line()
        print_line(plain_text.sum_line(report, texts))
    if report.is_incomplete:
        note(texts("report.incomplete"))
    sys.exit(report.exit_code)


# What is asked for


def _check_places(*files: Path | None) -> None:
    """A report that cannot be written is noticed before anything is sent."""
    for file in files:
        if file is not None and not os.access(file.parent, os.W_OK):
            raise click.UsageError(f"{file.parent} is no folder that can be written to")


def _check_authority(file: Path | None) -> None:
    """Raise UsageError for a file without a certificate; a run would end in its middle."""
    import ssl

    try:
        if file is not None:
            ssl.create_default_context(cafile=file)
    except OSError as error:  # also ssl.SSLError
        raise click.UsageError(f"{file} has no certificate in PEM") from error


def _way(options: dict[str, Any]) -> Way:
    if options["browser"] and options["by_hand"]:
        raise click.UsageError("--browser and --code exclude each other")
    if options["by_hand"]:
        return "hand"
    if options["browser"]:
        if not options["username"]:
            raise click.UsageError("--browser needs --username")
        if options["ca_file"]:  # Chromium asks the system's list of authorities alone
            raise click.UsageError("--browser and --ca-file exclude each other")
        return "browser"
    return "form" if options["username"] else "none"


def _acts(options: dict[str, Any], texts: "Texts") -> "dict[Deed, Act]":
    """Return what can be done at the other end during the run, and how."""
    from worksgate.conformance.checks.operator import Deed, command

    if bool(options["outage_command"]) != bool(options["recovery_command"]):
        raise click.UsageError("--outage-command and --recovery-command need each other")
    lines = {
        Deed.OUTAGE: options["outage_command"],
        Deed.RECOVERY: options["recovery_command"],
        Deed.DISABLE_PERSON: options["disable_user_command"],
        Deed.DISABLE_CLIENT: options["disable_client_command"],
    }
    acts = {deed: command(line) for deed, line in lines.items() if line}
    if options["assisted"]:
        if not is_person_there():
            raise click.UsageError("--assisted needs a terminal to ask on")
        acts = {deed: acts.get(deed) or _asking(texts(f"ask.{deed}")) for deed in Deed}
    return acts


def _asking(sentence: str) -> "Act":
    """Return an act that is done by whoever sits at the terminal."""

    async def ask() -> None:
        note(f"\n{sentence}")
        await asyncio.to_thread(sys.stdin.readline)

    return ask


def _target(url: str, options: dict[str, Any], *, asks: bool) -> "Target":
    from worksgate.conformance.checks.target import Target, endpoints_of
    from worksgate.conformance.line_works import LOGIN_LIFETIME, Credentials

    _check_address("URL", url)
    _check_address("--redirect-uri", options["redirect_uri"])
    for each in _PATHS:
        if "://" in (options[each] or ""):
            _check_address(f"--{each.replace('_', '-')}", options[each])
    secret_of = _Secrets(asks=asks)
    client_id = options["client_id"]
    paths = {each: options[each] for each in _PATHS}
    secret = secret_of("Client secret", options["client_secret_file"])
    person = _person(options, secret_of)
    return Target(
        endpoints=endpoints_of(url, client_id, web_login=paths.pop("login"), **paths),
        credentials=Credentials(client_id, secret),
        redirect_uri=options["redirect_uri"],
        person=person,
        user_key=options["user_key"],
        mailbox=_mailbox(options, person, secret_of),
        disabled=_client(options, "disabled", secret_of),
        barred=_client(options, "barred", secret_of),
        other=_client(options, "other", secret_of),
        key_is_account=options["key_is_account"],
        wrong_mail_passwords=options["imap_wrong_passwords"] or 0,
        code_lifetime=options["code_lifetime"],
        token_lifetime=options["token_lifetime"],
        overload=options["overload"] or 0,
        late_after=LOGIN_LIFETIME + _MARGIN if options["late_sign_in"] else None,
        connect_to=options["connect_to"],
        ca_file=options["ca_file"],
        allows_plain_http=options["send_secrets_over_plain_http"],
    )


def _person(options: dict[str, Any], secret_of: "_Secrets") -> "Person | None":
    """The test person, if there is one and their password is needed."""
    from worksgate.conformance.checks.target import Person

    name = options["username"]
    if not name or options["by_hand"]:
        return None
    return Person(name, secret_of(f"Password of {name}", options["password_file"]))


def _mailbox(
    options: dict[str, Any], person: "Person | None", secret_of: "_Secrets"
) -> "Mailbox | None":
    """The account for IMAP, by default with the person's password."""
    from worksgate.conformance.checks.target import Mailbox

    if not options["imap"]:
        return None
    email = options["imap_email"] or options["username"]
    if not email:
        raise click.UsageError("--imap needs --imap-email or --username")
    file = options["imap_password_file"]
    if person is not None and file is None:
        return Mailbox(email, person.password)
    return Mailbox(email, secret_of(f"Mail password of {email}", file or options["password_file"]))


def _check_address(name: str, url: str) -> None:
    """Raise UsageError unless it is an address; a report names it, so it has no password."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise click.UsageError(f"{name} is not an address such as https://sso.example.com")
    if "@" in parts.netloc:
        raise click.UsageError(f"{name} must not have a name or a password before its host")


def _client(
    options: dict[str, Any], name: str, secret_of: Callable[[str, Path | None], str]
) -> "Credentials | None":
    from worksgate.conformance.line_works import Credentials

    client_id = options[f"{name}_client_id"]
    if client_id is None:
        return None
    file = options[f"{name}_client_secret_file"]
    return Credentials(client_id, secret_of(f"Client secret of {client_id}", file))


@dataclass(frozen=True)
class _Secrets:
    """Reads secrets from files, or prompts for them; a plan needs none."""

    asks: bool

    def __call__(self, question: str, file: Path | None) -> str:
        if file is not None:
            return _first_line(file)
        if not self.asks:
            return "-"
        if not is_person_there():
            _stop(f"{question}: there is no terminal to ask on; give a file")
        from getpass import getpass

        secret = ""
        with suppress(EOFError):
            secret = getpass(f"{question}: ", sys.stderr)
        return secret or _stop(f"{question}: there was no answer")


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            line = stream.readline(_LONGEST_SECRET)
        secret = line.decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"{file}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")
    if not secret:
        _stop(f"{file}: its first line is empty")
    return secret


def _stop(sentence: str) -> NoReturn:
    note(f"worksgate: {sentence}")
    sys.exit(COULD_NOT_RUN)


# The run


@dataclass(frozen=True)
class _Printer:
    """Prints each result as it comes, unless ``silent``."""

    texts: "Texts"
    silent: bool

    def __call__(self, result: "Result") -> None:
        from worksgate.conformance.report.plain_text import result_lines

        if self.silent:
            return
        for line in result_lines(result, self.texts):
            print_line(line)
        sys.stdout.flush()


def _run(
    target: "Target", checks: Any, way: Way, acts: "dict[Deed, Act]", show: _Printer
) -> "Report":
    from worksgate import __version__
    from worksgate.conformance.checks.examination import CouldNotRunError, examine, host_of
    from worksgate.conformance.checks.meter import MOST_SECONDS, Meter
    from worksgate.conformance.checks.operator import Operator
    from worksgate.conformance.checks.recording import Redactor
    from worksgate.conformance.report.summary import Report

    meter = Meter(Redactor(target.secrets), seconds=MOST_SECONDS + target.waits)

    async def running() -> "list[Result]":
        found = []
        operator = Operator(acts, meter)
        async for result in examine(target, checks, _sign_in(target, way, meter), meter, operator):
            found.append(result)
            show(result)
        return found

    at, started = time.time(), time.monotonic()
    try:
        results = asyncio.run(running())
    except CouldNotRunError as error:
        _stop(str(error))
    return Report(
        name=host_of(target),
        addresses=target.named_urls,
        client_id=target.credentials.client_id,
        at=at,
        took=time.monotonic() - started,
        requests=meter.requests,
        version=__version__,
        results=results,
    )


def _sign_in(target: "Target", way: Way, meter: "Meter") -> "SignIn | None":
    from worksgate.conformance.checks.sign_in import FormSignIn, HandSignIn

    if way == "hand":
        return HandSignIn(_ask_for_callback, meter)
    if way == "browser" and target.person is not None:
        from worksgate.conformance.checks.browser import BrowserSignIn

        return BrowserSignIn(target, target.person, meter)
    return FormSignIn(target, target.person, meter) if way == "form" else None


async def _ask_for_callback(url: str) -> str:
    """The answer is a secret, but works for a minute; nothing keeps it."""
    note("\nOpen this address, sign in, and paste the address at which your browser ends:")
    note(url)
    sys.stderr.write("> ")
    sys.stderr.flush()
    return await asyncio.to_thread(sys.stdin.readline)


def _write(report: "Report", texts: "Texts", options: dict[str, Any]) -> None:
    if file := options["junit"]:
        from worksgate.conformance.report.junit import junit

        file.write_bytes(junit(report, texts))
    if file := options["html"]:
        from worksgate.conformance.report.html_page import html_page

        file.write_text(html_page(report, texts), encoding="utf-8")
