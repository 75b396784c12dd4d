"""Invitations of administrators: from when until when they are good, and that they end once."""

import pytest
from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.directory.database import Directory
from worksgate.directory.invitations import Invitation

EVENT = AuditEvent(event=Event.SYSTEM, at=NOW)
INVITATION = Invitation(
    id="i1",
    name="Minjun Kim",
    email=None,
    role="auditor",
    created_at=NOW,
    expires_at=NOW + 60,
    inviter=None,
    actor="tester",
)


@pytest.mark.parametrize(
    ("later", "is_good"), [(-0.1, False), (0.0, True), (59.9, True), (60.0, False)]
)
async def test_an_invitation_is_good_from_when_it_is_made_to_its_end(
    directory: Directory, later: float, *, is_good: bool
) -> None:
    """A clock may be set back, and another node's be ahead."""
    rows, now = directory.invitations, NOW + later
    await rows.add("key", INVITATION, EVENT)
    found = await rows.find("key", now)
    assert (None if found is None else found.invitation) == (INVITATION if is_good else None)
    async with directory.changing() as transaction:
        assert await transaction.use_invitation("key", now) == found
        assert await transaction.use_invitation("key", now) is None
    assert await rows.withdraw("i1", EVENT) is not is_good


async def test_what_is_over_is_neither_listed_nor_kept(directory: Directory) -> None:
    rows = directory.invitations
    await rows.add("key", INVITATION, EVENT)
    for now, is_there in ((NOW + 59.9, True), (NOW + 60, False)):
        assert bool(await rows.all(now)) is is_there
        assert await rows.purge(now) == int(not is_there)
    assert await rows.all(NOW) == []
