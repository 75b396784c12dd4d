"""False claims of an OpenID provider, or of an impostor, are refused."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from tests.openid_provider.fake import (
    CLIENT_ID,
    CODE,
    DISCOVERY,
    EC,
    JWKS,
    OKP,
    OTHER_RSA,
    RETURN_URL,
    RSA,
    TOKEN,
    USERINFO,
    Asked,
    FakeProvider,
    fake_provider,
    replying,
    segment,
    sign,
    sign_with_secret,
)
from tests.sources.oidc_examples import PATIENT, Watch, settings_for, sign_in, source_at

from worksgate.limits.outgoing import Unusable
from worksgate.sources import PersonDisabled, RefusedUpstream, SourceUnavailable
from worksgate.sources.openid.provider import Metadata
from worksgate.sources.openid.source import OidcSource, subject_id


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider() as fake:
        yield fake


async def is_refused(fake: FakeProvider, reason: str, **options: Any) -> None:
    async with source_at(fake, **{**PATIENT, **options}) as source:
        with pytest.raises(RefusedUpstream, match=reason):
            await sign_in(fake, source)


async def test_good_token_is_believed(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        person = await sign_in(fake, source)
    assert (person.username, person.external_key) == ("hanako", "E1001")


# The authorization response


async def test_r91_state_nonce_and_verifier_are_new_each_time(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        redirects = [await source.begin(RETURN_URL) for _ in range(20)]
    kept = [json.loads(redirect.kept) for redirect in redirects]
    for values in (
        {redirect.state for redirect in redirects},
        {each["nonce"] for each in kept},
        {each["code_verifier"] for each in kept},
    ):
        assert len(values) == 20
        assert min(map(len, values)) >= 43  # 256 bits of base64url


OF_ITS_AGE = [
    (-30.0, False, "in"),  # within the skew of the clocks
    (-61.0, False, "out"),
    (0.0, True, "in"),
    ("now", False, "out"),
    (float("nan"), False, "out"),
    (None, False, "in"),
    (None, True, "out"),
]


@pytest.mark.parametrize("case", OF_ITS_AGE)
async def test_r260_whoever_must_sign_in_anew_has(
    fake: FakeProvider, case: tuple[float | str | None, bool, str]
) -> None:
    said, required, outcome = case
    if said is not None:
        fake.claims["auth_time"] = time.time() + said if isinstance(said, float) else said
    async with source_at(fake, **PATIENT, require_auth_time=required) as source:
        redirect = await source.begin(RETURN_URL, reauthenticate=True)
        asked = parse_qs(urlsplit(redirect.url).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        back = fake.come_back(redirect)
        if outcome == "in":
            assert (await source.finish(RETURN_URL, redirect.kept, back)).username == "hanako"
            return
        with pytest.raises(RefusedUpstream, match="auth_time"):
            await source.finish(RETURN_URL, redirect.kept, back)


async def test_r260_whoever_need_not_may_have_signed_in_long_ago(fake: FakeProvider) -> None:
    fake.claims["auth_time"] = 1
    async with source_at(fake, **PATIENT, require_auth_time=True) as source:
        assert (await sign_in(fake, source)).username == "hanako"
        assert "max_age" not in (await source.begin(RETURN_URL)).url


async def test_r91_state_itself_is_not_kept_and_nothing_is_shown(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        redirect = await source.begin(RETURN_URL)
    assert redirect.state not in redirect.kept
    shown = repr(redirect) + repr(source.settings)
    for secret in (redirect.state, redirect.kept, source.settings.client_secret):
        assert secret not in shown


@pytest.mark.parametrize("state", ["", "another-state"])
async def test_r91_answer_with_another_state_is_refused(fake: FakeProvider, state: str) -> None:
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(RefusedUpstream, match="state"):
            await sign_in(fake, source, state=state)
    assert fake.count(TOKEN) == 0


async def test_r91_answer_to_another_sign_in_is_refused(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        attackers = await source.begin(RETURN_URL)
        victims = await source.begin(RETURN_URL)
        answer = fake.come_back(attackers)
        with pytest.raises(RefusedUpstream, match="state"):
            await source.finish(RETURN_URL, victims.kept, answer)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"state": 1}', "{}", "[" * 100_000])
async def test_r91_sign_in_without_what_was_kept_is_refused(fake: FakeProvider, kept: str) -> None:
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(RefusedUpstream, match=r"stored state|another provider"):
            await source.finish(RETURN_URL, kept, {"code": CODE, "state": "x"})


async def test_r91_what_one_source_kept_is_nothing_to_another(fake: FakeProvider) -> None:
    other = OidcSource("other", settings_for(fake.issuer, name="other"))
    async with source_at(fake, **PATIENT) as source:
        redirect = await other.begin(RETURN_URL)
        with pytest.raises(RefusedUpstream, match="another provider"):
            await source.finish(RETURN_URL, redirect.kept, fake.come_back(redirect))
    await other.close()


async def test_r91_answer_of_another_issuer_is_refused(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(RefusedUpstream, match="issuer"):
            await sign_in(fake, source, iss="https://attacker.example")
        assert fake.count(TOKEN) == 0
        assert await sign_in(fake, source, iss=fake.issuer)


async def test_r91_answer_without_the_promised_issuer_is_refused(fake: FakeProvider) -> None:
    fake.metadata["authorization_response_iss_parameter_supported"] = True
    await is_refused(fake, "issuer")


@pytest.mark.parametrize("code", ["", "with blank", "line\nbreak", "ä", "x" * 8_193])
async def test_answer_with_an_impossible_code_is_refused(fake: FakeProvider, code: str) -> None:
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(RefusedUpstream, match="no code"):
            await sign_in(fake, source, code=code)
    assert fake.count(TOKEN) == 0


async def test_error_of_the_provider_is_reported_without_its_text(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(RefusedUpstream, match=r"said access_denied$"):
            await sign_in(fake, source, error="access_denied", error_description="<b>")
        with pytest.raises(RefusedUpstream, match=r"said an error$"):
            await sign_in(fake, source, error="<script>")
        with pytest.raises(SourceUnavailable, match="temporarily_unavailable"):
            await sign_in(fake, source, error="temporarily_unavailable")
        with pytest.raises(RefusedUpstream, match="state"):
            await sign_in(fake, source, error="access_denied", state="forged")


# The claims of the ID token


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://attacker.example"},
        {"iss": ["ISSUER"]},
        {"iss": "ISSUER/"},
        {"aud": "another-client"},
        {"aud": ["another-client"]},
        {"aud": []},
        {"aud": "another-client", "azp": "worksgate"},
        {"aud": ["another-client", "a-third"], "azp": "worksgate"},
        {"exp": None},
        {"aud": ["worksgate", "another-client"]},
        {"aud": ["worksgate", "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"exp": "120 s ago"},
        {"exp": "later"},
        {"exp": float("nan")},
        {"nbf": "600 s ahead"},
        {"iat": "600 s ahead"},
        {"iat": None},
        {"nonce": "another-nonce"},
        {"nonce": None},
        {"nonce": ["NONCE"]},
        {"sub": ""},
        {"sub": None},
        {"sub": 4711},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=lambda claims: ",".join(f"{name}={value}" for name, value in claims.items())[:40],
)
async def test_r91_token_with_a_wrong_claim_is_refused(
    fake: FakeProvider, claims: dict[str, Any]
) -> None:
    async with source_at(fake, **PATIENT) as source:
        redirect = await source.begin(RETURN_URL)
        answer = fake.come_back(redirect)
        # Not when the tests are collected: that may be a quarter of an hour ago.
        text = json.dumps(claims).replace("ISSUER", fake.issuer)
        text = text.replace('"120 s ago"', str(int(time.time()) - 120))
        text = text.replace('"600 s ahead"', str(int(time.time()) + 600))
        fake.claims = json.loads(text.replace("NONCE", fake.begun["nonce"]))
        with pytest.raises(RefusedUpstream, match="the ID token"):
            await source.finish(RETURN_URL, redirect.kept, answer)


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "nonce", "sub"])
async def test_r91_token_without_a_claim_is_refused(fake: FakeProvider, claim: str) -> None:
    fake.left_out = {claim}
    await is_refused(fake, "the ID token")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["worksgate"]},
        {"aud": ["worksgate", "another-client"], "azp": "worksgate"},
    ],
    ids=["aud-list", "aud-azp"],
)
async def test_r91_token_with_an_unusual_claim_is_believed(
    fake: FakeProvider, claims: dict[str, Any]
) -> None:
    fake.claims = claims
    async with source_at(fake, **PATIENT) as source:
        assert await sign_in(fake, source)


async def test_r91_token_that_has_just_expired_is_believed(fake: FakeProvider) -> None:
    """The provider's clock may be a little ahead of ours."""
    fake.claims = {"exp": int(time.time()) - 30}
    async with source_at(fake, **PATIENT) as source:
        assert await sign_in(fake, source)


async def test_r91_token_of_another_authentication_context_is_refused(fake: FakeProvider) -> None:
    fake.claims = {"acr": "password"}
    await is_refused(fake, "acr_values", acr_values=("phr", "mfa"))
    fake.claims = {"acr": "mfa"}
    async with source_at(fake, acr_values=("phr", "mfa")) as source:
        assert await sign_in(fake, source)
    assert fake.begun["acr_values"] == "phr mfa"


# The signature of the ID token


async def test_r91_token_of_algorithm_none_is_refused(fake: FakeProvider) -> None:
    def unsigned(claims: dict[str, Any]) -> str:
        parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
        return (
            ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
        )

    fake.raw_token = unsigned
    await is_refused(fake, "algorithm")


@pytest.mark.parametrize("shape", ["pem", "der", "jwk", "modulus"])
async def test_r91_hmac_with_the_public_key_is_refused(fake: FakeProvider, shape: str) -> None:
    public = {
        "pem": RSA.as_pem(private=False),
        "der": RSA.as_der(private=False),
        "jwk": json.dumps(RSA.as_dict(private=False)).encode(),
        "modulus": str(RSA.as_dict(private=False)["n"]).encode(),
    }[shape]
    header = {"alg": "HS256", "kid": "first"}
    fake.raw_token = lambda claims: sign_with_secret(header, claims, public)
    await is_refused(fake, "algorithm")


async def test_r91_hmac_with_a_published_shared_secret_is_refused(fake: FakeProvider) -> None:
    secret = b"the-shared-secret-of-the-provider"
    key = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}
    fake.instead[JWKS] = replying({"keys": [key, RSA.as_dict(private=False)]})
    header = {"alg": "HS256", "kid": "oct"}
    fake.raw_token = lambda claims: sign_with_secret(header, claims, secret)
    await is_refused(fake, "algorithm")
    fake.instead[JWKS] = replying({"keys": [key]})
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(SourceUnavailable, match="no signing key"):
            await sign_in(fake, source)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS512"])
async def test_r91_algorithm_that_is_not_listed_is_refused(
    fake: FakeProvider, algorithm: str
) -> None:
    fake.header = {"alg": algorithm}
    await is_refused(fake, "algorithm")


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", RSA), ("PS256", RSA), ("ES256", EC), ("EdDSA", OKP), ("Ed25519", OKP)],
    ids=["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
)
async def test_r91_algorithms_that_are_listed_are_believed(
    fake: FakeProvider, algorithm: str, key: Any
) -> None:
    fake.header, fake.signing, fake.published = {"alg": algorithm}, key, [key]
    async with source_at(fake, **PATIENT) as source:
        assert await sign_in(fake, source)


async def test_r91_token_with_a_changed_claim_is_refused(fake: FakeProvider) -> None:
    def changed(claims: dict[str, Any]) -> str:
        header, _, signature = sign({"alg": "RS256", "kid": "first"}, claims, RSA).split(".")
        return f"{header}.{segment({**claims, 'sub': 'the-boss'})}.{signature}"

    fake.raw_token = changed
    await is_refused(fake, "signature does not match")
    assert fake.count(JWKS) == 2


@pytest.mark.parametrize("kid", ["first", "theirs", None])
async def test_r91_keys_in_the_header_of_a_token_do_not_count(
    fake: FakeProvider, kid: str | None
) -> None:
    fake.instead["/attackers-jwks"] = replying({"keys": [OTHER_RSA.as_dict(private=False)]})
    header = {
        "alg": "RS256",
        **({"kid": kid} if kid else {}),
        "jku": f"{fake.issuer}/attackers-jwks",
        "x5u": f"{fake.issuer}/attackers-jwks",
    }
    fake.raw_token = lambda claims: sign(header, claims, OTHER_RSA)
    await is_refused(fake, "signature|known")
    assert fake.count("/attackers-jwks") == 0


async def test_r91_key_in_the_header_of_a_token_does_not_count(fake: FakeProvider) -> None:
    theirs = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": theirs.as_dict(private=False)}
    fake.published = [EC]
    fake.raw_token = lambda claims: sign(header, claims, theirs)
    await is_refused(fake, "signature")
    fake.raw_token = lambda claims: sign({**header, "kid": "ec"}, claims, theirs)
    await is_refused(fake, "signature")


@pytest.mark.parametrize(
    "token", [None, 7, "", "x", "a.b.c", "....", "x" * 200_000, {"a": 1}], ids=lambda v: str(v)[:9]
)
async def test_r91_what_is_no_token_is_refused(fake: FakeProvider, token: Any) -> None:
    fake.raw_token = lambda _: token
    await is_refused(fake, "ID token")


async def test_a_header_with_words_of_the_provider_s_own_is_believed(fake: FakeProvider) -> None:
    header = {"alg": "RS256", "kid": "first", "vendor": "x"}
    fake.raw_token = lambda claims: sign(header, claims, RSA)
    async with source_at(fake, **PATIENT) as source:
        assert (await sign_in(fake, source)).username == "hanako"


@pytest.mark.parametrize("payload", ["[]", "[" * 100_000, "7", "\xff"])
async def test_r91_signed_nonsense_is_refused(fake: FakeProvider, payload: str) -> None:
    from joserfc.jws import serialize_compact

    header = {"alg": "RS256", "kid": "first"}
    fake.raw_token = lambda _: serialize_compact(header, payload.encode("latin1"), RSA)
    await is_refused(fake, "ID token")


# Keys that change


async def test_f19_rotated_keys_are_fetched_once(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        await sign_in(fake, source)
        fake.published, fake.signing = [OTHER_RSA], OTHER_RSA
        for _ in range(3):
            await sign_in(fake, source)
    assert fake.count(JWKS) == 2


async def test_f19_key_without_a_name_that_was_replaced_is_fetched(fake: FakeProvider) -> None:
    fake.raw_token = lambda claims: sign({"alg": "RS256"}, claims, fake.published[0])
    async with source_at(fake, **PATIENT) as source:
        await sign_in(fake, source)
        fake.published = [OTHER_RSA]
        assert await sign_in(fake, source)
    assert fake.count(JWKS) == 2


async def test_f19_unknown_key_is_looked_for_once_in_ten_seconds(fake: FakeProvider) -> None:
    watch = Watch()
    async with source_at(fake, watch) as source:
        await sign_in(fake, source)
        fake.signing = OTHER_RSA
        for _ in range(5):
            with pytest.raises(RefusedUpstream, match="key is unknown"):
                await sign_in(fake, source)
        assert fake.count(JWKS) == 2
        watch.seconds += 10.1
        with pytest.raises(RefusedUpstream, match="key is unknown"):
            await sign_in(fake, source)
        assert fake.count(JWKS) == 3
        fake.signing = RSA
        assert await sign_in(fake, source)


OF_ONE_NAME: list[Key] = [
    RSAKey.generate_key(2048, {"kid": "k"}),
    RSAKey.generate_key(2048, {"kid": "k", "alg": "PS256"}),
    ECKey.generate_key("P-384", {"kid": "k"}),
    ECKey.generate_key("P-256", {"kid": "k"}),
    OKPKey.generate_key("Ed25519", {"kid": "k"}),
]


@pytest.mark.parametrize(
    ("algorithm", "at"), [("RS256", 0), ("PS256", 1), ("ES256", 3), ("EdDSA", 4)]
)
async def test_r283_keys_of_several_kinds_may_have_one_name(
    fake: FakeProvider, algorithm: str, at: int
) -> None:
    fake.published, fake.signing = OF_ONE_NAME, OF_ONE_NAME[at]
    fake.header = {"alg": algorithm}
    async with source_at(fake) as source:
        assert await sign_in(fake, source)
    assert fake.count(JWKS) == 1


async def test_r283_a_key_that_has_taken_over_a_name_is_fetched(fake: FakeProvider) -> None:
    heir = RSAKey.import_key({**OTHER_RSA.as_dict(private=True), "kid": "first"})
    async with source_at(fake) as source:
        await sign_in(fake, source)
        fake.published, fake.signing = [heir], heir
        for _ in range(3):
            assert await sign_in(fake, source)
        assert fake.count(JWKS) == 2
        fake.signing = RSA
        for _ in range(3):
            with pytest.raises(RefusedUpstream, match="does not match any known key"):
                await sign_in(fake, source)
    assert fake.count(JWKS) == 2


async def test_an_encrypted_token_is_called_one(fake: FakeProvider) -> None:
    fake.raw_token = lambda _: "e30.e30.e30.e30.e30"
    await is_refused(fake, "it is encrypted, which is not supported")


async def test_keys_that_sign_nothing_are_passed_over(fake: FakeProvider) -> None:
    good = RSA.as_dict(private=False)
    fake.instead[JWKS] = replying(
        {
            "keys": [
                7,
                {"kty": "post-quantum", "kid": "first"},
                {"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB"},
                {"kty": "EC", "kid": "first", "crv": "P-256", "x": "AA", "y": "AA"},
                {**OTHER_RSA.as_dict(private=False), "kid": "first", "use": "enc"},
                good,
            ]
        }
    )
    async with source_at(fake, **PATIENT) as source:
        assert await sign_in(fake, source)


async def test_r91_key_for_encryption_signs_nothing(fake: FakeProvider) -> None:
    fake.instead[JWKS] = replying({"keys": [{**RSA.as_dict(private=False), "use": "enc"}]})
    fake.raw_token = lambda claims: sign({"alg": "RS256"}, claims, RSA)
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(SourceUnavailable, match="no signing key"):
            await sign_in(fake, source)


# Who it is


async def test_r92_subject_depends_on_issuer_and_sub_alone(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        first = await sign_in(fake, source)
        fake.claims = {"email": "new@company.example", "preferred_username": "new", "name": "New"}
        assert (await sign_in(fake, source)).subject_id == first.subject_id
        fake.claims = {"sub": "hanako-4712"}
        assert (await sign_in(fake, source)).subject_id != first.subject_id
    assert first.subject_id == subject_id("company", fake.issuer, "hanako-4711")
    assert first.subject_id.startswith("company:")
    assert subject_id("s", "a", "b") != subject_id("s", "c", "b")
    assert subject_id("s", "a", "bc") != subject_id("s", "ab", "c")


@pytest.mark.parametrize("verified", [False, None, "false", 0, "no", {}, []])
async def test_r92_address_that_is_not_verified_is_not_taken(
    fake: FakeProvider, verified: Any
) -> None:
    fake.claims = {"email_verified": verified}
    async with source_at(fake, works_account_claim="email", username_claim="email") as source:
        person = await sign_in(fake, source)
    assert person.email is None
    assert person.works_account is None
    assert "@" not in person.username


async def test_r92_address_is_taken_without_a_word_only_on_demand(fake: FakeProvider) -> None:
    fake.left_out = {"email_verified"}
    trusting: dict[str, Any] = {"trust_emails_that_the_provider_does_not_call_verified": True}
    async with source_at(fake, **trusting) as source:
        assert (await sign_in(fake, source)).email == "hanako@company.example"
        fake.left_out = set()
        fake.claims = {"email_verified": False}
        assert (await sign_in(fake, source)).email is None


async def test_r92_one_document_does_not_verify_the_address_of_another(fake: FakeProvider) -> None:
    fake.left_out = {"email_verified"}
    fake.userinfo = {"email": "hanako@private.example", "email_verified": True}
    async with source_at(fake, **PATIENT) as source:
        assert (await sign_in(fake, source)).email == "hanako@private.example"


@pytest.mark.parametrize("address", ["hanako", "a@b@company.example", "a b@company.example", 7])
async def test_r92_what_is_no_address_is_not_taken(fake: FakeProvider, address: Any) -> None:
    fake.claims = {"email": address}
    async with source_at(fake, **PATIENT) as source:
        assert (await sign_in(fake, source)).email is None


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ({"email": "hanako@private.example"}, {"allowed_domains": ("company.example",)}),
        ({"email": "hanako@sub.company.example"}, {"allowed_domains": ("company.example",)}),
        ({"email_verified": False}, {"allowed_domains": ("company.example",)}),
        ({}, {"allowed_domains": ("company.example",), "allowed_domain_claim": "hd"}),
        (
            {"hd": "private.example"},
            {"allowed_domains": ("company.example",), "allowed_domain_claim": "hd"},
        ),
        ({}, {"allowed_groups": ("admins",)}),
        ({"groups": None}, {"allowed_groups": ("staff",)}),
        ({"groups": {"staff": True}}, {"allowed_groups": ("staff",)}),
        ({"groups": [" staff", "staff "]}, {"allowed_groups": ("staff",)}),
    ],
)
async def test_person_who_is_not_allowed_is_disabled(
    fake: FakeProvider, claims: dict[str, Any], options: dict[str, Any]
) -> None:
    fake.claims = claims
    async with source_at(fake, **options) as source:
        with pytest.raises(PersonDisabled):
            await sign_in(fake, source)


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ({"email": "hanako@Company.example"}, {"allowed_domains": ("COMPANY.example",)}),
        (
            {"hd": "company.example", "email_verified": False},
            {"allowed_domains": ("company.example",), "allowed_domain_claim": "hd"},
        ),
        ({"groups": ["x", "staff"]}, {"allowed_groups": ("staff", "admins")}),
        (
            {"realm_access": {"roles": ["works"]}},
            {"groups_claim": "realm_access.roles", "allowed_groups": ("works",)},
        ),
        (
            {"https://company.example/groups": "staff"},
            {"groups_claim": "https://company.example/groups", "allowed_groups": ("staff",)},
        ),
    ],
)
async def test_person_who_is_allowed_comes_in(
    fake: FakeProvider, claims: dict[str, Any], options: dict[str, Any]
) -> None:
    fake.claims = claims
    async with source_at(fake, **options) as source:
        assert await sign_in(fake, source)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("E1001", "E1001"),
        (1001, "1001"),
        (["E1001"], "E1001"),
        (["E1001", "E1002"], None),
        ("E%1001", None),
        ("x" * 101, None),
        ("", None),
        (True, None),
        (None, None),
        ({"a": "b"}, None),
        ("E\n1", None),
    ],
)
async def test_key_that_line_works_would_refuse_is_left_out(
    fake: FakeProvider, value: Any, key: str | None
) -> None:
    fake.claims = {"employee": value}
    async with source_at(fake, **PATIENT) as source:
        assert (await sign_in(fake, source)).external_key == key


async def test_unusable_key_is_logged_without_its_value(
    fake: FakeProvider, logged: Callable[[], str]
) -> None:
    fake.claims = {"employee": "E%canary"}
    async with source_at(fake, **PATIENT) as source:
        await sign_in(fake, source)
    assert "source.key_unusable" in logged()
    assert "canary" not in logged()


async def test_works_account_is_read_in_lower_case(fake: FakeProvider) -> None:
    fake.claims = {"email": "Hanako.Yamada@Company.example"}
    async with source_at(fake, works_account_claim="email") as source:
        assert (await sign_in(fake, source)).works_account == "hanako.yamada@company.example"


async def test_claims_that_the_token_lacks_come_from_the_userinfo(fake: FakeProvider) -> None:
    fake.left_out = {"employee", "name", "groups"}
    fake.userinfo = {"employee": "E7", "name": "Yamada", "groups": ["x"], "email": "x@y.example"}
    fake.userinfo["phonetic"] = "やまだ"
    async with source_at(fake, **PATIENT, reading_claim="phonetic") as source:
        person = await sign_in(fake, source)
        assert (person.external_key, person.name, person.groups) == ("E7", "Yamada", ("x",))
        assert person.reading == "やまだ"
        assert person.email == "hanako@company.example"
    async with source_at(fake, use_userinfo=False) as source:
        assert (await sign_in(fake, source)).external_key is None
    assert fake.count(USERINFO) == 1


@pytest.mark.parametrize("sub", ["the-boss", None, ["hanako-4711"]])
async def test_r92_userinfo_of_somebody_else_is_refused(fake: FakeProvider, sub: Any) -> None:
    fake.left_out, fake.userinfo = {"employee"}, {"sub": sub, "employee": "E0"}
    await is_refused(fake, "another person")


async def test_nobody_is_asked_when_the_token_says_all(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        await sign_in(fake, source)
    assert fake.count(USERINFO) == 0


JWT = "Content-Type: application/jwt"


async def test_signed_userinfo_is_verified_and_read(fake: FakeProvider) -> None:
    fake.left_out = {"employee"}
    claims = {"sub": "hanako-4711", "employee": "E7", "iss": fake.issuer, "aud": [CLIENT_ID]}
    fake.instead[USERINFO] = replying(
        sign({"alg": "RS256", "kid": RSA.kid}, claims, RSA).encode(), 200, JWT
    )
    async with source_at(fake, **PATIENT) as source:
        assert (await sign_in(fake, source)).external_key == "E7"


@pytest.mark.parametrize(
    ("claims", "key"),
    [
        ({"sub": "hanako-4711"}, OTHER_RSA),
        ({"sub": "hanako-4711", "iss": "https://attacker.example"}, RSA),
        ({"sub": "hanako-4711", "aud": "another client"}, RSA),
        ({"sub": "the-boss"}, RSA),
    ],
)
async def test_r91_signed_userinfo_that_is_not_for_us_is_refused(
    fake: FakeProvider, claims: dict[str, Any], key: Key
) -> None:
    fake.left_out = {"employee"}
    token = sign({"alg": "RS256", "kid": RSA.kid}, {"employee": "E0", **claims}, key)
    fake.instead[USERINFO] = replying(token.encode(), 200, JWT)
    await is_refused(fake, "userinfo")


async def test_r91_userinfo_that_nobody_signed_is_refused(fake: FakeProvider) -> None:
    fake.left_out = {"employee"}
    token = f"{segment({'alg': 'none'})}.{segment({'sub': 'hanako-4711', 'employee': 'E0'})}."
    fake.instead[USERINFO] = replying(token.encode(), 200, JWT)
    await is_refused(fake, "userinfo")


# The discovery document


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://attacker.example"},
        {"issuer": None},
        {"token_endpoint": "http://attacker.example/token"},
        {"token_endpoint": "https://user@attacker.example/token"},
        {"token_endpoint": None},
        {"token_endpoint": ["https://attacker.example"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "//attacker.example"},
        {"userinfo_endpoint": "ftp://attacker.example"},
        {"end_session_endpoint": "http://attacker.example"},
        {"end_session_endpoint": "https://[::1"},
    ],
    ids=lambda metadata: str(metadata)[:50],
)
async def test_r93_discovery_document_that_leads_astray_is_refused(
    fake: FakeProvider, metadata: dict[str, Any]
) -> None:
    fake.metadata = metadata
    async with source_at(fake, **PATIENT) as source:
        with pytest.raises(SourceUnavailable, match="discovery"):
            await source.begin(RETURN_URL)
    assert {asked.path for asked in fake.asked} == {DISCOVERY}


async def test_r93_provider_elsewhere_does_not_send_us_to_this_machine(fake: FakeProvider) -> None:
    document = (await fake.answer(Asked(DISCOVERY, {}, {}))).body
    elsewhere = "https://login.company.example"
    with pytest.raises(Unusable, match="https"):
        Metadata.parse({**document, "issuer": elsewhere}, elsewhere)
    assert Metadata.parse(document, fake.issuer)
