"""One installation for all entries; it takes seconds to start, and ends with them."""

from collections.abc import Iterator

import pytest
from tests.bad_inputs.site import Site, open_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site")) as opened:
        yield opened
