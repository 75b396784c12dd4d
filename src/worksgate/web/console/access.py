"""Signing in and out of the console, and one's own sessions."""

from functools import partial

from starlette.responses import Response

from worksgate.administration import Refused
from worksgate.administration.console.sessions import Opened, SignInOver
from worksgate.administration.console.sign_in import NoSecondFactor, WrongCode, WrongPassword
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.console import cookies
from worksgate.web.console.pages import LANGUAGE_NAMES, LANGUAGES
from worksgate.web.console.records_in_words import in_words
from worksgate.web.console.visit import Visit

ACTIONS = 20
"""Records of one's own actions that are shown."""
LONGEST = 1_024
"""Characters of a password that are looked at."""


async def show(visit: Visit) -> Response:
    """The form for name and password."""
    if visit.signed_in is not None:
        return visit.to("/")
    return await sign_in_page(visit, problem="ended" if "ended" in visit.query else "")


async def check_password(visit: Visit) -> Response:
    """The first step; a right one asks for the second factor."""
    username = visit.form.get("username", "").strip()
    password = visit.form.get("password", "")
    problem, status = "", 200
    if not username or not 0 < len(password) <= LONGEST:
        problem, status = "wrong", 401
    else:
        try:
            step = await visit.console.sign_in.check_password(username, password, visit.browser)
        except WrongPassword:
            problem, status = "wrong", 401
        except NoSecondFactor:
            problem, status = "no_factor", 403
        except TooManyAttempts:
            problem, status = "too_many", 429
        except HashingBusy:
            problem, status = "busy", 503
        else:
            return await code_page(visit, step)
    return await sign_in_page(visit, status, username=username, problem=problem)


async def check_code(visit: Visit) -> Response:
    """The second step; a right one opens a session."""
    step, is_recovery = visit.form.get("step", ""), "recovery" in visit.form
    typed = visit.form.get("recovery_code" if is_recovery else "code", "")
    if visit.form.get("switch"):
        return await code_page(visit, step, is_recovery=not is_recovery)
    try:
        session = await visit.console.sign_in.check_code(
            step, typed, visit.browser, is_recovery=is_recovery
        )
    except SignInOver:
        return await sign_in_page(visit, 401, problem="over")
    except (WrongCode, TooManyAttempts) as refusal:
        is_late = isinstance(refusal, TooManyAttempts)
        return await code_page(
            visit,
            step,
            429 if is_late else 401,
            problem="too_many" if is_late else "wrong",
            is_recovery=is_recovery,
        )
    return await opened(visit, session, visit.to("/"))


async def sign_in_page(
    visit: Visit, status: int = 200, *, username: str = "", problem: str = ""
) -> Response:
    """The form for name and password, and the button for a passkey."""
    question = await visit.console.sign_in.passkeys.ask_anybody(visit.browser.secret)
    page = visit.page(
        "sign_in.html",
        status,
        username=username,
        problem=problem,
        question=question,
        providers=await visit.console.sign_in.providers(),
    )
    return with_step(visit, page)


async def code_page(
    visit: Visit, step: str, status: int = 200, *, problem: str = "", is_recovery: bool = False
) -> Response:
    """The form for the second step; without an app it is about recovery codes."""
    has_app = visit.console.sign_in.has_app(step)
    question = await visit.console.sign_in.passkeys.ask_anybody(visit.browser.secret)
    return visit.page(
        "code.html",
        status,
        step=step,
        problem=problem,
        has_app=has_app,
        is_recovery=is_recovery or not has_app,
        question=question,
    )


async def sign_out(visit: Visit) -> Response:
    """End this session."""
    who = visit.administrator
    await visit.console.sign_in.sessions.end(who, who.session.key, visit.browser)
    response = visit.to("/sign-in")
    cookies.drop(response, cookies.SESSION)
    return response


async def show_me(visit: Visit) -> Response:
    """One's own sessions, factors and language, and what one has done."""
    return await me_page(visit)


async def me_page(visit: Visit, status: int = 200, problem: str = "") -> Response:
    """The page of oneself, perhaps with a problem."""
    sign_in, who = visit.console.sign_in, visit.administrator
    return visit.page(
        "me.html",
        status,
        sessions=await sign_in.sessions.of(who),
        own=await sign_in.own_factors.of(who.session.subject_id),
        languages=LANGUAGE_NAMES,
        account_url=visit.console.settings.account_url,
        in_words=partial(in_words, words=visit.words),
        actions=await visit.administration.audit_log.own_actions(ACTIONS),
        passkeys_usable=sign_in.passkeys.are_usable,
        done="ended" if visit.query.get("ended") else visit.query.get("done", ""),
        problem=problem,
    )


async def choose_language(visit: Visit) -> Response:
    """Keep the language of one's pages and mails; an empty one leaves it to the browser."""
    chosen = visit.form.get("language", "")
    if chosen and chosen not in LANGUAGES:
        raise Refused("there is no such language")
    await visit.console.sign_in.choose_language(visit.administrator, chosen)
    return visit.to("/me", done="language")


async def end_session(visit: Visit) -> Response:
    """End another session of one's own, or all of them."""
    key = visit.form.get("key") or None
    ended = await visit.console.sign_in.sessions.end(visit.administrator, key, visit.browser)
    return visit.to("/me", ended=str(ended))


def with_step(visit: Visit, response: Response) -> Response:
    """A browser without it gets the secret that binds both steps to it."""
    if not visit.has_step:
        cookies.set_secret(response, cookies.STEP, visit.browser.secret)
    return response


async def opened(visit: Visit, session: Opened, response: Response) -> Response:
    """A new session begins with a new secret; the first step is over, and so is an old session."""
    if (before := visit.signed_in) is not None:
        await visit.console.sign_in.sessions.end(before, before.session.key, visit.browser)
    cookies.set_secret(response, cookies.SESSION, session.secret)
    cookies.set_device(response, session.device)
    cookies.drop(response, cookies.STEP)
    return response
