"""Who may do what: every route of the console, walked as nobody and in every role.

The table here is written by hand, beside the one in the code: a new route fails until it is here.
"""

import pytest
from tests.web.console.console import AdminBrowser, ConsoleUnderTest

from worksgate.administration.roles import MAY, OF_PEOPLE, Permission, Role, may, may_act_on
from worksgate.web.console.routes import ROUTES, Route

OWNER, ADMIN, HELP, AUDITOR = Role.OWNER, Role.ADMIN, Role.HELP_DESK, Role.AUDITOR
ALL = frozenset(OF_PEOPLE)

ALLOWED = {
    ("POST", "/sign-out"): ALL,
    ("GET", "/me"): ALL,
    ("POST", "/me/end"): ALL,
    ("POST", "/me/passkey"): ALL,
    ("POST", "/me/passkey/add"): ALL,
    ("POST", "/me/passkey/remove"): ALL,
    ("POST", "/me/passkey/rename"): ALL,
    ("POST", "/me/app"): ALL,
    ("POST", "/me/app/add"): ALL,
    ("POST", "/me/app/remove"): ALL,
    ("POST", "/me/codes"): ALL,
    ("POST", "/me/language"): ALL,
    ("GET", "/"): ALL,
    ("GET", "/find"): ALL,
    ("GET", "/trace"): ALL,
    ("GET", "/sign-ins"): ALL,
    ("POST", "/sign-ins/export"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/people"): ALL,
    ("POST", "/people/export"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/people/removed"): ALL,
    ("POST", "/people/removed/export"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/person"): ALL,
    ("POST", "/person/reset-link"): {OWNER, ADMIN},
    ("POST", "/person/reset-mail"): {OWNER, ADMIN, HELP},
    ("GET", "/person/code"): {OWNER, ADMIN, HELP},
    ("POST", "/person/code"): {OWNER, ADMIN, HELP},
    ("POST", "/person/sign-out"): {OWNER, ADMIN, HELP},
    ("POST", "/person/allow-attempt"): {OWNER, ADMIN, HELP},
    ("POST", "/person/remove-factors"): {OWNER, ADMIN, HELP},
    ("POST", "/person/enable"): {OWNER, ADMIN, HELP},
    ("POST", "/person/disable"): {OWNER, ADMIN, HELP},
    ("POST", "/person/remove"): {OWNER, ADMIN},
    ("POST", "/person/restore"): {OWNER, ADMIN},
    ("POST", "/person/purge"): {OWNER, ADMIN},
    ("POST", "/person/key"): {OWNER, ADMIN},
    ("POST", "/person/rename"): {OWNER, ADMIN},
    ("GET", "/wizard"): {OWNER, ADMIN},
    ("GET", "/wizard/where"): {OWNER, ADMIN},
    ("POST", "/wizard/where"): {OWNER, ADMIN},
    ("GET", "/wizard/address"): {OWNER, ADMIN},
    ("POST", "/wizard/address/inside"): {OWNER, ADMIN},
    ("POST", "/wizard/address/outside"): {OWNER, ADMIN},
    ("GET", "/wizard/people"): {OWNER, ADMIN},
    ("GET", "/wizard/keys"): {OWNER, ADMIN},
    ("POST", "/wizard/keys"): {OWNER, ADMIN},
    ("POST", "/wizard/keys/count"): {OWNER, ADMIN},
    ("GET", "/wizard/tell"): {OWNER, ADMIN},
    ("POST", "/wizard/tell"): {OWNER, ADMIN},
    ("POST", "/wizard/tell/file"): {OWNER, ADMIN},
    ("GET", "/wizard/values"): {OWNER, ADMIN},
    ("POST", "/wizard/values"): {OWNER, ADMIN},
    ("POST", "/wizard/values/client"): {OWNER, ADMIN},
    ("POST", "/wizard/values/secret"): {OWNER, ADMIN},
    ("POST", "/wizard/values/choose"): {OWNER, ADMIN},
    ("GET", "/wizard/rehearse"): {OWNER, ADMIN},
    ("POST", "/wizard/rehearse/sign-in"): {OWNER, ADMIN},
    ("GET", "/wizard/plan"): {OWNER, ADMIN},
    ("GET", "/wizard/apply"): {OWNER, ADMIN},
    ("GET", "/person/leave"): ALL,
    ("POST", "/person/leave"): {OWNER, ADMIN},
    ("POST", "/person/leave/step"): {OWNER, ADMIN},
    ("POST", "/person/leave/cancel"): {OWNER, ADMIN},
    ("GET", "/people/import"): {OWNER, ADMIN},
    ("POST", "/people/import"): {OWNER, ADMIN},
    ("POST", "/people/add"): {OWNER, ADMIN},
    ("POST", "/people/import/start"): {OWNER, ADMIN},
    ("POST", "/people/bulk"): {OWNER, ADMIN, HELP},
    ("GET", "/jobs"): ALL,
    ("POST", "/jobs/export"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/jobs/start"): {OWNER, ADMIN, HELP},
    ("GET", "/job"): ALL,
    ("POST", "/job/stop"): {OWNER, ADMIN, HELP},
    ("POST", "/job/undo"): {OWNER, ADMIN},
    ("POST", "/job/result"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/person/undo"): {OWNER, ADMIN},
    ("GET", "/clients"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/clients/export"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/client"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/client/rules"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/client/edit"): {OWNER, ADMIN},
    ("POST", "/client/edit"): {OWNER, ADMIN},
    ("GET", "/client/new"): {OWNER, ADMIN},
    ("POST", "/client/new"): {OWNER, ADMIN},
    ("POST", "/client/secret"): {OWNER, ADMIN},
    ("POST", "/client/enable"): {OWNER, ADMIN},
    ("POST", "/client/disable"): {OWNER, ADMIN},
    ("POST", "/client/undo"): {OWNER, ADMIN},
    ("GET", "/sources"): {OWNER, ADMIN},
    ("GET", "/source"): {OWNER, ADMIN},
    ("POST", "/source/test"): {OWNER, ADMIN},
    ("GET", "/health"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/health/run"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/health/verify"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/settings"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/settings/test-alert"): {OWNER},
    ("GET", "/health/bundle"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/audit"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/audit/changes"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/audit/changes/export"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/audit/export"): {OWNER, ADMIN, AUDITOR},
    ("GET", "/go-live"): ALL,
    ("GET", "/go-live/plan"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/go-live/plan"): {OWNER, ADMIN},
    ("GET", "/go-live/live"): ALL,
    ("GET", "/go-live/wall"): ALL,
    ("POST", "/go-live/start"): {OWNER, ADMIN},
    ("POST", "/go-live/end"): {OWNER, ADMIN},
    ("GET", "/go-live/rehearsal"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/go-live/rehearsal"): {OWNER, ADMIN},
    ("POST", "/go-live/rehearsal/export"): {OWNER, ADMIN, AUDITOR},
    ("POST", "/go-live/members"): {OWNER, ADMIN},
    ("POST", "/go-live/members/ask"): {OWNER, ADMIN},
    ("POST", "/go-live/members/remove"): {OWNER, ADMIN},
    ("GET", "/client/branding"): {OWNER, ADMIN},
    ("POST", "/client/branding"): {OWNER, ADMIN},
    ("GET", "/client/branding/preview"): {OWNER, ADMIN},
    ("POST", "/client/branding/logo"): {OWNER, ADMIN},
    ("POST", "/client/branding/publish"): {OWNER, ADMIN},
    ("POST", "/client/branding/discard"): {OWNER, ADMIN},
    ("GET", "/administrators"): {OWNER},
    ("POST", "/administrators/export"): {OWNER},
    ("POST", "/administrators/role"): {OWNER},
    ("POST", "/administrators/invite"): {OWNER},
    ("POST", "/administrators/withdraw"): {OWNER},
    ("POST", "/administrators/end"): {OWNER},
    ("POST", "/administrators/token"): {OWNER},
    ("POST", "/administrators/token/end"): {OWNER},
    ("POST", "/administrators/undo"): {OWNER},
}
BY_TOKEN = {("POST", "/api/apply")}
"""Not for a browser, whoever is signed in."""
PUBLIC = {
    *(("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-in/code")),
    ("POST", "/sign-in/passkey"),
    ("POST", "/sign-in/provider"),
    ("GET", "/sign-in/return"),
    *(("GET", "/first"), ("POST", "/first")),
}
PROVED = {
    ("POST", "/me/passkey"),
    ("POST", "/me/passkey/add"),
    ("POST", "/me/passkey/remove"),
    ("POST", "/me/app"),
    ("POST", "/me/app/add"),
    ("POST", "/me/app/remove"),
    ("POST", "/me/codes"),
    ("POST", "/person/code"),
    ("POST", "/person/remove-factors"),
    ("POST", "/person/purge"),
    ("POST", "/person/leave"),
    ("POST", "/people/export"),
    ("POST", "/people/removed/export"),
    ("POST", "/people/import/start"),
    ("POST", "/jobs/export"),
    ("POST", "/clients/export"),
    ("POST", "/administrators/export"),
    ("POST", "/jobs/start"),
    ("POST", "/job/undo"),
    ("POST", "/job/result"),
    ("POST", "/client/new"),
    ("POST", "/client/secret"),
    ("POST", "/client/disable"),
    ("POST", "/wizard/tell/file"),
    ("POST", "/wizard/values/client"),
    ("POST", "/wizard/values/secret"),
    ("POST", "/audit/changes/export"),
    ("POST", "/audit/export"),
    ("POST", "/go-live/rehearsal/export"),
    ("POST", "/sign-ins/export"),
    ("POST", "/client/branding/logo"),
    ("POST", "/client/branding/publish"),
    ("POST", "/client/undo"),
    ("POST", "/person/leave/step"),
    ("POST", "/person/leave/cancel"),
    ("POST", "/go-live/start"),
    ("POST", "/administrators/role"),
    ("POST", "/administrators/invite"),
    ("POST", "/administrators/token"),
    ("POST", "/administrators/undo"),
}


_OF_SOMETHING_DONE = ("/undo", "/cancel", "/restore", "/purge", "/step")


def key_of(route: Route) -> tuple[str, str]:
    return route.method, route.path


async def call(browser: AdminBrowser, route: Route, **values: str) -> int:
    if route.method == "GET":
        query = "&".join(f"{name}={value}" for name, value in values.items())
        return (await browser.get(f"{route.path}?{query}")).status_code
    return (await browser.post(route.path, **values)).status_code


def test_r154_every_route_is_in_the_table() -> None:
    assert {key_of(route) for route in ROUTES} == ALLOWED.keys() | PUBLIC | BY_TOKEN
    assert {key_of(route) for route in ROUTES if route.by_token} == BY_TOKEN
    assert {key_of(route) for route in ROUTES if route.permission is None} == PUBLIC
    assert {key_of(route) for route in ROUTES if route.is_proved} == PROVED
    assert len(ROUTES) == len({key_of(route) for route in ROUTES})


@pytest.mark.parametrize("role", Role)
def test_r154_r236_the_table_of_roles_says_the_same(role: Role) -> None:
    for route in ROUTES:
        if route.by_token:
            assert route.permission is Permission.APPLY
            assert may(role, route.permission) == (role in (OWNER, Role.DEPLOYER))
        elif route.permission is not None:
            assert may(role, route.permission) == (role in ALLOWED[key_of(route)]), route.path


async def test_r101_r154_without_a_session_there_is_only_the_sign_in(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", OWNER)
    browser = await console.browser()
    for route in ROUTES:
        if key_of(route) in ALLOWED:
            status = await call(browser, route)
            assert (status, browser.page.headers["location"]) == (303, "/sign-in"), route.path
        elif key_of(route) in BY_TOKEN:
            assert await call(browser, route) == 401, route.path
    await browser.get("/no-such-page")
    assert browser.page.status_code == 303


@pytest.mark.slow
@pytest.mark.parametrize("role", OF_PEOPLE)
async def test_r101_r154_r236_each_role_gets_what_the_table_says(
    console: ConsoleUnderTest, role: Role
) -> None:
    await console.make("owner", OWNER)
    if role is not OWNER:
        await console.make("who", role)
    person = await console.make("person", None)
    browser = await console.signed_in("owner" if role is OWNER else "who")
    for route in ROUTES:
        if key_of(route) in PUBLIC or route.path in ("/sign-out", "/me/end"):
            continue
        await browser.get("/me")
        status = await call(browser, route, id=person)
        if key_of(route) in BY_TOKEN:
            assert (status, browser.page.headers["www-authenticate"][:6]) == (401, "Bearer")
        elif role in ALLOWED[key_of(route)]:
            assert status in (200, 303, 400, 404, 409), (route.path, browser.page.text)
        else:
            assert status == 403, route.path
            assert "Your role does not allow this" in browser.page.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "target", "allowed"),
    [
        (OWNER, OWNER, True),
        (OWNER, ADMIN, True),
        (ADMIN, OWNER, False),
        (ADMIN, ADMIN, True),
        (ADMIN, HELP, True),
        (ADMIN, None, True),
        (HELP, OWNER, False),
        (HELP, ADMIN, False),
        (HELP, HELP, False),
        (HELP, AUDITOR, False),
        (HELP, None, True),
    ],
)
async def test_r101_r155_nobody_acts_on_somebody_with_more_rights(
    console: ConsoleUnderTest, role: Role, target: Role | None, *, allowed: bool
) -> None:
    await console.make("owner", OWNER)
    await console.make("other", OWNER)
    await console.make("who", role)
    subject = await console.make("target", target)
    browser = await console.signed_in("who")
    page = (await browser.get(f"/person?id={subject}")).text
    assert ("/person/disable" in page) is allowed
    for path in ("/person/sign-out", "/person/code", "/person/remove-factors"):
        await browser.get(f"/person?id={subject}")
        version = browser.version(path)
        await browser.get("/me")
        await browser.post(path, id=subject, identified="in_person", **version)
        assert (browser.page.status_code in (200, 303)) is allowed, path
        if path == "/person/remove-factors":
            await console.administration.users.get("target")
    await browser.get("/me")
    await browser.post("/person/disable", id=subject)
    assert (browser.page.status_code == 303) is allowed
    assert (await console.administration.users.get("target")).enabled is not allowed


@pytest.mark.parametrize("role", [ADMIN, HELP])
async def test_r155_no_form_about_a_person_acts_on_an_owner_for_others(
    console: ConsoleUnderTest, role: Role
) -> None:
    subject = await console.make("owner", OWNER)
    await console.make("who", role)
    users = console.administration.users
    browser = await console.signed_in("who")
    before = await users.get("owner")
    forms = [each for each in ROUTES if each.path.startswith("/person/") and each.method == "POST"]
    for route in forms:
        if role not in ALLOWED[key_of(route)] or route.path.endswith(_OF_SOMETHING_DONE):
            continue  # refused by the role alone; or there is nothing yet to undo or to cancel
        await browser.get("/me")
        values = {"external_key": "x", "name": "x", "version": str(before.version)}
        values["identified"] = "in_person"
        await browser.post(route.path, id=subject, when="now", **values)
        assert browser.page.status_code == 403, (route.path, browser.page.text)
    assert await users.get("owner") == before


def test_r155_a_role_of_a_later_version_is_an_owners_to_change() -> None:
    assert may_act_on(OWNER, "something new")
    assert not may_act_on(ADMIN, "something new")
    assert frozenset(Permission) == MAY[OWNER]
