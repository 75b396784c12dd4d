"""LINE WORKS' API in the demonstration: simulated, with an app of Worksgate's.

Commands read a settings file in the folder of the demonstration. It has no secret: what Worksgate
signs in with at the API is in the database, under the master key beside it.
"""

from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp

from worksgate.bootstrap.administration import open_administration
from worksgate.cli.demo.members import members
from worksgate.conformance.directory_api import DirectoryApiSimulator, Registered
from worksgate.conformance.directory_api.simulator import API_PATH, AUTH_PATH
from worksgate.line_works_api.app import READ, WRITE, ApiApp
from worksgate.settings.options import Settings
from worksgate.settings.reference import template

FILE = "worksgate.toml"

_NAMES = (
    *("public_url", "database_url", "master_key_file"),
    *("line_works_api_urls", "line_works_auth_urls"),
)


def create() -> DirectoryApiSimulator:
    """The API, with the members of the company."""
    return DirectoryApiSimulator(members())


def paths(api: DirectoryApiSimulator) -> Mapping[str, ASGIApp]:
    """Where it is served, beside the simulator of LINE WORKS."""
    return {API_PATH: api.app, AUTH_PATH: api.app}


async def set_up(settings: Settings, client: str, registered: Registered) -> None:
    """Let Worksgate call the API of that client, with the app of this start."""
    app = ApiApp.checked(
        client_id=registered.app.client_id,
        client_secret=registered.app.client_secret,
        service_account=registered.app.service_account,
        private_key=registered.private_key,
        scopes=(READ, WRITE),
    )
    async with open_administration(settings, actor="demo") as administration:
        await administration.line_works_api.set(client, app)


def write_settings(settings: Settings) -> Path:
    """Write the settings for commands beside the database, and return the file."""
    database = settings.database_file
    if database is None:
        raise ValueError("the demonstration has a database file")
    file = database.parent / FILE
    file.write_text(template({name: getattr(settings, name) for name in _NAMES}), "utf-8")
    return file
