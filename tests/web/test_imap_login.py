"""GET /apiLogin/{client_id}, as LINE WORKS calls it for a mail client."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from tests.fake_ldap import (
    Behaviour,
    Scripted,
    listening,
    one_byte_a_second,
    resets_in_the_middle_of_a_bind,
    silent,
    wrong_message_id,
)
from tests.installation import (
    EXTERNAL_KEY,
    PASSWORD,
    USERNAME,
    Installation,
    application_of,
    assert_refused,
    installed,
)

from worksgate.audit import Event
from worksgate.credentials.secrets import storage_key
from worksgate.oauth.errors import InvalidAuthorization, InvalidLogin, InvalidRequest, TooManyLogins
from worksgate.oauth.model import LoginKind
from worksgate.settings.sources.directory import DirectorySettings
from worksgate.sources import Person, Source, SourceUnavailable
from worksgate.web.calls.endpoints import MethodNotAllowed, UnknownPath

SLACK = 1.5
"""Seconds that a busy machine may add."""

UNAVAILABLE = {
    "error": "server_error",
    "error_description": "Temporarily unavailable, please try again",
}


def address(
    installation: Installation,
    email: str = USERNAME,
    password: str = PASSWORD,
    *,
    path: str | None = None,
) -> str:
    """The address that LINE WORKS calls; ``path`` takes the place of the usual one."""
    usual = f"/apiLogin/{installation.client.client.client_id}"
    values = (("email", email), ("password", password))
    pairs = ((name, b64encode(value.encode()).decode()) for name, value in values)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    return f"{installation.path}{usual if path is None else path}?{query}"


async def ask(
    installation: Installation,
    email: str = USERNAME,
    password: str = PASSWORD,
    *,
    method: str = "GET",
    path: str | None = None,
    origin: str = "203.0.113.7",
) -> httpx2.Response:
    url = address(installation, email, password, path=path)
    return await installation.http(address=origin).request(method, url)


async def open_to_mail_clients(installation: Installation, **changes: object) -> None:
    await installation.change_client(imap_login=True, imap_passwords="all", **changes)


async def codes_of(installation: Installation) -> int:
    return len(installation.rows("SELECT 1 FROM codes"))


# What a right one gets


async def test_a_right_password_buys_a_code_that_says_who_it_is(anywhere: Installation) -> None:
    await open_to_mail_clients(anywhere, expires_in_imap=7_200)
    response = await ask(anywhere)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in response.headers
    assert list(response.json()) == ["code"]
    token = await anywhere.exchange(response.json()["code"])
    assert token.json()["expires_in"] == 7_200
    who = await anywhere.user_info(token.json()["access_token"])
    assert who.json() == {"user_id": EXTERNAL_KEY}


async def test_the_code_is_one_of_this_kind_and_works_once(installation: Installation) -> None:
    await open_to_mail_clients(installation)
    secret = (await ask(installation)).json()["code"]
    kinds = installation.rows("SELECT login_kind FROM codes WHERE key = ?", storage_key(secret))
    assert kinds == [(LoginKind.IMAP,)]
    assert (await installation.exchange(secret)).status_code == 200
    assert (await installation.exchange(secret)).status_code == 400


async def test_the_printed_address_is_the_one_that_answers(installation: Installation) -> None:
    await open_to_mail_clients(installation)
    printed = installation.client.urls["imap_login"]
    query = address(installation).partition("?")[2]
    assert (await installation.http().get(f"{printed}?{query}")).status_code == 200


async def test_without_an_id_the_only_client_is_meant(anywhere: Installation) -> None:
    await open_to_mail_clients(anywhere)
    assert (await ask(anywhere, path="/apiLogin")).status_code == 200
    await anywhere.administration.clients.add("Second", imap_login=True, imap_passwords="all")
    await anywhere.settle()
    assert_refused(await ask(anywhere, path="/apiLogin"), InvalidLogin)
    assert (await ask(anywhere)).status_code == 200


async def test_the_path_is_a_setting(tmp_path: Path) -> None:
    async with installed(tmp_path, imap_login_path="/mail/in") as installation:
        await open_to_mail_clients(installation)
        client_id = installation.client.client.client_id
        assert (await ask(installation, path=f"/mail/in/{client_id}")).status_code == 200
        assert (await ask(installation)).status_code == 404


# Refusals


async def test_r58_an_unknown_client_one_that_is_off_and_a_wrong_password_look_alike(
    installation: Installation,
) -> None:
    wrong = [
        await ask(installation),
        await ask(installation, path="/apiLogin/nobody"),
        await ask(installation, path="/apiLogin"),
        await ask(installation, path="/apiLogin/%20"),
    ]
    await open_to_mail_clients(installation, allowed_addresses=("198.51.100.0/24",))
    wrong.append(await ask(installation))
    assert (await ask(installation, origin="198.51.100.1")).status_code == 200
    await open_to_mail_clients(installation, allowed_addresses=())
    wrong.append(await ask(installation, password="wrong"))
    wrong.append(await ask(installation, email="nobody@example.com"))
    await installation.administration.clients.disable("Acme")
    await installation.settle()
    wrong.append(await ask(installation))
    for response in wrong:
        assert_refused(response, InvalidLogin)
        assert response.headers.raw == wrong[0].headers.raw


@pytest.mark.parametrize(
    "query",
    [
        "",
        "email=eA%3D%3D",
        "password=eA%3D%3D",
        "email=eA%3D%3D&password=",
        "email=eA%3D%3D&password=AHg%3D",
        "email=eA%3D%3D&password=plain+text",
        "email=eA%3D%3D&email=eA%3D%3D&password=eA%3D%3D",
        f"email=eA%3D%3D&password={'QUFB' * 6_000}",
    ],
)
async def test_r60_what_is_malformed_is_refused_in_json(
    installation: Installation, query: str
) -> None:
    await open_to_mail_clients(installation)
    path = address(installation).partition("?")[0]
    response = await installation.http().get(f"{path}?{query}")
    assert_refused(response, InvalidRequest)
    assert "code" not in response.json()


async def test_r62_failures_do_not_lock_the_browser_login(installation: Installation) -> None:
    await open_to_mail_clients(installation)
    installation.clock.stop()
    for _ in range(10):
        assert_refused(await ask(installation, password="old password"), InvalidLogin)
    assert_refused(await ask(installation, password="old password"), TooManyLogins)
    assert_refused(await ask(installation), TooManyLogins)
    assert await installation.browser().code()
    assert_refused(await ask(installation), TooManyLogins)
    installation.clock.advance(2)
    assert (await ask(installation)).status_code == 200
    assert (await ask(installation)).status_code == 200


async def test_r62_failures_of_browsers_do_not_lock_mail_clients(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    installation.clock.stop()
    for _ in range(12):
        response = await installation.browser().sign_in(password="wrong")
    assert response.status_code == 429
    assert (await ask(installation)).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
async def test_r64_only_get_signs_anybody_in(installation: Installation, method: str) -> None:
    await open_to_mail_clients(installation)
    response = await ask(installation, method=method)
    assert response.status_code == MethodNotAllowed.status
    assert response.headers["allow"] == "GET"
    assert await codes_of(installation) == 0
    assert await installation.audit(event="imap.succeeded") == []


async def test_r64_credentials_in_a_body_or_a_header_count_for_nothing(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    path, _, query = address(installation).partition("?")
    http = installation.http()
    pair = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    for response in (
        await http.request("GET", path, headers={"Authorization": f"Basic {pair}"}),
        await http.request(
            "GET",
            path,
            content=query,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ):
        assert_refused(response, InvalidRequest)


async def test_r64_r95_plain_http_is_refused_and_not_led_elsewhere(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    http = installation.http()
    for path in (None, "/apiLogin", "/apiLogin/"):
        url = f"http://sso.example.com{address(installation, path=path)}"
        response = await http.get(url)
        assert response.status_code in (400, 404)
        assert "location" not in response.headers
        assert "code" not in response.json()
    assert await codes_of(installation) == 0


async def test_r65_a_disabled_person_looks_like_a_wrong_password(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    wrong = await ask(installation, password="wrong")
    code = (await ask(installation)).json()["code"]
    await installation.administration.users.disable(USERNAME)
    response = await ask(installation)
    assert_refused(response, InvalidLogin)
    assert response.headers.raw == wrong.headers.raw
    assert_refused(await installation.exchange(code), InvalidAuthorization)


async def test_an_unknown_path_below_is_answered_in_json(anywhere: Installation) -> None:
    await open_to_mail_clients(anywhere)
    own = f"/apiLogin/{anywhere.client.client.client_id}"
    for path in ("/apiLogin/", f"{own}/", f"{own}/x", f"/apiLogin/{'/' * 3}"):
        assert_refused(await ask(anywhere, path=path), UnknownPath)


async def test_a_path_that_only_begins_like_it_is_a_page(installation: Installation) -> None:
    await open_to_mail_clients(installation)
    for path in ("/apiLoginX", "/apilogin/x", "/APILOGIN"):
        response = await ask(installation, path=path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_errors_are_written_as_the_client_wants_them(installation: Installation) -> None:
    await open_to_mail_clients(installation, error_style="text", error_status="always_200")
    response = await ask(installation, password="wrong")
    assert response.status_code == 200
    assert response.json() == {
        "error": "invalid_grant",
        "error_description": "Invalid email address or password",
    }


async def test_a_secret_of_a_client_opens_nothing_here(installation: Installation) -> None:
    """The call proves nothing of the client, and needs to prove nothing."""
    await open_to_mail_clients(installation)
    response = await ask(installation, password=installation.client.client_secret)
    assert_refused(response, InvalidLogin)
    access_token = await installation.access_token((await ask(installation)).json()["code"])
    assert_refused(await ask(installation, password=access_token), InvalidLogin)


# What is recorded


async def test_r59_one_login_can_be_followed_and_no_record_holds_its_password(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    await ask(installation, password="canary wrong")
    code = (await ask(installation)).json()["code"]
    await installation.access_token(code)
    (success,) = await installation.audit(event="imap.succeeded")
    followed = await installation.audit(login_id=success.login_id)
    assert [event.event for event in followed] == [
        Event.IMAP_SUCCEEDED,
        Event.CODE_ISSUED,
        Event.CODE_REDEEMED,
    ]
    (failure,) = await installation.audit(event="imap.failed")
    assert (failure.username, failure.subject_id) == (USERNAME, None)
    told = repr(await installation.audit())
    assert PASSWORD not in told
    assert "canary" not in told


# When something is out of order


class Silent:
    """An LDAP server that accepts and then says nothing, as a source."""

    name = "ldap"

    async def authenticate(self, username: str, password: str) -> Person | None:
        await asyncio.sleep(3_600)
        return None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return None


class Down(Silent):
    async def authenticate(self, username: str, password: str) -> Person | None:
        raise SourceUnavailable("nobody is there")


class Crashing(Silent):
    async def authenticate(self, username: str, password: str) -> Person | None:
        raise RuntimeError(f"a secret: {password}")


class Colleagues(Silent):
    """People who are not in LDAP."""

    name = "others"

    async def authenticate(self, username: str, password: str) -> Person | None:
        return HANA if (username, password) == ("hana", "hana's own") else None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return HANA if subject_id == HANA.subject_id else None


HANA = Person(subject_id="others:1", username="hana", name="Hana", external_key="hana")


@asynccontextmanager
async def with_sources(folder: Path, sources: Sequence[Source]) -> AsyncIterator[Installation]:
    async with installed(folder) as installation:
        await open_to_mail_clients(installation)
        application = application_of(installation.settings, sources=sources)
        await application.start()
        other = replace(installation, application=application, _http=[])
        yield other
        await other.close()
        await application.close()


def assert_unavailable(response: httpx2.Response) -> None:
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json() == UNAVAILABLE


@pytest.mark.slow
@pytest.mark.deadlines
async def test_f18_a_source_that_hangs_is_answered_in_time(tmp_path: Path) -> None:
    async with with_sources(tmp_path, [Silent()]) as installation:
        began = time.monotonic()
        assert_unavailable(await ask(installation))
        assert time.monotonic() - began < installation.settings.answer_deadline + SLACK


@pytest.mark.deadlines
async def test_f18_people_of_other_sources_come_in_while_one_hangs(tmp_path: Path) -> None:
    async with with_sources(tmp_path, [Silent(), Colleagues()]) as installation:
        began = time.monotonic()
        response = await ask(installation, "hana", "hana's own")
        assert response.status_code == 200, response.text
        assert time.monotonic() - began < installation.settings.answer_deadline


@pytest.mark.slow
@pytest.mark.deadlines
@pytest.mark.parametrize(
    "behaviour",
    [silent, one_byte_a_second, resets_in_the_middle_of_a_bind, wrong_message_id],
    ids=lambda behaviour: str(behaviour.__name__),
)
async def test_f18_people_of_the_directory_come_in_while_ldap_is_out_of_order(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    with listening(behaviour) as ldap:
        sources = (ldap.settings(), DirectorySettings())
        async with installed(tmp_path, sources=sources) as installation:
            await open_to_mail_clients(installation)
            began = time.monotonic()
            assert (await ask(installation)).status_code == 200
            assert time.monotonic() - began < installation.settings.answer_deadline
            began = time.monotonic()
            assert_unavailable(await ask(installation, "hana", "a password of LDAP's"))
            assert time.monotonic() - began < installation.settings.answer_deadline + SLACK


async def test_r61_no_empty_password_reaches_ldap(tmp_path: Path) -> None:
    """A simple bind without a password succeeds on many servers, for nobody."""
    generous = Scripted(lambda name, password: (0, ""))
    with listening(generous) as ldap:
        sources = (ldap.settings(bind_dn="", bind_password="", direct_bind="uid={username}"),)
        async with installed(tmp_path, sources=sources) as installation:
            await open_to_mail_clients(installation, sources=("company",))
            for password in ("", "\0", "\0x", "x\0y"):
                assert_refused(await ask(installation, password=password), InvalidRequest)
            assert generous.binds == []
            await ask(installation, password="x")
            assert [password for _, password in generous.binds] == [b"x"]


async def test_an_outage_of_a_source_is_no_wrong_password(tmp_path: Path) -> None:
    async with with_sources(tmp_path, [Down()]) as installation:
        for _ in range(12):
            assert_unavailable(await ask(installation))


@pytest.mark.slow
@pytest.mark.deadlines
async def test_r52_with_the_store_locked_the_answer_comes_in_time(
    installation: Installation,
) -> None:
    await open_to_mail_clients(installation)
    await ask(installation)
    began = time.monotonic()
    with installation.locked():
        response = await ask(installation)
    assert time.monotonic() - began < installation.settings.answer_deadline + SLACK
    assert_unavailable(response)
    assert (await ask(installation)).status_code == 200


async def test_r50_r108_a_crash_is_a_refusal_in_json(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    async with with_sources(tmp_path, [Crashing()]) as installation:
        response = await ask(installation)
    assert response.status_code == 500
    assert response.json() == UNAVAILABLE
    written = logged()
    assert "request.crashed" in written
    assert PASSWORD not in written
    assert b64encode(PASSWORD.encode()).decode() not in written
    assert "/apiLogin/" not in written
