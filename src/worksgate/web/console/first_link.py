"""The first link, or an invitation: names, ways to sign in, recovery codes.

Opening it uses up nothing. The account, its factor and the use of the link are one commit.
"""

import asyncio

from starlette.responses import Response

from worksgate.administration.console.passkeys import StaleChallenge
from worksgate.administration.errors import Refused
from worksgate.administration.first_owner import NewAdministrator, Offer, PasswordAndApp
from worksgate.catalogues import sentence_of
from worksgate.credentials.password_hashing import HashingBusy
from worksgate.credentials.secrets import new_id
from worksgate.database import Conflict
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.factors import Passkey
from worksgate.provider.account.one_time_links import TOKEN_PARAMETER
from worksgate.provider.factors import FactorRefused, Holder, recovery, totp
from worksgate.sources import Person
from worksgate.web.console.access import opened, with_step
from worksgate.web.console.visit import Visit


class _NotYet(Exception):
    """Why nobody is made an administrator: the problem that the page names, and its status."""

    def __init__(self, problem: str, status: int = 400, *, totp_secret: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.totp_secret = totp_secret


async def show(visit: Visit) -> Response:
    """The form for the names, behind the link of ``worksgate admin link``."""
    secret = visit.query.get(TOKEN_PARAMETER, "")
    offer = await visit.console.first_owner.offer(secret)
    if offer is None:
        return _over(visit)
    return _names_page(visit, secret, offer)


async def make(visit: Visit) -> Response:
    """From the names to the ways to sign in; then whoever it is sees their recovery codes once."""
    secret, way = visit.form.get(TOKEN_PARAMETER, ""), visit.form.get("way", "")
    offer = await visit.console.first_owner.offer(secret)
    if offer is None:
        return _over(visit)
    try:
        if not way:
            await visit.console.first_owner.check_names(*_names(visit))
            return await _ways_page(visit, secret)
    except (Refused, Conflict) as refusal:
        return _names_page(visit, secret, offer, 409, problem=sentence_of(refusal))
    try:
        return await _make(visit, secret, way)
    except _NotYet as why:
        return await _ways_page(
            visit, secret, why.status, problem=why.problem, totp_secret=why.totp_secret
        )


async def _make(visit: Visit, secret: str, way: str) -> Response:
    """Raises _NotYet."""
    chosen = await _passkey(visit) if way == "passkey" else _password_and_app(visit)
    codes = recovery.new_recovery_codes()
    digests = await asyncio.to_thread(recovery.digests_of, codes)
    kept = _unsealed(visit)
    try:
        made = await visit.console.first_owner.make(
            secret, NewAdministrator(*_names(visit), chosen, digests)
        )
    except (Refused, Conflict) as refusal:
        if await visit.console.first_owner.offer(secret) is None:  # another browser was faster
            return _over(visit)
        raise _NotYet(sentence_of(refusal), 409, totp_secret=kept) from None
    except HashingBusy:
        raise _NotYet("busy", 503, totp_secret=kept) from None
    account = AdministratorAccount.of(made)
    session = await visit.console.sign_in.sessions.begin(account, visit.browser, "one-time link")
    page = visit.page(
        "codes.html", codes=codes, own=None if account.has_password else account, onward="/"
    )
    return await opened(visit, session, page)


def _password_and_app(visit: Visit) -> PasswordAndApp:
    """Raises _NotYet."""
    form, kept = visit.form, _unsealed(visit)
    if kept is None:
        raise _NotYet("again")
    if form.get("password") != form.get("again"):
        raise _NotYet("different", totp_secret=kept)
    decoded = totp.decode_secret(kept)
    step = totp.matching_step(decoded, form.get("code", ""), visit.now)
    if step is None:
        raise _NotYet("wrong", totp_secret=kept)
    return PasswordAndApp(form.get("password", ""), decoded, step)


async def _passkey(visit: Visit) -> Passkey:
    """The passkey that the browser has made for the account of the question. Raises _NotYet."""
    form, subject_id = visit.form, visit.form.get("subject", "")
    holder = Holder(subject_id=subject_id, username=_names(visit)[0], address=visit.browser.address)
    try:
        return await visit.console.sign_in.passkeys.made(
            holder,
            form.get("asked", ""),
            form.get("passkey", ""),
            visit.browser.name,
            _bound(visit, subject_id),
        )
    except StaleChallenge:
        raise _NotYet("late") from None
    except FactorRefused:
        raise _NotYet("refused") from None
    except HashingBusy:
        raise _NotYet("busy", 503) from None


def _names_page(
    visit: Visit, secret: str, offer: Offer, status: int = 200, problem: str = ""
) -> Response:
    username, name = _names(visit)
    page = visit.page(
        "first.html",
        status,
        token=secret,
        username=username,
        name=name or offer.name,
        invited_as=None if offer.invitation is None else offer.role,
        problem=problem,
    )
    return with_step(visit, page)


async def _ways_page(
    visit: Visit,
    secret: str,
    status: int = 200,
    *,
    problem: str = "",
    totp_secret: str | None = None,
) -> Response:
    """How to sign in from now on: each way is a form of its own."""
    username, name = _names(visit)
    factors, passkeys = visit.console.factors, visit.console.sign_in.passkeys
    new = await factors.begin_totp(username, totp_secret)
    subject_id, question = SUBJECT_PREFIX + new_id(), None
    if passkeys.are_usable:
        person = Person(subject_id=subject_id, username=username, name=name)
        question = await passkeys.begin_adding(person, _bound(visit, subject_id))
    page = visit.page(
        "first_ways.html",
        status,
        token=secret,
        username=username,
        name=name,
        subject=subject_id,
        question=question,
        totp=new,
        sealed=factors.pending_secrets.seal(new.secret, _whose(visit)),
        problem=problem,
    )
    return with_step(visit, page)


def _over(visit: Visit) -> Response:
    return visit.page("notice.html", 410, what="link_over", detail="")


def _names(visit: Visit) -> tuple[str, str]:
    """The user name and the name of the form."""
    return visit.form.get("username", "").strip(), visit.form.get("name", "").strip()


def _unsealed(visit: Visit) -> str | None:
    """The secret of the app in the form; None if it is not of this browser."""
    return visit.console.factors.pending_secrets.unseal(visit.form.get("totp", ""), _whose(visit))


def _whose(visit: Visit) -> str:
    """Binds the app's secret in the form to this browser."""
    return f"first link {visit.browser.secret}"


def _bound(visit: Visit, subject_id: str) -> str:
    """Binds a question to this browser, and to the account that was named in it."""
    return f"{visit.browser.secret} {subject_id}"
