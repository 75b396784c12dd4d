"""Clients as a file says they should be."""

from typing import Any

import pytest
from tests.administration.installation import Office

from worksgate.administration import NotFound, Outdated, Refused
from worksgate.administration.applying import MOST, Applied
from worksgate.audit import Event
from worksgate.oauth.model import Profile


async def applied(office: Office, *wanted: object) -> list[Applied]:
    applying = office.administration.applying
    return [each async for each in applying.apply(await applying.plan(wanted))]


async def test_a_client_is_added_then_changed_then_left_alone(at_work: Office) -> None:
    wanted: dict[str, Any] = {"name": "Acme", "expires_in_web": 3_600, "rules": ["require factor"]}
    (added,) = await applied(at_work, wanted)
    assert added.planned.action == "add"
    assert added.made is not None
    assert added.client.rules == ("require factor",)
    wanted |= {"expires_in_web": 7_200, "enabled": False}
    (changed,) = await applied(at_work, wanted)
    assert [(each.setting, each.before, each.after) for each in changed.planned.differences] == [
        ("expires_in_web", 3_600, 7_200),
        ("enabled", True, False),
    ]
    assert (changed.client.expires_in_web, changed.client.enabled) == (7_200, False)
    (kept,) = await applied(at_work, wanted)
    assert (kept.planned.action, kept.client) == ("keep", changed.client)
    records = await at_work.administration.audit_log.search(event=Event.CLIENT_CHANGED)
    assert [each.detail for each in records] == ["Acme: added", "Acme: set enabled, expires_in_web"]


async def test_a_new_client_has_the_defaults_of_its_product(at_work: Office) -> None:
    (added,) = await applied(at_work, {"name": "Box", "profile": "workbox"})
    alone = await at_work.administration.clients.add("Other", profile=Profile.WORKBOX)
    assert added.client.error_style == alone.client.error_style
    assert added.planned.differences == tuple(
        each for each in added.planned.differences if each.setting == "name"
    )


async def test_a_client_is_renamed_by_its_id(at_work: Office) -> None:
    client = (await at_work.administration.clients.add("Acme")).client
    (changed,) = await applied(at_work, {"client_id": client.client_id, "name": "Acme Japan"})
    assert (changed.client.name, changed.client.client_id) == ("Acme Japan", client.client_id)
    with pytest.raises(NotFound):
        await at_work.administration.applying.plan([{"client_id": "unknown", "name": "x"}])


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (["Acme"], "table of settings"),
        ([{}], "has a name"),
        ([{"name": "New"}, {"name": "New"}], "New is there twice"),
        ([{"name": "New"}, {"name": "Acme", "no_such": 1}], "no_such"),
        ([{"name": "New"}, {"name": "Acme", "rules": ["deny everybody"]}], "Acme: rules: "),
        ([{"name": "New"}, {"name": "Acme", "enabled": "yes"}], "Acme: enabled"),
        ([{"name": "New", "profile": "other"}], "profile"),
    ],
)
async def test_nothing_is_changed_by_a_file_with_a_mistake(
    at_work: Office, wanted: list[object], problem: str
) -> None:
    client = (await at_work.administration.clients.add("Acme")).client
    with pytest.raises(Refused) as refused:
        await applied(at_work, *wanted)
    assert problem in str(refused.value)
    assert await at_work.administration.clients.all() == (client,)


async def test_a_name_is_no_id_and_an_id_no_name(at_work: Office) -> None:
    client = (await at_work.administration.clients.add("Acme")).client
    plan = at_work.administration.applying.plan
    with pytest.raises(NotFound):
        await plan([{"client_id": "Acme"}])
    with pytest.raises(Refused, match="that is another client, Acme"):
        await plan([{"name": client.client_id}])


async def test_a_client_is_there_once_however_it_is_found(at_work: Office) -> None:
    client = (await at_work.administration.clients.add("Acme")).client
    with pytest.raises(Refused, match="there twice"):
        await applied(at_work, {"client_id": client.client_id, "name": "Other"}, {"name": "Acme"})
    assert await at_work.administration.clients.all() == (client,)


async def test_a_file_has_at_most_so_many_clients(at_work: Office) -> None:
    with pytest.raises(Refused, match="at most 10000"):
        await at_work.administration.applying.plan([{}] * (MOST + 1))
    with pytest.raises(Refused, match="has a name"):
        await at_work.administration.applying.plan([{}] * MOST)


@pytest.mark.parametrize("second", ["ＡＣＭＥ", "another's name"])
async def test_nothing_is_changed_by_a_file_with_a_name_of_another(
    at_work: Office, second: str
) -> None:
    acme = (await at_work.administration.clients.add("Acme")).client
    box = (await at_work.administration.clients.add("Box")).client
    wanted = {
        "ＡＣＭＥ": {"name": "ＡＣＭＥ"},
        "another's name": {"client_id": box.client_id, "name": "acme"},
    }
    with pytest.raises(Refused, match="that is another client, Acme"):
        await applied(at_work, {"name": "New"}, wanted[second])
    with pytest.raises(Refused, match="is there twice"):
        await applied(at_work, {"name": "New"}, {"name": "ＮＥＷ"})
    assert await at_work.administration.clients.all() == (acme, box)


async def test_who_was_faster_is_not_overwritten(at_work: Office) -> None:
    clients, applying = at_work.administration.clients, at_work.administration.applying
    await clients.add("Acme")
    planned = await applying.plan([{"name": "Acme", "expires_in_web": 3_600}])
    await clients.change("Acme", domain="acme.example")
    with pytest.raises(Outdated):
        [each async for each in applying.apply(planned)]


LOOK: dict[str, Any] = {"name": "Acme", "light": "#0c5878", "texts": {"ja": {"label": "社員番号"}}}


async def test_how_a_page_looks_is_published_and_then_left_alone(at_work: Office) -> None:
    branding = at_work.administration.branding
    (added,) = await applied(at_work, {"name": "Acme", "branding": LOOK})
    found = await branding.of_client("Acme")
    assert found.shown is not None
    assert (found.draft, found.shown.branding.light) == (None, "#0c5878")
    assert found.shown.branding.texts_in("ja").label == "社員番号"
    paths = [each.setting for each in added.planned.differences]
    assert paths[-3:] == ["branding.light", "branding.name", "branding.texts.ja.label"]
    (kept,) = await applied(at_work, {"name": "Acme", "branding": LOOK})
    assert (kept.planned.action, (await branding.of_client("Acme")).number) == ("keep", 1)
    (changed,) = await applied(at_work, {"name": "Acme", "branding": {"light": ""}})
    assert [each.setting for each in changed.planned.differences] == ["branding.light"]
    assert (await branding.of_client("Acme")).edited.name == "Acme"


async def test_a_draft_of_somebody_is_not_lost(at_work: Office) -> None:
    branding, applying = at_work.administration.branding, at_work.administration.applying
    await at_work.administration.clients.add("Acme")
    planned = await applying.plan([{"name": "Acme", "branding": LOOK}])
    await branding.save("Acme", name="Theirs")
    with pytest.raises(Outdated):
        [each async for each in applying.apply(planned)]
    with pytest.raises(Refused, match="there is a draft"):
        await applied(at_work, {"name": "Acme", "branding": LOOK})
    assert (await branding.of_client("Acme")).edited.name == "Theirs"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("x", "it is a table"),
        ({"logo": "x"}, "there is no 'logo'"),
        ({"name": 1}, "name must be text"),
        ({"light": "#ffffff"}, "light"),
        ({"texts": []}, "table of languages"),
        ({"texts": {"xx": {}}}, "texts has a table for each of"),
        ({"texts": {"ja": {"label": None}}}, "label must be text"),
        ({"texts": {"ja": {"help_url": "http://example.com"}}}, "https://"),
    ],
)
async def test_a_look_with_a_mistake_is_refused(
    at_work: Office, wanted: object, problem: str
) -> None:
    with pytest.raises(Refused, match="Acme: branding: ") as refused:
        await applied(at_work, {"name": "Acme", "branding": wanted})
    assert problem in str(refused.value)
    assert await at_work.administration.clients.all() == ()
