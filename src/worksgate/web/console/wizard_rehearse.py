"""Step 7 of the set-up wizard: the rehearsal, and a sign-in that the built-in player tries."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from worksgate.administration.set_up import TRIED, ConsoleField, Step, Tick
from worksgate.administration.set_up.console_values import NAMES
from worksgate.web.console.visit import Visit
from worksgate.web.console.wizard import LATER, path_of, step_page
from worksgate.web.pages.wording import text

LONGEST: Final = 256
"""Characters of a user name, and of a client's secret."""
LONGEST_PASSWORD: Final = 1_024
WAIT: Final = 3.0
"""Seconds that the form waits for the trial: most are over by then."""
REFRESH: Final = 2
"""Seconds after which the page of a trial that runs loads itself again."""

_BY_HAND: Final = text("The player stops there. Sign in by hand on the account page:")

TICKS: Final[Mapping[Tick, tuple[str, str]]] = {
    Tick.WORKS: (text("It works."), ""),
    Tick.SLOW: (
        text("It answers, but too slowly: LINE WORKS would give up."),
        text("LINE WORKS connects within 1 second, and waits 3 for the answer."),
    ),
    Tick.UNREACHABLE: (
        text("This server cannot reach the public address."),
        text(
            "That may be fine: the name and the route can differ inside. What counts is the "
            "check from outside, in step 2."
        ),
    ),
    Tick.UNTRUSTED: (
        text("This server does not trust the certificate."),
        text("Use one of a public authority for this very name, with the whole chain in the file."),
    ),
    Tick.SILENT: (
        text("No answer came."),
        text("Look at the proxy, and at what worksgate doctor says."),
    ),
    Tick.REFUSED: (
        text("The answer is %(said)s."),
        text("Compare the address with step 6, then look at the audit log."),
    ),
    Tick.WRONG_SECRET: (
        text("Error 301: the client secret is wrong."),
        text("Type the newest one, or create another in step 6."),
    ),
    Tick.BARRED: (
        text("Error 101: the client may not call from here."),
        text(
            "It is disabled, or its allowed addresses do not include this server. The latter may "
            "be fine, since LINE WORKS calls from elsewhere."
        ),
    ),
    Tick.NOT_SIGNED_IN: (
        text("The sign-in was refused."),
        text("The user name or the password is wrong, or this person may not sign in."),
    ),
    Tick.WAITING: (
        text("There were too many attempts."),
        text("Wait some minutes, then try again."),
    ),
    Tick.CODE_DUE: (text("The password is right, and a code is asked for."), _BY_HAND),
    Tick.STEP_DUE: (
        text("The password is right, and another step follows, such as a new password."),
        _BY_HAND,
    ),
    Tick.ELSEWHERE: (text("The sign-in continues at another provider."), _BY_HAND),
}
"""What was found, and what to do."""
GOOD: Final = frozenset({Tick.WORKS})
MIND: Final = frozenset(
    {Tick.UNREACHABLE, Tick.BARRED, Tick.CODE_DUE, Tick.STEP_DUE, Tick.ELSEWHERE, Tick.WAITING}
)
"""What may be fine; all others are wrong."""
BY_HAND: Final = frozenset({Tick.CODE_DUE, Tick.STEP_DUE, Tick.ELSEWHERE})
TRACED: Final = frozenset({Tick.NOT_SIGNED_IN, Tick.WAITING})
"""Where the trace of the person says more."""


async def show_rehearse(visit: Visit) -> Response:
    """Where to rehearse, and the last sign-in that was tried."""
    return await _page(visit)


async def try_sign_in(visit: Visit) -> Response:
    """Try a sign-in in the background; secret and password are kept nowhere."""
    form, running = visit.form, visit.console.sign_in_trial
    secret = form.get("client_secret", "").strip()
    username = "".join(filter(str.isprintable, form.get("username", "").strip()))
    password = form.get("password", "")
    if not (0 < len(secret) <= LONGEST and 0 < len(username) <= LONGEST):
        return await _page(visit, "incomplete", 400)
    if not 0 < len(password) <= LONGEST_PASSWORD:
        return await _page(visit, "incomplete", 400)
    if running.is_running:
        return await _page(visit, "busy", 409)
    set_up = visit.administration.set_up
    trial = await set_up.trial(secret, username, password)
    if not running.begin(trial, visit.administrator.account.username, set_up.end_trial):
        return await _page(visit, "busy", 409)
    await running.finished(WAIT)
    return visit.to(path_of(Step.REHEARSE))


async def _page(visit: Visit, problem: str = "", status: int = 200) -> Response:
    known = await visit.administration.set_up.overview()
    running = visit.console.sign_in_trial
    tried = running.latest
    if known.client is None or (tried is not None and tried.client_id != known.client.client_id):
        tried = None
    return step_page(
        visit,
        known,
        Step.REHEARSE,
        "wizard_rehearse.html",
        status,
        later=LATER[Step.REHEARSE],
        problem=problem,
        tried=tried,
        is_running=running.is_running,
        refresh=REFRESH if running.is_running else None,
        rows=[(NAMES[each][0], tried and tried.found.get(each)) for each in TRIED],
        key_name=NAMES[ConsoleField.USER_KEY][0],
        ticks=TICKS,
        good=GOOD,
        mind=MIND,
        by_hand=BY_HAND,
        traced=TRACED,
        account_url=visit.console.settings.account_url,
    )
