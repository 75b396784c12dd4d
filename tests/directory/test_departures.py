"""People who leave, on SQLite and PostgreSQL."""

from dataclasses import replace

from tests.databases import NOW

from worksgate.directory.database import Directory
from worksgate.directory.departures import Departure, Step
from worksgate.directory.queries import AuditFilter

HANA = Departure(
    subject_id="ldap:1",
    source="company",
    username="hana",
    due_at=NOW + 10,
    planned_at=NOW,
    actor="tester",
)
JIRO = replace(HANA, subject_id="directory:j", source="directory", username="jiro", due_at=NOW + 5)


async def test_departures_are_kept_until_they_are_over(directory: Directory) -> None:
    departures = directory.departures
    await departures.plan(HANA, HANA.event(NOW, "on Monday"))
    await departures.plan(JIRO)
    assert await departures.all() == [JIRO, HANA]
    assert await departures.due(NOW + 5, 10) == [JIRO]
    assert await departures.due(NOW + 10, 1) == [JIRO]
    await departures.finish(JIRO)
    assert await departures.all() == [HANA]
    later = replace(HANA, due_at=NOW + 20)
    await departures.plan(later)
    await departures.finish(HANA)  # which was planned again meanwhile
    assert await departures.all() == [later]
    assert await departures.cancel("ldap:1", HANA.event(NOW, "no longer"))
    assert not await departures.cancel("ldap:1", HANA.event(NOW, "no longer"))
    events = await directory.audit(AuditFilter(subject_id="ldap:1", username="hana"))
    assert [event.detail for event in events] == ["leaves: on Monday", "leaves: no longer"]
    assert events[0].actor == "tester"


async def test_each_step_is_proved_once_and_whenever_it_ends_something(
    directory: Directory,
) -> None:
    prove = directory.departures.prove
    first = await prove(HANA, Step.SIGNED_OUT, 0, NOW)
    assert await prove(HANA, Step.SIGNED_OUT, 0, NOW + 1) == first
    second = await prove(HANA, Step.SIGNED_OUT, 2, NOW + 2)
    assert second > first
    assert await prove(HANA, Step.SIGNED_OUT, 0, NOW + 3) == second
    disabled = await prove(HANA, Step.DISABLED, 1, NOW + 3)
    assert await prove(HANA, Step.DISABLED, 1, NOW + 4) == disabled
    assert await prove(replace(HANA, planned_at=NOW + 9), Step.DISABLED, 0, NOW + 9) > disabled
    assert await prove(JIRO, Step.DISABLED, 0, NOW + 9) > disabled
