"""Every page of the console, with what one must be allowed for it.

A route without a verb is for everybody who reaches the console: it signs in, or is a file. All
others need a session, and a role that may do what the verb says (``administration.roles``). The
table is all there is: a test walks it as nobody and in every role.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from worksgate.administration.console.providers import RETURN_PATH
from worksgate.administration.first_owner import LINK_PATH
from worksgate.administration.going_live.members_file import MOST_BYTES
from worksgate.administration.roles import Verb
from worksgate.web.console import (
    access,
    administrators,
    applying,
    audit,
    branding,
    bulk,
    changes,
    clients,
    configuration,
    deployers,
    factors,
    first_link,
    health,
    importing,
    invitations,
    leaver,
    live_view,
    new_password,
    passkeys,
    people,
    person,
    plan,
    providers,
    rehearsal,
    removals,
    rules,
    sign_ins,
    sources,
    today,
    trace,
    wizard,
    wizard_people,
    wizard_rehearse,
    wizard_values,
)
from worksgate.web.console.visit import Visit

Handler = Callable[[Visit], Awaitable[Response]]

AGAIN: Final = "auto"
"""In the query of a page that has loaded itself again."""


@dataclass(frozen=True, slots=True)
class Route:
    """One page, or one thing that a form does.

    ``is_proved``, for forms, asks for the second factor again unless it was used a moment ago; it
    may depend on what the form says, and on what was done before. ``file_bytes`` is how large a
    file a form may have, for those that take one. A page that ``comes_again`` loads itself, with
    ``AGAIN`` in its query: that is no use of the session. What is done ``by_token`` is not for a
    browser: no session and no cookie opens it.
    """

    method: str
    path: str
    verb: Verb | None
    handler: Handler
    is_proved: bool | Callable[[Visit], Awaitable[bool]] = False
    file_bytes: int = 0
    comes_again: bool = False
    by_token: bool = False

    async def needs_proof(self, visit: Visit) -> bool:
        """Whether what the form of a visit asks for needs the second factor again."""
        if isinstance(self.is_proved, bool):
            return self.is_proved
        return await self.is_proved(visit)


ROUTES: Final = (
    Route("GET", "/sign-in", None, access.show),
    Route("POST", "/sign-in", None, access.check_password),
    Route("POST", "/sign-in/code", None, access.check_code),
    Route("POST", "/sign-in/passkey", None, passkeys.sign_in),
    Route("POST", "/sign-in/provider", None, providers.leave),
    Route("GET", RETURN_PATH, None, providers.come_back),
    Route("GET", LINK_PATH, None, first_link.show),
    Route("POST", LINK_PATH, None, first_link.make),
    Route("POST", "/sign-out", Verb.ACCOUNT, access.sign_out),
    Route("GET", "/me", Verb.ACCOUNT, access.show_me),
    Route("POST", "/me/end", Verb.ACCOUNT, access.end_session),
    Route("POST", "/me/passkey", Verb.ACCOUNT, passkeys.begin, is_proved=True),
    Route("POST", "/me/passkey/add", Verb.ACCOUNT, passkeys.add, is_proved=True),
    Route("POST", "/me/passkey/remove", Verb.ACCOUNT, passkeys.remove, is_proved=True),
    Route("POST", "/me/passkey/rename", Verb.ACCOUNT, passkeys.rename),
    Route("POST", "/me/app", Verb.ACCOUNT, factors.begin_app, is_proved=True),
    Route("POST", "/me/app/add", Verb.ACCOUNT, factors.confirm_app, is_proved=True),
    Route("POST", "/me/app/remove", Verb.ACCOUNT, factors.remove_app, is_proved=True),
    Route("POST", "/me/codes", Verb.ACCOUNT, factors.renew_codes, is_proved=True),
    Route("POST", "/me/language", Verb.ACCOUNT, access.choose_language),
    Route("GET", "/", Verb.SEE, today.show),
    Route("GET", "/find", Verb.SEE, today.find),
    Route("GET", "/trace", Verb.SEE, trace.show),
    Route("GET", "/sign-ins", Verb.SEE, sign_ins.show),
    Route("POST", "/sign-ins/export", Verb.EXPORT, sign_ins.export, is_proved=True),
    Route("GET", "/people", Verb.SEE, people.show_list),
    Route("POST", "/people/export", Verb.EXPORT, people.export, is_proved=True),
    Route("GET", "/people/removed", Verb.SEE, removals.show_list),
    Route("POST", "/people/removed/export", Verb.EXPORT, removals.export, is_proved=True),
    Route("GET", "/person", Verb.SEE, person.show),
    Route("POST", "/person/reset-link", Verb.CHANGE_PEOPLE, new_password.make_link),
    Route("POST", "/person/reset-mail", Verb.HELP, new_password.send_link),
    Route("GET", "/person/code", Verb.HELP, new_password.ask),
    Route("POST", "/person/code", Verb.HELP, new_password.make_code, is_proved=True),
    Route("POST", "/person/sign-out", Verb.HELP, person.sign_out),
    Route("POST", "/person/allow-attempt", Verb.HELP, person.allow_attempt),
    Route("POST", "/person/remove-factors", Verb.HELP, person.remove_factors, is_proved=True),
    Route("POST", "/person/enable", Verb.HELP, person.enable),
    Route("POST", "/person/disable", Verb.DISABLE, person.disable),
    Route("POST", "/person/remove", Verb.CHANGE_PEOPLE, person.remove),
    Route("POST", "/person/restore", Verb.CHANGE_PEOPLE, removals.restore),
    Route("POST", "/person/purge", Verb.CHANGE_PEOPLE, removals.purge, is_proved=True),
    Route("POST", "/person/key", Verb.CHANGE_PEOPLE, person.set_key),
    Route("POST", "/person/rename", Verb.CHANGE_PEOPLE, person.rename),
    Route("GET", "/wizard", Verb.CHANGE_CLIENTS, wizard.show),
    Route("GET", "/wizard/where", Verb.CHANGE_CLIENTS, wizard.show_where),
    Route("POST", "/wizard/where", Verb.CHANGE_CLIENTS, wizard.keep_where),
    Route("GET", "/wizard/address", Verb.CHANGE_CLIENTS, wizard.show_address),
    Route("POST", "/wizard/address/inside", Verb.CHANGE_CLIENTS, wizard.check_inside),
    Route("POST", "/wizard/address/outside", Verb.CHANGE_CLIENTS, wizard.judge_outside),
    Route("GET", "/wizard/people", Verb.CHANGE_CLIENTS, wizard_people.show_people),
    Route("GET", "/wizard/keys", Verb.CHANGE_CLIENTS, wizard_people.show_keys),
    Route("POST", "/wizard/keys", Verb.CHANGE_CLIENTS, wizard_people.choose_key),
    Route("POST", "/wizard/keys/count", Verb.CHANGE_CLIENTS, wizard_people.count_keys),
    Route("GET", "/wizard/tell", Verb.CHANGE_CLIENTS, wizard_people.show_tell),
    Route("POST", "/wizard/tell", Verb.CHANGE_CLIENTS, wizard_people.tell),
    Route(
        "POST",
        "/wizard/tell/file",
        Verb.CHANGE_CLIENTS,
        wizard_people.export_keys,
        is_proved=True,
    ),
    Route("GET", "/wizard/values", Verb.CHANGE_CLIENTS, wizard_values.show_values),
    Route("POST", "/wizard/values", Verb.CHANGE_CLIENTS, wizard_values.confirm),
    Route(
        "POST",
        "/wizard/values/client",
        Verb.CHANGE_CLIENTS,
        wizard_values.create_client,
        is_proved=True,
    ),
    Route(
        "POST",
        "/wizard/values/secret",
        Verb.CHANGE_CLIENTS,
        wizard_values.renew_secret,
        is_proved=True,
    ),
    Route("POST", "/wizard/values/choose", Verb.CHANGE_CLIENTS, wizard_values.choose_client),
    Route(
        "GET",
        "/wizard/rehearse",
        Verb.CHANGE_CLIENTS,
        wizard_rehearse.show_rehearse,
        comes_again=True,
    ),
    # Not proved again: the question would keep the form, with its secrets, in a page.
    Route("POST", "/wizard/rehearse/sign-in", Verb.GO_LIVE, wizard_rehearse.try_sign_in),
    Route("GET", "/wizard/plan", Verb.CHANGE_CLIENTS, wizard.show_plan),
    Route("GET", "/wizard/apply", Verb.CHANGE_CLIENTS, wizard.show_apply),
    Route("GET", "/person/leave", Verb.SEE, leaver.show),
    Route("POST", "/person/leave", Verb.CHANGE_PEOPLE, leaver.leave, is_proved=True),
    Route("POST", "/person/leave/step", Verb.CHANGE_PEOPLE, leaver.try_step, is_proved=True),
    Route("POST", "/person/leave/cancel", Verb.CHANGE_PEOPLE, leaver.cancel, is_proved=True),
    Route("GET", "/people/import", Verb.CHANGE_PEOPLE, importing.show),
    Route(
        "POST",
        "/people/import",
        Verb.CHANGE_PEOPLE,
        importing.check,
        file_bytes=importing.FILE_BYTES,
    ),
    Route("POST", "/people/add", Verb.CHANGE_PEOPLE, importing.add),
    Route("POST", "/people/import/start", Verb.CHANGE_PEOPLE, importing.begin, is_proved=True),
    Route("POST", "/people/bulk", Verb.DISABLE, bulk.confirm),
    Route("GET", "/jobs", Verb.SEE, bulk.show_all),
    Route("POST", "/jobs/export", Verb.EXPORT, bulk.export_all, is_proved=True),
    Route("POST", "/jobs/start", Verb.DISABLE, bulk.start, is_proved=bulk.needs_proof),
    Route("GET", "/job", Verb.SEE, bulk.show, comes_again=True),
    Route("POST", "/job/stop", Verb.DISABLE, bulk.stop),
    Route("POST", "/job/undo", Verb.CHANGE_PEOPLE, bulk.undo, is_proved=True),
    Route("POST", "/job/result", Verb.EXPORT, bulk.export, is_proved=True),
    Route("POST", "/person/undo", Verb.CHANGE_PEOPLE, changes.undo_person),
    Route("GET", "/clients", Verb.SEE_CLIENTS, clients.show_list),
    Route("POST", "/clients/export", Verb.EXPORT, clients.export, is_proved=True),
    Route("GET", "/client", Verb.SEE_CLIENTS, clients.show),
    Route("GET", "/client/rules", Verb.SEE_CLIENTS, rules.show),
    Route("GET", "/client/edit", Verb.CHANGE_CLIENTS, clients.edit),
    Route("POST", "/client/edit", Verb.CHANGE_CLIENTS, clients.change),
    Route("GET", "/client/new", Verb.CHANGE_CLIENTS, clients.show_new),
    Route("POST", "/client/new", Verb.CHANGE_CLIENTS, clients.add, is_proved=True),
    Route("POST", "/client/secret", Verb.CHANGE_CLIENTS, clients.renew_secret, is_proved=True),
    Route("POST", "/client/enable", Verb.CHANGE_CLIENTS, clients.enable),
    Route("POST", "/client/disable", Verb.CHANGE_CLIENTS, clients.disable, is_proved=True),
    Route("POST", "/client/undo", Verb.CHANGE_CLIENTS, changes.undo_client, is_proved=True),
    Route("GET", "/sources", Verb.CHANGE_CLIENTS, sources.show_list),
    Route("GET", "/source", Verb.CHANGE_CLIENTS, sources.show),
    Route("POST", "/source/test", Verb.CHANGE_CLIENTS, sources.test),
    Route("GET", "/health", Verb.EXAMINE, health.show),
    Route("POST", "/health/run", Verb.EXAMINE, health.run),
    Route("POST", "/health/verify", Verb.EXAMINE, health.verify),
    Route("GET", "/settings", Verb.EXAMINE, configuration.show),
    Route("POST", "/settings/test-alert", Verb.OWN, configuration.test_alerts),
    Route("GET", "/health/bundle", Verb.EXAMINE, health.bundle),
    Route("GET", "/audit", Verb.AUDIT, audit.show),
    Route("GET", "/audit/changes", Verb.AUDIT, changes.show),
    Route("POST", "/audit/changes/export", Verb.EXPORT, changes.export, is_proved=True),
    Route("POST", "/audit/export", Verb.EXPORT, audit.export, is_proved=True),
    Route("GET", "/go-live", Verb.WATCH, rehearsal.find),
    Route("GET", "/go-live/rehearsal", Verb.REHEARSE, rehearsal.show),
    Route("POST", "/go-live/rehearsal", Verb.GO_LIVE, rehearsal.rehearse),
    Route("POST", "/go-live/rehearsal/export", Verb.EXPORT, rehearsal.export, is_proved=True),
    Route("POST", "/go-live/members", Verb.GO_LIVE, rehearsal.read_members, file_bytes=MOST_BYTES),
    Route("POST", "/go-live/members/ask", Verb.GO_LIVE, rehearsal.ask_members),
    Route("GET", "/go-live/plan", Verb.REHEARSE, plan.show),
    Route("POST", "/go-live/plan", Verb.GO_LIVE, plan.keep),
    Route("GET", "/go-live/live", Verb.WATCH, live_view.show, comes_again=True),
    Route("GET", "/go-live/wall", Verb.WATCH, live_view.show_on_wall, comes_again=True),
    Route("POST", "/go-live/start", Verb.GO_LIVE, live_view.start, is_proved=True),
    Route("POST", "/go-live/end", Verb.GO_LIVE, live_view.end),
    Route("POST", "/go-live/members/remove", Verb.GO_LIVE, rehearsal.remove_members),
    Route("GET", branding.PATH, Verb.CHANGE_CLIENTS, branding.show),
    Route("POST", branding.PATH, Verb.CHANGE_CLIENTS, branding.save),
    Route("GET", f"{branding.PATH}/preview", Verb.CHANGE_CLIENTS, branding.preview),
    Route(
        "POST",
        f"{branding.PATH}/logo",
        Verb.CHANGE_CLIENTS,
        branding.set_logo,
        is_proved=True,
        file_bytes=branding.LOGO_BYTES,
    ),
    Route(
        "POST", f"{branding.PATH}/publish", Verb.CHANGE_CLIENTS, branding.publish, is_proved=True
    ),
    Route("POST", f"{branding.PATH}/discard", Verb.CHANGE_CLIENTS, branding.discard),
    Route("GET", "/administrators", Verb.OWN, administrators.show),
    Route("POST", "/administrators/export", Verb.OWN, administrators.export, is_proved=True),
    Route("POST", "/administrators/role", Verb.OWN, administrators.set_role, is_proved=True),
    Route("POST", "/administrators/invite", Verb.OWN, invitations.invite, is_proved=True),
    Route("POST", "/administrators/withdraw", Verb.OWN, invitations.withdraw),
    Route("POST", "/administrators/end", Verb.OWN, administrators.end_sessions),
    Route("POST", "/administrators/token", Verb.OWN, deployers.make, is_proved=True),
    Route("POST", "/administrators/token/end", Verb.OWN, deployers.end),
    Route("POST", applying.PATH, Verb.APPLY, applying.apply, by_token=True),
    Route("POST", "/administrators/undo", Verb.OWN, changes.undo_role, is_proved=True),
)

BY_PATH: Final[Mapping[str, Mapping[str, Route]]] = {
    path: {route.method: route for route in ROUTES if route.path == path}
    for path in {route.path for route in ROUTES}
}
"""By path and method."""
