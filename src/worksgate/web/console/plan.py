"""The plan of the day: typed by administrators, printed on A4."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from worksgate.administration import Outdated
from worksgate.administration.going_live import STOPS, Finding
from worksgate.administration.going_live.announcement import (
    LANGUAGE_NAMES,
    Facts,
    MailPrograms,
    announcements,
)
from worksgate.administration.going_live.plan import LONGEST, Hour, Plan, Planned, SuperAdmin
from worksgate.web.console.client_fields import ClientField
from worksgate.web.console.conflicts import (
    compare,
    conflict_page,
    is_outdated,
    stated,
    unchanged,
    was_in,
)
from worksgate.web.console.rehearsal import FINDINGS
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

HOURS: Final[Mapping[Hour, tuple[str, str]]] = {
    Hour.SUPER_ADMINS: (
        "17:00",
        text(
            "Both Super Admins sign in with their LINE WORKS passwords, once each. Without this, "
            "stop."
        ),
    ),
    Hour.MAIL: ("17:30", text("Mail to all, with the text below")),
    Hour.OUTSIDE: (
        "07:15",
        text("Check from outside: the certificate, the addresses, an answer within 1 second"),
    ),
    Hour.APPLY: ("07:30", text("APPLY in the Developer Console. The live view on the wall.")),
    Hour.SILENCE: ("07:35", text("Nobody has come? Web Login URL; then go back.")),
    Hour.HELP_DESK: ("07:30–10:00", text("Help desk: by telephone and at a desk")),
    Hour.DECIDE: ("10:00", text("Decide: stay, or go back")),
}
"""A time to begin with, and what is done."""
TITLE: Final = text("The plan")
LABELS: Final[Mapping[str, str]] = {
    "date": text("Day"),
    "contact": text("Help for everybody (in the mail)"),
    "decides": text("Who decides"),
    "leads": text("Who leads"),
}
SUPER_ADMIN: Final = text("Super Admin %(number)d")
HOUR_LABELS: Final[Mapping[str, str]] = {
    "when": text("Time"),
    "who": text("In charge"),
    "phone": text("Telephone"),
}


async def show(visit: Visit) -> Response:
    """The plan, as it is printed, and the form with which it is changed."""
    going_live = visit.administration.going_live
    plan, last = await going_live.plan(), await going_live.last_rehearsal()
    settings, apply = visit.console.settings, plan.hours[Hour.APPLY]
    facts = Facts(
        product=settings.product_name,
        date=plan.date,
        time=apply.when or HOURS[Hour.APPLY][0],
        contact=plan.contact,
        account_url=settings.account_url,
        mail_programs=MailPrograms.of(await visit.administration.clients.all()),
    )
    return visit.page(
        "plan.html",
        plan=plan,
        hours=HOURS,
        last=last,
        stops=[each for each in STOPS if last and last.count(each)],
        mail_users=last.count(Finding.NO_APP_PASSWORD) if last else 0,
        texts=FINDINGS,
        tested=[_is_of_today(each, visit) for each in plan.super_admins],
        mails=announcements(facts),
        mail_programs=facts.mail_programs.value,
        language_names=LANGUAGE_NAMES,
        longest=LONGEST,
        was=stated(_texts_of_plan(plan)),
        is_kept=visit.query.get("done") == "kept",
    )


async def keep(visit: Visit) -> Response:
    """Keep the plan as it was typed, put together with what others have changed meanwhile."""
    going_live = visit.administration.going_live
    plan = await going_live.plan()
    typed, fields = _typed(visit, plan), _fields(visit)
    was, theirs = was_in(visit.form, fields), _texts_of_plan(plan)
    rows = compare(fields, was or {}, theirs, _texts_of_plan(typed))
    if is_outdated(was, rows):
        tested = {name: "1" for name in ("tested_0", "tested_1") if visit.form.get(name) == "1"}
        return conflict_page(
            visit,
            rows,
            name=visit.words.said(TITLE),
            action="/go-live/plan",
            back="/go-live/plan",
            kept={**unchanged(rows), **tested, "was": stated(theirs)},
        )
    try:
        await going_live.keep_plan(typed, before=plan)
    except Outdated:  # by somebody who was faster than this request
        return await keep(visit)
    return visit.to("/go-live/plan", done="kept")


def _texts_of_plan(plan: Plan) -> dict[str, str]:
    """What can be typed, as it stands in the form."""
    hours = {
        f"{name}_{hour}": getattr(planned, name)
        for hour, planned in plan.hours.items()
        for name in HOUR_LABELS
    }
    admins = {f"super_admin_{each}": plan.super_admins[each].name for each in range(2)}
    return {**{name: getattr(plan, name) for name in LABELS}, **admins, **hours}


def _fields(visit: Visit) -> list[ClientField]:
    """The same as fields of a comparison, with labels in the language of the page."""
    said = visit.words.said
    labels = {name: said(label) for name, label in LABELS.items()}
    labels |= {f"super_admin_{each}": said(SUPER_ADMIN, number=each + 1) for each in range(2)}
    labels |= {
        f"{name}_{hour}": f"{said(about)} – {said(label)}"
        for hour, (_, about) in HOURS.items()
        for name, label in HOUR_LABELS.items()
    }
    return [ClientField(name=name, label=label, sentence="") for name, label in labels.items()]


def _typed(visit: Visit, before: Plan) -> Plan:
    """The plan of the form; a password counts as tested once somebody says so."""

    def value(name: str) -> str:
        return " ".join(visit.form.get(name, "").split())[:LONGEST]

    def super_admin(number: int) -> SuperAdmin:
        named = before.super_admins[number].named(value(f"super_admin_{number}"))
        is_tested = visit.form.get(f"tested_{number}") == "1"
        return named.tested(visit.now, visit.administrator.account.username) if is_tested else named

    return replace(
        before,
        date=value("date"),
        contact=value("contact"),
        decides=value("decides"),
        leads=value("leads"),
        super_admins=(super_admin(0), super_admin(1)),
        hours={
            hour: Planned(
                when=value(f"when_{hour}"), who=value(f"who_{hour}"), phone=value(f"phone_{hour}")
            )
            for hour in Hour
        },
    )


def _is_of_today(admin: SuperAdmin, visit: Visit) -> bool:
    """Whether the password was tested on this day, as the page says it."""
    if admin.tested_at is None:
        return False
    days = {visit.words.local(at).date() for at in (admin.tested_at, visit.now)}
    return len(days) == 1
