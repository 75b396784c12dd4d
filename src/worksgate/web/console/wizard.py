"""The set-up wizard: nine steps, each a page of its own that can be left and come back to.

What a step does is done by ``administration.set_up``; nothing is changed by opening a page. The
steps 3 to 5 are in ``wizard_people``, the values of step 6 in ``wizard_values``, the rehearsal of
step 7 in ``wizard_rehearse``.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from worksgate.administration import NotFound, Outdated
from worksgate.administration.set_up import (
    MENUS,
    ConsoleLanguage,
    Menus,
    Outcome,
    Plan,
    Progress,
    SetUp,
    State,
    Step,
)
from worksgate.web.console.client_fields import FIELDS, PRODUCT_NAMES
from worksgate.web.console.conflicts import compare, conflict_page
from worksgate.web.console.outdated_forms import PROOF
from worksgate.web.console.pages import LANGUAGES, said_in
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

LONGEST_CHECK = 15.0
"""Seconds for a check of the public address from here."""

STEP_NAMES: Final[Mapping[Step, str]] = {
    Step.WHERE: text("Where are you?"),
    Step.ADDRESS: text("Public address"),
    Step.PEOPLE: text("Who are your people?"),
    Step.KEYS: text("User keys"),
    Step.TELL: text("Tell LINE WORKS the keys"),
    Step.VALUES: text("The values"),
    Step.REHEARSE: text("Rehearse"),
    Step.PLAN: text("The plan"),
    Step.APPLY: text("APPLY, live"),
}
PLAN_NAMES: Final[Mapping[Plan, str]] = {
    Plan.FREE: text("Free"),
    Plan.PAID: text("A paid plan"),
    Plan.UNKNOWN: text("I do not know"),
}
OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.REACHED: (text("LINE WORKS can reach this installation."), ""),
    Outcome.SLOW: (
        text("The call arrives, but too slowly: LINE WORKS would give up."),
        text(
            "It connects within 1 second, and waits 3 for the answer. Look at the way from "
            "outside to this server."
        ),
    ),
    Outcome.INSIDE: (
        text("The call went to an address that exists only in your own network."),
        text("Use a machine outside, such as a laptop on a phone’s connection."),
    ),
    Outcome.ELSEWHERE: (
        text("This is the answer of another address."),
        text("Copy the line as it is now, and run it again."),
    ),
    Outcome.PLAIN_HTTP: (
        text(
            "The call arrives, but counts as plain http: every call of LINE WORKS would be refused."
        ),
        text(
            "Add the address of your proxy to trusted_proxies, and have it set X-Forwarded-Proto."
        ),
    ),
    Outcome.NOT_OURS: (
        text("Something answers, but it is not Worksgate."),
        text(
            "Look at where the proxy sends /accessToken, and that it passes POST and the path "
            "on unchanged."
        ),
    ),
    Outcome.NO_NAME: (
        text("This name cannot be resolved from outside."),
        text("Create the DNS record at the provider of your domain, not only in your own network."),
    ),
    Outcome.REFUSED: (
        text("The connection is refused."),
        text("Open port 443 from the internet, and start the proxy."),
    ),
    Outcome.TIMEOUT: (
        text("Nothing answers."),
        text("A firewall drops the call: open port 443 from the internet."),
    ),
    Outcome.TLS: (
        text("The certificate is not trusted outside."),
        text("Use one of a public authority for this very name, with the whole chain in the file."),
    ),
    Outcome.UNREADABLE: (
        text("This is not the answer of the line."),
        text("Paste all that it printed, with its last line, which begins with worksgate."),
    ),
}
"""What the answer from outside means, and what to do."""


@dataclass(frozen=True, slots=True)
class _Later:
    """One of the last three steps: the page that does it."""

    path: str
    title: str
    button: str
    about: str


LATER: Final[Mapping[Step, _Later]] = {
    Step.REHEARSE: _Later(
        "/go-live/rehearsal",
        text("Try it before anybody has to"),
        text("Open the rehearsal"),
        text(
            "A rehearsal compares the members of LINE WORKS with the people here. Nobody is signed "
            "in."
        ),
    ),
    Step.PLAN: _Later(
        "/go-live/plan",
        text("Who does what, and when"),
        text("Open the plan"),
        text(
            "Two Super Admins who can go back, who does what at which hour, the telephones, and "
            "the mail to all. It is made to be printed."
        ),
    ),
    Step.APPLY: _Later(
        "/go-live/live",
        text("Press APPLY, and watch"),
        text("Open the live view"),
        text(
            "Press APPLY in the Developer Console, then begin the live view: it shows who is in, "
            "who tried and is not, and who has not come yet."
        ),
    ),
}


def path_of(step: Step) -> str:
    """The address of a step."""
    return f"/wizard/{step.value}"


async def show(visit: Visit) -> Response:
    """The first step that is not done."""
    known = await visit.administration.set_up.overview()
    left = (each.step for each in known.progress() if each.state is not State.DONE)
    return visit.to(path_of(next(left, Step.APPLY)))


# 1. Where are you?


async def show_where(visit: Visit) -> Response:
    """Product, domain, plan, and the language of the Developer Console."""
    known = await visit.administration.set_up.overview()
    given = dict(known.answers["where"].value) if "where" in known.answers else {}
    language = given.get("language") or visit.words.language
    return step_page(
        visit,
        known,
        Step.WHERE,
        "wizard_where.html",
        plans=PLAN_NAMES,
        languages=list(ConsoleLanguage),
        domain=known.domain or _likely_domain(known.public_url),
        plan=given.get("plan") or Plan.UNKNOWN.value,
        language_there=language,
    )


async def keep_where(visit: Visit) -> Response:
    """Keep it, and go on."""
    form = visit.form
    try:
        await visit.administration.set_up.place(
            profile=form.get("profile", ""),
            domain=form.get("domain", ""),
            plan=form.get("plan", ""),
            language=form.get("language", ""),
            expected_version=number_of(form.get("version", "")),
        )
    except Outdated:
        return await client_conflict(visit, "domain", "domain", Step.WHERE)
    return visit.to(path_of(Step.ADDRESS))


async def client_conflict(visit: Visit, typed: str, setting: str, step: Step) -> Response:
    """The client has changed since the page of a step was shown: one setting, put together.

    ``typed`` is the field of the form that has it.
    """
    form, seen = visit.form, number_of(visit.form.get("version", ""))
    client = (await visit.administration.set_up.overview()).client
    if client is None:
        raise NotFound("there is no client yet")
    since = await visit.administration.changes.since(client.client_id, seen)
    field = replace(FIELDS[setting], name=typed)
    theirs = field.text_of(getattr(client, setting))
    was = {typed: field.text_of(since.before[setting])} if setting in since.before else {}
    return conflict_page(
        visit,
        compare([field], was, {typed: theirs}, {typed: form.get(typed, "")}),
        name=client.name,
        last=since.last,
        action=path_of(step),
        back=path_of(step),
        kept={
            **{name: value for name, value in form.items() if name not in (typed, *PROOF)},
            "version": str(client.version),
        },
    )


# 2. Public address


async def show_address(visit: Visit) -> Response:
    """What is known of the way here, from outside and from inside."""
    known = await visit.administration.set_up.overview()
    return step_page(
        visit,
        known,
        Step.ADDRESS,
        "wizard_address.html",
        command=visit.administration.set_up.outside_command,
        outcomes=OUTCOMES,
    )


async def check_inside(visit: Visit) -> Response:
    """Look at the public address from this machine."""
    found: list[tuple[str, str, str]] = []
    try:
        async with asyncio.timeout(LONGEST_CHECK):
            async for each in visit.console.examiner.public_address():
                found.append((each.severity, each.text, each.advice))
    except TimeoutError:
        found.append(("fail", text("the check took too long"), text("run worksgate doctor")))
    said = {
        language: [
            (said_in(language, what), said_in(language, advice)) for _, what, advice in found
        ]
        for language in LANGUAGES
    }
    await visit.administration.set_up.record_inside(found, said)
    return visit.to(path_of(Step.ADDRESS))


async def judge_outside(visit: Visit) -> Response:
    """Judge what the line for outside has printed."""
    await visit.administration.set_up.record_outside(visit.form.get("answer", ""))
    return visit.to(path_of(Step.ADDRESS))


# 8 and 9


async def show_plan(visit: Visit) -> Response:
    return await _later(visit, Step.PLAN)


async def show_apply(visit: Visit) -> Response:
    return await _later(visit, Step.APPLY)


async def _later(visit: Visit, step: Step) -> Response:
    """One of the last steps: a page of its own does it."""
    known = await visit.administration.set_up.overview()
    return step_page(visit, known, step, "wizard_later.html", later=LATER[step])


# All of them


def step_page(
    visit: Visit, known: SetUp, step: Step, template: str, status: int = 200, **shown: object
) -> Response:
    """The page of a step, with all steps beside it."""
    progress: Sequence[Progress] = known.progress()
    return visit.page(
        template,
        status,
        known=known,
        step=step,
        progress=progress,
        step_names=STEP_NAMES,
        path_of=path_of,
        profiles=PRODUCT_NAMES,
        tenant=PRODUCT_NAMES[known.profile],
        menus=menus_of(visit, known),
        **shown,
    )


def menus_of(visit: Visit, known: SetUp) -> Menus:
    """The menus of the Developer Console in its language."""
    answer = known.answers.get("where")
    language = visit.words.language if answer is None else str(answer.value.get("language"))
    return MENUS.get(language, MENUS["en"])


def _likely_domain(public_url: str) -> str:
    """The domain of a company, from the name of its server; nothing for an address."""
    host = urlsplit(public_url).hostname or ""
    _, _, domain = host.partition(".")
    return domain if "." in domain and not host.replace(".", "").isdigit() else ""
