"""Signing in and out of the console, the first link, and one's own sessions."""

import asyncio
from functools import partial

from starlette.responses import Response

from worksgate.administration.console_sign_in import (
    NoSecondFactor,
    Opened,
    SignInOver,
    WrongCode,
    WrongPassword,
)
from worksgate.administration.errors import Refused
from worksgate.administration.first_owner import NewOwner
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.database import Conflict
from worksgate.directory.administrators import AdministratorAccount
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER
from worksgate.provider.factors import recovery, totp
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.console import cookies
from worksgate.web.console.visit import Visit

LONGEST = 1_024
"""Characters of a password that are looked at."""


async def show(visit: Visit) -> Response:
    """The form for name and password."""
    if visit.signed_in is not None:
        return visit.to("/")
    return await sign_in_page(visit)


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
    return _with_step(visit, page)


async def code_page(
    visit: Visit, step: str, status: int = 200, *, problem: str = "", is_recovery: bool = False
) -> Response:
    """The form for the second step."""
    question = await visit.console.sign_in.passkeys.ask_anybody(visit.browser.secret)
    return visit.page(
        "code.html",
        status,
        step=step,
        problem=problem,
        is_recovery=is_recovery,
        question=question,
    )


async def sign_out(visit: Visit) -> Response:
    """End this session."""
    who = visit.administrator
    await visit.console.sign_in.end(who, who.session.key, visit.browser)
    response = visit.to("/sign-in")
    cookies.drop(response, cookies.SESSION)
    return response


async def show_me(visit: Visit) -> Response:
    """One's own sessions and passkeys."""
    return await me_page(visit)


async def me_page(visit: Visit, status: int = 200, problem: str = "") -> Response:
    """The page of one's own sessions and passkeys, perhaps with a problem."""
    sign_in, who = visit.console.sign_in, visit.administrator
    return visit.page(
        "me.html",
        status,
        sessions=await sign_in.sessions(who),
        passkeys=await sign_in.passkeys.of(who.session.subject_id),
        passkeys_usable=sign_in.passkeys.are_usable,
        done="ended" if visit.query.get("ended") else visit.query.get("done", ""),
        problem=problem,
    )


async def end_session(visit: Visit) -> Response:
    """End another session of one's own, or all of them."""
    key = visit.form.get("key") or None
    ended = await visit.console.sign_in.end(visit.administrator, key, visit.browser)
    return visit.to("/me", ended=str(ended))


# The first link


async def show_first(visit: Visit) -> Response:
    """The form behind the link of ``worksgate admin link``; opening it uses up nothing."""
    secret = visit.query.get(TOKEN_PARAMETER, "")
    if not await _is_usable(visit, secret):
        return visit.page("notice.html", 410, what="link_over", detail="")
    return await _first_page(visit, secret, totp_secret=None)


async def make_first(visit: Visit) -> Response:
    """The first owner, who is signed in by that and sees their recovery codes once."""
    form = visit.form
    secret = form.get(TOKEN_PARAMETER, "")
    sealed = form.get("totp", "")
    totp_secret = visit.console.factors.pending_secrets.unseal(sealed, _whose(visit))
    if not await _is_usable(visit, secret):
        return visit.page("notice.html", 410, what="link_over", detail="")
    if totp_secret is None:
        return await _first_page(visit, secret, totp_secret=None, problem="again", status=400)
    again = partial(_first_page, visit, secret, totp_secret=totp_secret)
    if form.get("password") != form.get("again"):
        return await again(problem="different", status=400)
    decoded = totp.decode_secret(totp_secret)
    step = totp.matching_step(decoded, form.get("code", ""), visit.now)
    if step is None:
        return await again(problem="wrong", status=400)
    codes = recovery.new_recovery_codes()
    digests = await asyncio.to_thread(recovery.digests_of, codes)
    chosen = NewOwner(
        username=form.get("username", "").strip(),
        name=form.get("name", "").strip(),
        password=form.get("password", ""),
        totp_secret=decoded,
        totp_step=step,
        recovery_digests=digests,
    )
    try:
        owner = await visit.console.first_owner.make(secret, chosen)
    except (Refused, Conflict) as refusal:
        return await again(problem=str(refusal), status=409)
    except HashingBusy:
        return await again(problem="busy", status=503)
    session = await visit.console.sign_in.begin(
        AdministratorAccount.of(owner), visit.browser, "first link"
    )
    return await opened(visit, session, visit.page("codes.html", codes=codes))


async def _first_page(
    visit: Visit, secret: str, *, totp_secret: str | None, problem: str = "", status: int = 200
) -> Response:
    new = await visit.console.factors.begin_totp(
        visit.form.get("username", "") or "console", totp_secret
    )
    sealed = visit.console.factors.pending_secrets.seal(new.secret, _whose(visit))
    page = visit.page(
        "first.html",
        status,
        token=secret,
        username=visit.form.get("username", ""),
        name=visit.form.get("name", ""),
        totp=new,
        sealed=sealed,
        problem=problem,
    )
    return _with_step(visit, page)


async def _is_usable(visit: Visit, secret: str) -> bool:
    """Whether a link can be used; nobody guesses its 256 bits, so guesses are not counted."""
    return await visit.console.first_owner.is_usable(secret)


def _whose(visit: Visit) -> str:
    """Binds the app's secret in the form to this browser."""
    return f"first link {visit.browser.secret}"


def _with_step(visit: Visit, response: Response) -> Response:
    """A browser without it gets the secret that binds both steps to it."""
    if not visit.has_step:
        cookies.set_secret(response, cookies.STEP, visit.browser.secret)
    return response


async def opened(visit: Visit, session: Opened, response: Response) -> Response:
    """A new session begins with a new secret; the first step is over, and so is an old session."""
    if (before := visit.signed_in) is not None:
        await visit.console.sign_in.end(before, before.session.key, visit.browser)
    cookies.set_secret(response, cookies.SESSION, session.secret)
    cookies.set_device(response, session.device)
    cookies.drop(response, cookies.STEP)
    return response
