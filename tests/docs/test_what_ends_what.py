"""The table of docs/ways-in.md on revocation, row by row against a real installation."""

import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
from tests.installation import PASSWORD, USERNAME, Browser, LoginPage
from tests.provider.factors.authenticator import Authenticator
from tests.web.test_account import add_passkey, signed_in
from tests.web.test_recovery import NEW_PASSWORD, Company, opened, path_of, press

PAGE = Path(__file__).parents[2] / "docs" / "ways-in.md"


def _table() -> dict[str, tuple[str, ...]]:
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- what-ends-what: begin -->", "<!-- what-ends-what: end -->"
    lines = text[text.index(begin) : text.index(end)].splitlines()[3:]
    rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
    return {row[0]: row[1:] for row in rows}


async def _own_change(company: Company, browser: Browser) -> None:
    fields = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    await browser.post_to_account("/password", fields)


async def _reset_link(company: Company, browser: Browser) -> None:
    link = await company.site.administration.users.issue_reset_link(USERNAME)
    other = company.site.browser()
    page = LoginPage.of(await other.http.get(path_of(link)))
    await other.submit(page, new_password=NEW_PASSWORD)


async def _set_password(company: Company, browser: Browser) -> None:
    await company.site.administration.users.set_password(USERNAME, NEW_PASSWORD)


async def _reset_factors(company: Company, browser: Browser) -> None:
    await company.site.administration.people.reset_factors(USERNAME)


async def _codes(company: Company, browser: Browser) -> None:
    await browser.post_to_account("/recovery-codes")


async def _sign_out(company: Company, browser: Browser) -> None:
    await company.site.administration.users.sign_out(USERNAME)


async def _everything(company: Company, browser: Browser) -> None:
    await browser.post_to_account("/sessions/end-everything")


async def _not_me(company: Company, browser: Browser) -> None:
    mails = company.post.received
    (link,) = [mail.link for mail in mails if "passkey" in str(mail.message["Subject"])]
    await press(company.site.browser(), link)


async def _disable(company: Company, browser: Browser) -> None:
    await company.site.administration.users.disable(USERNAME)


async def _leave(company: Company, browser: Browser) -> None:
    await company.site.administration.departures.leave(USERNAME)


async def _remove(company: Company, browser: Browser) -> None:
    await company.site.administration.users.remove(USERNAME)


ROWS: Final[Mapping[str, Callable[[Company, Browser], Awaitable[None]]]] = {
    "The person changes the password at `/account`": _own_change,
    "A new password by a reset link": _reset_link,
    "`worksgate user set-password`, or an import with another password": _set_password,
    "`worksgate user reset-factors`": _reset_factors,
    "Recovery codes are renewed, or one is used": _codes,
    "*Sign out everywhere* at `/account`, `worksgate user sign-out`": _sign_out,
    "*Sign out and remove app passwords* at `/account`, "
    "`worksgate user sign-out --everything`": _everything,
    "*This was not me* in a notice": _not_me,
    "`worksgate user disable`": _disable,
    "`worksgate user leave`, at once or at the planned time": _leave,
    "`worksgate user remove`": _remove,
}
"""What is done for each row; the rows about one factor or one app password are tested elsewhere."""

ABOUT_ONE: Final = frozenset(
    {
        "An authenticator app or passkey is added, also during a sign-in",
        "An authenticator app or passkey is removed",
        "An app password is made or removed",
    }
)


def test_every_row_is_tried_or_about_one_credential() -> None:
    assert set(_table()) == set(ROWS) | ABOUT_ONE


@pytest.mark.parametrize("row", ROWS)
async def test_r127_what_ends_is_what_the_table_says(tmp_path: Path, row: str) -> None:
    sessions, app_passwords, factors, notice = _table()[row]
    async with opened(tmp_path) as company:
        administration = company.site.administration
        person = (await administration.users.get(USERNAME)).person
        await signed_in(company.site)
        browser = await signed_in(company.site)
        await company.add_app_password(browser)
        await add_passkey(browser, Authenticator())
        await company.mails(2)
        before = await administration.people.holdings(person)
        assert (before.sessions, before.app_passwords, before.factors.any) == (2, 1, True)
        await ROWS[row](company, browser)
        after = await administration.people.holdings(person)
        own = 1 if ROWS[row] is _own_change else 0  # the browser that did it stays signed in
        assert after.sessions == (own if sessions == "end" else 2)
        assert after.app_passwords == (0 if app_passwords.startswith("end") else 1)
        assert after.factors.any is not bool(re.match("end|those", factors))
        await company.mails(3 if notice == "yes" else 2)
