"""One's own authenticator app and recovery codes."""

from starlette.responses import Response

from worksgate.administration.console.sign_in import holder_of
from worksgate.provider.factors import FactorRefused
from worksgate.web.console import access
from worksgate.web.console.visit import Visit


async def begin_app(visit: Visit) -> Response:
    """The picture to scan, and the field for the first code."""
    return await _app_page(visit)


async def confirm_app(visit: Visit) -> Response:
    """Set the app up by its first code: the session goes on as a new one."""
    own, who, form = visit.console.sign_in.own_factors, visit.administrator, visit.form
    holder = holder_of(who.account, visit.browser)
    with visit.as_oneself():
        codes = await own.confirm_app(
            holder, who.session.key, form.get("app", ""), form.get("code", "")
        )
    if codes is None:
        return await _app_page(visit, "wrong", 400)
    session = await visit.console.sign_in.sessions.begin(who.account, visit.browser, "code")
    page = _codes_page(visit, codes) if codes else visit.to("/me", done="app_added")
    return await access.opened(visit, session, page)


async def remove_app(visit: Visit) -> Response:
    """Remove the app; the sessions in the console end with it."""
    own, who = visit.console.sign_in.own_factors, visit.administrator
    try:
        with visit.as_oneself():
            removed = await own.remove_app(holder_of(who.account, visit.browser))
    except FactorRefused:
        return await access.me_page(visit, 409, problem="last_factor")
    return visit.to("/sign-in" if removed else "/me")


async def renew_codes(visit: Visit) -> Response:
    """New recovery codes, shown once."""
    holder = holder_of(visit.administrator.account, visit.browser)
    with visit.as_oneself():
        codes = await visit.console.sign_in.own_factors.renew_codes(holder)
    return _codes_page(visit, codes)


async def _app_page(visit: Visit, problem: str = "", status: int = 200) -> Response:
    who, own = visit.administrator, visit.console.sign_in.own_factors
    pending = await own.begin_app(who.account.username, who.session.key, visit.form.get("app", ""))
    has_app = (await own.of(who.session.subject_id)).enrolled.totp
    return visit.page("app.html", status, pending=pending, has_app=has_app, problem=problem)


def _codes_page(visit: Visit, codes: object) -> Response:
    return visit.page("codes.html", codes=codes, own=None, onward="/me")
