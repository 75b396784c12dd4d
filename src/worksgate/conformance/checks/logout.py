"""The Logout URL: ends the session, and leads nobody astray."""

from typing import Final

from worksgate.conformance.checks.login import (
    expect_page,
    foreign_redirect_uris,
    is_foreign,
    leaving,
    visit,
)
from worksgate.conformance.checks.registry import Family
from worksgate.conformance.checks.run import Run
from worksgate.conformance.checks.sign_in import Stuck
from worksgate.conformance.checks.verdicts import Finding, Untested
from worksgate.conformance.line_works import with_parameters

LOGOUT: Final = Family("logout", official="sso-sp-logout", page="protocol.md#logout")


@LOGOUT.check(
    "without_session",
    "Logout works without a session, and without redirect_uri",
    "LINE WORKS sends everybody there who signs out, however long ago they signed in.",
)
async def without_session(run: Run) -> None:
    expect_page(await run.send_as_browser(run.line_works.logout_url()))


@LOGOUT.check(
    "redirect_uri",
    "Logout with LINE WORKS' own redirect_uri leads there, or to a page",
    "A person who signs out must not see an error.",
)
async def redirect_uri(run: Run) -> None:
    expect_page(await run.send_as_browser(run.line_works.logout_url(run.target.redirect_uri)))


@LOGOUT.check(
    "foreign_redirect",
    "Logout sends nobody to a redirect_uri of somebody else",
    "An address of yours that leads anywhere is what phishing mails are made of. Tried: the same "
    "as at the sign-in page.",
)
async def foreign_redirect(run: Run) -> None:
    for redirect_uri, second in foreign_redirect_uris(run.target.redirect_uri):
        extra = [] if second is None else [("redirect_uri", second)]
        url = with_parameters(run.line_works.logout_url(redirect_uri), extra)
        arrival = await visit(run, url)
        if arrival.callback is not None and is_foreign(arrival.callback):
            raise Finding("foreign_redirect", exchange=arrival.exchange)


@LOGOUT.check(
    "ends_session",
    "After logout the next sign-in asks for the password again",
    "At a shared computer the next person would be signed in as the one before. Tried: without and "
    "with redirect_uri.",
)
async def ends_session(run: Run) -> None:
    run.automatic()
    run.signed_in(await run.journey())
    await _expect_an_end(run, run.line_works.logout_url())
    await run.code()  # signs in again
    await _expect_an_end(run, run.line_works.logout_url(run.target.redirect_uri))


async def _expect_an_end(run: Run, logout_url: str) -> None:
    assert run.sign_in is not None  # noqa: S101  # there is a journey
    await run.sign_in.arrive(logout_url, leaving(run, logout_url), fills=False)
    arrival = await run.authorize(run.redirect_uri(), fills=False)
    if arrival.code:
        raise Finding("session_survives", exchange=arrival.exchange)
    if arrival.stuck is not Stuck.PAGE:
        raise Untested("not_signed_in")
