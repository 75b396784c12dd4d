"""Access tokens: the assertion, the form, the two forms of errors, and how long a token is used."""

import json
import warnings
from base64 import urlsafe_b64decode
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.line_works_api.fake_api import (
    NOW,
    SECRET,
    FakeApi,
    Watch,
    app,
    done,
    opened,
    private_key,
    token,
)

from worksgate.line_works_api.assertion import assertion
from worksgate.line_works_api.errors import ApiUnavailable, TokenRefused
from worksgate.line_works_api.private_key import checked_key, fingerprint
from worksgate.settings.assumptions import Assumptions


def test_assertion_is_what_line_works_documents() -> None:
    text = assertion(app(), NOW, Assumptions())
    header, payload, _ = (urlsafe_b64decode(part + "==") for part in text.split("."))
    assert "=" not in text
    assert json.loads(header) == {"alg": "RS256", "typ": "JWT"}
    issued_at = int(NOW) - 30
    assert json.loads(payload) == {
        "iss": "app-1",
        "sub": "abcde.serviceaccount@example.com",
        "iat": issued_at,
        "exp": issued_at + 3_600,
    }
    jwt.decode(text, RSAKey.import_key(app().private_key), algorithms=["RS256"])


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_private_key_is_read_in_both_forms_and_kept_in_one(form: PrivateFormat) -> None:
    pem = private_key(form)
    kept = checked_key(f"Bag Attributes\n{pem}\n", 2_048)
    assert kept.startswith("-----BEGIN PRIVATE KEY-----\n")
    numbers = [
        load_pem_private_key(each.encode(), None).private_numbers()  # type: ignore[union-attr]  # an RSA key
        for each in (pem, kept)
    ]
    assert numbers[0] == numbers[1]
    assert fingerprint(pem) == fingerprint(kept)


def _curve() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _locked() -> str:
    key = load_pem_private_key(private_key().encode(), None)
    lock = BestAvailableEncryption(b"pass")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def _short() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return private_key(bits=1_024)


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (lambda: "", "BEGIN PRIVATE KEY"),
        (lambda: "not a key", "BEGIN PRIVATE KEY"),
        (lambda: private_key()[:300], "BEGIN PRIVATE KEY"),
        (lambda: "x" * 20_000, "too long"),
        (_short, "1024 bits"),
        (_locked, "password"),
        (_curve, "RSA"),
    ],
)
def test_r215_a_private_key_that_will_not_do_is_refused_without_quoting_it(
    pem: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        checked_key(pem(), 2_048)
    lines = [line for line in pem().splitlines()[1:] if len(line) > 20]
    assert not any(line in str(refused.value) for line in lines)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"client_id": "a b"},
        {"client_secret": ""},
        {"client_secret": "a\nb"},
        {"service_account": "nobody"},
        {"scopes": ()},
        {"scopes": ("two words",)},
    ],
)
def test_an_app_that_cannot_be_right_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"has|have|form|scopes"):
        app(**changes)


def test_r215_an_app_shows_no_secret() -> None:
    shown = repr(app())
    assert SECRET not in shown
    assert "PRIVATE" not in shown


async def test_the_form_is_percent_encoded_and_scopes_are_separated_by_spaces() -> None:
    api = FakeApi(done())
    async with opened(api) as directory:
        await directory.authenticate()
        await directory.authenticate()
        await directory.suspend("u1")
    asked, for_suspending = api.token_calls
    assert for_suspending.form["scope"] == "directory"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    body = asked.body.decode()
    assert "client_secret=app%2Bsecret%2F%3D" in body
    assert "scope=directory%20bot.message" in body
    assert "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in body
    assert asked.form.keys() == {"assertion", "grant_type", "client_id", "client_secret", "scope"}
    assert api.calls[0].headers["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("expires_in", "seconds"), [("86400", 86_400), (3_600, 3_600), (None, 3_600), ("soon", 3_600)]
)
async def test_a_token_is_used_for_four_fifths_of_its_life(expires_in: Any, seconds: int) -> None:
    api, watch = FakeApi(done(), done(), done()), Watch()
    api.tokens.extend([token(expires_in=expires_in), token(access_token="token-2")])
    async with opened(api, watch) as directory:
        await directory.suspend("u1")
        watch.passed = 0.79 * seconds
        await directory.suspend("u1")
        watch.passed = 0.81 * seconds
        await directory.suspend("u1")
    bearers = [each.headers["Authorization"] for each in api.calls]
    assert bearers == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    grants = {each.form["grant_type"] for each in api.token_calls}
    assert grants == {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "never refreshed"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            httpx2.Response(
                400,
                json={"error": "invalid_scope", "error_description": "Request scope is not valid"},
            ),
            "invalid_scope: Request scope is not valid.*tick the scope",
        ),
        (httpx2.Response(401, json={"error": "invalid_client"}), "check the client ID"),
        (
            httpx2.Response(200, json={"returnCode": "99", "returnMessage": "UnexpectedError"}),
            "99: UnexpectedError",
        ),
        (httpx2.Response(200, json={"access_token": ""}), "status 200"),
        (httpx2.Response(200, json={"access_token": "two words"}), "status 200"),
        (httpx2.Response(200, json={"access_token": 7}), "status 200"),
    ],
)
async def test_both_forms_of_errors_are_understood(reply: httpx2.Response, said: str) -> None:
    api = FakeApi()
    api.tokens.append(reply)
    async with opened(api) as directory:
        with pytest.raises(TokenRefused, match=said):
            await directory.authenticate()


async def test_r215_a_refusal_that_quotes_our_secrets_is_told_without_them() -> None:
    api = FakeApi()
    api.tokens.append(
        httpx2.Response(400, json={"error": "invalid_client", "error_description": f"bad {SECRET}"})
    )
    async with opened(api) as directory:
        with pytest.raises(TokenRefused) as refused:
            await directory.authenticate()
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value.__traceback__)


async def test_no_answer_of_the_authorization_server_is_an_outage_and_tried_again() -> None:
    api, watch = FakeApi(), Watch()
    api.tokens.extend(
        [
            httpx2.ConnectError("down"),
            httpx2.Response(502, text="<html>bad gateway</html>"),
            httpx2.Response(429),
            token(),
        ]
    )
    async with opened(api, watch) as directory:
        assert "directory" in await directory.authenticate()
    assert watch.slept == [2.0, 4.0, 60.0]
    api.tokens.extend([httpx2.ConnectError("down")] * 5)
    async with opened(api, watch) as directory:
        with pytest.raises(ApiUnavailable, match="ConnectError"):
            await directory.authenticate()


async def test_html_with_status_200_is_no_token() -> None:
    api = FakeApi()
    api.tokens.extend([httpx2.Response(200, html="<html>sign in to the hotel</html>")] * 5)
    api.tokens.append(httpx2.Response(400, html="<html>a proxy</html>"))
    async with opened(api) as directory:
        with pytest.raises(ApiUnavailable, match="not JSON"):
            await directory.authenticate()
        with pytest.raises(ApiUnavailable, match="no JSON"):
            await directory.authenticate()
