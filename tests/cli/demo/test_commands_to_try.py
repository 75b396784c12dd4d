"""The files for the commands that the demonstration lists. ``tests/browser`` runs the commands."""

from pathlib import Path

from tests.cli.demo.test_installation import ADDRESSES
from tests.databases import url_of

from worksgate.cli.demo.commands_to_try import write_commands
from worksgate.cli.demo.installation import demonstrated, partner_source, prepare
from worksgate.settings.options import Settings


async def test_secrets_are_in_files_of_their_owner_and_in_no_command(tmp_path: Path) -> None:
    given = Settings(port=ADDRESSES.port, database_url=url_of(tmp_path / "demo.db"))
    settings = demonstrated(given, ADDRESSES, partner_source(ADDRESSES.issuer))
    folder = tmp_path / "demo"
    folder.mkdir()
    for _ in range(2):  # the files of an earlier start are replaced
        prepared = await prepare(settings, ADDRESSES.simulator)
        commands = write_commands(folder / "worksgate.toml", ADDRESSES.sso, prepared)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    secret = prepared.credentials.client_secret
    assert (folder / "client.secret").read_text("utf-8") == f"{secret}\n"
    assert secret not in commands.read_text("utf-8")
    assert prepared.credentials.client_id in commands.read_text("utf-8")
