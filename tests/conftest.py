"""Fixtures for all rooms.

What they need is imported by the test files that use them: a pure room is tested without the
application.
"""

import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.light_hashing import light_hashing
from tests.once import do_once
from tests.order import mixed
from tests.quick import Run, is_quick, may_be_quick, no_programs
from tests.rewriting import rewrite_share
from tests.temporary_files import keep_in_memory
from tests.unhurried import real_deadlines, unhurried_databases

if TYPE_CHECKING:
    from tests.installation import Installation


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that start no program")


def pytest_configure(config: pytest.Config) -> None:
    Run.is_quick = config.getoption("quick")
    gc.set_threshold(20_000)  # a run makes thousands of tests, all of which stay
    gc.disable()  # until they are made
    keep_in_memory()
    if (process := getattr(config, "workerinput", None)) is not None:  # one of several
        number = int(process["workerid"].removeprefix("gw"))
        rewrite_share(config, Path(__file__).parent, number, process["workercount"])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("quick") and not may_be_quick(collection_path) else None


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """The profile of Hypothesis is there before a property is: it takes the one of that moment."""
    if "from hypothesis import" in module_path.read_text("utf-8"):
        import_module("tests.properties")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        judged = [(is_quick(item), item) for item in items]
        config.hook.pytest_deselected(items=[item for quick, item in judged if not quick])
        items[:] = [item for quick, item in judged if quick]
    elif hasattr(config, "workerinput"):  # one of several processes
        items[:] = mixed(items)


def pytest_collection_finish() -> None:
    """What has been imported by now stays: no search for garbage goes through it again."""
    do_once()
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Quick tests start no program, in a run of all tests neither."""
    if not is_quick(item):
        return (yield)
    with no_programs(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a report tells the process that prints it, which takes UTF-8 alone.

    What was logged and printed is told by the first report that has not passed, with all before.
    """
    told = yield
    if told is not None and told.get("outcome") == "passed":
        told["sections"] = []
    return _encodable(told)


def _encodable(data: Any) -> Any:
    match data:
        case str():
            return data.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {_encodable(name): _encodable(value) for name, value in data.items()}
        case list() | tuple():
            return type(data)(map(_encodable, data))
    return data


@pytest.fixture(autouse=True)
def _deadlines(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test fails because the machine is busy, unless it is about a deadline."""
    is_about_them = request.node.get_closest_marker("deadlines") is not None
    with real_deadlines() if is_about_them else unhurried_databases():
        yield


@pytest.fixture(autouse=True)
def _hashing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Passwords cost little, unless the test is about that cost."""
    if request.node.get_closest_marker("hashing") is not None:
        yield
        return
    with light_hashing():
        yield


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator["Installation"]:
    """Worksgate at the root of its host."""
    from tests.installation import installed

    async with installed(tmp_path) as installation:
        yield installation


@pytest.fixture
async def mounted(tmp_path: Path) -> AsyncIterator["Installation"]:
    """Worksgate mounted under a path of another application."""
    from tests.installation import installed

    async with installed(tmp_path, path="/sso") as installation:
        yield installation


@pytest.fixture(params=["", "/sso"], ids=["at-root", "mounted"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator["Installation"]:
    """Both, one after the other."""
    from tests.installation import installed

    async with installed(tmp_path, path=request.param) as installation:
        yield installation


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """What has been logged until it is called, whatever a test before has configured."""
    from tests.log_file import log_file

    with log_file(tmp_path) as configure:
        yield configure()
