"""The benchmark of the console opens every page, and judges what each takes and weighs."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from worksgate.web.console.routes import ROUTES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def console_pages(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("console_pages")


def paths_of(*tables: dict[str, str]) -> set[str]:
    return {address.partition("?")[0] for table in tables for address in table.values()}


def test_every_page_of_the_console_is_measured_or_left_out_with_a_reason(
    console_pages: Any,
) -> None:
    pages = {route.path for route in ROUTES if route.method == "GET"}
    left_out = set(console_pages.LEFT_OUT)

    assert paths_of(console_pages.PAGES, console_pages.STRANGERS) | left_out == pages
    assert paths_of(console_pages.STRANGERS) | left_out == {
        route.path for route in ROUTES if route.method == "GET" and route.permission is None
    }
    assert all(console_pages.LEFT_OUT.values())


def test_every_file_of_the_console_is_measured(console_pages: Any) -> None:
    files = {path for path, _ in console_pages.FILES.values()}

    assert files == {
        route.path
        for route in ROUTES
        if route.method == "POST" and route.path.rpartition("/")[2] in ("export", "result", "file")
    }


@pytest.mark.parametrize(
    ("processor", "size", "is_within"),
    [(300.0, 60_000, True), (300.1, 1, False), (1.0, 60_001, False)],
)
def test_a_page_is_judged_by_its_processor_time_and_its_size(
    console_pages: Any, processor: float, size: int, *, is_within: bool
) -> None:
    measured = console_pages.Measured(
        page="people",
        best=900,
        median=900,
        p95=900,
        processor=processor,
        size=size,
        language="ja",
    )

    assert measured.is_within is is_within
