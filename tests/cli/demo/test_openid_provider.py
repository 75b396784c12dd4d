"""The demonstration's OpenID provider: correct for its client, and useless to anybody else."""

import html
import re
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from tests.conformance.simulator.fake_sso import served

from worksgate.cli.demo.openid_provider import CODE_LIFETIME, Registration, create_openid_provider
from worksgate.cli.demo.people import COLLEAGUE_NOTE, COLLEAGUES, PARTNER
from worksgate.settings.sources import OidcSettings
from worksgate.sources.openid.source import OidcSource
from worksgate.web.pages.catalogues import translations

CLIENT_ID = "worksgate demo"
CLIENT_SECRET = "a secret of +%/& the demonstration"
RETURN_URL = "http://localhost:8080/login/callback/partner"
VERIFIER = "a-code-verifier-that-is-long-enough-for-rfc-7636"
CHALLENGE = "KNczEurq67rF28NySvSIcG9G500QgPaoK2MO-TTWuoc"
SORA, EMMA = COLLEAGUES


class Clock:
    """Real time, plus whatever a test adds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Partner:
    issuer: str
    clock: Clock

    def request(self, **changes: str) -> dict[str, str]:
        """An authorization request; an empty value leaves the parameter out."""
        right = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": RETURN_URL,
            "scope": "openid profile",
            "state": "a state of +%/& ours",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (right | changes).items() if value}


@pytest.fixture(scope="module")
def running() -> Iterator[Partner]:
    clock = Clock()

    def provider(origin: str) -> Starlette:
        registration = Registration(
            issuer=f"{origin}/openid",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uri=RETURN_URL,
        )
        return create_openid_provider(registration, COLLEAGUES, clock=clock)

    with served(provider) as origin:
        yield Partner(f"{origin}/openid", clock)


@pytest.fixture
def partner(running: Partner) -> Partner:
    running.clock.ahead = 0
    return running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield http


def answer_in(response: httpx2.Response) -> dict[str, str]:
    """What the browser carries back to the client."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(f"{RETURN_URL}?")
    return dict(parse_qsl(urlsplit(location).query))


async def choose(http: httpx2.AsyncClient, url: str, person: str) -> httpx2.Response:
    """Open the page and press a button of it, with its hidden fields."""
    page = await http.get(url)
    assert page.status_code == 200, page.headers.get("location")
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    fields = {name: html.unescape(value) for name, value in hidden}
    [button] = re.findall(
        rf'value="(\w+)"[^>]*>\s*<span[^>]*>.</span>\s*<span><strong[^>]*>{person}', page.text
    )
    action = re.search(r'action="([^"]+)"', page.text)
    assert action is not None
    return await http.post(str(page.url.join(action[1])), data={**fields, "person": button})


async def code_for(partner: Partner, http: httpx2.AsyncClient, **changes: str) -> str:
    form = {**partner.request(**changes), "person": SORA.subject}
    return answer_in(await http.post(f"{partner.issuer}/authorize", data=form))["code"]


async def redeem(
    partner: Partner, http: httpx2.AsyncClient, code: str, **changes: str
) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": RETURN_URL,
        "code_verifier": VERIFIER,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return await http.post(f"{partner.issuer}/token", data=form | changes)


# With Worksgate


@pytest.mark.parametrize("method", ["auto", "client_secret_basic", "client_secret_post"])
async def test_worksgate_believes_it(
    partner: Partner, http: httpx2.AsyncClient, method: str
) -> None:
    settings = OidcSettings(
        name="partner",
        issuer=partner.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_authentication=method,
        external_key_claim="employee_number",
    )
    source = OidcSource("partner", settings)
    try:
        assert all(each.works for each in await source.test(RETURN_URL))
        redirect = await source.begin(RETURN_URL)
        answer = answer_in(await choose(http, redirect.url, EMMA.name))
        assert answer["state"] == redirect.state
        assert answer["iss"] == partner.issuer
        person = await source.finish(RETURN_URL, redirect.kept, answer)
    finally:
        await source.close()
    assert (person.username, person.name) == (EMMA.email, EMMA.name)
    assert (person.external_key, person.email) == (EMMA.employee_number, EMMA.email)


# In the browser


async def test_the_state_comes_back_as_it_was_with_the_issuer(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    url = f"{partner.issuer}/authorize?{httpx2.QueryParams(partner.request())}"
    answer = answer_in(await choose(http, url, SORA.name))
    assert answer.keys() == {"code", "state", "iss"}
    assert answer["state"] == "a state of +%/& ours"
    assert answer["iss"] == partner.issuer


async def test_who_is_expected_has_the_focus(partner: Partner, http: httpx2.AsyncClient) -> None:
    request = partner.request(login_hint=EMMA.email)
    page = await http.get(f"{partner.issuer}/authorize", params=request)
    assert re.findall(r'value="(\w+)" autofocus', page.text) == [EMMA.subject]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://a.example"}, "request_uri_not_supported"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_request_is_sent_back_with_an_error(
    partner: Partner, http: httpx2.AsyncClient, changes: dict[str, str], error: str, method: str
) -> None:
    form = {**partner.request(**changes), "person": SORA.subject}
    url = f"{partner.issuer}/authorize"
    sent = await (http.get(url, params=form) if method == "GET" else http.post(url, data=form))
    answer = answer_in(sent)
    assert (answer["error"], answer["state"]) == (error, "a state of +%/& ours")
    assert answer["iss"] == partner.issuer
    assert "code" not in answer


async def test_who_cancels_is_sent_back_without_a_code(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    answer = answer_in(await http.post(f"{partner.issuer}/authorize", data=partner.request()))
    assert answer["error"] == "access_denied"
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": "http://localhost:8080/elsewhere"},
        {"redirect_uri": f"{RETURN_URL}/"},
        {"redirect_uri": ""},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    partner: Partner, http: httpx2.AsyncClient, changes: dict[str, str]
) -> None:
    form = {**partner.request(**changes), "person": SORA.subject}
    url = f"{partner.issuer}/authorize"
    for sent in (await http.get(url, params=form), await http.post(url, data=form)):
        assert sent.status_code == 400
        assert "location" not in sent.headers


async def test_a_form_of_another_site_chooses_nobody(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    sent = await http.post(
        f"{partner.issuer}/authorize",
        data={**partner.request(), "person": SORA.subject},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert (sent.status_code, "location" in sent.headers) == (400, False)


# From server to server


async def test_the_id_token_is_signed_and_says_who_for_whom_and_why(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    answer = await redeem(partner, http, await code_for(partner, http))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    keys = KeySet.import_key_set((await http.get(f"{partner.issuer}/jwks")).json())
    claims = jwt.decode(answer.json()["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["iss"] == partner.issuer
    assert (claims["sub"], claims["aud"]) == (SORA.subject, CLIENT_ID)
    assert claims["nonce"] == "a-nonce"
    assert claims["iat"] <= time.time() < claims["exp"]


async def test_the_published_key_is_a_public_one(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    [key] = (await http.get(f"{partner.issuer}/jwks")).json()["keys"]
    assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}


async def test_without_a_nonce_there_is_none(partner: Partner, http: httpx2.AsyncClient) -> None:
    answer = await redeem(partner, http, await code_for(partner, http, nonce=""))
    keys = KeySet.import_key_set((await http.get(f"{partner.issuer}/jwks")).json())
    assert "nonce" not in jwt.decode(answer.json()["id_token"], keys, algorithms=["RS256"]).claims


async def test_a_code_is_good_once(partner: Partner, http: httpx2.AsyncClient) -> None:
    code = await code_for(partner, http)
    answers = [await redeem(partner, http, code) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[1].json()["error"] == "invalid_grant"


async def test_a_code_is_good_for_a_minute(partner: Partner, http: httpx2.AsyncClient) -> None:
    code = await code_for(partner, http)
    partner.clock.ahead = CODE_LIFETIME + 1
    assert (await redeem(partner, http, code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "another" * 7}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"redirect_uri": "http://localhost:8080/elsewhere"}, 400, "invalid_grant"),
        ({"code": "made-up"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "another"}, 401, "invalid_client"),
    ],
)
async def test_a_wrong_token_request_is_refused(
    partner: Partner,
    http: httpx2.AsyncClient,
    changes: dict[str, str],
    status: int,
    error: str,
) -> None:
    code = await code_for(partner, http)
    answer = await redeem(partner, http, **({"code": code} | changes))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "id_token" not in answer.json()


async def test_a_wrong_header_is_not_made_good_by_the_form(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    for header in ("Basic !!", "Basic d3Jvbmc6d3Jvbmc="):
        answer = await http.post(
            f"{partner.issuer}/token",
            data={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
            headers={"Authorization": header},
        )
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Basic"


async def test_a_parameter_that_comes_twice_does_not_count(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    query = f"{httpx2.QueryParams(partner.request())}&client_id={CLIENT_ID}"
    assert (await http.get(f"{partner.issuer}/authorize?{query}")).status_code == 400


async def test_a_form_that_is_far_too_large_is_not_read(
    partner: Partner, http: httpx2.AsyncClient
) -> None:
    answer = await redeem(partner, http, secrets.token_hex(20_000))
    assert answer.status_code == 401


# Only here, only now


@pytest.mark.parametrize(
    ("issuer", "redirect_uri"),
    [
        ("https://openid.example.com/openid", RETURN_URL),
        ("http://192.0.2.1:8090/openid", RETURN_URL),
        ("http://127.0.0.1.example.com/openid", RETURN_URL),
        ("http://127.0.0.1:8090/openid", "https://sso.example.com/login/callback/partner"),
    ],
)
def test_it_serves_this_machine_alone(issuer: str, redirect_uri: str) -> None:
    registration = Registration(
        issuer=issuer, client_id="a", client_secret="b", redirect_uri=redirect_uri
    )
    with pytest.raises(ValueError, match="this machine only"):
        create_openid_provider(registration, COLLEAGUES)


def test_its_secret_is_in_no_repr() -> None:
    registration = Registration(
        issuer="http://localhost/openid",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        redirect_uri=RETURN_URL,
    )
    assert CLIENT_SECRET not in repr(registration)


def test_r103_the_real_server_imports_nothing_of_the_demonstration() -> None:
    program = (
        "import sys, worksgate.cli.serve, worksgate.bootstrap.server\n"
        "import worksgate.bootstrap.application\n"
        "page, command = 'worksgate.cli.demo', 'worksgate.cli.demo.command'\n"
        "names = [name for name in sys.modules if name.startswith(page) or 'simulator' in name]\n"
        "print(sorted({*names} - {page, command}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("language", COLLEAGUE_NOTE)
def test_the_simulator_names_the_button_as_the_sign_in_page_does(language: str) -> None:
    label = translations(language).gettext("Continue with %(provider)s") % {"provider": PARTNER}
    assert re.search(f"[「“‘]{label}[」”’]", COLLEAGUE_NOTE[language])
