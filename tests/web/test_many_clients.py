"""No request iterates over all clients: counted, since times differ from machine to machine."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from tests.installation import SIGNED_OUT, Installation, LoginPage, assert_refused

from worksgate.oauth.errors import InvalidLogin
from worksgate.oauth.model import Client

MANY = 2_000
A_FEW = 20


class CountedClients(Mapping[str, Client]):
    """A list of clients that counts how many of them are looked at."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self.looked_at = 0

    def __getitem__(self, client_id: str) -> Client:
        self.looked_at += 1
        return self._clients[client_id]

    def __iter__(self) -> Iterator[str]:
        for client_id in self._clients:
            self.looked_at += 1
            yield client_id

    def __len__(self) -> int:
        return len(self._clients)


async def with_many_clients(installation: Installation) -> CountedClients:
    """Give the server many more clients, and let it take notice of them."""
    registry = installation.provider.clients
    known = dict(await registry.snapshot())
    for number in range(MANY):
        name = f"c{number}"
        known[name] = Client(client_id=name, name=name, redirect_uris=("https://x.example",))
    counted = CountedClients(known)

    async def load() -> Mapping[str, Client]:
        return counted

    registry._load = load
    registry.expire()
    await registry.together()
    assert counted.looked_at > MANY
    counted.looked_at = 0
    return counted


async def test_sign_in_account_and_log_out_look_at_a_few_clients(
    installation: Installation,
) -> None:
    clients = await with_many_clients(installation)
    browser = installation.browser()
    await browser.code()
    assert (await browser.account()).status_code == 200
    gone = await browser.http.get(f"/logout?redirect_uri={quote(SIGNED_OUT, safe='')}")
    assert gone.headers["location"] == SIGNED_OUT
    page = LoginPage.of(await browser.account())
    assert (await browser.submit(page, username="user1@example.com", password="wrong")).text
    await browser.sign_in_to_account()
    for page_of_account in ("", "/app-passwords", "/authenticator"):
        await browser.account(page_of_account)
    assert 0 < clients.looked_at < A_FEW


async def test_a_mail_program_without_a_client_id_looks_at_none(
    installation: Installation,
) -> None:
    await installation.change_client(imap_login=True)
    clients = await with_many_clients(installation)
    query = "/apiLogin?email=dXNlcjFAZXhhbXBsZS5jb20%3D&password=d3Jvbmc%3D"
    assert_refused(await installation.http().get(query), InvalidLogin)
    assert clients.looked_at < A_FEW
