"""Passkeys of the console: signing in by one, and one's own."""

from functools import partial

from starlette.responses import Response

from worksgate.administration.console.passkeys import StaleChallenge
from worksgate.administration.console.sessions import SignInOver
from worksgate.administration.console.sign_in import (
    NoSecondFactor,
    ProviderFirst,
    UnknownPasskey,
    holder_of,
)
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.provider.factors import FactorRefused, KnownPasskey, NameRefused, TooMany
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.console import access
from worksgate.web.console.visit import Visit


async def sign_in(visit: Visit) -> Response:
    """A new session by a passkey alone."""
    asked, answer = visit.form.get("asked", ""), visit.form.get("passkey", "")
    refused = partial(access.sign_in_page, visit)
    try:
        opened = await visit.console.sign_in.check_passkey(asked, answer, visit.browser)
    except UnknownPasskey:
        return await refused(401, problem="unknown_passkey")
    except NoSecondFactor:
        return await refused(403, problem="no_factor")
    except ProviderFirst:
        return await refused(403, problem="provider_first")
    except SignInOver:
        return await refused(401, problem="over")
    except TooManyAttempts:
        return await refused(429, problem="too_many")
    except HashingBusy:
        return await refused(503, problem="busy")
    return await access.opened(visit, opened, visit.to("/"))


async def begin(visit: Visit) -> Response:
    """The page on which the browser makes a passkey."""
    return await _making(visit)


async def add(visit: Visit) -> Response:
    """Store the passkey that the browser has made."""
    who, form = visit.administrator, visit.form
    try:
        with visit.as_oneself():
            await visit.console.sign_in.passkeys.add(
                holder_of(who.account, visit.browser),
                form.get("asked", ""),
                form.get("passkey", ""),
                form.get("name", ""),
                who.session.key,
            )
    except StaleChallenge:
        return await _making(visit, "again", 400)
    except KnownPasskey:
        return await _making(visit, "known", 409)
    except TooMany:
        return await _making(visit, "too_many", 409)
    except FactorRefused:
        return await _making(visit, "refused", 400)
    return visit.to("/me", done="passkey_added")


async def remove(visit: Visit) -> Response:
    """Remove a passkey; the sessions in the console end with it."""
    passkeys, who = visit.console.sign_in.passkeys, visit.administrator
    try:
        holder = holder_of(who.account, visit.browser)
        with visit.as_oneself():
            removed = await passkeys.remove(
                holder, visit.form.get("id", ""), has_password=who.account.has_password
            )
    except FactorRefused:
        return await access.me_page(visit, 409, problem="last_factor")
    return visit.to("/sign-in" if removed else "/me")


async def rename(visit: Visit) -> Response:
    """Give a passkey another name; it signs in as before."""
    passkeys, who, form = visit.console.sign_in.passkeys, visit.administrator, visit.form
    try:
        with visit.as_oneself():
            renamed = await passkeys.rename(
                holder_of(who.account, visit.browser), form.get("id", ""), form.get("name", "")
            )
    except NameRefused:
        return await access.me_page(visit, 400, problem="name")
    return visit.to("/me", done="passkey_renamed") if renamed else visit.to("/me")


async def _making(visit: Visit, problem: str = "", status: int = 200) -> Response:
    passkeys, who = visit.console.sign_in.passkeys, visit.administrator
    if not passkeys.are_usable:
        return await access.me_page(visit, 409)
    return visit.page(
        "passkey.html",
        status,
        question=await passkeys.begin_adding(who.account.person, who.session.key),
        name=visit.form.get("name", ""),
        problem=problem,
    )
