"""The demo installation: its settings, clients and people, and the simulator's configuration.

All secrets are recreated at every start, since the folder may contain those of an earlier run.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from worksgate.administration import NewClient, NotFound
from worksgate.administration.clients import ClientAdministration
from worksgate.administration.users import UserAdministration
from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.application import open_installation
from worksgate.cli.demo.company import first_day
from worksgate.cli.demo.people import (
    COLLEAGUE_NOTE,
    COLLEAGUES,
    GUESTS,
    PARTNER,
    PASSWORD,
    Colleague,
    Guest,
)
from worksgate.conformance.directory_api.simulator import API_PATH, AUTH_PATH
from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.conformance.simulator import DemoPerson, PresentCode, SimulatorSettings
from worksgate.credentials.secrets import new_id, new_ordered_secret, new_secret, storage_key
from worksgate.oauth.model import ImapPasswords, Session, SessionKeyCheck
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.account.values import Visitor
from worksgate.provider.factors.totp import INTERVAL
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.upstream import CALLBACK_PATH
from worksgate.settings.loading import checked
from worksgate.settings.options import Settings
from worksgate.settings.sources import OidcSettings
from worksgate.sources import Person

CLIENT = "Demo"
DISABLED_CLIENT = "Demo, disabled"
SOURCE = "partner"
"""The name of the source for people of the other company."""

_HOST = "127.0.0.1"
_NAME = "localhost"
"""Passkeys need a host name, which 127.0.0.1 is not. It also makes LINE WORKS another site."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """All addresses; ``simulator`` and ``sso`` have no trailing slash."""

    port: int
    simulator_port: int
    console_port: int

    @property
    def sso(self) -> str:
        return f"http://{_NAME}:{self.port}"

    @property
    def simulator(self) -> str:
        return f"http://{_HOST}:{self.simulator_port}"

    @property
    def issuer(self) -> str:
        """The other company's OpenID provider, next to the simulator."""
        return f"{self.simulator}/openid"


def demonstrated(settings: Settings, addresses: Addresses, partner: OidcSettings) -> Settings:
    """The settings of the demo; only the port and the database are taken from ``settings``.

    Raises ConfigurationError.
    """
    simulator = addresses.simulator
    return checked(
        replace(
            settings,
            host=_HOST,
            public_url=addresses.sso,
            console_port=addresses.console_port,
            company_name="Example Trading",
            session_key_check_url=f"{simulator}/login/check/",
            start_over_url=f"{simulator}/?domain={{domain}}&service={{service}}",
            line_works_api_urls=(f"line_works={simulator}{API_PATH}",),
            line_works_auth_urls=(f"line_works={simulator}{AUTH_PATH}",),
            sources=(partner,),
        )
    )


def return_url(settings: Settings) -> str:
    """The address to which the other company's provider redirects browsers."""
    return f"{settings.public_url}{settings.web_login_path}{CALLBACK_PATH}{SOURCE}"


def partner_source(issuer: str) -> OidcSettings:
    """The other company as an identity source, with a new client secret."""
    return OidcSettings(
        name=SOURCE,
        label=PARTNER,
        domains=("partner.example",),
        issuer=issuer,
        client_id="worksgate-demo",
        client_secret=secrets.token_urlsafe(32),
        external_key_claim="employee_number",
    )


async def prepare(settings: Settings, simulator_url: str) -> SimulatorSettings:
    """Register the clients and the people; return what a simulator at that address must know."""
    simulator = SimulatorSettings(
        public_url=simulator_url,
        endpoints=Endpoints("", "", "", "", ""),
        credentials=Credentials("", ""),
    )
    opening = open_administration(settings, actor="demo", clock=first_day(settings))
    async with opening as administration:
        client = await _fresh_client(administration.clients, CLIENT, simulator)
        disabled = await _fresh_client(administration.clients, DISABLED_CLIENT, simulator)
        await administration.clients.disable(DISABLED_CLIENT)
        people = [(guest, await _welcome(administration.users, guest)) for guest in GUESTS]
    codes = await _set_up_apps(settings, [person for guest, person in people if guest.has_code])
    return replace(
        simulator,
        endpoints=_endpoints(client.urls),
        credentials=_credentials(client),
        disabled_client=_credentials(disabled),
        account_url=settings.public_url + settings.account_path,
        people=(
            *(_shown(guest, codes.get(guest.username)) for guest in GUESTS),
            _shown_colleague(COLLEAGUES[0]),
        ),
    )


def _endpoints(urls: Mapping[str, str]) -> Endpoints:
    return Endpoints(
        web_login=urls["web_login"],
        app_login=urls["app_login"],
        access_token=urls["access_token"],
        user_info=urls["user_info"],
        logout=urls["logout"],
        imap_login=urls["imap_login"],
    )


def _shown(guest: Guest, code: Callable[[], PresentCode] | None) -> DemoPerson:
    return DemoPerson(guest.username, PASSWORD, guest.name, guest.works_account, guest.note, code)


def _shown_colleague(colleague: Colleague) -> DemoPerson:
    """One button is enough: the provider shows everybody, to choose from."""
    return DemoPerson(colleague.email, name=colleague.name, note=COLLEAGUE_NOTE)


async def _fresh_client(
    clients: ClientAdministration, name: str, simulator: SimulatorSettings
) -> NewClient:
    with suppress(NotFound):
        await clients.remove(name)
    return await clients.add(
        name,
        redirect_uris=(simulator.redirect_uri,),
        logout_redirect_uris=(simulator.signed_out_uri,),
        session_key_check=SessionKeyCheck.FAIL_OPEN,
        domain="example.com",
        imap_login=True,
        imap_passwords=ImapPasswords.ALL,
    )


async def _welcome(users: UserAdministration, guest: Guest) -> Person:
    with suppress(NotFound):
        return (await users.get(guest.username)).person
    added = await users.add(
        guest.username,
        password=PASSWORD,
        name=guest.name,
        external_key=guest.external_key,
        works_account=guest.works_account,
    )
    if not guest.enabled:
        await users.disable(guest.username)
    return added.account.person


def _credentials(client: NewClient) -> Credentials:
    return Credentials(client.client.client_id, client.client_secret)


# Authenticator apps


async def _set_up_apps(
    settings: Settings, people: Iterable[Person]
) -> dict[str, Callable[[], PresentCode]]:
    """Set up an authenticator app for each of them, as they would on their account page.

    Returns the secret of each app by username.
    """
    async with open_installation(settings) as opened:
        return {
            person.username: await _set_up_app(opened.self_service, person) for person in people
        }


async def _set_up_app(self_service: SelfService, person: Person) -> Callable[[], PresentCode]:
    # Half a minute ago: that uses up the previous code, and the current one stays valid.
    visitor = _visitor(person, time.time() - INTERVAL)
    secret = (await self_service.factors.begin_totp(visitor)).secret
    await self_service.factors.confirm_totp(visitor, code_of(secret, visitor.at).digits)
    return partial(_present_code, secret)


def _visitor(person: Person, now: float) -> Visitor:
    """The person as after a full sign-in; nobody else can use that session."""
    session = Session(
        key=storage_key(new_ordered_secret()),
        grant_id=new_id(),
        subject_id=person.subject_id,
        client_id="",
        expires_at=now,
        source="directory",
        username=person.username,
        name=person.name,
        external_key=person.external_key,
        works_account=person.works_account,
        authenticated_at=now,
        second_factor_at=now,
    )
    browser = Browser(address=_HOST, secret=new_secret())
    return Visitor(session=session, person=person, browser=browser, language="en", at=now)


def _present_code(secret: str) -> PresentCode:
    return code_of(secret, time.time())


def code_of(secret: str, now: float) -> PresentCode:
    """The code that an app shows at that time."""
    import pyotp

    digits = pyotp.TOTP(secret, interval=INTERVAL).at(int(now))
    return PresentCode(digits, INTERVAL - int(now) % INTERVAL)
