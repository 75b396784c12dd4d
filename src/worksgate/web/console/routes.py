"""Every page of the console, with what one must be allowed for it.

A route without a permission is for everybody who reaches the console: it signs in, or is a file.
All others need a session, and a role with the permission (``administration.roles``). The table is
all there is: a test walks it as nobody and in every role.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from worksgate.administration.console.providers import RETURN_PATH
from worksgate.administration.first_owner import LINK_PATH
from worksgate.administration.going_live.members_file import MOST_BYTES
from worksgate.administration.roles import Permission
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
    permission: Permission | None
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
    Route("POST", "/sign-out", Permission.ACCOUNT, access.sign_out),
    Route("GET", "/me", Permission.ACCOUNT, access.show_me),
    Route("POST", "/me/end", Permission.ACCOUNT, access.end_session),
    Route("POST", "/me/passkey", Permission.ACCOUNT, passkeys.begin, is_proved=True),
    Route("POST", "/me/passkey/add", Permission.ACCOUNT, passkeys.add, is_proved=True),
    Route("POST", "/me/passkey/remove", Permission.ACCOUNT, passkeys.remove, is_proved=True),
    Route("POST", "/me/passkey/rename", Permission.ACCOUNT, passkeys.rename),
    Route("POST", "/me/app", Permission.ACCOUNT, factors.begin_app, is_proved=True),
    Route("POST", "/me/app/add", Permission.ACCOUNT, factors.confirm_app, is_proved=True),
    Route("POST", "/me/app/remove", Permission.ACCOUNT, factors.remove_app, is_proved=True),
    Route("POST", "/me/codes", Permission.ACCOUNT, factors.renew_codes, is_proved=True),
    Route("POST", "/me/language", Permission.ACCOUNT, access.choose_language),
    Route("GET", "/", Permission.SEE, today.show),
    Route("GET", "/find", Permission.SEE, today.find),
    Route("GET", "/trace", Permission.SEE, trace.show),
    Route("GET", "/sign-ins", Permission.SEE, sign_ins.show),
    Route("POST", "/sign-ins/export", Permission.EXPORT, sign_ins.export, is_proved=True),
    Route("GET", "/people", Permission.SEE, people.show_list),
    Route("POST", "/people/export", Permission.EXPORT, people.export, is_proved=True),
    Route("GET", "/people/removed", Permission.SEE, removals.show_list),
    Route("POST", "/people/removed/export", Permission.EXPORT, removals.export, is_proved=True),
    Route("GET", "/person", Permission.SEE, person.show),
    Route("POST", "/person/reset-link", Permission.CHANGE_PEOPLE, new_password.make_link),
    Route("POST", "/person/reset-mail", Permission.HELP, new_password.send_link),
    Route("GET", "/person/code", Permission.HELP, new_password.ask),
    Route("POST", "/person/code", Permission.HELP, new_password.make_code, is_proved=True),
    Route("POST", "/person/sign-out", Permission.HELP, person.sign_out),
    Route("POST", "/person/allow-attempt", Permission.HELP, person.allow_attempt),
    Route("POST", "/person/remove-factors", Permission.HELP, person.remove_factors, is_proved=True),
    Route("POST", "/person/enable", Permission.HELP, person.enable),
    Route("POST", "/person/disable", Permission.DISABLE, person.disable),
    Route("POST", "/person/remove", Permission.CHANGE_PEOPLE, person.remove),
    Route("POST", "/person/restore", Permission.CHANGE_PEOPLE, removals.restore),
    Route("POST", "/person/purge", Permission.CHANGE_PEOPLE, removals.purge, is_proved=True),
    Route("POST", "/person/key", Permission.CHANGE_PEOPLE, person.set_key),
    Route("POST", "/person/rename", Permission.CHANGE_PEOPLE, person.rename),
    Route("GET", "/wizard", Permission.CHANGE_CLIENTS, wizard.show),
    Route("GET", "/wizard/where", Permission.CHANGE_CLIENTS, wizard.show_where),
    Route("POST", "/wizard/where", Permission.CHANGE_CLIENTS, wizard.keep_where),
    Route("GET", "/wizard/address", Permission.CHANGE_CLIENTS, wizard.show_address),
    Route("POST", "/wizard/address/inside", Permission.CHANGE_CLIENTS, wizard.check_inside),
    Route("POST", "/wizard/address/outside", Permission.CHANGE_CLIENTS, wizard.judge_outside),
    Route("GET", "/wizard/people", Permission.CHANGE_CLIENTS, wizard_people.show_people),
    Route("GET", "/wizard/keys", Permission.CHANGE_CLIENTS, wizard_people.show_keys),
    Route("POST", "/wizard/keys", Permission.CHANGE_CLIENTS, wizard_people.choose_key),
    Route("POST", "/wizard/keys/count", Permission.CHANGE_CLIENTS, wizard_people.count_keys),
    Route("GET", "/wizard/tell", Permission.CHANGE_CLIENTS, wizard_people.show_tell),
    Route("POST", "/wizard/tell", Permission.CHANGE_CLIENTS, wizard_people.tell),
    Route(
        "POST",
        "/wizard/tell/file",
        Permission.CHANGE_CLIENTS,
        wizard_people.export_keys,
        is_proved=True,
    ),
    Route("GET", "/wizard/values", Permission.CHANGE_CLIENTS, wizard_values.show_values),
    Route("POST", "/wizard/values", Permission.CHANGE_CLIENTS, wizard_values.confirm),
    Route(
        "POST",
        "/wizard/values/client",
        Permission.CHANGE_CLIENTS,
        wizard_values.create_client,
        is_proved=True,
    ),
    Route(
        "POST",
        "/wizard/values/secret",
        Permission.CHANGE_CLIENTS,
        wizard_values.renew_secret,
        is_proved=True,
    ),
    Route("POST", "/wizard/values/choose", Permission.CHANGE_CLIENTS, wizard_values.choose_client),
    Route(
        "GET",
        "/wizard/rehearse",
        Permission.CHANGE_CLIENTS,
        wizard_rehearse.show_rehearse,
        comes_again=True,
    ),
    # Not proved again: the question would keep the form, with its secrets, in a page.
    Route("POST", "/wizard/rehearse/sign-in", Permission.GO_LIVE, wizard_rehearse.try_sign_in),
    Route("GET", "/wizard/plan", Permission.CHANGE_CLIENTS, wizard.show_plan),
    Route("GET", "/wizard/apply", Permission.CHANGE_CLIENTS, wizard.show_apply),
    Route("GET", "/person/leave", Permission.SEE, leaver.show),
    Route("POST", "/person/leave", Permission.CHANGE_PEOPLE, leaver.leave, is_proved=True),
    Route("POST", "/person/leave/step", Permission.CHANGE_PEOPLE, leaver.try_step, is_proved=True),
    Route("POST", "/person/leave/cancel", Permission.CHANGE_PEOPLE, leaver.cancel, is_proved=True),
    Route("GET", "/people/import", Permission.CHANGE_PEOPLE, importing.show),
    Route(
        "POST",
        "/people/import",
        Permission.CHANGE_PEOPLE,
        importing.check,
        file_bytes=importing.FILE_BYTES,
    ),
    Route("POST", "/people/add", Permission.CHANGE_PEOPLE, importing.add),
    Route(
        "POST", "/people/import/start", Permission.CHANGE_PEOPLE, importing.begin, is_proved=True
    ),
    Route("POST", "/people/bulk", Permission.DISABLE, bulk.confirm),
    Route("GET", "/jobs", Permission.SEE, bulk.show_all),
    Route("POST", "/jobs/export", Permission.EXPORT, bulk.export_all, is_proved=True),
    Route("POST", "/jobs/start", Permission.DISABLE, bulk.start, is_proved=bulk.needs_proof),
    Route("GET", "/job", Permission.SEE, bulk.show, comes_again=True),
    Route("POST", "/job/stop", Permission.DISABLE, bulk.stop),
    Route("POST", "/job/undo", Permission.CHANGE_PEOPLE, bulk.undo, is_proved=True),
    Route("POST", "/job/result", Permission.EXPORT, bulk.export, is_proved=True),
    Route("POST", "/person/undo", Permission.CHANGE_PEOPLE, changes.undo_person),
    Route("GET", "/clients", Permission.SEE_CLIENTS, clients.show_list),
    Route("POST", "/clients/export", Permission.EXPORT, clients.export, is_proved=True),
    Route("GET", "/client", Permission.SEE_CLIENTS, clients.show),
    Route("GET", "/client/rules", Permission.SEE_CLIENTS, rules.show),
    Route("GET", "/client/edit", Permission.CHANGE_CLIENTS, clients.edit),
    Route("POST", "/client/edit", Permission.CHANGE_CLIENTS, clients.change),
    Route("GET", "/client/new", Permission.CHANGE_CLIENTS, clients.show_new),
    Route("POST", "/client/new", Permission.CHANGE_CLIENTS, clients.add, is_proved=True),
    Route(
        "POST", "/client/secret", Permission.CHANGE_CLIENTS, clients.renew_secret, is_proved=True
    ),
    Route("POST", "/client/enable", Permission.CHANGE_CLIENTS, clients.enable),
    Route("POST", "/client/disable", Permission.CHANGE_CLIENTS, clients.disable, is_proved=True),
    Route("POST", "/client/undo", Permission.CHANGE_CLIENTS, changes.undo_client, is_proved=True),
    Route("GET", "/sources", Permission.CHANGE_CLIENTS, sources.show_list),
    Route("GET", "/source", Permission.CHANGE_CLIENTS, sources.show),
    Route("POST", "/source/test", Permission.CHANGE_CLIENTS, sources.test),
    Route("GET", "/health", Permission.EXAMINE, health.show),
    Route("POST", "/health/run", Permission.EXAMINE, health.run),
    Route("POST", "/health/verify", Permission.EXAMINE, health.verify),
    Route("GET", "/settings", Permission.EXAMINE, configuration.show),
    Route("POST", "/settings/test-alert", Permission.OWN, configuration.test_alerts),
    Route("GET", "/health/bundle", Permission.EXAMINE, health.bundle),
    Route("GET", "/audit", Permission.AUDIT, audit.show),
    Route("GET", "/audit/changes", Permission.AUDIT, changes.show),
    Route("POST", "/audit/changes/export", Permission.EXPORT, changes.export, is_proved=True),
    Route("POST", "/audit/export", Permission.EXPORT, audit.export, is_proved=True),
    Route("GET", "/go-live", Permission.WATCH, rehearsal.find),
    Route("GET", "/go-live/rehearsal", Permission.REHEARSE, rehearsal.show),
    Route("POST", "/go-live/rehearsal", Permission.GO_LIVE, rehearsal.rehearse),
    Route("POST", "/go-live/rehearsal/export", Permission.EXPORT, rehearsal.export, is_proved=True),
    Route(
        "POST",
        "/go-live/members",
        Permission.GO_LIVE,
        rehearsal.read_members,
        file_bytes=MOST_BYTES,
    ),
    Route("POST", "/go-live/members/ask", Permission.GO_LIVE, rehearsal.ask_members),
    Route("GET", "/go-live/plan", Permission.REHEARSE, plan.show),
    Route("POST", "/go-live/plan", Permission.GO_LIVE, plan.keep),
    Route("GET", "/go-live/live", Permission.WATCH, live_view.show, comes_again=True),
    Route("GET", "/go-live/wall", Permission.WATCH, live_view.show_on_wall, comes_again=True),
    Route("POST", "/go-live/start", Permission.GO_LIVE, live_view.start, is_proved=True),
    Route("POST", "/go-live/end", Permission.GO_LIVE, live_view.end),
    Route("POST", "/go-live/members/remove", Permission.GO_LIVE, rehearsal.remove_members),
    Route("GET", branding.PATH, Permission.CHANGE_CLIENTS, branding.show),
    Route("POST", branding.PATH, Permission.CHANGE_CLIENTS, branding.save),
    Route("GET", f"{branding.PATH}/preview", Permission.CHANGE_CLIENTS, branding.preview),
    Route(
        "POST",
        f"{branding.PATH}/logo",
        Permission.CHANGE_CLIENTS,
        branding.set_logo,
        is_proved=True,
        file_bytes=branding.LOGO_BYTES,
    ),
    Route(
        "POST",
        f"{branding.PATH}/publish",
        Permission.CHANGE_CLIENTS,
        branding.publish,
        is_proved=True,
    ),
    Route("POST", f"{branding.PATH}/discard", Permission.CHANGE_CLIENTS, branding.discard),
    Route("GET", "/administrators", Permission.OWN, administrators.show),
    Route("POST", "/administrators/export", Permission.OWN, administrators.export, is_proved=True),
    Route("POST", "/administrators/role", Permission.OWN, administrators.set_role, is_proved=True),
    Route("POST", "/administrators/invite", Permission.OWN, invitations.invite, is_proved=True),
    Route("POST", "/administrators/withdraw", Permission.OWN, invitations.withdraw),
    Route("POST", "/administrators/end", Permission.OWN, administrators.end_sessions),
    Route("POST", "/administrators/token", Permission.OWN, deployers.make, is_proved=True),
    Route("POST", "/administrators/token/end", Permission.OWN, deployers.end),
    Route("POST", applying.PATH, Permission.APPLY, applying.apply, by_token=True),
    Route("POST", "/administrators/undo", Permission.OWN, changes.undo_role, is_proved=True),
)

BY_PATH: Final[Mapping[str, Mapping[str, Route]]] = {
    path: {route.method: route for route in ROUTES if route.path == path}
    for path in {route.path for route in ROUTES}
}
"""By path and method."""
