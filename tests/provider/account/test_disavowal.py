"""A link of a notice that could not do its work."""

import pytest
from tests.databases import NOW

from worksgate.audit import AuditEvent, Event
from worksgate.database import DatabaseUnavailable
from worksgate.directory.credential_changes import Change, CredentialChange
from worksgate.provider.account.disavowal import Disavowal, DisavowalLinks
from worksgate.settings.options import Settings
from worksgate.store.memory import MemoryStore


class Away:
    """A directory that cannot be asked."""

    @property
    def endings(self) -> "Away":
        return self

    async def newer_factors(self, subject_id: str, since: float) -> int:
        raise DatabaseUnavailable("the database does not respond")


async def test_r127_a_link_that_an_outage_has_stopped_is_still_valid() -> None:
    store = MemoryStore()
    added = AuditEvent(event=Event.FACTOR_ADDED, at=NOW, subject_id="corp:u1", username="emma")
    change = CredentialChange(change=Change.PASSKEY_ADDED, event=added)
    link = await DisavowalLinks(Settings(public_url="https://sso.example.com"), store).make(change)
    secret = link.rpartition("=")[2]
    disavowal = Disavowal(Away(), store, None)  # type: ignore[arg-type]  # nothing more is asked
    with pytest.raises(DatabaseUnavailable):
        await disavowal.use(secret, "192.0.2.1", NOW + 1)
    found = await disavowal.open(secret, "192.0.2.1", NOW + 2)
    assert found is not None
    assert found.change is Change.PASSKEY_ADDED
