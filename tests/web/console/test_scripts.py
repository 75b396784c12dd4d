"""What pages load besides the style sheet: scripts of the console's own, and nothing inline."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.web.console import pages
from worksgate.web.console.pages import _MENU

TEMPLATES = sorted((Path(pages.__file__).parent / "templates").glob("*.html"))
SCRIPT = re.compile(r'<script src="([^"]+)" integrity="sha384-([^"]+)" defer></script>')


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.stem)
def test_r193_no_template_has_a_script_or_a_style_of_its_own(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?! src=\"\{\{)", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)


async def test_r193_scripts_are_compared_with_their_digest_and_kept(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    browser = await console.signed_in("owner")
    found = SCRIPT.findall((await browser.get("/people")).text)
    assert found
    for path, digest in found:
        script = await browser.get(path)
        assert script.headers["content-type"].startswith("text/javascript")
        assert "immutable" in script.headers["cache-control"]
        assert base64.b64encode(hashlib.sha384(script.content).digest()).decode() == digest


def test_r193_each_page_of_the_menu_has_a_key_of_its_own() -> None:
    keys = [each.key for each in _MENU]
    assert len(set(keys)) == len(keys)
    assert "i" not in keys  # of one's own page
    assert all(len(each) == 1 and each.islower() for each in keys)
