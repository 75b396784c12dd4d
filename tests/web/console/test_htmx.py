"""htmx in the console: the file is the one that was looked at, and it is asked for little."""

import base64
import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.web.console import pages

HERE = Path(pages.__file__).parent
TEMPLATES = sorted((HERE / "templates").glob("*.html"))
ATTRIBUTE = re.compile(r'\s(hx-[\w:-]+)="([^"]*)"')
USED = frozenset(
    (
        *("hx-get", "hx-trigger", "hx-target", "hx-select", "hx-select-oob", "hx-swap"),
        *("hx-replace-url", "hx-sync"),
    )
)


def test_r192_the_file_is_the_published_one() -> None:
    with (HERE / "static" / "htmx.toml").open("rb") as file:
        said = tomllib.load(file)
    content = (HERE / "static" / "htmx.js").read_bytes()
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    assert said["sha384"] == digest
    assert said["version"] in content.decode()


def test_its_license_comes_with_every_distribution() -> None:
    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    said = tomllib.loads((HERE / "static" / "htmx.toml").read_text("utf-8"))
    assert said["license"] in project["license"].split(" AND ")
    assert HERE / "static" / "htmx.LICENSE" in [root / each for each in project["license-files"]]
    image = (root / "deploy" / "container" / "Containerfile").read_text("utf-8")
    assert f'licenses="{project["license"]}"' in image


def test_r192_the_policy_gives_way_on_the_pages_that_load_it_and_on_no_other() -> None:
    """Where it does not, trusted types stop htmx, and nothing tells."""
    loading = {
        each.name
        for each in TEMPLATES
        if re.search(r"signs\.(htmx|refresh)\(", each.read_text("utf-8"))
    }
    assert loading == pages.WITH_HTMX


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.stem)
def test_r192_nothing_in_a_template_would_be_run_as_a_script(template: Path) -> None:
    """The policy would stop it, and htmx then does nothing without saying so."""
    found = ATTRIBUTE.findall(template.read_text(encoding="utf-8"))
    assert {name for name, _ in found} <= USED
    for name, value in found:
        assert "js:" not in value
        assert "javascript:" not in value
        assert name != "hx-trigger" or "[" not in value


@pytest.mark.parametrize(
    ("path", "reads"), [("/people", True), ("/me", False), ("/administrators", False)]
)
async def test_r192_the_policy_of_a_page_allows_what_it_needs(
    console: ConsoleUnderTest, path: str, *, reads: bool
) -> None:
    await console.make("owner", Role.OWNER)
    policy = (await (await console.signed_in("owner")).get(path)).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert ("connect-src 'self'" in policy) is reads
    assert ("require-trusted-types-for 'script'" in policy) is not reads


async def test_r192_only_the_page_that_was_asked_for_goes_into_another_one(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser, nobody = await console.signed_in("owner"), await console.browser()
    asked = {"HX-Request": "true"}
    page = await browser.http.get("/people?q=own", headers=asked)
    assert page.status_code == 200
    assert page.text == (await browser.http.get("/people?q=own")).text
    gone = await browser.http.get("/person?id=directory:nobody", headers=asked)
    assert (gone.status_code, gone.headers["hx-refresh"], gone.text) == (204, "true", "")
    over = await nobody.http.get("/people", headers=asked)
    assert (over.status_code, over.headers["hx-redirect"], over.text) == (204, "/sign-in", "")


async def test_r192_a_page_that_reads_itself_again_does_so_without_a_script_too(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    await console.administration.going_live.start(console.clock() - 60)
    browser = await console.signed_in("owner")
    for path, seconds in (("/go-live/live", 10), ("/go-live/wall", 5)):
        page = (await browser.get(path)).text
        refresh = f'<meta http-equiv="refresh" content="{seconds}; url={path}?auto=1">'
        assert f"<noscript>{refresh}</noscript>" in page
        assert f'hx-trigger="every {seconds}s"' in page
        still = (await browser.get(f"{path}?pause=1")).text
        assert "refresh" not in still
        assert "hx-trigger" not in still
