"""Sets of rows of going live in both databases: whole or not at all, and swept away."""

from worksgate.audit import AuditEvent, Event
from worksgate.database import schema
from worksgate.directory.audit.live_records import LiveRecords
from worksgate.directory.database import Directory
from worksgate.directory.going_live import AT_ONCE, AnswerName, FindingRow, Member
from worksgate.directory.queries import AuditFilter
from worksgate.directory.wizard_answers import Answer

EVENT = AuditEvent(event=Event.SYSTEM, at=5.0, detail="done")


def answer(set_id: str) -> Answer:
    return Answer({"id": set_id}, 5.0, "test")


async def count(directory: Directory) -> int:
    async with directory.reading() as connection:
        return len((await connection.execute(schema.line_works_members.select())).all())


async def test_r176_a_set_counts_once_it_is_whole_and_others_are_swept_away(
    directory: Directory,
) -> None:
    rows = directory.going_live
    many = [Member(account=f"user{each:04}@x", external_key=str(each)) for each in range(AT_ONCE)]
    for set_id in ("b", "Z-9", "_a"):  # databases differ in the order of such texts
        await rows.add_members(set_id, many)
    await rows.add_members("b", [Member(account="one more", name="田中")])
    assert not await rows.make_members_current("b", AT_ONCE, answer("b"), EVENT)
    assert await rows.answer(AnswerName.MEMBERS) is None
    assert await rows.make_members_current("b", AT_ONCE + 1, answer("b"), EVENT)
    assert await rows.answer(AnswerName.MEMBERS) == answer("b")
    await rows.sweep_members()
    assert await count(directory) == len(await rows.members("b")) == AT_ONCE + 1
    assert await rows.forget((AnswerName.MEMBERS,), EVENT)
    assert not await rows.forget((AnswerName.MEMBERS,), EVENT)
    await rows.sweep_members()
    assert await count(directory) == 0
    assert len(await directory.audit(AuditFilter(event=Event.SYSTEM))) == 2


async def test_findings_are_read_in_their_order(directory: Directory) -> None:
    rows = directory.going_live
    found = [FindingRow(finding="ready", number=each, username="ü") for each in range(1, 8)]
    await rows.add_findings("r", [*found, FindingRow(finding="twice", number=1)])
    assert await rows.findings("r", "ready", 2, 3) == found[2:5]
    assert await rows.make_rehearsal_current("r", 8, answer("r"), EVENT)
    await rows.sweep_findings()
    assert len(await rows.findings("r", "ready", 0, 100)) == 7


async def test_records_come_in_the_order_of_their_time(directory: Directory) -> None:
    events = [
        AuditEvent(event=each, at=at, subject_id="ldap:1", username="hana")
        for each, at in (
            (Event.LOGIN_FAILED, 9.0),
            (Event.USER_CHANGED, 8.0),
            (Event.CODE_ISSUED, 7.0),
            (Event.IMAP_FAILED, 3.0),
        )
    ]
    await directory.record(events)
    found = await LiveRecords(directory).since(4.0)
    assert [(each.event, each.at) for each in found] == [
        (Event.CODE_ISSUED, 7.0),
        (Event.LOGIN_FAILED, 9.0),
    ]
    assert await directory.going_live.mail_program_users(2.0) == {"ldap:1", "hana"}
    assert await directory.going_live.mail_program_users(4.0) == frozenset()
    assert await directory.going_live.holders_of_app_passwords() == frozenset()
