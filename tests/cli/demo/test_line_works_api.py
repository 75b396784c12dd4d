"""The demonstrated company at LINE WORKS: what is wrong with its keys, and how that is found."""

from pathlib import Path

from tests.databases import url_of

from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo import line_works_api
from worksgate.cli.demo.members import UNKNOWN, WITHOUT_KEY, members
from worksgate.conformance.directory_api import DirectoryApiSimulator, Member
from worksgate.credentials.master_key import MasterKey
from worksgate.settings.loading import load
from worksgate.settings.options import Settings


def test_members_are_one_company_with_three_mistakes() -> None:
    found: list[Member] = members()
    assert len({each.email for each in found}) == len(found) > 300
    DirectoryApiSimulator(found)  # no key is anybody's twice
    without = [each for each in found if each.external_key is None]
    assert len(without) == len(WITHOUT_KEY) + 2  # whose key another has, and who is new
    assert [each.email for each in found if each.is_suspended]
    assert [each for each in found if each.email == UNKNOWN]


def test_settings_for_commands_hold_no_secret(tmp_path: Path) -> None:
    key = tmp_path / "master.key"
    key.write_text(f"{MasterKey.new().text}\n")
    settings = Settings(
        database_url=url_of(tmp_path / "demo.db"),
        master_key_file=str(key),
        line_works_api_urls=("line_works=http://127.0.0.1:8090/v1.0",),
    )
    file = line_works_api.write_settings(settings)
    loaded = load(file, {}, {})
    assert loaded.line_works_api_urls == settings.line_works_api_urls
    assert loaded.database_url == settings.database_url
    assert key.read_text().strip() not in file.read_text("utf-8")


async def test_worksgate_has_the_app_of_this_start(tmp_path: Path) -> None:
    settings = Settings(
        database_url=url_of(tmp_path / "demo.db"), master_key=MasterKey(bytes(32)).text
    )
    async with open_administration(settings, actor="demo") as administration:
        await administration.people._directory.signing_key()
        await administration.clients.add("Demo")
    for _ in range(2):  # a folder that is used again gets the app of the new start
        api = line_works_api.create()
        await line_works_api.set_up(settings, "Demo", api.registered)
    async with open_administration(settings) as administration:
        shown = await administration.line_works_api.show("Demo")
    assert shown.app_client_id == api.registered.app.client_id
    assert shown.actor == "demo"
