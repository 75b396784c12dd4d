"""Signing in by another provider: there, and back.

The console's cookies are strict: a browser sends none of them as long as another site leads it
here. So the page at which it comes back leads it to itself once more, and then they are there.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from worksgate.administration.console.providers import RETURN_PATH
from worksgate.administration.console.sessions import SignInOver
from worksgate.administration.console.sign_in import NoAdministrator, NoSecondFactor
from worksgate.web.console import access, cookies
from worksgate.web.console.visit import Visit

AGAIN = "again"
"""Of the address of the page that leads to itself."""


async def leave(visit: Visit) -> Response:
    """The page that leads to the provider: a form must not be redirected to another site."""
    name = visit.form.get("source", "")
    try:
        sent = await visit.console.sign_in.begin_at_provider(name, visit.browser)
    except NoAdministrator:
        return await access.sign_in_page(visit, 400, problem="no_administrator")
    response = visit.page("onward.html", to=sent.url, name=name)
    cookies.set_secret(response, cookies.PROVIDER, sent.kept)
    return response


async def come_back(visit: Visit) -> Response:
    """The second step, after the provider has signed an administrator in."""
    query = dict(visit.query)
    is_second = query.pop(AGAIN, "") != ""
    kept = cookies.provider(visit.request.scope)
    if not kept and not is_second:
        onward = f"{RETURN_PATH}?{urlencode({**query, AGAIN: '1'})}"
        return visit.page("onward.html", to=onward, name="")
    try:
        step = await visit.console.sign_in.finish_at_provider(kept, query, visit.browser)
    except SignInOver:
        response = await access.sign_in_page(visit, 401, problem="over")
    except NoAdministrator:
        response = await access.sign_in_page(visit, 403, problem="no_administrator")
    except NoSecondFactor:
        response = await access.sign_in_page(visit, 403, problem="no_factor")
    else:
        response = await access.code_page(visit, step)
    cookies.drop(response, cookies.PROVIDER)
    return response
