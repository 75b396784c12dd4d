"""LINE WORKS itself names its members and their keys, and nothing else is read of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.administration.external_keys.line_works import LineWorks, served
from tests.administration.installation import Office
from tests.administration.line_works_tenant import TENANT, Tenant, tenant_in
from tests.databases import query

from worksgate.administration import NotFound, Refused
from worksgate.administration.going_live import Finding
from worksgate.conformance.directory_api import Fault, Operation
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.line_works_apps import KeptApp
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.errors import ApiUnavailable
from worksgate.line_works_api.people import MemberKey

MEMBERS = "SELECT account, name, external_key FROM line_works_members ORDER BY account"


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
async def tenant(
    database: Path, hashing: PasswordHashing, line_works: LineWorks
) -> AsyncIterator[Tenant]:
    line_works.holds({"aoi": "E-1", "ren": "E-9", "hana": None, "nobody": "E-7"})
    async with tenant_in(database, hashing, line_works) as tenant:
        await tenant.add("aoi", "E-1", "aoi@example.com")
        await tenant.add("ren", "E-2", "ren@example.com")
        await tenant.add("hana", "E-3", "hana@example.com")
        yield tenant


async def test_r213_accounts_and_keys_are_read_and_nothing_else(
    tenant: Tenant, line_works: LineWorks
) -> None:
    read = await tenant.administration.going_live.ask_members()
    assert (read.number, read.is_asked) == (4, True)
    assert query(tenant.file, MEMBERS) == [
        ("aoi@example.com", "", "E-1"),
        ("hana@example.com", "", None),
        ("nobody@example.com", "", "E-7"),
        ("ren@example.com", "", "E-9"),
    ]
    operations = [each.operation for each in line_works.simulator.calls]
    assert operations == [Operation.TOKEN, Operation.LIST_KEYS, Operation.LIST_KEYS]


async def test_rehearsal_compares_with_what_line_works_says(tenant: Tenant) -> None:
    going_live = tenant.administration.going_live
    await going_live.ask_members()
    last = await going_live.rehearse()
    assert last.is_asked
    assert (last.ready, last.total) == (1, 4)
    for finding in (Finding.KEY_DIFFERS, Finding.NO_KEY_THERE, Finding.NOBODY_HERE):
        assert last.count(finding) == 1, finding
    assert await going_live.last_rehearsal() == last
    done = await going_live.examine_asked(TENANT)
    assert done.rehearsal.counts == last.counts


async def test_rehearsal_tells_how_many_were_named_twice(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = DirectoryApi.members

    async def changing(api: DirectoryApi) -> AsyncIterator[MemberKey]:
        async for each in members(api):
            yield each
        api.met_twice += 2

    going_live = tenant.administration.going_live
    monkeypatch.setattr(DirectoryApi, "members", changing)
    assert (await going_live.ask_members()).met_twice == 2
    assert (await going_live.rehearse()).met_twice == 2
    assert (await going_live.examine_asked(TENANT)).rehearsal.met_twice == 2
    await going_live.read_members(b"ID,External Key\naoi@example.com,E-1\n")
    assert (await going_live.rehearse()).met_twice == 0


async def test_earlier_reading_stays_if_line_works_does_not_answer(
    tenant: Tenant, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.line_works_api.calling.ATTEMPTS", 1)
    going_live = tenant.administration.going_live
    before = await going_live.ask_members()
    line_works.simulator.faults.plan(Fault.UNAVAILABLE, Operation.LIST_KEYS, after=1, times=9)
    with pytest.raises(ApiUnavailable):
        await going_live.ask_members()
    assert await going_live.members_read() == before
    assert len(query(tenant.file, MEMBERS)) == 4


async def test_members_come_from_a_file_where_the_api_is_not_set_up(
    tenant: Tenant, line_works: LineWorks
) -> None:
    going_live = tenant.administration.going_live
    assert await going_live.can_ask()
    await tenant.administration.line_works_api.remove(TENANT)
    assert not await going_live.can_ask()
    with pytest.raises((NotFound, Refused), match="LINE WORKS API"):
        await going_live.ask_members()
    assert line_works.simulator.calls == ()
    assert (await going_live.read_members(b"ID,External Key\naoi@example.com,E-1\n")).number == 1


async def test_nobody_is_asked_for_a_rehearsal_about_our_people_alone(at_work: Office) -> None:
    await at_work.administration.clients.add("Acme")
    assert (await at_work.administration.going_live.rehearse()).members is None


async def test_the_app_of_one_client_is_read_however_many_there_are(
    tenant: Tenant, line_works: LineWorks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await tenant.administration.clients.add(f"without one {number}")
    going_live = tenant.administration.going_live
    assert going_live._api is not None
    apps, asked = going_live._api._apps, list[str]()
    find = apps.find

    async def counted(client_id: str) -> KeptApp | None:
        asked.append(client_id)
        return await find(client_id)

    monkeypatch.setattr(apps, "find", counted)
    assert await going_live.can_ask()
    assert len(asked) == 1
    assert line_works.simulator.calls == ()
