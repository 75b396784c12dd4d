"""Drafts, publishing, and what becomes of earlier versions."""

import asyncio

import pytest
from tests.administration.conftest import at_work
from tests.administration.installation import Office
from tests.clients.branding.pictures import picture
from tests.directories import database, directory, file, hashing

from worksgate.administration import NotFound, Outdated, Refused
from worksgate.administration.branding import BrandingAdministration, BrandingRefused
from worksgate.audit import Event
from worksgate.clients.branding import Fault, Texts
from worksgate.clients.registry import ClientRegistry
from worksgate.directory.client_list import ClientList

__all__ = ["at_work", "database", "directory", "file", "hashing"]


@pytest.fixture
async def branding(at_work: Office) -> BrandingAdministration:
    await at_work.administration.clients.add("Acme")
    return at_work.administration.branding


async def details(at_work: Office) -> list[str]:
    log = at_work.administration.audit_log
    return [each.detail or "" for each in await log.search(event=Event.CLIENT_CHANGED)][1:]


async def test_r184_a_draft_is_shown_once_it_is_published(
    at_work: Office, branding: BrandingAdministration
) -> None:
    await branding.save("Acme", name="Acme Ltd", light="#0C5878")
    found = await branding.of_client("Acme")
    assert found.shown is None
    assert found.draft is not None
    assert (found.edited.name, found.edited.light) == ("Acme Ltd", "#0c5878")
    assert await at_work.directory.brandings.published() == []
    assert await branding.publish("Acme") == 1
    found = await branding.of_client("acme")
    assert found.draft is None
    assert found.shown is not None
    assert found.shown.branding.name == "Acme Ltd"
    assert await details(at_work) == [
        "Acme: branding, draft saved",
        "Acme: branding, version 1 published",
    ]


async def test_r184_earlier_versions_stay_and_can_be_published_again(
    at_work: Office, branding: BrandingAdministration
) -> None:
    await branding.set_logo("Acme", picture())
    for name in ("One", "Two"):
        await branding.save("Acme", name=name)
        await branding.publish("Acme")
    await branding.set_logo("Acme", None)
    first, draft = 2, 5
    found = await branding.of_client("Acme")
    assert [each.number for each in found.published] == [3, first]
    assert found.draft is not None
    assert found.draft.number == 4
    assert await branding.publish("Acme", first) == draft
    found = await branding.of_client("Acme")
    assert found.shown is not None
    assert found.shown.branding.name == "One"
    logo = await branding.logo(found.client.client_id, found.shown.number)
    assert logo == await branding.logo(found.client.client_id, first)
    assert logo is not None
    assert found.draft is not None  # it waits as before
    assert await branding.publish("Acme") == 6
    found = await branding.of_client("Acme")
    assert found.shown is not None
    assert (found.shown.branding.name, found.shown.branding.logo) == ("Two", None)
    assert [each.number for each in found.published] == [6, 5, 3, first]
    for number, refusal in ((6, Refused), (4, NotFound), (77, NotFound)):
        with pytest.raises(refusal):
            await branding.publish("Acme", number)
    with pytest.raises(Refused, match="no draft"):
        await branding.publish("Acme")


async def test_a_change_leaves_the_rest_and_its_logo(branding: BrandingAdministration) -> None:
    await branding.set_logo("Acme", picture())
    await branding.save("Acme", texts={"ja": Texts(label="社員番号")})
    await branding.save("Acme", name="Acme Ltd")
    found = await branding.of_client("Acme")
    assert found.edited.texts == {"ja": Texts(label="社員番号")}
    assert found.edited.logo is not None
    assert await branding.logo(found.client.client_id, found.number) is not None


async def test_what_changes_nothing_makes_no_draft(
    at_work: Office, branding: BrandingAdministration
) -> None:
    await branding.save("Acme", name="")
    assert (await branding.of_client("Acme")).draft is None
    assert await details(at_work) == []


async def test_a_draft_can_be_discarded(branding: BrandingAdministration) -> None:
    await branding.save("Acme", name="One")
    await branding.publish("Acme")
    await branding.save("Acme", name="Two")
    await branding.discard("Acme")
    await branding.discard("Acme")
    found = await branding.of_client("Acme")
    assert (found.draft, found.edited.name) == (None, "One")


async def test_r184_whoever_has_seen_an_older_version_changes_nothing(
    branding: BrandingAdministration,
) -> None:
    seen = (await branding.of_client("Acme")).number
    await branding.save("Acme", expected=seen, name="One")
    for late in (
        branding.save("Acme", expected=seen, name="Two"),
        branding.set_logo("Acme", None, expected=seen),
        branding.publish("Acme", expected=seen),
        branding.discard("Acme", expected=seen),
    ):
        with pytest.raises(Outdated):
            await late
    found = await branding.of_client("Acme")
    assert (found.edited.name, found.shown) == ("One", None)


async def test_two_drafts_saved_at_once_are_one(branding: BrandingAdministration) -> None:
    await asyncio.gather(*(branding.save("Acme", name=name) for name in ("One", "Two", "Three")))
    found = await branding.of_client("Acme")
    assert found.draft is not None
    assert found.published == []


async def test_r180_what_cannot_be_used_is_not_saved(branding: BrandingAdministration) -> None:
    with pytest.raises(BrandingRefused, match="nearest color") as refused:
        await branding.save("Acme", light="#06c755")
    assert [each.fault for each in refused.value.problems] == [Fault.LOW_CONTRAST]
    with pytest.raises(Refused, match="neither a PNG"):
        await branding.set_logo("Acme", b"<svg/>")
    with pytest.raises(NotFound):
        await branding.save("Nobody", name="x")
    assert (await branding.of_client("Acme")).draft is None


async def test_a_removed_client_takes_its_branding_along(
    at_work: Office, branding: BrandingAdministration
) -> None:
    await branding.save("Acme", name="One")
    await branding.publish("Acme")
    await at_work.administration.clients.remove("Acme")
    assert await at_work.directory.brandings.published() == []


async def test_r183_a_server_reads_a_branding_with_the_changed_client(
    at_work: Office, branding: BrandingAdministration
) -> None:
    other = (await at_work.administration.clients.add("Other")).client
    listed = ClientList(at_work.directory)
    registry = ClientRegistry(listed.read, brandings=listed.brandings, max_age=0.0)
    acme = (await branding.of_client("Acme")).client
    await registry.snapshot()
    assert registry.branding(acme.client_id) is None
    await branding.save("Acme", name="One")
    await registry.snapshot()
    assert registry.branding(acme.client_id) is None
    await branding.publish("Acme")
    await registry.snapshot()
    shown = registry.branding(acme.client_id)
    assert shown is not None
    assert shown.content == {"name": "One"}
    await at_work.administration.clients.change("Other", name="Another")
    await registry.snapshot()
    assert registry.branding(acme.client_id) is shown
    assert registry.branding(other.client_id) is None
    assert (await ClientList(at_work.directory).read()).keys() == {acme.client_id, other.client_id}


async def test_r182_a_disabled_or_removed_client_shows_nothing(
    at_work: Office, branding: BrandingAdministration
) -> None:
    await branding.set_logo("Acme", picture())
    await branding.publish("Acme")
    listed = ClientList(at_work.directory)
    registry = ClientRegistry(listed.read, brandings=listed.brandings, max_age=0.0)
    await registry.snapshot()
    acme = (await branding.of_client("Acme")).client
    shown = registry.branding(acme.client_id)
    assert shown is not None
    assert shown.logo_id is not None
    assert registry.branding_of_logo(shown.logo_id) is shown
    await at_work.administration.clients.disable("Acme")
    await registry.snapshot()
    assert registry.branding(acme.client_id) is None
    assert registry.branding_of_logo(shown.logo_id) is None
    await at_work.administration.clients.enable("Acme")
    await registry.snapshot()
    assert registry.branding(acme.client_id) is not None
    await at_work.administration.clients.remove("Acme")
    await registry.snapshot()
    assert registry.branding(acme.client_id) is None
    assert listed.brandings().by_client == {}


async def test_a_logo_has_a_new_address_each_time(branding: BrandingAdministration) -> None:
    seen = set()
    for _ in range(3):
        made = await branding.set_logo("Acme", picture())
        assert made.logo is not None
        seen.add(made.logo.id)
    assert len(seen) == 3
