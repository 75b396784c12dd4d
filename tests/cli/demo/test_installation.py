"""The installation of the demonstration, also in a folder from an earlier release."""

import time
from pathlib import Path

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from worksgate.administration import Administration
from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo.installation import (
    CLIENT,
    Addresses,
    demonstrated,
    partner_source,
    prepare,
    return_url,
)
from worksgate.cli.demo.people import COLLEAGUES, GUESTS, PASSWORD
from worksgate.cli.demo.servers import PathMounts
from worksgate.conformance.simulator.settings import Tries
from worksgate.oauth.model import ImapPasswords
from worksgate.settings.options import Settings

ADDRESSES = Addresses(8080, 8090, 8070)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = Settings(port=ADDRESSES.port, database_url=f"sqlite:///{tmp_path / 'demo.db'}")
    return demonstrated(given, ADDRESSES, partner_source(ADDRESSES.issuer))


async def names(administration: Administration) -> list[str]:
    return sorted([account.username async for account in administration.users.all()])


async def test_a_folder_from_an_earlier_time_serves_again(settings: Settings) -> None:
    first = await prepare(settings, ADDRESSES.simulator)
    second = await prepare(settings, ADDRESSES.simulator)
    assert first.credentials != second.credentials
    async with open_administration(settings) as administration:
        clients = [client.client_id for client in await administration.clients.all()]
        assert second.credentials.client_id in clients
        assert first.credentials.client_id not in clients
        assert await names(administration) == sorted(guest.username for guest in GUESTS)


async def test_the_client_lets_mail_apps_in_with_the_password(settings: Settings) -> None:
    simulator = await prepare(settings, ADDRESSES.simulator)
    async with open_administration(settings) as administration:
        client = await administration.clients.get(CLIENT)
    assert (client.imap_login, client.imap_passwords) == (True, ImapPasswords.ALL)
    expected = f"http://localhost:8080/apiLogin/{client.client_id}"
    assert simulator.endpoints.imap_login == expected


async def test_everybody_is_told_what_to_sign_in_with(settings: Settings) -> None:
    people = (await prepare(settings, ADDRESSES.simulator)).people
    tries = {person.username: person.tries for person in people}
    assert tries[GUESTS[0].username] is Tries.PASSWORD
    assert tries[COLLEAGUES[0].email] is Tries.ELSEWHERE
    [coded] = [person for person in people if person.tries is Tries.PASSWORD_AND_CODE]
    assert coded.code is not None
    earliest = int(time.time())
    shown = coded.code()
    latest = int(time.time())
    assert shown.digits.isdigit()
    assert len(shown.digits) == 6
    assert shown.seconds_left in {30 - at % 30 for at in range(earliest, latest + 1)}


async def test_no_secret_is_in_a_repr(settings: Settings) -> None:
    simulator = await prepare(settings, ADDRESSES.simulator)
    [partner] = settings.sources
    coded = next(person.code for person in simulator.people if person.code is not None)
    told = repr(simulator) + repr(settings)
    secrets = (PASSWORD, simulator.credentials.client_secret, coded().digits)
    assert [secret for secret in secrets if secret in told] == []
    assert "client_secret" not in repr(partner)


def test_passkeys_and_the_other_provider_have_their_addresses(settings: Settings) -> None:
    assert settings.public_url == "http://localhost:8080"
    assert settings.host == "127.0.0.1"
    assert ADDRESSES.issuer == "http://127.0.0.1:8090/openid"
    assert return_url(settings) == "http://localhost:8080/login/callback/partner"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/openid/jwks", "other"),
        ("/openid", "first"),
        ("/openidx/jwks", "first"),
        ("/", "first"),
    ],
)
async def test_the_provider_has_its_own_path_alone(path: str, expected: str) -> None:
    both = PathMounts(PlainTextResponse("first"), {"/openid": PlainTextResponse("other")})
    transport = httpx2.ASGITransport(app=both)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sim.example") as http:
        assert (await http.get(path)).text == expected
