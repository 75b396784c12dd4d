"""Sign-ins at node-oidc-provider: begin, its own pages, back again, a person."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.openid_provider.real import CLIENT_ID, CLIENT_SECRET, RealProvider, real_provider

from worksgate.settings.sources import OidcSettings
from worksgate.sources import Person, RefusedUpstream, SourceUnavailable
from worksgate.sources.openid.source import OidcSource, subject_id

pytestmark = pytest.mark.programs

RETURN_URL = "http://127.0.0.1:8080/login/callback/company"
SIGNED_OUT_URL = "http://127.0.0.1:8080/login/signed-out"


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    with real_provider([RETURN_URL], [SIGNED_OUT_URL]) as provider:
        yield provider


@asynccontextmanager
async def source_at(provider: RealProvider, **options: Any) -> AsyncIterator[OidcSource]:
    values = {
        "name": "company",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": ("openid", "profile", "email", "groups"),
        "external_key_claim": "employee_number",
        "works_account_claim": "email",
        "label": "Company",
        **options,
    }
    source = OidcSource("company", OidcSettings(**values))
    try:
        yield source
    finally:
        await source.close()


async def sign_in(provider: RealProvider, source: OidcSource, login: str = "hanako") -> Person:
    redirect = await source.begin(RETURN_URL)
    answer = provider.visit(redirect.url).log_in(login).answer()
    assert answer["state"] == redirect.state
    return await source.finish(RETURN_URL, redirect.kept, answer)


async def test_person_who_signed_in_at_the_provider_is_that_person(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        person = await sign_in(provider, source)
        again = await sign_in(provider, source)
    assert person == Person(
        subject_id=subject_id("company", provider.issuer, "hanako"),
        username="hanako",
        name="Hanako Yamada",
        external_key="E-hanako",
        works_account="hanako@company.example",
        email="hanako@company.example",
        groups=("staff", "accounts"),
    )
    assert again == person


@pytest.mark.parametrize(
    "client",
    [
        {"client_id": "worksgate-post", "client_secret": "secret-of-worksgate-post"}
        | {"client_authentication": "client_secret_post"},
        {"client_id": "worksgate-public", "client_secret": ""},
    ],
    ids=["client_secret_post-ES256", "public-EdDSA"],
)
async def test_client_can_be_of_another_kind(
    provider: RealProvider, client: dict[str, str]
) -> None:
    async with source_at(provider, **client) as source:
        assert (await sign_in(provider, source)).username == "hanako"


async def test_r92_same_address_is_not_the_same_person(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        hanako = await sign_in(provider, source, "hanako")
        mallory = await sign_in(provider, source, "mallory")
    assert mallory.subject_id != hanako.subject_id
    assert mallory.email is None
    assert mallory.works_account is None


async def test_login_hint_reaches_the_login_form(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        redirect = await source.begin(RETURN_URL, "hanako@company.example")
    with provider.visit(redirect.url) as visit:
        assert 'value="hanako@company.example"' in visit.page


async def test_person_who_cancels_is_refused(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        redirect = await source.begin(RETURN_URL)
        answer = provider.visit(redirect.url).cancel().answer()
        with pytest.raises(RefusedUpstream, match="access_denied"):
            await source.finish(RETURN_URL, redirect.kept, answer)


async def test_r91_provider_checks_the_code_verifier(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        redirect = await source.begin(RETURN_URL)
        answer = provider.visit(redirect.url).log_in("hanako").answer()
        kept = {**json.loads(redirect.kept), "code_verifier": "x" * 43}
        with pytest.raises(RefusedUpstream, match="invalid_grant"):
            await source.finish(RETURN_URL, json.dumps(kept), answer)


async def test_r91_code_is_good_once(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        redirect = await source.begin(RETURN_URL)
        answer = provider.visit(redirect.url).log_in("hanako").answer()
        await source.finish(RETURN_URL, redirect.kept, answer)
        with pytest.raises(RefusedUpstream, match="invalid_grant") as refusal:
            await source.finish(RETURN_URL, redirect.kept, answer)
    assert answer["code"] not in str(refusal.value)


async def test_wrong_client_secret_is_an_outage_and_not_told(provider: RealProvider) -> None:
    async with source_at(provider, client_secret="wrong-secret") as source:
        with pytest.raises(SourceUnavailable, match="invalid_client") as outage:
            await sign_in(provider, source)
        assert "wrong-secret" not in str(outage.value) + repr(source.settings)


async def test_person_is_signed_out_upstream_and_comes_back(provider: RealProvider) -> None:
    async with source_at(provider, logout=True) as source:
        redirect = await source.begin(RETURN_URL)
        visit = provider.visit(redirect.url).log_in("hanako")
        url = await source.logout_url(SIGNED_OUT_URL)
        assert url
        visit.left_for = None
        visit.follow(url).submit(logout="yes")
    assert visit.left_for == SIGNED_OUT_URL
    visit.close()


async def test_person_stays_signed_in_upstream_without_the_option(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        assert await source.logout_url(SIGNED_OUT_URL) is None


async def test_test_tells_what_there_is_and_what_to_register(provider: RealProvider) -> None:
    async with source_at(provider, logout=True) as source:
        findings = await source.test(RETURN_URL)
    assert all(each.works for each in findings), findings
    text = "\n".join(each.text for each in findings)
    for part in (provider.issuer, "3 signing keys", "S256", "client_secret_basic", RETURN_URL):
        assert part in text


async def test_test_tells_that_nothing_is_there() -> None:
    async with source_at(RealProvider("http://127.0.0.1:9")) as source:
        (registration, down) = await source.test(RETURN_URL)
    assert registration.works
    assert registration.text == f"register this redirect URI at the provider: {RETURN_URL}"
    assert not down.works
    assert "http://127.0.0.1:9/.well-known/openid-configuration" in down.text


async def test_source_finds_its_own_people_as_they_were(provider: RealProvider) -> None:
    async with source_at(provider) as source:
        person = await sign_in(provider, source)
        assert await source.find(person.subject_id, person) is person
        assert await source.find("other:1", person) is None


async def test_button_has_the_label_or_the_name(provider: RealProvider) -> None:
    async with source_at(provider) as source, source_at(provider, label="") as plain:
        assert (source.label, plain.label) == ("Company", "company")
