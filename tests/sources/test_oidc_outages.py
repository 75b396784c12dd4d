"""A provider that is down, slow or redirects us elsewhere (F-19, R-93)."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import pytest
from tests.openid_provider.fake import (
    DISCOVERY,
    JWKS,
    OTHER_RSA,
    RETURN_URL,
    RSA,
    TOKEN,
    USERINFO,
    Answer,
    Asked,
    FakeProvider,
    Reply,
    fake_provider,
    hang,
    replying,
)
from tests.sources.oidc_examples import AS_THEY_ARE, PATIENT, Watch, sign_in, source_at
from tests.unhurried import tries

from worksgate.catalogues import in_language, sentence_of
from worksgate.limits.outgoing import Unusable
from worksgate.sources import RefusedUpstream, SourceUnavailable
from worksgate.sources.openid.outgoing import (
    LONGEST_OUTAGE,
    MAX_ANSWER,
    AllowlistTransport,
)
from worksgate.sources.openid.provider import KEYS_LIFETIME, OPEN_SECONDS

QUICK: dict[str, Any] = {"total_timeout": 0.5, "connect_timeout": 0.5}
"""As in life, only sooner over."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider() as fake:
        yield fake


async def is_unavailable(question: Callable[[], Awaitable[object]], reason: str) -> float:
    """How many seconds it took to say so."""
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable, match=reason):
        await question()
    return time.monotonic() - begun


@pytest.mark.slow
async def test_f19_hung_discovery_ends_within_two_seconds(fake: FakeProvider) -> None:
    fake.instead[DISCOVERY] = hang
    for each in tries():
        with each:
            async with source_at(fake, **AS_THEY_ARE) as source:
                took = await is_unavailable(
                    lambda: source.begin(RETURN_URL), "discovery: TimeoutError"
                )
            assert 1.5 < took < 2.1


@pytest.mark.parametrize("path", [JWKS, TOKEN, USERINFO])
async def test_f19_whatever_hangs_ends_in_time(fake: FakeProvider, path: str) -> None:
    fake.instead[path] = hang
    fake.left_out = {"employee"}
    for each in tries():
        with each:
            async with source_at(fake, **QUICK) as source:
                took = await is_unavailable(lambda: sign_in(fake, source), "TimeoutError|too long")
            assert took < 0.8


async def test_f19_slow_answers_end_in_time_together(fake: FakeProvider) -> None:
    def slowly(path: str) -> Answer:
        async def answer(asked: Asked) -> Reply:
            await asyncio.sleep(0.3)
            fake.instead.pop(path, None)
            return await fake.answer(asked)

        return answer

    for each in tries():
        with each:
            async with source_at(fake, **QUICK) as source:
                redirect = await source.begin(RETURN_URL)
                for path in (TOKEN, JWKS):
                    fake.instead[path] = slowly(path)
                answer = fake.come_back(redirect)
                finish = partial(source.finish, RETURN_URL, redirect.kept, answer)
                took = await is_unavailable(finish, "too long")
            assert 0.4 < took < 0.8


async def test_f19_nobody_there_is_reported_at_once() -> None:
    async with fake_provider() as gone:
        pass
    for each in tries():
        with each:
            async with source_at(gone) as source:
                took = await is_unavailable(lambda: source.begin(RETURN_URL), "ConnectError")
            assert took < 0.5


async def test_f19_provider_that_is_down_is_not_asked_at_every_click(fake: FakeProvider) -> None:
    fake.instead[DISCOVERY] = replying({}, 503)
    watch = Watch()
    async with source_at(fake, watch) as source:
        for _ in range(10):
            await is_unavailable(lambda: source.begin(RETURN_URL), "discovery")
        assert fake.count(DISCOVERY) == 2
        watch.seconds += OPEN_SECONDS
        await is_unavailable(lambda: source.begin(RETURN_URL), "503")
        await is_unavailable(lambda: source.begin(RETURN_URL), "a moment ago")
        assert fake.count(DISCOVERY) == 3
        del fake.instead[DISCOVERY]
        watch.seconds += OPEN_SECONDS
        assert await sign_in(fake, source)


async def test_r257_what_is_wrong_with_a_provider_can_be_said_in_other_languages(
    fake: FakeProvider,
) -> None:
    fake.instead[DISCOVERY] = replying({}, 502)
    async with source_at(fake) as source:
        with pytest.raises(SourceUnavailable) as refused:
            await source.begin(RETURN_URL)
    assert "discovery: the response has the status 502" in str(refused.value)
    assert "ステータスは502です" in in_language(sentence_of(refused.value), "ja")


async def test_f19_crowd_before_a_hung_provider_waits_only_once(fake: FakeProvider) -> None:
    fake.instead[DISCOVERY] = hang
    for each in tries():
        before = fake.count(DISCOVERY)
        with each:
            async with source_at(fake, **QUICK) as source:
                begun = time.monotonic()
                answers = await asyncio.gather(
                    *(source.begin(RETURN_URL) for _ in range(50)), return_exceptions=True
                )
            assert all(isinstance(answer, SourceUnavailable) for answer in answers)
            assert time.monotonic() - begun < 0.8
            assert fake.count(DISCOVERY) == before + 1


async def test_f19_crowd_asks_for_each_document_once(fake: FakeProvider) -> None:
    async with source_at(fake, **PATIENT) as source:
        await asyncio.gather(*(source.begin(RETURN_URL) for _ in range(50)))
        assert fake.count(DISCOVERY) == 1
        await asyncio.gather(*(sign_in(fake, source) for _ in range(3)), return_exceptions=True)
    assert fake.count(JWKS) == 1


@pytest.mark.slow
async def test_f19_hung_keys_stop_nobody_whose_key_is_known(fake: FakeProvider) -> None:
    watch = Watch()
    async with source_at(fake, watch, total_timeout=2.0, connect_timeout=2.0) as source:
        await sign_in(fake, source)
        fake.instead[JWKS] = hang
        watch.seconds += KEYS_LIFETIME + 1
        assert await sign_in(fake, source)
        fake.signing = OTHER_RSA
        await is_unavailable(lambda: sign_in(fake, source), "keys")
        fake.signing = RSA
        assert await sign_in(fake, source)
        watch.seconds += LONGEST_OUTAGE
        await is_unavailable(lambda: sign_in(fake, source), "too long")


async def test_f19_keys_are_renewed_in_time(fake: FakeProvider) -> None:
    watch = Watch()
    async with source_at(fake, watch) as source:
        await sign_in(fake, source)
        watch.seconds += KEYS_LIFETIME + 1
        await sign_in(fake, source)
        await sign_in(fake, source)
    assert (fake.count(JWKS), fake.count(DISCOVERY)) == (2, 2)


async def test_f19_caller_who_hangs_up_leaves_the_others_unharmed(fake: FakeProvider) -> None:
    async with source_at(fake) as source:
        came = asyncio.Event()

        async def silent(asked: Asked) -> Reply:
            came.set()
            return await hang(asked)

        fake.instead[DISCOVERY] = silent
        gone = asyncio.create_task(source.begin(RETURN_URL))
        await came.wait()
        del fake.instead[DISCOVERY]
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await sign_in(fake, source)


async def test_f19_sign_out_here_does_not_need_the_provider(fake: FakeProvider) -> None:
    fake.instead[DISCOVERY] = replying({}, 500)
    async with source_at(fake, logout=True) as source:
        assert await source.logout_url(RETURN_URL) is None


async def test_provider_without_sign_out_is_left_alone(fake: FakeProvider) -> None:
    fake.metadata["end_session_endpoint"] = None
    async with source_at(fake, logout=True) as source:
        assert await source.logout_url(RETURN_URL) is None


# What comes instead of an answer


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN, USERINFO])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_r93_redirect_is_not_followed(fake: FakeProvider, path: str, status: int) -> None:
    fake.left_out = {"employee"}
    async with fake_provider() as elsewhere:
        location = f"Location: {elsewhere.issuer}{path}"
        fake.instead[path] = replying({"id_token": "x"}, status, location)
        async with source_at(fake) as source:
            await is_unavailable(lambda: sign_in(fake, source), "redirect")
    assert not elsewhere.asked
    assert fake.count(path) == 1


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN, USERINFO])
async def test_r93_huge_answer_is_not_read(fake: FakeProvider, path: str) -> None:
    fake.left_out = {"employee"}
    fake.instead[path] = replying(b" " * (MAX_ANSWER + 1))
    async with source_at(fake, **PATIENT) as source:
        await is_unavailable(lambda: sign_in(fake, source), "too long")


@pytest.mark.parametrize("path", [DISCOVERY, TOKEN])
async def test_r93_compressed_answer_is_not_unfolded(fake: FakeProvider, path: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < MAX_ANSWER
    fake.instead[path] = replying(bomb, 200, "Content-Encoding: gzip")
    async with source_at(fake, **PATIENT) as source:
        await is_unavailable(lambda: sign_in(fake, source), "compressed")


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN, USERINFO])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000, b"\xff\xfe"])
async def test_answer_that_is_no_json_object_is_an_outage(
    fake: FakeProvider, path: str, body: bytes
) -> None:
    fake.left_out = {"employee"}
    fake.instead[path] = replying(body)
    async with source_at(fake, **PATIENT) as source:
        await is_unavailable(lambda: sign_in(fake, source), "JSON|object")


FROM_A_FIREWALL = [(b"<html>", 403), ({"message": "Forbidden"}, 403), (b"", 429), ({}, 400)]


@pytest.mark.parametrize("path", [TOKEN, USERINFO])
@pytest.mark.parametrize(("body", "status"), FROM_A_FIREWALL)
async def test_r283_what_is_refused_to_one_person_keeps_nobody_else_out(
    fake: FakeProvider, path: str, body: Any, status: int
) -> None:
    fake.left_out = {"employee"}
    async with source_at(fake) as source:
        await sign_in(fake, source)
        fake.instead[path] = replying(body, status)
        for _ in range(3):
            await is_unavailable(lambda: sign_in(fake, source), f"the status {status}")
        del fake.instead[path]
        assert await sign_in(fake, source)


@pytest.mark.parametrize("path", [TOKEN, USERINFO])
async def test_f19_what_is_down_for_everybody_is_spared(fake: FakeProvider, path: str) -> None:
    fake.left_out = {"employee"}
    fake.instead[path] = replying({"error": "server_error"}, 503)
    async with source_at(fake) as source:
        for _ in range(2):
            await is_unavailable(lambda: sign_in(fake, source), "the status 503")
        await is_unavailable(lambda: sign_in(fake, source), "a moment ago")


@pytest.mark.parametrize("value", [{"a": 1}, [1], "soon", float("inf"), float("nan"), 10**400])
@pytest.mark.parametrize("name", ["expires_in", "expires_at", "refresh_token", "scope"])
async def test_r283_what_a_token_response_says_of_its_tokens_does_not_matter(
    fake: FakeProvider, name: str, value: Any
) -> None:
    async def tokens(asked: Asked) -> Reply:
        del fake.instead[TOKEN]
        reply = await fake.answer(asked)
        return Reply({**reply.body, name: value})

    fake.instead[TOKEN] = tokens
    async with source_at(fake) as source:
        assert await sign_in(fake, source)


@pytest.mark.parametrize("address", ["https://[v1.x]/", f"https://sso.example/{'x' * 70_000}"])
@pytest.mark.parametrize("name", ["authorization_endpoint", "jwks_uri", "userinfo_endpoint"])
async def test_r283_an_address_that_cannot_be_read_is_an_outage(
    fake: FakeProvider, name: str, address: str
) -> None:
    fake.metadata[name] = address
    async with source_at(fake) as source:
        await is_unavailable(lambda: source.begin(RETURN_URL), f"its {name} is not")


async def test_refusal_of_the_provider_is_shown_in_printable_characters(
    fake: FakeProvider,
) -> None:
    said = {"error": "invalid_grant", "error_description": "a\nb\0c\u202ed\ud800"}
    fake.instead[TOKEN] = replying(said, 400)
    async with source_at(fake) as source:
        with pytest.raises(RefusedUpstream, match=r"said invalid_grant a�b�c�d�$"):
            await sign_in(fake, source)


@pytest.mark.parametrize(
    ("stated", "finding"),
    [
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "by private_key_jwt"),
        ({"require_pushed_authorization_requests": True}, "require_pushed"),
        ({"require_signed_request_object": True}, "require_signed"),
    ],
)
async def test_test_tells_what_the_provider_demands_and_we_do_not_do(
    fake: FakeProvider, stated: dict[str, Any], finding: str
) -> None:
    async with source_at(fake) as source:
        assert all(each.works for each in await source.test(RETURN_URL))
    fake.metadata = stated
    async with source_at(fake) as source:
        (wrong,) = [each for each in await source.test(RETURN_URL) if not each.works]
    assert finding in wrong.text


@pytest.mark.parametrize("address", ["/jwks/", "/jwks?x=1", "/", "//jwks"])
async def test_r93_address_that_is_not_listed_is_not_called(
    fake: FakeProvider, address: str
) -> None:
    door = AllowlistTransport(httpx2.AsyncHTTPTransport(), {fake.issuer + JWKS})
    async with httpx2.AsyncClient(transport=door) as client:
        with pytest.raises(Unusable, match="address"):
            await client.get(fake.issuer + address)
        assert not fake.asked
        assert (await client.get(fake.issuer + JWKS)).status_code == 200


async def test_r93_endpoint_of_yesterday_is_not_called_today(fake: FakeProvider) -> None:
    watch = Watch()
    async with source_at(fake, watch) as source:
        await sign_in(fake, source)
        fake.metadata["token_endpoint"] = f"{fake.issuer}/new-token"
        watch.seconds += KEYS_LIFETIME + 1
        assert await sign_in(fake, source)
    assert (fake.count(TOKEN), fake.count("/new-token")) == (1, 1)


async def test_no_cookie_of_one_person_goes_with_another(fake: FakeProvider) -> None:
    async with source_at(fake) as source:
        await sign_in(fake, source)
        fake.instead[JWKS] = replying({}, 200, "Set-Cookie: person=hanako; Path=/")
        fake.signing = OTHER_RSA
        await is_unavailable(lambda: sign_in(fake, source), "no signing key")
        fake.signing = RSA
        await sign_in(fake, source)
    assert not [asked for asked in fake.asked if "cookie" in asked.headers]


async def test_refusal_quotes_no_secret_although_the_provider_does(fake: FakeProvider) -> None:
    async with source_at(fake) as source:
        redirect = await source.begin(RETURN_URL)
        answer = fake.come_back(redirect)
        fake.begun["code_challenge"] = "another"
        with pytest.raises(Exception, match="invalid_grant") as refusal:
            await source.finish(RETURN_URL, redirect.kept, answer)
    assert "authorization_code" in str(refusal.value)
    for secret in (answer["code"], "code_verifier': '", source.settings.client_secret):
        assert secret not in str(refusal.value).replace("code_verifier': '…", "")
