"""One LINE WORKS for all tests of a file, and a company of its own for each."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.administration.external_keys.line_works import Company, LineWorks, company_in, served


@pytest.fixture(scope="module")
def line_works() -> Iterator[LineWorks]:
    with served() as line_works:
        yield line_works


@pytest.fixture
async def company(database: Path, line_works: LineWorks) -> AsyncIterator[Company]:
    async with company_in(database, line_works) as company:
        yield company
