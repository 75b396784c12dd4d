"""Registering and changing clients."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.administration.installation import Office
from tests.databases import NOW, query

from worksgate.administration import NotFound, Refused
from worksgate.audit import Event
from worksgate.credentials.secrets import digest, matches_any
from worksgate.database import Conflict
from worksgate.oauth.model import DAY, HOUR, Client, ErrorStyle, Profile, UserKey


def _valid_digests(client: Client, now: float) -> list[str]:
    secrets = client.secrets
    return [each.digest for each in secrets if each.expires_at is None or each.expires_at > now]


async def test_a_new_client_can_sign_people_in_to_line_works_at_once(at_work: Office) -> None:
    made = await at_work.administration.clients.add("Acme")
    assert made.client.redirect_uris == ("https://auth.worksmobile.com",)
    assert made.client.enabled
    assert await at_work.administration.clients.all() == (made.client,)
    assert made.urls == {
        "web_login": "https://sso.example.com/gate/login",
        "app_login": "https://sso.example.com/gate/login",
        "access_token": "https://sso.example.com/gate/accessToken",
        "user_info": "https://sso.example.com/gate/userInfo",
        "imap_login": f"https://sso.example.com/gate/apiLogin/{made.client.client_id}",
        "logout": "https://sso.example.com/gate/logout",
    }


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Profile.LINE_WORKS, (UserKey.EXTERNAL_KEY, DAY, 30 * DAY, DAY)),
        (Profile.NAVER_WORKS, (UserKey.EXTERNAL_KEY, DAY, 30 * DAY, DAY)),
        (Profile.NAVER_WORKS_PUBLIC, (UserKey.EXTERNAL_KEY, HOUR, DAY, HOUR)),
        (Profile.WORKBOX, (UserKey.WORKS_ACCOUNT, DAY, 30 * DAY, DAY)),
    ],
)
async def test_a_profile_sets_the_defaults_of_its_product(
    at_work: Office, profile: Profile, expected: tuple[object, ...]
) -> None:
    client = (await at_work.administration.clients.add("Acme", profile=profile)).client
    assert client.profile is profile
    lifetimes = (client.expires_in_web, client.expires_in_app, client.expires_in_imap)
    assert (client.user_key, *lifetimes) == expected


async def test_what_is_said_counts_before_the_profile(at_work: Office) -> None:
    made = await at_work.administration.clients.add(
        "Acme",
        profile=Profile.WORKBOX,
        redirect_uris=["https://a.example/cb"],
        user_key=UserKey.EXTERNAL_KEY,
        expires_in_web=60,
        error_style="text",
    )
    client = await at_work.administration.clients.get("acme")
    assert client == made.client
    assert client.redirect_uris == ("https://a.example/cb",)
    assert client.user_key is UserKey.EXTERNAL_KEY
    assert client.expires_in_web == 60
    assert client.error_style is ErrorStyle.TEXT


async def test_r46_the_secret_is_ours_long_and_kept_as_a_digest(at_work: Office) -> None:
    first = await at_work.administration.clients.add("Acme")
    second = await at_work.administration.clients.add("Beta")
    assert len(first.client_secret) == 43
    assert first.client_secret != second.client_secret
    assert [secret.digest for secret in first.client.secrets] == [digest(first.client_secret)]
    everything = at_work.file.read_bytes() + at_work.file.with_suffix(".db-wal").read_bytes()
    assert digest(first.client_secret).encode() in everything
    assert first.client_secret.encode() not in everything
    assert first.client_secret not in repr(first)


@pytest.mark.parametrize("chosen", ["client_id", "client_secret", "secret", "secrets", "password"])
async def test_r46_ids_and_secrets_cannot_be_chosen(at_work: Office, chosen: str) -> None:
    mine: dict[str, Any] = {chosen: "hunter2"}
    with pytest.raises(Refused, match=f"no setting {chosen}"):
        await at_work.administration.clients.add("Acme", **mine)
    made = await at_work.administration.clients.add("Acme")
    with pytest.raises(Refused, match=f"no setting {chosen}"):
        await at_work.administration.clients.change("Acme", **mine)
    assert await at_work.administration.clients.get("Acme") == made.client


async def test_an_id_is_no_option_of_a_command_line(at_work: Office) -> None:
    for number in range(70):
        made = await at_work.administration.clients.add(f"Acme {number}")
        assert made.client.client_id[0].isalnum()
        assert len(made.client.client_id) == 22


@pytest.mark.parametrize("name", ["acme", "ACME", "Ａｃｍｅ"])
async def test_a_name_is_given_once_in_any_spelling(at_work: Office, name: str) -> None:
    await at_work.administration.clients.add("Acme")
    other = (await at_work.administration.clients.add("Beta")).client
    with pytest.raises(Conflict, match="already a client called Acme"):
        await at_work.administration.clients.add(name)
    with pytest.raises(Conflict, match="already a client called Acme"):
        await at_work.administration.clients.change("Beta", name=name)
    assert await at_work.administration.clients.get("Beta") == other


async def test_of_two_who_add_the_same_name_one_wins(at_work: Office) -> None:
    outcomes = await asyncio.gather(
        *(at_work.administration.clients.add("Acme") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NewClient"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"redirect_uris": ["http://auth.worksmobile.com"]}, "loopback"),
        ({"redirect_uris": []}, "at least one"),
        ({"code_lifetime": 601}, "from 1 to 600"),
        ({"allowed_addresses": ["here"]}, "not a network"),
        ({"profile": "slack"}, "must be one of"),
    ],
)
async def test_a_refused_change_changes_nothing(
    at_work: Office, changes: Mapping[str, Any], reason: str
) -> None:
    made = await at_work.administration.clients.add("Acme")
    with pytest.raises(Refused, match=reason):
        await at_work.administration.clients.change("Acme", **changes)
    assert await at_work.administration.clients.get("Acme") == made.client
    assert len(await at_work.administration.audit_log.search()) == 1


async def test_settings_are_changed_by_name_or_id(at_work: Office) -> None:
    client_id = (await at_work.administration.clients.add("Acme")).client.client_id
    await at_work.administration.clients.change("ACME", code_lifetime=30, name="Acme Japan")
    changed = await at_work.administration.clients.change(client_id, domain="acme.example")
    assert (changed.name, changed.code_lifetime, changed.domain) == (
        "Acme Japan",
        30,
        "acme.example",
    )
    assert await at_work.administration.clients.get("acme japan") == changed


async def test_r47_two_secrets_are_valid_during_a_rotation(at_work: Office) -> None:
    first = await at_work.administration.clients.add("Acme")
    at_work.clock.now += 10
    second = await at_work.administration.clients.rotate_secret("Acme", overlap=60)
    assert await at_work.administration.clients.get("Acme") == second.client
    during = _valid_digests(second.client, NOW + 69)
    assert matches_any(first.client_secret, during)
    assert matches_any(second.client_secret, during)
    after = _valid_digests(second.client, NOW + 70)
    assert not matches_any(first.client_secret, after)
    assert matches_any(second.client_secret, after)


async def test_r47_a_third_secret_ends_the_first(at_work: Office) -> None:
    first = await at_work.administration.clients.add("Acme")
    at_work.clock.now += 1
    second = await at_work.administration.clients.rotate_secret("Acme", overlap=1_000)
    at_work.clock.now += 1
    third = await at_work.administration.clients.rotate_secret("Acme", overlap=10)
    valid = _valid_digests(third.client, at_work.clock.now)
    assert len(valid) == 2
    assert not matches_any(first.client_secret, valid)
    assert matches_any(second.client_secret, valid)
    assert matches_any(third.client_secret, valid)


async def test_a_rotation_never_lengthens_what_was_ending(at_work: Office) -> None:
    await at_work.administration.clients.add("Acme")
    at_work.clock.now += 1
    await at_work.administration.clients.rotate_secret("Acme", overlap=0)
    at_work.clock.now += 1
    rotated = await at_work.administration.clients.rotate_secret("Acme", overlap=60)
    assert [secret.expires_at for secret in rotated.client.secrets] == [NOW + 62, None]


async def test_r47_without_overlap_the_old_secret_ends_at_once(at_work: Office) -> None:
    first = await at_work.administration.clients.add("Acme")
    rotated = await at_work.administration.clients.rotate_secret("Acme", overlap=0)
    assert not matches_any(first.client_secret, _valid_digests(rotated.client, NOW))
    assert query(at_work.file, "SELECT count(*) FROM client_secrets") == [(1,)]


@pytest.mark.parametrize("overlap", [-1, float("nan"), float("inf"), 1e9])
async def test_an_impossible_overlap_is_refused(at_work: Office, overlap: float) -> None:
    made = await at_work.administration.clients.add("Acme")
    with pytest.raises(Refused, match="number of seconds"):
        await at_work.administration.clients.rotate_secret("Acme", overlap=overlap)
    assert await at_work.administration.clients.get("Acme") == made.client


async def test_a_client_can_be_disabled_and_enabled(at_work: Office) -> None:
    await at_work.administration.clients.add("Acme")
    assert not (await at_work.administration.clients.disable("Acme")).enabled
    assert not (await at_work.administration.clients.get("Acme")).enabled
    assert (await at_work.administration.clients.enable("Acme")).enabled
    assert (await at_work.administration.clients.get("Acme")).enabled


async def test_a_removed_client_is_unknown_with_its_secrets(at_work: Office) -> None:
    made = await at_work.administration.clients.add("Acme")
    await at_work.administration.clients.remove("Acme")
    assert await at_work.administration.clients.all() == ()
    assert query(at_work.file, "SELECT count(*) FROM client_secrets") == [(0,)]
    again = await at_work.administration.clients.add("Acme")
    assert again.client.client_id != made.client.client_id


async def test_who_is_not_there_is_not_found(at_work: Office) -> None:
    administration = at_work.administration
    for call in (
        administration.clients.get("Acme"),
        administration.clients.change("Acme", name="Beta"),
        administration.clients.rotate_secret("Acme", overlap=0),
        administration.clients.disable("Acme"),
        administration.clients.enable("Acme"),
        administration.clients.remove("Acme"),
    ):
        with pytest.raises(NotFound, match="there is no client 'Acme'"):
            await call


async def test_r105_every_change_of_a_client_is_recorded(at_work: Office) -> None:
    client_id = (await at_work.administration.clients.add("Acme")).client.client_id
    await at_work.administration.clients.change("Acme", code_lifetime=30, domain="a.example")
    await at_work.administration.clients.change("Acme", code_lifetime=30)
    await at_work.administration.clients.rotate_secret("Acme", overlap=60)
    await at_work.administration.clients.disable("Acme")
    await at_work.administration.clients.enable("Acme")
    await at_work.administration.clients.remove("Acme")
    events = await at_work.administration.audit_log.search(client=client_id)
    assert [event.detail for event in events] == [
        "Acme: added",
        "Acme: set code_lifetime, domain",
        "Acme: secret rotated",
        "Acme: disabled",
        "Acme: enabled",
        "Acme: removed",
    ]
    assert {(event.event, event.actor, event.at) for event in events} == {
        (Event.CLIENT_CHANGED, "tester", NOW)
    }
