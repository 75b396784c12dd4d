"""No page of the console has English left over where its language is another one."""

import re
from html.parser import HTMLParser

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role
from worksgate.web.console.routes import ROUTES

SAME_EVERYWHERE = """
Access Account Active APPLY API Application Browser CalDAV Client Connect Console Developer
Developers Directory Expire External IMAP Info Key LINE Login Logout Mapping Member NAVER
Organization DOWNLOAD Return return Secret Set SSO Sync Time Token Type URL User Web WORKBOX
WORKS info sessionKey state error CSV DNS Excel HTTP JavaScript JSON JSONL LDAP Linux MiB GiB OAuth
OpenID PIN PKCE PNG Python SAML SCIM SQLite TLS UTC WebP Windows Pillow utf Caps Lock Ctrl
Worksgate worksgate doctor user add import source people NAME curl exe groups username
administrator enabled yes UPLOAD Save Webhook Bot
"""
"""Fields and menus of LINE WORKS, standards, and what is typed."""
OF_THIS_TEST = "owner Owner paula Paula Acme directory cli key"
NOT_TRANSLATED = frozenset({"code", "kbd", "pre", "script", "style", "textarea", "svg"})
VOID = frozenset({"input", "meta", "link", "br", "img", "hr", "path", "use", "circle", "source"})
ACTIONS = ("/health/bundle",)
"""What a GET downloads."""


class Left(HTMLParser):
    """The words in Latin letters of a page that nothing marks as names or as English."""

    def __init__(self) -> None:
        super().__init__()
        self.words: set[str] = set()
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        is_name = (
            tag in NOT_TRANSLATED
            or given.get("translate") == "no"
            or ("lang" in given and tag != "html")
            or "mono" in classes
        )
        self._open.append((tag, is_name))

    def handle_endtag(self, tag: str) -> None:
        while tag not in VOID and self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(is_name for _, is_name in self._open):
            plain = re.sub(r"https?://\S+|[\w.+-]+@[\w.-]+|\S*[._/\\]\S*[A-Za-z]\S*", "", data)
            self.words |= set(re.findall(r"[A-Za-z]{3,}", plain))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["ja", "ko"])
async def test_no_page_has_english_left_over(console: ConsoleUnderTest, language: str) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("paula", None)
    client = (await console.administration.clients.add("Acme")).client
    await console.administration.users.disable("paula")
    owner = await console.signed_in("owner")
    known = dict.fromkeys(("/person", "/person/leave", "/person/code"), subject)
    allowed = {*SAME_EVERYWHERE.split(), *OF_THIS_TEST.split()}
    left: dict[str, set[str]] = {}
    for route in ROUTES:
        if route.method != "GET" or route.permission is None or route.path in ACTIONS:
            continue
        found = known.get(route.path, client.client_id)
        page = await owner.get(f"{route.path}?id={found}&name=directory&lang={language}")
        parser = Left()
        parser.feed(page.text)
        if words := parser.words - allowed:
            left[route.path] = words
    assert left == {}


async def test_r257_a_refusal_that_knows_its_template_is_said_in_japanese(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    owner = await console.signed_in("owner")
    owner.http.headers["Accept-Language"] = "ja"
    await owner.get("/wizard/values")
    await owner.post("/wizard/values/client", name="x" * 101)
    assert owner.page.status_code == 409
    parser = Left()
    parser.feed(owner.page.text)
    assert "100" in owner.page.text
    assert not {"name", "printable", "characters"} & parser.words
    assert '<span lang="en">' not in owner.page.text
