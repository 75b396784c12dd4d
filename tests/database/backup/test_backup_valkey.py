"""F-31 with codes, tokens and sessions on Valkey, which a restore does not change."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.database.backup.test_backup import restore, write
from tests.databases import url_of
from tests.installation import SESSION_COOKIE, Installation, application_of, installed, prepared
from tests.valkey_server import ValkeyServer, running_valkey

from worksgate.bootstrap.administration import open_administration
from worksgate.settings.options import Settings


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path / "valkey") as server:
        yield server


@asynccontextmanager
async def started(settings: Settings, like: Installation) -> AsyncIterator[Installation]:
    """A server on a database that has been restored, for the client of another installation."""
    application = application_of(settings)
    await application.start()
    try:
        async with open_administration(settings, actor="test") as administration:
            installation = Installation(
                settings, application, administration, like.clock, like.client
            )
            yield installation
            await installation.close()
    finally:
        await application.close()


@dataclass(frozen=True)
class Held:
    """What somebody holds: an access token, a session, a code that is still good."""

    token: str
    session: str
    code: str

    @classmethod
    async def of(cls, site: Installation) -> "Held":
        browser = site.browser()
        token = await site.access_token(await browser.code())
        return cls(token, browser.cookie(SESSION_COOKIE), await site.browser().code())

    async def is_good_at(self, site: Installation) -> list[bool]:
        browser = site.browser()
        browser.set_cookie(SESSION_COOKIE, self.session)
        return [
            (await site.user_info(self.token)).status_code == 200,
            await browser.is_signed_in(),
            (await site.exchange(self.code)).status_code == 200,
        ]


async def test_f31_what_is_on_valkey_is_void_after_a_restore(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with installed(tmp_path, store_url=valkey.address) as site:
        url = site.settings.database_url
        await write(url, tmp_path / "backup")
        held = await Held.of(site)
    await restore(url, tmp_path / "backup", force=True)
    async with started(site.settings, site) as restored:
        assert await held.is_good_at(restored) == [False, False, False]
        assert await (await Held.of(restored)).is_good_at(restored) == [True, True, True]


async def test_f31_nor_is_it_good_where_valkey_was_away_meanwhile(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with installed(tmp_path, store_url=valkey.address) as site:
        url = site.settings.database_url
        await write(url, tmp_path / "backup")
        held = await Held.of(site)
    valkey.suspend()
    await restore(url, tmp_path / "backup", force=True)
    valkey.resume()
    async with started(site.settings, site) as restored:
        assert await held.is_good_at(restored) == [False, False, False]


async def test_a_restart_without_a_restore_voids_nothing(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with installed(tmp_path, store_url=valkey.address) as site:
        held = await Held.of(site)
    async with started(site.settings, site) as again:
        assert await held.is_good_at(again) == [True, True, True]


async def test_a_trial_restore_with_the_same_settings_leaves_production_as_it_is(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    """A backup that is tried on another machine, where store_url was forgotten in the settings."""
    async with installed(tmp_path, store_url=valkey.address) as production:
        await write(production.settings.database_url, tmp_path / "backup")
        held = await Held.of(production)
        (tmp_path / "trial").mkdir()
        settings, _ = await prepared(tmp_path / "trial", store_url=valkey.address)
        await restore(url_of(tmp_path / "trial" / "worksgate.db"), tmp_path / "backup", force=True)
        async with started(settings, production) as trial:
            assert await held.is_good_at(trial) == [False, False, False]
            await Held.of(trial)
        assert await held.is_good_at(production) == [True, True, True]
