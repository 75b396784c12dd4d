"""Nothing is changed by a page that is not so any more: each form carries what it was made from.

The tables are by hand: a route with a new form fails until it is in one of them.
"""

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.web.console.console import AdminBrowser, ConsoleUnderTest

from worksgate.administration import NotFound
from worksgate.administration.roles import Role
from worksgate.directory.change_log import ChangeKind
from worksgate.directory.database import Directory
from worksgate.web.console.outdated_forms import AGAIN
from worksgate.web.console.routes import ROUTES


@dataclass
class Place:
    """A console with a client and a person, and an owner in a browser."""

    console: ConsoleUnderTest
    browser: AdminBrowser
    client: str
    person: str

    @property
    def administration(self) -> Any:
        return self.console.administration

    async def fields(self, *, of_client: str = "", of_person: str = "") -> tuple[object, ...]:
        """What is there now."""
        client = await self.administration.clients.get("Acme")
        person = await self.administration.users.get("person")
        return tuple(
            getattr(each, name)
            for each, names in ((client, of_client), (person, of_person))
            for name in names.split()
        )


Step = Callable[[Place], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    """A form on a page, what is typed into it, and what somebody else does meanwhile.

    ``before`` is done first; ``state`` is what must not change by an outdated form.
    """

    page: str
    theirs: Step
    state: Step
    before: Step | None = None
    typed: dict[str, str] = field(default_factory=dict)


async def change_client(place: Place) -> None:
    await place.administration.clients.change("Acme", domain="theirs.example")


async def change_person(place: Place) -> None:
    await place.administration.users.change("person", name="Theirs", external_key="theirs")


async def disable_client(place: Place) -> None:
    await place.administration.clients.disable("Acme")


async def disable_person(place: Place) -> None:
    await place.administration.users.disable("person")


async def plan_departure(place: Place) -> None:
    await place.administration.departures.plan("person", place.console.clock() + 86_400)


async def plan_another(place: Place) -> None:
    place.console.clock.advance(1)
    await place.administration.departures.plan("person", place.console.clock() + 2 * 86_400)


async def give_role(place: Place) -> None:
    await place.administration.administrators.set_role("person", Role.AUDITOR)


async def draft(place: Place) -> None:
    await place.administration.branding.save("Acme", name="First", light="#0c5878")


async def another_draft(place: Place) -> None:
    await place.administration.branding.save("Acme", name="Theirs")


async def branding(place: Place) -> Any:
    found = await place.administration.branding.of_client("Acme")
    return found.number, found.edited, found.shown


async def another_plan(place: Place) -> None:
    from dataclasses import replace

    going_live = place.administration.going_live
    plan = await going_live.plan()
    await going_live.keep_plan(replace(plan, contact="theirs@example.com", decides="Theirs"))


async def the_plan(place: Place) -> Any:
    return await place.administration.going_live.plan()


async def departure(place: Place) -> Any:
    found = await place.administration.departures.of(f"{place.person}")
    account = await place.administration.users.get("person")
    return found, account.enabled


async def client(place: Place) -> Any:
    return await place.administration.clients.get("Acme")


async def person(place: Place) -> Any:
    return await place.administration.users.get("person")


async def is_there(place: Place) -> Any:
    try:
        return await place.administration.users.get("person")
    except NotFound:
        return None


async def factors(place: Place) -> Any:
    account = await place.administration.users.get("person")
    return (await place.administration.people.holdings(account.person)).factors.totp


VERSIONED = {
    "/client/edit": Case(
        "/client/edit?id={client}&part=tenant",
        change_client,
        client,
        typed={"name": "Acme", "domain": "mine.example"},
    ),
    "/client/secret": Case("/client?id={client}", change_client, client),
    "/client/enable": Case("/client?id={client}", change_client, client, before=disable_client),
    "/client/disable": Case("/client?id={client}", change_client, client),
    "/client/branding": Case(
        "/client/branding?id={client}",
        another_draft,
        branding,
        before=draft,
        typed={"name": "Mine", "message_ja": "ようこそ"},
    ),
    "/client/branding/publish": Case(
        "/client/branding?id={client}", another_draft, branding, before=draft
    ),
    "/client/branding/discard": Case(
        "/client/branding?id={client}", another_draft, branding, before=draft
    ),
    "/client/branding/logo": Case(
        "/client/branding?id={client}",
        another_draft,
        branding,
        before=draft,
        typed={"remove": "1"},
    ),
    "/person/key": Case(
        "/person?id={person}", change_person, person, typed={"external_key": "mine"}
    ),
    "/person/rename": Case("/person?id={person}", change_person, person, typed={"name": "Mine"}),
    "/person/enable": Case("/person?id={person}", change_person, person, before=disable_person),
    "/person/remove-factors": Case("/person?id={person}", change_person, factors),
    "/person/remove": Case("/person?id={person}", change_person, is_there),
    "/person/leave": Case(
        "/person/leave?id={person}",
        plan_departure,
        departure,
        typed={"when": "date", "day": "2099-01-31", "time": "17:30", "suspend": "yes"},
    ),
    "/person/leave/cancel": Case(
        "/person/leave?id={person}", plan_another, departure, before=plan_departure
    ),
    "/administrators/role": Case(
        "/administrators",
        give_role,
        person,
        typed={"username": "person", "role": "help_desk"},
    ),
    "/wizard/where": Case(
        "/wizard/where",
        change_client,
        client,
        typed={"domain": "mine.example", "plan": "unknown", "language": "ja"},
    ),
    "/wizard/keys": Case("/wizard/keys", change_client, client, typed={"kind": "works_account"}),
    "/go-live/plan": Case(
        "/go-live/plan", another_plan, the_plan, typed={"contact": "mine", "when_apply": "07:00"}
    ),
}
"""Forms that carry a version, and how each becomes outdated."""

BY_NUMBER = {
    "/client/undo": (ChangeKind.CLIENT, change_client, client),
    "/person/undo": (ChangeKind.PERSON, change_person, person),
    "/administrators/undo": (ChangeKind.ROLE, give_role, person),
}
"""Forms that carry the number of a change, which has the version of what was changed."""

_READS = "changes nothing"
_ADDS = "adds something, and changes nothing that was shown"
_OWN = "one's own, or ended for good"
_RUNS = "begins or ends what runs; the last word counts"
EXCEPTIONS = {
    **dict.fromkeys(
        (
            *("/sign-in", "/sign-in/code", "/sign-in/passkey", "/sign-in/provider", "/first"),
            *("/sign-out", "/me/end", "/me/passkey", "/me/passkey/add", "/me/passkey/remove"),
            "/me/passkey/rename",
            *("/me/app", "/me/app/add", "/me/app/remove", "/me/codes", "/me/language"),
        ),
        _OWN,
    ),
    **dict.fromkeys(
        (
            *("/sign-ins/export", "/people/export", "/people/removed/export"),
            *("/jobs/export", "/job/result"),
            *("/clients/export", "/audit/changes/export", "/audit/export"),
            *("/go-live/rehearsal/export", "/administrators/export", "/wizard/tell/file"),
            *("/people/import", "/people/bulk", "/source/test", "/health/run", "/health/verify"),
            *("/settings/test-alert", "/wizard/rehearse/sign-in", "/wizard/keys/count"),
            *("/wizard/address/inside", "/wizard/address/outside", "/go-live/rehearsal"),
        ),
        _READS,
    ),
    **dict.fromkeys(
        (
            *("/people/add", "/client/new", "/wizard/values/client", "/administrators/invite"),
            *("/administrators/token", "/person/allow-attempt"),
        ),
        _ADDS,
    ),
    **dict.fromkeys(
        ("/administrators/withdraw", "/administrators/end", "/administrators/token/end"), _OWN
    ),
    **dict.fromkeys(
        (
            *("/job/stop", "/job/undo", "/go-live/start", "/go-live/end", "/go-live/members"),
            *("/go-live/members/ask", "/go-live/members/remove", "/wizard/values/choose"),
        ),
        _RUNS,
    ),
    **dict.fromkeys(
        ("/person/reset-link", "/person/reset-mail", "/person/code"),
        "void by itself once the account changes; it goes to the address of that moment",
    ),
    "/person/leave/step": "carries on what was decided",
    **dict.fromkeys(
        ("/person/restore", "/person/purge"), "is about what was removed, which nobody changes"
    ),
    "/person/sign-out": "ends what there is, by whomever it was begun",
    "/person/disable": "keeps somebody out: that is right whatever has changed",
    "/jobs/start": "carries the number and a digest of the people who were shown",
    "/people/import/start": "each line is compared with what is there when it is its turn",
    "/wizard/values": "says what somebody has seen elsewhere; the last word counts",
    "/wizard/tell": "says what somebody has seen elsewhere; the last word counts",
    "/wizard/values/secret": "carries the time of the secret that was shown",
    "/api/apply": "carries the digest of a plan",
}
"""Forms without a version, and why."""


def test_r235_every_form_carries_a_version_or_has_a_reason_not_to() -> None:
    forms = {route.path for route in ROUTES if route.method == "POST"}
    listed = [*VERSIONED, *BY_NUMBER, *EXCEPTIONS]
    assert sorted(forms) == sorted(listed)
    assert set(AGAIN) <= set(VERSIONED)


@pytest.fixture
async def place(console: ConsoleUnderTest) -> Place:
    await console.make("owner", Role.OWNER)
    person = await console.make("person", None)
    made = await console.administration.clients.add("Acme")
    browser = await console.signed_in("owner")
    return Place(console, browser, made.client.client_id, person)


def form_of(page: str, action: str) -> dict[str, str]:
    """The fields of a form of a page as a browser would send them, but for its button."""
    found = re.search(rf'<form[^>]* action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.S)
    assert found is not None, action
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", found[1]):
        attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
        is_choice = attributes.get("type") in ("radio", "checkbox")
        if "name" in attributes and (not is_choice or " checked" in tag):
            fields[attributes["name"]] = attributes.get("value", "")
    for name, text in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n?(.*?)</textarea>', found[1]):
        fields[name] = html.unescape(text)
    return fields


_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@pytest.mark.slow
@pytest.mark.parametrize("path", VERSIONED)
async def test_r235_an_outdated_form_changes_nothing_and_asks_again(
    place: Place, path: str
) -> None:
    case, browser = VERSIONED[path], place.browser
    if case.before is not None:
        await case.before(place)
    await browser.get(case.page.format(client=place.client, person=place.person))
    form = form_of(browser.page.text, path) | case.typed
    carried = {"version", "number", "was"} & form.keys()
    assert carried
    await case.theirs(place)
    theirs = await case.state(place)
    for sent in (form, {name: value for name, value in form.items() if name not in carried}):
        browser.page = await browser.http.post(path, data={**sent, "csrf": form["csrf"]})
        assert browser.page.status_code == 409, browser.page.text
        assert await case.state(place) == theirs
        for value in case.typed.values():
            assert value in html.unescape(browser.page.text)
    again = form_of(browser.page.text, path) | ({"remove": "1"} if "remove" in form else {})
    await browser.post(path, **again)
    assert browser.page.status_code in (200, 303), browser.page.text
    assert await case.state(place) != theirs


@pytest.mark.slow
@pytest.mark.parametrize("path", VERSIONED)
async def test_r256_two_who_meet_between_the_page_and_the_transaction(
    place: Place, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else is faster after this request has compared what its page has shown."""
    case, browser = VERSIONED[path], place.browser
    if case.before is not None:
        await case.before(place)
    await browser.get(case.page.format(client=place.client, person=place.person))
    form = form_of(browser.page.text, path) | case.typed
    waiting = [case.theirs]
    begin, theirs = Directory.writing, None

    @asynccontextmanager
    async def writing(directory: Directory) -> AsyncIterator[AsyncConnection]:
        nonlocal theirs
        while waiting:
            await waiting.pop()(place)
            theirs = await case.state(place)
        async with begin(directory) as connection:
            yield connection

    monkeypatch.setattr(Directory, "writing", writing)
    browser.page = await browser.http.post(path, data=form)
    assert not waiting
    assert browser.page.status_code == 409, browser.page.text
    assert await case.state(place) == theirs


@pytest.mark.parametrize("path", BY_NUMBER)
async def test_r235_what_has_changed_since_is_not_undone(place: Place, path: str) -> None:
    kind, change, state = BY_NUMBER[path]
    await change(place)
    (newest,) = await place.administration.changes.page(limit=1)
    assert newest.change.kind is kind
    if kind is ChangeKind.CLIENT:
        await place.administration.clients.change("Acme", expires_in_web=3_600)
    else:
        await place.administration.users.change("person", email="theirs@example.com")
    theirs = await state(place)
    await place.browser.get("/me")
    await place.browser.post(path, number=str(newest.change.number))
    assert place.browser.page.status_code == 409
    assert await state(place) == theirs


async def test_r235_only_the_second_step_that_was_shown_is_removed(place: Place) -> None:
    browser, path = place.browser, "/person/remove-factors"
    await browser.get(f"/person?id={place.person}")
    form = form_of(browser.page.text, path)
    account = await place.administration.users.get("person")
    await place.administration.people.reset_factors("person")
    assert (await place.administration.users.get("person")).version == account.version
    await browser.post(path, **form)
    assert browser.page.status_code == 409
    assert "authenticator app no" in browser.page.text


async def test_r235_what_others_did_is_shown_to_those_only_who_may_act(place: Place) -> None:
    await place.console.make("help", Role.HELP_DESK)
    await place.administration.administrators.set_role("person", Role.ADMIN)
    browser = await place.console.signed_in("help")
    await browser.get("/me")
    for path in ("/person/enable", "/person/remove-factors"):
        await browser.post(path, id=place.person, version="0", csrf=browser.hidden("csrf"))
        assert browser.page.status_code == 403
        await browser.get("/me")
