"""A fresh installation: nothing preset, nothing open."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.installation import USERNAME, Installation, assert_page

from worksgate.bootstrap.administration import open_administration
from worksgate.bootstrap.application import open_installation
from worksgate.settings.options import Settings

SQL = (
    "' OR '1'='1",
    "'; DROP TABLE accounts; --",
    '" OR ""="',
    "%",
    "user1@example.com' --",
    "\\",
    "x') UNION SELECT key FROM sessions --",
)


async def test_r100_r107_no_console_and_no_metrics_on_the_public_address(
    installation: Installation,
) -> None:
    http = installation.http()
    for path in ("/admin", "/admin/", "/console", "/metrics", "/docs", "/static/worksgate.css"):
        for method in ("GET", "POST"):
            response = await http.request(method, path)
            assert response.status_code == 404, path
    dots = await http.get("/login/..%2f..%2fetc/passwd")
    assert_page(dots, 404)


SERVED = {
    *("/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico"),
    *("/login", "/login/", "/login/step", "/login/strength", "/logout", "/logo"),
    *("/account", "/account/", "/account/reset", "/account/code", "/account/not-me"),
    *("/account/password", "/account/password/strength", "/account/reset/strength"),
    *("/account/authenticator", "/account/authenticator/remove", "/account/recovery-codes"),
    *("/account/passkeys", "/account/passkeys/rename", "/account/passkeys/remove"),
    *("/account/app-passwords", "/account/app-passwords/remove"),
    *("/account/sessions/end", "/account/sessions/end-all", "/account/sessions/end-everything"),
}
"""All that people and those who watch can ask for, beside the calls of LINE WORKS."""


async def test_r100_r107_the_public_address_serves_these_paths_and_no_other(
    installation: Installation,
) -> None:
    """What is added has to be added here as well: is it for everybody?"""
    running = installation.application._running
    assert running is not None
    assert set(running.routes.handlers) == SERVED
    assert set(running.routes.calls) == {"/accessToken", "/userInfo"}


async def test_r103_a_new_installation_has_no_account_no_client_and_its_own_key(
    tmp_path: Path,
) -> None:
    keys = []
    for name in ("one", "two"):
        settings = Settings(database_url=f"sqlite:///{tmp_path}/{name}.db", purge_interval=0)
        async with open_installation(settings), open_administration(settings) as administration:
            assert await administration.clients.all() == ()
            assert [account async for account in administration.users.all()] == []
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as db:
            keys += db.execute("SELECT value FROM keys").fetchall()
    assert len(keys) == len(set(keys)) == 2
    assert all(len(key) >= 32 for (key,) in keys)


async def test_r103_a_signing_key_is_the_installation_s_own(
    installation: Installation, tmp_path: Path
) -> None:
    """A form that another installation made is worth nothing here."""
    from tests.installation import installed

    other_folder = tmp_path / "other"
    other_folder.mkdir()
    async with installed(other_folder) as other:
        with closing(sqlite3.connect(other.database)) as db, db:
            db.execute("UPDATE keys SET value = ?", (b"k" * 32,))
        async with other.another_node() as rekeyed:
            browser = rekeyed.browser()
            page = await browser.login_page()
            here = installation.browser()
            for name, value in browser.http.cookies.items():
                here.set_cookie(name, value)
            assert_page(await here.submit(page, username=USERNAME, password="x"), 403)


async def test_r104_what_comes_from_outside_is_never_sql(installation: Installation) -> None:
    browser = installation.browser()
    page = await browser.login_page()
    before = installation.rows("SELECT count(*) FROM accounts, clients")
    for text in SQL:
        assert (await browser.submit(page, username=text, password=text)).status_code in (403, 429)
        assert (await installation.exchange(text)).status_code == 400
        assert (await installation.exchange("x", client_id=text)).status_code == 401
        assert (await installation.exchange("x", client_secret=text)).status_code == 401
        assert (await installation.user_info(text)).status_code == 401
        assert_page(await browser.arrive(client_id=text), 400)
        assert (await browser.arrive(worksId=text)).status_code == 200
    assert installation.rows("SELECT count(*) FROM accounts, clients") == before
    assert await installation.browser().code()
