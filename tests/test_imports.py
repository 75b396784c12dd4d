"""Imports only point down: the layers of pyproject.toml.

The contracts are kept, and each of them is broken by the arrow that it is there to forbid: a rule
that a typing mistake has emptied would be kept for ever.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.application.use_cases import read_user_options
from importlinter.configuration import configure
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract
from importlinter.domain.contract import Contract

configure()

CLASSES: dict[str, Callable[..., Contract]] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
OPTIONS = read_user_options(str(Path(__file__).parent.parent / "pyproject.toml"))
CONTRACTS = {options["id"]: options for options in OPTIONS.contracts_options}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("worksgate", include_external_packages=True, cache_dir=None)


def is_kept(contract_id: str, graph: grimp.ImportGraph) -> bool:
    options = CONTRACTS[contract_id]
    contract = CLASSES[options["type"]](options["name"], OPTIONS.session_options, options)
    return contract.check(deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize("contract_id", CONTRACTS)
def test_import_rule_is_kept(contract_id: str, graph: grimp.ImportGraph) -> None:
    assert is_kept(contract_id, graph), f"{CONTRACTS[contract_id]['name']}: run lint-imports"


@pytest.mark.parametrize(
    ("contract_id", "importer", "imported"),
    [
        ("layers", "provider", "web.application"),
        ("layers", "web.sign_in.handlers", "bootstrap"),
        ("layers", "administration.purging", "bootstrap"),
        ("layers", "administration", "web"),
        ("layers", "store.memory", "provider.throttle"),
        ("layers", "database.engines", "directory"),
        ("layers", "sources.ldap.source", "directory"),
        ("layers", "directory.database", "provider"),
        ("layers", "line_works_api.calling", "directory.database"),
        ("layers", "line_works_api.calling", "sources.ldap.source"),
        ("settings", "settings.checks", "credentials.master_key"),
        ("layers", "audit", "credentials"),
        ("oauth", "oauth.form", "settings"),
        ("oauth", "oauth.token", "store"),
        ("conformance", "conformance.line_works", "oauth.errors"),
        ("conformance", "conformance.simulator.app", "settings"),
        ("conformance", "conformance.simulator.sign_in", "oauth.model"),
        ("adapters", "provider", "store.sqlite.store"),
        ("adapters", "web.application", "store.memory"),
        ("adapters", "cli", "store.sqlite"),
        ("directory", "web.sign_in.handlers", "directory.database"),
        ("directory", "provider", "directory.database"),
        ("cli", "cli", "web.application"),
        ("server", "server.connection", "web.crashes"),
        ("server", "server.operations_server", "bootstrap"),
        ("circles", "store", "provider.throttle"),
        ("circles", "provider.sign_in.steps", "provider.calls.tokens"),
        ("circles", "oauth.model", "conformance.line_works"),
    ],
)
def test_import_rule_is_broken_by_the_arrow_that_it_forbids(
    contract_id: str, importer: str, imported: str, graph: grimp.ImportGraph
) -> None:
    wrong = deepcopy(graph)
    assert {f"worksgate.{importer}", f"worksgate.{imported}"} <= wrong.modules
    wrong.add_import(importer=f"worksgate.{importer}", imported=f"worksgate.{imported}")
    if contract_id == "circles":
        wrong.add_import(importer=f"worksgate.{imported}", imported=f"worksgate.{importer}")
    assert not is_kept(contract_id, wrong)


@pytest.mark.parametrize("module", ["time", "secrets", "sqlite3", "starlette"])
def test_oauth_is_broken_by_a_clock_chance_a_database_or_a_framework(
    module: str, graph: grimp.ImportGraph
) -> None:
    wrong = deepcopy(graph)
    wrong.add_import(importer="worksgate.oauth.token", imported=module)
    assert not is_kept("pure", wrong)


def test_every_new_room_needs_a_place_among_the_layers(graph: grimp.ImportGraph) -> None:
    wrong = deepcopy(graph)
    wrong.add_module("worksgate.helpers")
    assert not is_kept("layers", wrong)


def test_conformance_stands_on_the_standard_library_and_httpx2_alone(
    graph: grimp.ImportGraph,
) -> None:
    rooms = {"worksgate.conformance", *graph.find_descendants("worksgate.conformance")}
    for pages in ("simulator", "directory_api", "report"):
        room = f"worksgate.conformance.{pages}"
        rooms -= {room, *graph.find_descendants(room)}
    rooms -= {"worksgate.conformance.checks.browser"}  # for those who have Playwright
    imported = {
        name.partition(".")[0]
        for room in rooms
        for name in graph.find_modules_directly_imported_by(room)
    }
    assert imported - sys.stdlib_module_names == {"httpx2", "worksgate"}
