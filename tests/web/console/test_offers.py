"""A page offers what the server does, and says who may do the rest."""

import re

import pytest
from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role, may
from worksgate.web.console.routes import BY_PATH, ROUTES

DOWNLOADS = ("/health/bundle",)


def offered(page: str) -> set[tuple[str, str]]:
    """Methods and paths of the forms and links of a page."""
    forms = re.findall(r'<form[^>]*?(?: method="(post)")?[^>]*? action="([^"?]+)', page)
    links = re.findall(r'href="(/[^"?#]*)', page)
    return {("POST" if post else "GET", path) for post, path in forms} | {
        ("GET", path) for path in links
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.ADMIN, Role.HELP_DESK, Role.AUDITOR])
async def test_no_page_offers_what_the_server_would_refuse(
    console: ConsoleUnderTest, role: Role
) -> None:
    await console.make("somebody", role)
    subject = await console.make("tanaka", None)
    gone = await console.make("gone", None)
    await console.administration.users.remove("gone")
    client = (await console.administration.clients.add("Acme")).client
    browser = await console.signed_in("somebody")
    refused = set()
    for route in ROUTES:
        if route.method != "GET" or route.permission is None or route.path in DOWNLOADS:
            continue
        for each in (subject, gone, client.client_id) if may(role, route.permission) else ():
            page = (await browser.get(f"{route.path}?id={each}&name=directory")).text
            for method, path in offered(page):
                to = BY_PATH.get(path, {}).get(method)
                if to is not None and to.permission is not None and not may(role, to.permission):
                    refused.add((route.path, path))
    assert refused == set()


@pytest.mark.parametrize(
    ("role", "path", "says"),
    [
        (Role.AUDITOR, "/person", "Roles that can do this: Owner, Administrator, Help desk"),
        (Role.HELP_DESK, "/person", "Keys, names, leaving and removing: Owner, Administrator"),
        (Role.AUDITOR, "/person/leave", "Roles that can do this: Owner, Administrator<"),
        (Role.HELP_DESK, "/people", "changing many at once: Owner, Administrator"),
    ],
)
async def test_a_line_says_which_roles_may_do_what_is_missing(
    console: ConsoleUnderTest, role: Role, path: str, says: str
) -> None:
    await console.make("somebody", role)
    await console.make("owner", Role.OWNER)
    subject = await console.make("tanaka", None)
    somebody, owner = await console.signed_in("somebody"), await console.signed_in("owner")
    assert says in (await somebody.get(f"{path}?id={subject}")).text
    assert says not in (await owner.get(f"{path}?id={subject}")).text
