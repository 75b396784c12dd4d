"""The person's own password in a mail program that needs an app password.

The administrator is told, to whom it would look like a wrong password otherwise; who asks is not.
"""

import asyncio

from tests.installation import PASSWORD, USERNAME, Installation, assert_refused
from tests.web.test_imap_login import ask

from worksgate.audit import AuditEvent, Event
from worksgate.oauth.errors import InvalidLogin
from worksgate.provider.calls.imap_login import CHECKS_PER_MINUTE

DETAIL = "their own password is right, but only app passwords are allowed"


async def told(installation: Installation, number: int) -> list[AuditEvent]:
    """The refusals, as soon as there are so many: they are recorded after the answer."""
    async with asyncio.timeout(60):
        while True:
            found = await installation.audit(event=Event.IMAP_REFUSED)
            if len(found) >= number:
                return found
            await asyncio.sleep(0.01)


async def test_r62_their_own_password_is_recorded_as_right_and_answered_as_wrong(
    installation: Installation,
) -> None:
    await installation.change_client(imap_login=True)
    wrong = await ask(installation, password="wrong horse battery")
    right = await ask(installation, password=PASSWORD)
    nobody = await ask(installation, email="nobody@example.com", password=PASSWORD)
    for response in (wrong, right, nobody):
        assert_refused(response, InvalidLogin)
    assert right.content == wrong.content == nobody.content
    (refused,) = await told(installation, 1)
    assert (refused.username, refused.detail) == (USERNAME, DETAIL)
    assert len(await installation.audit(event=Event.IMAP_FAILED)) == 3
    account = await installation.administration.users.get(USERNAME)
    assert account.last_login_at is None  # nobody has signed in


async def test_a_flood_is_looked_at_in_part_only(installation: Installation) -> None:
    installation.clock.stop()
    await installation.change_client(imap_login=True)
    for number in range(CHECKS_PER_MINUTE):
        await ask(installation, email=f"u{number}@example.com", password="x")
    await ask(installation, password=PASSWORD)
    await asyncio.sleep(0.5)
    assert await installation.audit(event=Event.IMAP_REFUSED) == []
    installation.clock.advance(60)
    await ask(installation, password=PASSWORD)
    assert [each.detail for each in await told(installation, 1)] == [DETAIL]
