"""Step 6 of the set-up wizard: the client, and every value for the Developer Console."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from worksgate.administration import NewClient
from worksgate.administration.set_up import USER_KEY_NAMES, ConsoleField, Step, newest_secret_at
from worksgate.web.console.client_fields import PRODUCT_NAMES
from worksgate.web.console.visit import Visit
from worksgate.web.console.wizard import path_of, step_page
from worksgate.web.pages.wording import text

WRONG: Final[Mapping[ConsoleField, str]] = {
    ConsoleField.SSO_TYPE: text("With SAML, none of the fields below shows."),
    ConsoleField.CLIENT_ID: text("People see that their sign-in link is not known."),
    ConsoleField.CLIENT_SECRET: text("Error 301: the call comes, and the secret does not fit."),
    ConsoleField.LOGIN_URL: text("People see no page, and nothing arrives here."),
    ConsoleField.ACCESS_TOKEN: text("The record of a sign-in ends at code.issued."),
    ConsoleField.USER_INFO: text("The record of a sign-in ends at code.redeemed."),
    ConsoleField.IMAP_LOGIN: text("Mail programs are refused. Leave it empty if nobody uses one."),
    ConsoleField.LOGOUT_URL: text(
        "People who sign out there stay signed in here. The field appears only once SSO is on."
    ),
    ConsoleField.USER_KEY: text(
        "All steps are fine here, and LINE WORKS says that there is no account."
    ),
    ConsoleField.EXPIRE_TIME: text(
        "People stay signed in for LINE WORKS' default time. It cannot be seen from here."
    ),
    ConsoleField.EXTERNAL_BROWSER: text("Passkeys are missing in the app’s browser."),
}
"""What a wrong value looks like."""


async def show_values(visit: Visit) -> Response:
    """Every field of the Developer Console, with its value, and whether it was seen to work."""
    return await _values_page(visit)


async def create_client(visit: Visit) -> Response:
    """Register the tenant; the secret is on this page, and on no other."""
    new = await visit.administration.set_up.create_client(visit.form.get("name", ""))
    return await _values_page(visit, new)


async def renew_secret(visit: Visit) -> Response:
    """A new secret; the one before it stays valid for a day."""
    try:
        made_at = float(visit.form.get("made_at", ""))
    except ValueError:
        made_at = 0.0
    return await _values_page(visit, await visit.administration.set_up.renew_secret(made_at))


async def confirm(visit: Visit) -> Response:
    """Keep what somebody says about a field that cannot be seen from here."""
    field = visit.form.get("field", "")
    await visit.administration.set_up.confirm(field, is_so=visit.form.get("is_so") == "yes")
    response = visit.to(path_of(Step.VALUES))
    response.headers["Location"] += f"#{field}"
    return response


async def choose_client(visit: Visit) -> Response:
    """Go on with another client."""
    await visit.administration.set_up.choose_client(visit.form.get("client", ""))
    return visit.to(path_of(Step.VALUES))


async def _values_page(visit: Visit, new: NewClient | None = None) -> Response:
    known = await visit.administration.set_up.overview()
    company = visit.console.settings.company_name.strip()
    return step_page(
        visit,
        known,
        Step.VALUES,
        "wizard_values.html",
        secret="" if new is None else new.client_secret,
        wrong=WRONG,
        key_names=USER_KEY_NAMES,
        suggested=company or known.domain or PRODUCT_NAMES[known.profile],
        secret_made_at=newest_secret_at(known.client),
    )
