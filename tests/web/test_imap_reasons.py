"""Why a mail program was refused is a word in its record, though the response never says it."""

from typing import Any

import pytest
from tests.installation import PASSWORD, USERNAME, Installation
from tests.web.test_imap_login import ask
from tests.web.test_sign_in_steps import enrolled

from worksgate.audit import Event, Reason

ALL = {"imap_login": True, "imap_passwords": "all"}


async def reason(installation: Installation, event: Event = Event.IMAP_REFUSED) -> Reason | None:
    """That of the newest record."""
    return (await installation.audit(event=event))[-1].reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"imap_login": False}, Reason.IMAP_OFF),
        ({**ALL, "allowed_addresses": ["192.0.2.0/24"]}, Reason.ADDRESS_NOT_ALLOWED),
        ({**ALL, "rules": ["deny kind=imap"]}, Reason.RULE),
        ({**ALL, "rules": ["deny kind=imap group!=staff"]}, Reason.RULE),
        ({**ALL, "second_factor": "required"}, Reason.APP_PASSWORD_NEEDED),
    ],
)
async def test_what_the_client_does_not_allow(
    installation: Installation, changes: dict[str, Any], expected: Reason
) -> None:
    await installation.change_client(**changes)
    await ask(installation)
    assert await reason(installation) is expected


async def test_what_the_person_lacks(installation: Installation) -> None:
    users = installation.administration.users
    await installation.change_client(**ALL)
    await ask(installation, password="wrong horse battery")
    assert await reason(installation, Event.IMAP_FAILED) is Reason.WRONG_PASSWORD
    await users.change(USERNAME, external_key=None)
    await ask(installation)
    assert await reason(installation) is Reason.NO_USER_KEY
    given = await users.set_password(USERNAME, temporary=True)
    await ask(installation, password=given.password or "")
    assert await reason(installation) is Reason.MUST_CHANGE_PASSWORD
    installation.clock.advance(8 * 86_400)
    await ask(installation, password=given.password or "")
    assert await reason(installation, Event.IMAP_FAILED) is Reason.TEMPORARY_EXPIRED
    await users.set_password(USERNAME, password=PASSWORD)
    await users.disable(USERNAME)
    await ask(installation)
    assert await reason(installation) is Reason.DISABLED


async def test_a_person_with_a_second_factor_needs_an_app_password(
    installation: Installation,
) -> None:
    await enrolled(installation)
    await installation.change_client(**ALL, second_factor="allowed")
    await ask(installation)
    assert await reason(installation) is Reason.APP_PASSWORD_NEEDED


async def test_too_many_wrong_passwords_of_a_mail_program(installation: Installation) -> None:
    installation.clock.stop()
    await installation.change_client(**ALL)
    for _ in range(12):
        await ask(installation, password="wrong horse battery")
    assert await reason(installation) is Reason.WAITING


async def test_a_call_that_is_malformed(installation: Installation) -> None:
    await installation.change_client(**ALL)
    client_id = installation.client.client.client_id
    await installation.http().get(f"/apiLogin/{client_id}?email=%25")
    assert await reason(installation) is Reason.BAD_REQUEST
