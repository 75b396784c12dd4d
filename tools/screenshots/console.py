"""Every page of the console, of the demonstration: by day and by night, in three languages.

What is only looked at comes first; what changes something comes after that. The browser of each
language has the same session of the owner, whose factor was used a moment ago.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import pyotp
from playwright.async_api import Browser, BrowserContext, FilePayload, Page
from tools.screenshots.camera import DESK, LANGUAGES, PATIENCE, Picture, both
from tools.screenshots.demonstration import Demonstration

from worksgate.administration.going_live.plan import Hour, Plan, Planned, SuperAdmin
from worksgate.administration.roles import Role
from worksgate.audit import AuditEvent, Event, Reason
from worksgate.cli.demo.company import OWNER, OWNER_NAME
from worksgate.cli.demo.installation import CLIENT
from worksgate.cli.demo.mistakes import MISTYPED_CLIENT
from worksgate.cli.demo.people import PASSWORD

MENU: Final = 216
"""Pixels at the left with the menu: only ``WHOLE`` shows it."""
WHOLE: Final = frozenset({"today", "wall"})
SATURDAY: Final = 5
MINUTE: Final = 60.0
HERE: Final = 131
"""People who are in on the day, of about 300."""
FAILED: Final = (
    (1, Event.LOGIN_FAILED, Reason.WRONG_PASSWORD),
    (6, Event.FACTOR_FAILED, Reason.WRONG_CODE),
    (11, Event.LOGIN_REFUSED, Reason.COOKIES_OFF),
)
"""Who has tried on the day and is not in: how many minutes ago, and why."""
STAFF: Final = {
    "hana@example.com": Role.ADMIN,
    "minjun@example.com": Role.HELP_DESK,
    "aoi@example.com": Role.AUDITOR,
}
INVITED: Final = {"en": "Emma Adams", "ja": "佐藤 恵", "ko": "이서연"}
NEWCOMERS: Final = {
    "en": ("Emma Adams", "emma.adams"),
    "ja": ("佐藤 恵", "megumi.sato"),
    "ko": ("이서연", "seoyeon.lee"),
}
MEANWHILE: Final = {"en": "Support", "ja": "Logistics", "ko": "Sales"}
REMOVED: Final = (
    "makoto.goto@example.com",
    "makoto.kimura@example.com",
    "yuto.yamaguchi@example.com",
)
"""They were disabled some time ago."""
SENTENCE: Final = "seven green ladders sing"
FILE: Final = """username,name,external_key,email,groups
mio.fujita@example.com,藤田 美桜,E-2301,mio.fujita@example.com,Sales
jiwon.han@example.com,한지원,E-2302,jiwon.han@example.com,Engineering;Support
emma.adams@example.com,Emma Adams,E-2303,emma.adams@example.com,Finance
ren.ota@example.com,太田 蓮,E-1001,ren.ota@example.com,Logistics
,名前のみ,E-2304,,
aoi@example.com,Aoi Tanaka,E-1001,,
"""


@dataclass(frozen=True)
class Stage:
    """The demonstration, a browser, and IDs of the demonstration for addresses."""

    demo: Demonstration
    browser: Browser
    contexts: Mapping[str, BrowserContext]
    ids: dict[str, str]

    async def goto(self, tab: Page, path: str) -> None:
        await tab.goto(self.demo.console + path.format(**self.ids))

    async def prove(self, ago: float = 0.0) -> None:
        """As if the owner's second factor had been used so many seconds ago."""
        owner = await self.demo.administration.users.get(OWNER)
        sessions = self.demo.administration.people._directory.console_sessions
        for each in await sessions.of(owner.person.subject_id, time.time()):
            await sessions.prove(each.key, time.time() - ago)


Deed = Callable[[Page, Stage, str], Awaitable[None]]
"""Leads a tab to a page, in a language."""


@dataclass(frozen=True)
class Scene:
    """A page: where it is, or how one comes there, and the template that it is made of."""

    name: str
    template: str
    way: str | Deed
    is_stranger: bool = False
    """Whether nobody is signed in."""
    before: Callable[[Stage], Awaitable[None]] | None = None
    """What is done once, before it is opened in the first language."""


async def press(tab: Page, selector: str) -> None:
    async with tab.expect_navigation():
        await tab.locator(selector).first.click()


# What happens before


async def rehearsed(stage: Stage) -> None:
    """LINE WORKS was asked for its members, everybody was compared, and a plan was made."""
    going_live, in_a_week = stage.demo.administration.going_live, date.today() + timedelta(days=7)
    await going_live.ask_members(CLIENT)
    await going_live.rehearse(CLIENT)
    now = time.time()
    await going_live.keep_plan(
        Plan(
            date=in_a_week.isoformat(),
            contact="help@example.com",
            decides=OWNER_NAME,
            leads="Hana Mori",
            super_admins=(
                SuperAdmin(name=OWNER_NAME).tested(now, OWNER),
                SuperAdmin(name="Hana Mori"),
            ),
            hours={
                Hour.SUPER_ADMINS: Planned(who=OWNER_NAME, phone="03-0000-0101"),
                Hour.MAIL: Planned(who="Hana Mori", phone="03-0000-0102"),
                Hour.APPLY: Planned(who=OWNER_NAME, phone="03-0000-0101"),
            },
        )
    )


async def applied(stage: Stage) -> None:
    """APPLY was pressed 40 minutes ago; most are in, and a few have tried."""
    administration, now = stage.demo.administration, time.time()
    await administration.going_live.start(now - 40 * MINUTE)
    enabled = [each async for each in administration.users.all() if each.enabled]
    came = [
        AuditEvent(
            event=Event.USER_INFO_RETURNED,
            at=now - 40 * MINUTE * (1 - (number / HERE) ** 1.4),
            subject_id=each.person.subject_id,
            username=each.username,
        )
        for number, each in enumerate(enabled[-HERE:], 1)
    ]
    failed = [
        AuditEvent(
            event=event,
            at=now - minutes * MINUTE,
            subject_id=each.person.subject_id,
            username=each.username,
            reason=reason,
        )
        for (minutes, event, reason), each in zip(FAILED, enabled[20:], strict=False)
    ]
    await administration.going_live._directory.record([*came, *failed])


async def staffed(stage: Stage) -> None:
    for username, role in STAFF.items():
        await stage.demo.administration.administrators.set_role(username, role)


# Ways to a page


async def removed(tab: Page, stage: Stage, _: str) -> None:
    """Some were removed, once; the first of them is looked at."""
    if "removed" not in stage.ids:
        for username in REMOVED:
            await stage.demo.administration.users.remove(username)
        stage.ids["removed"] = await _id_behind(stage, tab, "/people/removed")
    await stage.goto(tab, "/person?id={removed}")


async def reset_link(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/person?id={helped}")
    await press(tab, "form[action='/person/reset-link'] button")


async def reset_code(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/person/code?id={helped}")
    await tab.locator("[name=identified]").first.check()
    await press(tab, "form[action='/person/code'] .button")


async def import_preview(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/people/import")
    file = FilePayload(name="people.csv", mimeType="text/csv", buffer=FILE.encode())
    await tab.set_input_files("[type=file]", file)
    await press(tab, "form[enctype] .button")


async def ticked(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/people?q=suzuki")
    for box in (await tab.locator("tbody [type=checkbox]").all())[:3]:
        await box.check()


async def bulk(tab: Page, stage: Stage, language: str) -> None:
    await ticked(tab, stage, language)
    await press(tab, ".bulk [value=disable]")


async def job(tab: Page, stage: Stage, language: str) -> None:
    """It is done once; the other languages see the same."""
    if "job" not in stage.ids:
        await bulk(tab, stage, language)
        await press(tab, ".decide .button")
        stage.ids["job"] = parse_qs(urlsplit(tab.url).query)["id"][0]
        await tab.locator("progress").wait_for(state="detached")
    await stage.goto(tab, "/job?id={job}")


async def left(tab: Page, stage: Stage, _: str) -> None:
    """The departure is today's, once; the other languages see the same."""
    await stage.goto(tab, "/person/leave?id={leaver}")
    if "left" not in stage.ids:
        stage.ids["left"] = ""
        await tab.locator("form.decide [name=when][value=now]").check()
        await press(tab, "form.decide .button")


async def new_client(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/client?id={other_client}")
    await press(tab, "form[action='/client/secret'] button")


async def conflict(tab: Page, stage: Stage, _: str) -> None:
    clients, client_id = stage.demo.administration.clients, stage.ids["other_client"]
    await clients.change(client_id, allowed_addresses=["198.51.100.0/24"], domain="example.com")
    await stage.goto(tab, "/client/edit?id={other_client}&part=addresses")
    await clients.change(client_id, allowed_addresses=["192.0.2.0/24"])
    await tab.fill("[name=allowed_addresses]", "203.0.113.0/24")
    await tab.fill("[name=logout_redirect_uris]", "https://www.example.com/bye")
    await press(tab, "form[action='/client/edit'] .button")


async def meanwhile(tab: Page, stage: Stage, language: str) -> None:
    await stage.goto(tab, "/person?id={helped}")
    users = stage.demo.administration.users
    await users.change("hana@example.com", groups=[MEANWHILE[language]])
    await press(tab, "form[action='/person/remove-factors'] button")


async def invitation(tab: Page, stage: Stage, language: str) -> None:
    await stage.goto(tab, "/administrators")
    await tab.fill("#inv-name", INVITED[language])
    await press(tab, "form[action='/administrators/invite'] .button")


async def passkey(tab: Page, stage: Stage, _: str) -> None:
    await stage.prove()
    await stage.goto(tab, "/me")
    await press(tab, "form[action='/me/passkey'] button")


async def app(tab: Page, stage: Stage, _: str) -> None:
    await stage.prove()
    await stage.goto(tab, "/me")
    await press(tab, "form[action='/me/app'] button")


async def prove(tab: Page, stage: Stage, _: str) -> None:
    await stage.prove(ago=600)
    await stage.goto(tab, "/me")
    await press(tab, "form[action='/me/passkey'] button")
    await stage.prove()


async def second_step(tab: Page, stage: Stage, _: str) -> None:
    await stage.goto(tab, "/sign-in")
    await tab.fill("[name=username]", OWNER)
    await tab.fill("[name=password]", PASSWORD)
    await press(tab, "form[action='/sign-in'] .button")


async def first_link(tab: Page, stage: Stage, _: str) -> None:
    stage.ids["link"] = await stage.demo.administration.first_owner.issue_link(recovers=True)
    await tab.goto(stage.ids["link"])


async def ways(tab: Page, stage: Stage, language: str) -> None:
    await first_link(tab, stage, language)
    name, username = NEWCOMERS[language]
    await tab.fill("#name", name)
    await tab.fill("#username", username)
    await press(tab, "button.large")


async def recovery_codes(tab: Page, stage: Stage, language: str) -> None:
    await ways(tab, stage, language)
    secret = (await tab.locator(".hint code").inner_text()).replace(" ", "")
    await tab.fill("#password", SENTENCE)
    await tab.fill("#again", SENTENCE)
    await tab.fill("#code", pyotp.TOTP(secret).now())
    await press(tab, "form:has(#code) .button")


async def used_link(tab: Page, stage: Stage, _: str) -> None:
    await tab.goto(stage.ids["link"])


SCENES: Final = (
    Scene("today", "today.html", "/"),
    Scene("people", "people.html", "/people"),
    Scene("person", "person.html", "/person?id={person}"),
    Scene("code-ask", "reset_code.html", "/person/code?id={helped}"),
    Scene("traces", "trace.html", "/trace"),
    Scene("trace", "trace.html", "/trace?q={workday}T09:03"),
    Scene("sign-ins", "sign_ins.html", "/sign-ins?range=week"),
    Scene("leaver", "leaver.html", "/person/leave?id={leaver}"),
    Scene("import", "import.html", "/people/import"),
    Scene("clients", "clients.html", "/clients"),
    Scene("client", "client.html", "/client?id={client}"),
    Scene("client-new", "client_new.html", "/client/new"),
    Scene("client-edit", "client_edit.html", "/client/edit?id={client}&part=sign-in"),
    Scene("rules", "client_rules.html", "/client/rules?id={client}&who=aoi&address=192.0.2.1"),
    Scene("branding", "branding.html", "/client/branding?id={client}"),
    Scene("sources", "sources.html", "/sources"),
    Scene("source", "source.html", "/source?name=partner"),
    Scene("wizard-where", "wizard_where.html", "/wizard/where"),
    Scene("wizard-address", "wizard_address.html", "/wizard/address"),
    Scene("wizard-people", "wizard_people.html", "/wizard/people"),
    Scene("wizard-keys", "wizard_keys.html", "/wizard/keys"),
    Scene("wizard-tell", "wizard_tell.html", "/wizard/tell"),
    Scene("wizard-values", "wizard_values.html", "/wizard/values"),
    Scene("wizard-rehearse", "wizard_rehearse.html", "/wizard/rehearse"),
    Scene("wizard-plan", "wizard_later.html", "/wizard/plan"),
    Scene("wizard-apply", "wizard_later.html", "/wizard/apply"),
    Scene("rehearsal", "rehearsal.html", "/go-live/rehearsal", before=rehearsed),
    Scene("plan", "plan.html", "/go-live/plan"),
    Scene("day", "live.html", "/go-live/live"),
    Scene("audit", "audit.html", "/audit", before=staffed),
    Scene("changes", "changes.html", "/audit/changes"),
    Scene("health", "health.html", "/health"),
    Scene("settings", "settings.html", "/settings"),
    Scene("me", "me.html", "/me"),
    Scene("not-found", "notice.html", "/no-such-page"),
    Scene("live", "live.html", "/go-live/live?pause=1", before=applied),
    Scene("wall", "wall.html", "/go-live/wall?pause=1"),
    # From here on something is changed.
    Scene("administrators", "administrators.html", "/administrators"),
    Scene("invitation", "administrators.html", invitation),
    Scene("reset-link", "person.html", reset_link),
    Scene("code-shown", "reset_code.html", reset_code),
    Scene("bulk", "bulk.html", bulk),
    Scene("job", "job.html", job),
    Scene("jobs", "jobs.html", "/jobs"),
    Scene("removed-person", "removed.html", removed),
    Scene("removed-people", "removed_people.html", "/people/removed"),
    Scene("import-preview", "import_preview.html", import_preview),
    Scene("left", "leaver.html", left),
    Scene("conflict", "conflict.html", conflict),
    Scene("meanwhile", "meanwhile.html", meanwhile),
    Scene("client-secret", "client_secret.html", new_client),
    Scene("passkey-new", "passkey.html", passkey),
    Scene("app-new", "app.html", app),
    Scene("prove", "prove.html", prove),
    Scene("console-sign-in", "sign_in.html", "/sign-in", is_stranger=True),
    Scene("second-step", "code.html", second_step, is_stranger=True),
    Scene("first-link", "first.html", first_link, is_stranger=True),
    Scene("first-ways", "first_ways.html", ways, is_stranger=True),
    Scene("first-codes", "codes.html", recovery_codes, is_stranger=True),
    Scene("first-used", "notice.html", used_link, is_stranger=True),
)
"""In the order in which they are taken; ``{person}`` and the like are IDs of the stage."""


BY_DEEDS: Final = frozenset({"/job", "/first"})
"""Where some of these ways lead."""


async def pictures(browser: Browser, demo: Demonstration) -> AsyncIterator[Picture]:
    """Each page in each language."""
    async with _opened(browser, demo) as stage:
        for scene in SCENES:
            await stage.prove()
            if scene.before is not None:
                await scene.before(stage)
            for language in LANGUAGES:
                yield await _taken(scene, stage, language)


async def _taken(scene: Scene, stage: Stage, language: str) -> Picture:
    context = stage.contexts[language]
    if scene.is_stranger:
        context = await new_context(stage.browser, language)
    tab = await context.new_page()
    if isinstance(scene.way, str):
        await stage.goto(tab, scene.way)
    else:
        await scene.way(tab, stage, language)
    has_menu = not scene.is_stranger and scene.name not in WHOLE
    shots = await both(tab, DESK, stage.demo.said, left=MENU if has_menu else 0)
    await tab.close()
    if scene.is_stranger:
        await context.close()
    return Picture(scene.name, language, shots)


async def new_context(browser: Browser, language: str) -> BrowserContext:
    context = await browser.new_context(
        locale=LANGUAGES[language], viewport=DESK, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    return context


@asynccontextmanager
async def _opened(browser: Browser, demo: Demonstration) -> AsyncIterator[Stage]:
    contexts = {language: await new_context(browser, language) for language in LANGUAGES}
    first = contexts["en"]
    tab = await first.new_page()
    await tab.goto(demo.door)
    await press(tab, "button.large")
    stage = Stage(demo, browser, contexts, {})
    stage.ids.update(
        person=await _id_behind(stage, tab, "/people?q=yuki.nakagawa"),
        helped=await _id_behind(stage, tab, "/people?q=hana@example.com"),
        leaver=await _id_behind(stage, tab, "/people?q=minjun@example.com"),
        client=(await demo.administration.clients.get(CLIENT)).client_id,
        other_client=(await demo.administration.clients.get(MISTYPED_CLIENT)).client_id,
        workday=_workday_before(date.today()).isoformat(),  # as the demonstration has it
    )
    cookies = (await first.storage_state())["cookies"]
    for context in contexts.values():
        await context.add_cookies(cookies)  # type: ignore[arg-type]  # the same keys
    await tab.close()
    yield stage
    for context in contexts.values():
        await context.close()


async def _id_behind(stage: Stage, tab: Page, path: str) -> str:
    """The ID in the first link of a list."""
    await stage.goto(tab, path)
    link = await tab.locator("tbody th a").first.get_attribute("href") or ""
    return quote(parse_qs(urlsplit(link).query)["id"][0])


def _workday_before(day: date) -> date:
    before = day - timedelta(days=1)
    return before if before.weekday() < SATURDAY else _workday_before(before)
