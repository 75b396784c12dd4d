"""The proxy and the authorities of calls to other servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from tests.conformance.raw_servers import Authority, answering
from tests.databases import directory_in
from tests.line_works_api.fake_api import HOSTS, app

from worksgate.administration.actor import Actor
from worksgate.administration.alerts.delivery import Webhook
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.limits.egress import Egress
from worksgate.line_works_api.errors import ApiUnavailable
from worksgate.settings.loading import ConfigurationError, checked
from worksgate.settings.options import Settings


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that lets nobody through, and to where they wanted."""
    asked: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://aoi:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_the_api_is_called_through_the_proxy_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worksgate.line_works_api.calling.ATTEMPTS", 1)
    async with proxy() as (url, asked), directory_in(tmp_path / "worksgate.db") as directory:
        settings = checked(Settings(outgoing_proxy=url))
        assert "hush" not in repr(settings)
        api = LineWorksApiAdministration(settings, directory, Actor("tester", lambda: 1.0))
        async with api._opener(app(), HOSTS) as opened:
            with pytest.raises(ApiUnavailable) as refused:
                await opened.authenticate()
    assert "hush" not in str(refused.value)
    assert asked[0].startswith("CONNECT auth.worksmobile.com:443 ")
    assert "Proxy-Authorization: Basic " in asked[0]


async def test_this_machine_is_reached_without_the_proxy_and_no_variable_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy() as (url, asked), answering(None) as port:
        monkeypatch.setenv("HTTP_PROXY", url)
        for egress in (Egress(url), Egress()):
            async with httpx2.AsyncClient(transport=egress.transport(), trust_env=False) as client:
                await client.get(f"http://localhost:{port}/")
    assert not asked
    assert "hush" not in repr(Webhook(url="https://x", secret="s", egress=Egress(url)))


@pytest.mark.parametrize("is_named", [True, False])
async def test_certificates_of_the_authorities_of_the_settings_are_accepted(
    tmp_path: Path,
    is_named: bool,  # noqa: FBT001  # of the table
) -> None:
    authority = Authority(tmp_path)
    settings = checked(Settings(outgoing_ca_file=str(authority.file) if is_named else ""))
    async with answering(authority.context("localhost")) as port:
        transport = Egress(ca_file=settings.outgoing_ca_file).transport()
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            if is_named:
                assert (await client.get(f"https://localhost:{port}/")).status_code >= 400
            else:
                with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(f"https://localhost:{port}/")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"outgoing_proxy": "socks5://x"}, "outgoing_proxy"),
        ({"outgoing_proxy": "http://x:y"}, "outgoing_proxy"),
        ({"outgoing_proxy": "http://x/path"}, "outgoing_proxy"),
        ({"outgoing_ca_file": "/nowhere.pem"}, "outgoing_ca_file cannot be read"),
        ({"outgoing_ca_file": __file__}, "outgoing_ca_file has no certificate"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked(Settings(**changes))  # type: ignore[arg-type]  # named by the table
    assert named in str(refused.value).replace(": ", " ")
