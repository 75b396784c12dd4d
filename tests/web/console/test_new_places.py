"""Administrators hear of sign-ins to the console from where they have not been."""

from tests.databases import query
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.console.browsers import ConsoleBrowser
from worksgate.administration.roles import Role
from worksgate.directory.credential_changes import Change, CredentialChange

LAST = """SELECT subject_id, detail FROM audit WHERE event = 'console.signed_in'
          ORDER BY id DESC LIMIT 1"""


async def test_r246_a_sign_in_from_a_new_place_is_announced_once(
    console: ConsoleUnderTest,
) -> None:
    subject = await console.make("owner", Role.OWNER)
    inside = await console.inside()
    directory = inside.watch._directory
    heard: list[CredentialChange] = []
    directory.announce = heard.append
    account = await directory.administrators.by_subject(subject)
    assert account is not None

    async def sign_in(address: str) -> str:
        browser = ConsoleBrowser(address, "Firefox on Linux", "s" * 43, language="ja")
        console.clock.advance(60)
        await inside.sign_in.sessions.begin(account, browser, "code")
        ((whose, detail),) = query(console.database, LAST)
        assert whose == subject  # the alert looks for it, too
        return str(detail)

    assert "new place" not in await sign_in("192.0.2.7")
    assert "new place" not in await sign_in("192.0.2.7")
    assert not heard
    assert "; from a new place; " in await sign_in("203.0.113.5")
    assert "new place" not in await sign_in("203.0.113.5")
    (told,) = heard
    assert (told.change, told.event.subject_id) == (Change.CONSOLE_ELSEWHERE, subject)
    assert told.event.actor is None  # a notice would say that an administrator has done it
    assert (told.origin.address, told.origin.language) == ("203.0.113.5", "ja")
