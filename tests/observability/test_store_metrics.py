"""Every store reports its queue and its failures, so its alert can fire."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres_server import giving_back, url_for
from tests.valkey_server import address_for

from worksgate.bootstrap.application import open_installation
from worksgate.observability.metric_families import families
from worksgate.settings.options import Settings

pytestmark = pytest.mark.programs

FOR_ALL = {"worksgate_store_waiting", "worksgate_store_unavailable"}
OF_COMMITS = {"worksgate_store_batch_size", "worksgate_store_commit_seconds"}


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    sqlite = f"sqlite:///{tmp_path}/worksgate.db"
    with giving_back(tmp_path):
        match request.param:
            case "postgres":
                yield Settings(database_url=url_for(tmp_path))
            case "valkey":
                yield Settings(database_url=sqlite, store_url=address_for(tmp_path))
            case "memory":
                yield Settings(database_url=sqlite, store_url="memory:")
            case _:
                yield Settings(database_url=sqlite)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("sqlite", FOR_ALL | OF_COMMITS),
        ("postgres", FOR_ALL),
        ("valkey", FOR_ALL),
        ("memory", FOR_ALL),
    ],
    indirect=["settings"],
)
async def test_store_reports_its_numbers(settings: Settings, names: set[str]) -> None:
    async with open_installation(settings) as opened:
        told = {family.name: family for family in families(opened.figures)}
    assert {name for name in told if name.startswith("worksgate_store_")} == names
    for name in FOR_ALL:
        assert [sample.value for sample in told[name].samples] == [0]
