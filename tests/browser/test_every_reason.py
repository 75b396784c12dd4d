"""“Why can’t she get in?”: each reason is made to happen, and the console says it in each language.

Whoever signs in does so in Chromium, LINE WORKS is the simulator, and the sentence is read from the
page of the trace. The next step and the rest of the page are tested where they are made
(``tests/administration/sign_in_trace``, ``tests/web/test_sign_in_trace.py``).
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tests.browser.reasons import (
    FAILURES_PER_ADDRESS,
    FREE_FAILURES,
    VIEWERS,
    Scene,
    Site,
    Stumble,
    Stumbling,
    open_site,
)

from worksgate.administration.sign_in_trace import sentences
from worksgate.administration.sign_in_trace.localized import Text, Value, texts_in
from worksgate.administration.sign_in_trace.tries import Ending
from worksgate.audit import Reason
from worksgate.conformance.exchange import Exchange
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database import DatabaseUnavailable
from worksgate.directory.source import DirectorySource
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.oauth.model import UserKey
from worksgate.provider.sources import SourcesInUse
from worksgate.sources import Person
from worksgate.store import StoreUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86_400.0
Break = Callable[[Scene], Awaitable[str]]
"""Lets something go wrong; returns what an administrator would ask about."""


@dataclass(frozen=True)
class Case:
    """A reason, or an ending without one, the sentence for it, and how to get there.

    ``values`` are those of the sentence, but for its time.
    """

    reason: Reason | Ending | None
    sentence: str
    happens: Break
    is_probable: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)


# The link of LINE WORKS, and the form


async def unknown_client(scene: Scene) -> str:
    return await scene.follow(client_id="unknown")


async def no_client(scene: Scene) -> str:
    return await scene.follow(client_id="")


async def foreign_redirect(scene: Scene) -> str:
    return await scene.follow(redirect_uri="https://attacker.example/callback?state=s")


async def malformed_redirect(scene: Scene) -> str:
    return await scene.follow(redirect_uri=f"{scene.site.simulator_url}/oauth/callback?state=a b")


async def no_state(scene: Scene) -> str:
    return await scene.follow(redirect_uri=f"{scene.site.simulator_url}/oauth/callback")


async def response_type(scene: Scene) -> str:
    return await scene.follow(response_type="token")


async def sent_twice(scene: Scene) -> str:
    client_id = scene.installation.client.client.client_id
    return await scene.go(f"/login?client_id={client_id}&client_id={client_id}")


async def too_long(scene: Scene) -> str:
    return await scene.follow(redirect_uri=f"{scene.site.simulator_url}/?state={'a' * 2_100}")


async def form_expired(scene: Scene) -> str:
    await scene.open_sign_in()
    await scene.site.pass_time(31 * 60)
    await scene.submit()
    return await scene.reference()


async def form_forged(scene: Scene) -> str:
    await scene.open_sign_in()
    await scene.answer(txn="forged")
    return await scene.reference()


async def other_browser(scene: Scene) -> str:
    await scene.open_sign_in()
    page = scene.tab.url
    await scene.tab.context.clear_cookies()
    await scene.tab.context.request.get(page)
    await scene.submit()
    return await scene.reference()


async def cookies_off(scene: Scene) -> str:
    await scene.open_sign_in()
    await scene.tab.context.clear_cookies()
    await scene.submit()
    return await scene.reference()


async def state_unknown(scene: Scene) -> str:
    return await scene.go("/login/callback/partner?state=unknown&code=c")


async def to_the_partner(scene: Scene) -> None:
    await scene.open_sign_in()
    await scene.tab.get_by_role("button", name="Continue with").click()
    await scene.tab.wait_for_url("**/partner/authorize?**")


async def refused_upstream(scene: Scene) -> str:
    await to_the_partner(scene)
    async with scene.tab.expect_navigation():
        await scene.tab.get_by_role("button", name="Cancel").click()
    return await scene.sign_in_of(Reason.REFUSED_UPSTREAM)


async def state_used(scene: Scene) -> str:
    await to_the_partner(scene)
    cookies = await scene.tab.context.cookies()
    async with scene.tab.expect_request("**/login/callback/partner?**") as coming_back:
        await scene.tab.get_by_role("button", name="Emma").click()
    came_back = await coming_back.value
    await scene.tab.wait_for_url("**/logins/*")
    # Those of another tab, where it went on as well.
    await scene.tab.context.add_cookies(cookies)  # type: ignore[arg-type]  # the same keys
    await scene.tab.goto(came_back.url)
    return await scene.sign_in_of(Reason.STATE_USED)


async def sign_in_lost(scene: Scene) -> str:
    """In another tab there were too many wrong codes, which ends it."""
    await scene.app(await scene.person("careful"))
    await scene.sign_in()
    for _ in range(5):
        await scene.answer_in_another_tab(otp="000000")
    await scene.answer(otp="000000")
    return await scene.sign_in_of(Reason.SIGN_IN_LOST)


# The password


async def wrong_password(scene: Scene) -> str:
    await scene.person()
    await scene.sign_in("wrong")
    return scene.username


async def unknown_name(scene: Scene) -> str:
    await scene.sign_in()
    return scene.username


async def guesses_used_up(scene: Scene) -> str:
    """Under another name of the same person."""
    uid, mail = scene.username.partition("@")[0], scene.username
    scene.site.ldap.add_person(uid, mail=mail, employeeNumber=uid)
    await scene.fail_elsewhere(FREE_FAILURES, username=uid)
    await scene.sign_in()
    return mail


async def not_checked(scene: Scene) -> str:
    """Others hold the only thread for imported hashes."""
    await scene.person()

    async def a_moment(_: DirectorySource) -> float:
        return 0.001

    scene.patch.setattr(DirectorySource, "refusal_time", a_moment)
    scene.patch.setattr(PasswordHashing, "take_turn", lambda _: None)
    await scene.sign_in("wrong")
    return scene.username


async def temporary_expired(scene: Scene) -> str:
    await scene.person(password=None)
    users = scene.installation.administration.users
    given = await users.set_password(scene.username, temporary=True)
    await scene.site.pass_time(8 * DAY)
    await scene.sign_in(given.password or "")
    return scene.username


async def disabled(scene: Scene) -> str:
    await scene.person()
    await scene.installation.administration.users.disable(scene.username)
    await scene.sign_in()
    return scene.username


async def the_company_says(scene: Scene, word: str) -> str:
    scene.username = f"{word}.{scene.username}"
    await scene.sign_in()
    return scene.username


async def waiting(scene: Scene) -> str:
    await scene.person()
    await scene.fail_elsewhere(FREE_FAILURES, username=scene.username)
    await scene.sign_in()
    return scene.username


async def waiting_network(scene: Scene) -> str:
    await scene.person()
    await scene.fail_elsewhere(FAILURES_PER_ADDRESS)
    await scene.sign_in()
    return scene.username


async def waiting_strangers(scene: Scene) -> str:
    await scene.person()
    throttle = scene.installation.provider._passwords._throttle
    scene.patch.setattr(throttle, "_policy", replace(throttle._policy, strangers=4))
    await scene.fail_elsewhere(4, username=scene.username, spread=True)
    await scene.sign_in()
    return scene.username


# The second factor


async def second_factor_due(scene: Scene) -> str:
    await scene.app(await scene.person("careful"))
    await scene.sign_in()
    return scene.username


async def enrolment_due(scene: Scene) -> str:
    await scene.person("careful")
    await scene.sign_in()
    return scene.username


async def new_password_due(scene: Scene) -> str:
    await scene.person(password=None)
    users = scene.installation.administration.users
    given = await users.set_password(scene.username, temporary=True)
    await scene.sign_in(given.password or "")
    return scene.username


async def wrong_code(scene: Scene) -> str:
    await second_factor_due(scene)
    await scene.answer(otp="000000")
    return scene.username


async def code_used(scene: Scene) -> str:
    app = await scene.app(await scene.person("careful"), used_until=scene.now)
    await scene.sign_in()
    await scene.answer(otp=app.at(int(scene.now)))
    return scene.username


async def clock_is_off(scene: Scene, seconds: int) -> str:
    app = await scene.app(await scene.person("careful"))
    await scene.sign_in()
    await scene.answer(otp=app.at(int(scene.now) + seconds))
    return scene.username


async def wrong_recovery_code(scene: Scene) -> str:
    subject = await scene.person("careful")
    await scene.app(subject)
    factors = scene.installation.provider._factors
    await factors.renew_recovery_codes(scene.holder(subject), scene.now)
    await scene.sign_in()
    await scene.answer(recovery="ABCDE-FGHJK")
    return scene.username


async def too_many_tries(scene: Scene) -> str:
    await second_factor_due(scene)
    for _ in range(5):
        await scene.answer(otp="000000")
    await scene.sign_in()
    await scene.answer(otp="000000")
    return scene.username


async def passkey_unknown(scene: Scene) -> str:
    subject = await scene.person("careful")
    own = await scene.passkey(subject)
    await scene.sign_in()
    options = await scene.passkey_options()
    factors = scene.installation.provider._factors
    assert await factors.remove_passkey(scene.holder(subject), own.id, scene.now)
    await scene.answer(passkey=own.get(options))
    return scene.username


async def passkey_foreign(scene: Scene) -> str:
    await scene.passkey(await scene.person("careful"))
    account = await scene.installation.administration.users.get("naoko")
    theirs = await scene.passkey(account.person.subject_id)
    await scene.sign_in()
    await scene.answer(passkey=theirs.get(await scene.passkey_options()))
    return scene.username


async def passkey_counter(scene: Scene) -> str:
    own = await scene.passkey(await scene.person("careful"), sign_count=1_000)
    await scene.sign_in()
    await scene.answer(passkey=own.get(await scene.passkey_options()))
    return scene.username


async def passkey_invalid(scene: Scene) -> str:
    await scene.passkey(await scene.person("careful"))
    await scene.sign_in()
    await scene.answer(passkey="{}")
    return scene.username


async def factor_not_added(scene: Scene) -> str:
    await enrolment_due(scene)
    await scene.answer(passkey="{}")
    return scene.username


# What the client requires


async def rule(scene: Scene) -> str:
    await scene.person("banned")
    await scene.sign_in()
    return scene.username


async def passkey_required(scene: Scene) -> str:
    await scene.person("keyed")
    scene.patch.setattr(scene.installation.provider._steps, "_passkeys", False)
    await scene.sign_in()
    return scene.username


async def no_user_key(scene: Scene) -> str:
    await scene.person(external_key=None)
    await scene.sign_in()
    return scene.username


async def revoked(scene: Scene) -> str:
    """An administrator disables them at this very moment."""
    await scene.person()
    sessions = scene.installation.provider._completion._sessions
    look_up = sessions.person

    async def meanwhile(source: str, person: Person) -> Person | None:
        await scene.installation.administration.users.disable(scene.username)
        return await look_up(source, person)

    await scene.open_sign_in()
    scene.patch.setattr(sessions, "person", meanwhile)
    await scene.submit()
    return scene.username


async def not_confirmed(scene: Scene) -> str:
    return await scene.follow(userAgent="LineWorks", sessionKey="not-a-key-of-the-simulator")


async def no_confirmation(scene: Scene) -> str:
    scene.patch.setattr(scene.site.simulator, "is_deaf", True)
    await scene.open_sign_in("app")
    return await scene.reference()


# Outages


async def busy(scene: Scene) -> str:
    await scene.person()

    async def full(*_: object) -> bool:
        raise PoolFull

    await scene.open_sign_in()
    scene.patch.setattr(ThreadPool, "run", full)
    await scene.submit()
    return scene.username


async def store_unavailable(scene: Scene) -> str:
    await scene.person()

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    await scene.open_sign_in()
    store = scene.installation.provider._passwords._throttle._counters.store
    scene.patch.setattr(type(store), "bump_all", away)
    await scene.submit()
    return scene.username


async def database_unavailable(scene: Scene) -> str:
    await scene.person()

    async def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    await scene.open_sign_in()
    with scene.patch.context() as patched:
        patched.setattr(type(scene.site.directory), "account_by_username", away)
        await scene.submit()
    return scene.username


async def too_slow(scene: Scene) -> str:
    await scene.person()

    async def late(*_: object, **__: object) -> None:
        raise TimeoutError

    scene.patch.setattr(SourcesInUse, "check_password", late)
    await scene.sign_in()
    return scene.username


# Calls of LINE WORKS


async def at_code(scene: Scene, stumble: Stumble) -> str:
    """Sign in; then LINE WORKS does this with the code."""
    await scene.person()
    scene.site.line_works.at_code = stumble
    await scene.sign_in()
    return scene.username


async def at_token(scene: Scene, stumble: Stumble) -> str:
    """Sign in; then LINE WORKS does this with the access token."""
    await scene.person()
    scene.site.line_works.at_token = stumble
    await scene.sign_in()
    return scene.username


async def client_disabled(scene: Scene) -> str:
    clients, name = scene.installation.administration.clients, scene.installation.client.client.name

    async def meanwhile(line_works: Stumbling, code: str) -> Exchange:
        await clients.disable(name)
        await scene.installation.settle()
        return await line_works.exchange_code(code)

    asked = await at_code(scene, meanwhile)
    await clients.enable(name)
    await scene.installation.settle()
    return asked


async def address_not_allowed(scene: Scene) -> str:
    async with scene.site.client_with(allowed_addresses=("192.0.2.0/24",)):
        return await at_code(scene, Stumbling.exchange_code)


async def bad_request(scene: Scene) -> str:
    return await at_code(scene, lambda line_works, _: line_works.exchange_code(""))


async def grant_type(scene: Scene) -> str:
    return await at_code(
        scene, lambda line_works, code: line_works.exchange_code(code, grant_type="password")
    )


async def wrong_secret(scene: Scene) -> str:
    wrong = replace(scene.site.line_works.credentials, client_secret="wrong")
    return await at_code(
        scene, lambda line_works, code: line_works.exchange_code(code, credentials=wrong)
    )


async def too_many_wrong_secrets(scene: Scene) -> str:
    scene.patch.setattr(
        scene.installation.provider.clients._wrong_secrets, "exceeded", lambda *_: True
    )
    return await wrong_secret(scene)


async def code_unknown(scene: Scene) -> str:
    return await at_code(scene, lambda line_works, _: line_works.exchange_code("0" * 54))


async def code_foreign(scene: Scene) -> str:
    code = await scene.code_at_the_other_client()
    return await at_code(scene, lambda line_works, _: line_works.exchange_code(code))


async def code_expired(scene: Scene) -> str:
    async def later(line_works: Stumbling, code: str) -> Exchange:
        await scene.site.pass_time(8)
        return await line_works.exchange_code(code)

    async with scene.site.client_with(code_lifetime=5):
        return await at_code(scene, later)


async def code_replayed(scene: Scene) -> str:
    async def twice(line_works: Stumbling, code: str) -> Exchange:
        await line_works.exchange_code(code)
        return await line_works.exchange_code(code)

    return await at_code(scene, twice)


async def token_unknown(scene: Scene) -> str:
    return await at_token(scene, lambda line_works, _: line_works.user_info("0" * 54))


async def token_foreign(scene: Scene) -> str:
    other = scene.site.other
    form = {"client_id": other.client.client_id, "client_secret": other.client_secret}
    code = await scene.code_at_the_other_client()
    answer = await scene.installation.exchange(code, **form)
    token = answer.json()["access_token"]
    return await at_token(scene, lambda line_works, _: line_works.user_info(token))


async def token_expired(scene: Scene) -> str:
    async def later(line_works: Stumbling, token: str) -> Exchange:
        await scene.site.pass_time(8)
        return await line_works.user_info(token)

    async with scene.site.client_with(access_token_lifetime=5):
        return await at_token(scene, later)


async def no_answer(scene: Scene) -> str:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    async def meanwhile(line_works: Stumbling, code: str) -> Exchange:
        with scene.patch.context() as patched:
            patched.setattr(type(scene.installation.calls._store), "redeem", away)
            return await line_works.exchange_code(code)

    return await at_code(scene, meanwhile)


async def no_call(scene: Scene) -> str:
    asked = await at_code(scene, Stumbling.calls_nobody)
    await scene.site.pass_time(60)
    return asked


async def in_progress(scene: Scene) -> str:
    return await at_code(scene, Stumbling.calls_nobody)


async def no_user_info(scene: Scene) -> str:
    asked = await at_token(scene, Stumbling.calls_nobody)
    await scene.site.pass_time(60)
    return asked


async def done(scene: Scene) -> str:
    await scene.person()
    await scene.sign_in()
    assert urlsplit(scene.tab.url).path.startswith("/logins/")
    return scene.username


async def own_account(scene: Scene) -> str:
    await scene.person()
    await scene.tab.goto(f"{scene.site.sso}/account")
    await scene.submit()
    return scene.username


# Mail programs


async def imap_off(scene: Scene) -> str:
    await scene.person()
    async with scene.site.client_with(imap_login=False):
        await scene.mail()
    return scene.username


async def own_password(scene: Scene) -> str:
    await scene.person()
    await scene.mail()
    await scene.recorded(Reason.OWN_PASSWORD)
    return scene.username


async def mail_wrong_password(scene: Scene) -> str:
    await scene.person()
    await scene.mail("wrong")
    return scene.username


async def app_password_needed(scene: Scene) -> str:
    await scene.app(await scene.person())
    async with scene.site.client_with(imap_passwords="all"):
        await scene.mail()
    return scene.username


async def must_change_password(scene: Scene) -> str:
    await scene.person(password=None)
    users = scene.installation.administration.users
    given = await users.set_password(scene.username, temporary=True)
    async with scene.site.client_with(imap_passwords="all"):
        await scene.mail(given.password or "")
    return scene.username


async def lapsed(scene: Scene) -> str:
    scene.username = f"guest.{scene.username}"
    await scene.sign_in()
    password = await scene.app_password(f"company:{scene.username}")
    await scene.site.pass_time(31 * DAY)
    await scene.mail(password)
    return scene.username


async def source_not_allowed(scene: Scene) -> str:
    password = await scene.app_password(await scene.person())
    async with scene.site.client_with(sources=("company",)):
        await scene.mail(password)
    return scene.username


# No sign-in at all


async def nothing(scene: Scene) -> str:
    await scene.site.pass_time(2 * 3_600)
    return scene.address


async def pages_only(scene: Scene) -> str:
    await scene.site.pass_time(2 * 3_600)
    await scene.open_sign_in()
    await scene.site.pass_time(61)
    await scene.open_sign_in()  # then the first minute is counted
    return scene.username


async def similar_name(scene: Scene) -> str:
    await scene.person()
    name, scene.username = scene.username, scene.username.replace("@", ".@")
    await scene.sign_in()
    return name


async def all_open(scene: Scene) -> str:
    await scene.site.pass_time(2 * 3_600)
    await scene.person()
    return scene.username


async def gate_shut(scene: Scene) -> str:
    await scene.site.pass_time(2 * 3_600)
    await scene.person(external_key=None)
    return scene.username


R, E = Reason, Ending
KIND = {"kind": Text(sentences.KEY_KINDS[UserKey.EXTERNAL_KEY])}
ANY_NAME = "any name"
NO_KEY = Text(
    sentences.NAMED,
    {"name": Text(sentences.GATES["user_key"]), "note": Text(sentences.NO_KEY, KIND)},
)
CASES = (
    Case(
        R.UNKNOWN_CLIENT,
        "At %(time)s LINE WORKS named a client that is unknown or disabled here.",
        unknown_client,
    ),
    Case(
        R.PARAMETER_MISSING,
        "At %(time)s LINE WORKS sent no client ID, or no return address.",
        no_client,
    ),
    Case(
        R.REDIRECT_NOT_LISTED,
        "At %(time)s the return address of LINE WORKS was not on the client's list.",
        foreign_redirect,
    ),
    Case(
        R.REDIRECT_MALFORMED,
        "At %(time)s the return address of LINE WORKS was malformed.",
        malformed_redirect,
    ),
    Case(R.NO_STATE, "At %(time)s the return address of LINE WORKS contained no state.", no_state),
    Case(
        R.RESPONSE_TYPE,
        "At %(time)s the request was not one for a code (response_type).",
        response_type,
    ),
    Case(R.SENT_TWICE, "At %(time)s the request contained a parameter twice.", sent_twice),
    Case(R.TOO_LONG, "At %(time)s the request was too long.", too_long),
    Case(
        R.FORM_EXPIRED, "At %(time)s the sign-in page was more than 30 minutes old.", form_expired
    ),
    Case(
        R.FORM_FORGED,
        "At %(time)s a form arrived that did not come from a sign-in page of ours.",
        form_forged,
    ),
    Case(
        R.OTHER_BROWSER,
        "At %(time)s the sign-in page belonged to another browser or an earlier tab.",
        other_browser,
    ),
    Case(R.COOKIES_OFF, "At %(time)s the browser sent no cookie with the form.", cookies_off),
    Case(
        R.STATE_UNKNOWN,
        "At %(time)s the browser came back from the other provider without its cookie.",
        state_unknown,
    ),
    Case(
        R.STATE_USED,
        "At %(time)s the browser came back from the other provider a second time.",
        state_used,
    ),
    Case(R.SIGN_IN_LOST, "At %(time)s nothing was known of this sign-in any more.", sign_in_lost),
    Case(
        R.NOT_CONFIRMED,
        "At %(time)s LINE WORKS did not confirm that the request came from its app.",
        not_confirmed,
    ),
    Case(
        R.NO_ANSWER,
        "At %(time)s LINE WORKS did not answer whether the request came from its app.",
        no_confirmation,
    ),
    Case(R.WRONG_PASSWORD, "At %(time)s the password was wrong.", wrong_password),
    Case(
        R.GUESSES_USED_UP,
        "At %(time)s the password was not checked: too many were wrong for this person.",
        guesses_used_up,
    ),
    Case(
        R.NOT_CHECKED,
        "At %(time)s the password was not checked: too many others were waiting.",
        not_checked,
    ),
    Case(
        R.TEMPORARY_EXPIRED,
        "At %(time)s the password was right, but it was temporary and its time is over.",
        temporary_expired,
    ),
    Case(
        R.PASSWORD_EXPIRED,
        "At %(time)s the password was right, but it has expired.",
        partial(the_company_says, word="expired"),
    ),
    Case(R.DISABLED, "At %(time)s the password was right, but the person is disabled.", disabled),
    Case(
        R.NOT_ALLOWED,
        "At %(time)s the password was right, but the source does not admit the person.",
        partial(the_company_says, word="outside"),
    ),
    Case(
        R.REFUSED_UPSTREAM, "At %(time)s the other provider refused the sign-in.", refused_upstream
    ),
    Case(R.WAITING, "At %(time)s no password was checked: too many had been wrong.", waiting),
    Case(
        R.WAITING_NETWORK,
        "At %(time)s no password was checked: too many from that network had been wrong.",
        waiting_network,
    ),
    Case(
        R.WAITING_STRANGERS,
        "At %(time)s no password was checked: too many from unknown places had been wrong.",
        waiting_strangers,
    ),
    Case(
        R.SECOND_FACTOR_DUE,
        "At %(time)s the password was right; the second factor has not been used.",
        second_factor_due,
    ),
    Case(
        R.ENROLMENT_DUE,
        "At %(time)s the password was right; the second factor has not been set up.",
        enrolment_due,
    ),
    Case(
        R.NEW_PASSWORD_DUE,
        "At %(time)s the password was right; a new one has not been chosen.",
        new_password_due,
    ),
    Case(R.WRONG_CODE, "At %(time)s the code of the authenticator app was wrong.", wrong_code),
    Case(
        R.CODE_USED,
        "At %(time)s the code of the authenticator app had been used before.",
        code_used,
    ),
    Case(
        R.CLOCK_AHEAD,
        "At %(time)s the code was right for a later time: the clock of the phone is fast.",
        partial(clock_is_off, seconds=180),
    ),
    Case(
        R.CLOCK_BEHIND,
        "At %(time)s the code was right for an earlier time: the clock of the phone is slow.",
        partial(clock_is_off, seconds=-180),
    ),
    Case(
        R.WRONG_RECOVERY_CODE,
        "At %(time)s the recovery code was wrong, or had been used.",
        wrong_recovery_code,
    ),
    Case(
        R.PASSKEY_UNKNOWN,
        "At %(time)s a passkey was used that is not registered here.",
        passkey_unknown,
    ),
    Case(R.PASSKEY_FOREIGN, "At %(time)s a passkey of somebody else was used.", passkey_foreign),
    Case(
        R.PASSKEY_COUNTER,
        "At %(time)s the counter of the passkey had gone back, as that of a copy would.",
        passkey_counter,
    ),
    Case(
        R.PASSKEY_INVALID, "At %(time)s the response of the passkey was not valid.", passkey_invalid
    ),
    Case(R.FACTOR_NOT_ADDED, "At %(time)s the new passkey could not be added.", factor_not_added),
    Case(
        R.TOO_MANY_TRIES,
        "At %(time)s no code was checked: too many had been wrong.",
        too_many_tries,
    ),
    Case(R.RULE, "At %(time)s a rule of the client refused the sign-in.", rule),
    Case(
        R.PASSKEY_REQUIRED,
        "At %(time)s a passkey was required, and there is none.",
        passkey_required,
    ),
    Case(
        R.NO_USER_KEY,
        "At %(time)s the sign-in was right, but there is no %(kind)s to give to LINE WORKS.",
        no_user_key,
        values=KIND,
    ),
    Case(
        R.KEY_OF_ANOTHER,
        "At %(time)s the sign-in was right, but the %(kind)s belongs to somebody else.",
        partial(the_company_says, word="borrower"),
        values=KIND,
    ),
    Case(
        R.REVOKED,
        "At %(time)s the person was disabled, or given another user key, while signing in.",
        revoked,
    ),
    Case(
        R.SOURCE_UNAVAILABLE,
        "At %(time)s the source of the person did not respond.",
        partial(the_company_says, word="down"),
    ),
    Case(R.BUSY, "At %(time)s too many passwords were waiting to be checked.", busy),
    Case(R.STORE_UNAVAILABLE, "At %(time)s the store did not respond.", store_unavailable),
    Case(R.DATABASE_UNAVAILABLE, "At %(time)s the database did not respond.", database_unavailable),
    Case(R.TOO_SLOW, "At %(time)s the response took too long.", too_slow),
    Case(
        R.CLIENT_DISABLED,
        "At %(time)s the call of LINE WORKS was refused: the client is disabled.",
        client_disabled,
        is_probable=True,
    ),
    Case(
        R.ADDRESS_NOT_ALLOWED,
        "At %(time)s the call of LINE WORKS came from an address that is not allowed.",
        address_not_allowed,
        is_probable=True,
    ),
    Case(
        R.BAD_REQUEST,
        "At %(time)s the call of LINE WORKS arrived incomplete.",
        bad_request,
        is_probable=True,
    ),
    Case(
        R.GRANT_TYPE,
        "At %(time)s LINE WORKS asked for a type of grant that is not allowed.",
        grant_type,
        is_probable=True,
    ),
    Case(
        R.WRONG_SECRET,
        "At %(time)s LINE WORKS sent a wrong client ID or secret.",
        wrong_secret,
        is_probable=True,
    ),
    Case(
        R.TOO_MANY_WRONG_SECRETS,
        "At %(time)s far too many wrong client secrets had been sent.",
        too_many_wrong_secrets,
        is_probable=True,
    ),
    Case(
        R.CODE_UNKNOWN,
        "At %(time)s LINE WORKS brought a code that is unknown here.",
        code_unknown,
        is_probable=True,
    ),
    Case(
        R.CODE_FOREIGN,
        "At %(time)s LINE WORKS brought a code of another client.",
        code_foreign,
        is_probable=True,
    ),
    Case(
        R.CODE_EXPIRED,
        "At %(time)s LINE WORKS brought the code too late.",
        code_expired,
        is_probable=True,
    ),
    Case(R.CODE_REPLAYED, "At %(time)s the code was presented a second time.", code_replayed),
    Case(
        R.TOKEN_UNKNOWN,
        "At %(time)s the access token was unknown or revoked.",
        token_unknown,
        is_probable=True,
    ),
    Case(
        R.TOKEN_FOREIGN,
        "At %(time)s the access token was another client's.",
        token_foreign,
        is_probable=True,
    ),
    Case(
        R.TOKEN_EXPIRED,
        "At %(time)s the access token had expired.",
        token_expired,
        is_probable=True,
    ),
    Case(
        R.NO_ANSWER,
        "At %(time)s the call of LINE WORKS could not be answered in time.",
        no_answer,
        is_probable=True,
    ),
    Case(
        R.WRONG_PASSWORD, "At %(time)s a mail program sent a wrong password.", mail_wrong_password
    ),
    Case(
        R.OWN_PASSWORD,
        "At %(time)s a mail program sent the person's own password, not an app password.",
        own_password,
    ),
    Case(
        R.APP_PASSWORD_NEEDED,
        "At %(time)s a mail program sent the person's own password, which is not enough.",
        app_password_needed,
    ),
    Case(
        R.MUST_CHANGE_PASSWORD,
        "At %(time)s a mail program sent a password that must be changed first.",
        must_change_password,
    ),
    Case(
        R.LAPSED,
        "At %(time)s an app password was not accepted: its owner has not signed in lately.",
        lapsed,
    ),
    Case(
        R.IMAP_OFF,
        "At %(time)s a mail program was refused: the client does not allow them.",
        imap_off,
    ),
    Case(
        R.SOURCE_NOT_ALLOWED,
        "At %(time)s the client did not allow the person's source.",
        source_not_allowed,
    ),
    Case(
        E.DONE, "At %(time)s everything was right here: LINE WORKS has fetched the user key.", done
    ),
    Case(E.OWN_ACCOUNT, "At %(time)s the person signed in to their own account page.", own_account),
    Case(
        E.NO_CALL, "At %(time)s the code was issued, but LINE WORKS did not come for it.", no_call
    ),
    Case(
        E.NO_USER_INFO,
        "At %(time)s LINE WORKS redeemed the code, but did not ask whose it was.",
        no_user_info,
    ),
    Case(E.IN_PROGRESS, "The sign-in of %(time)s is still in progress.", in_progress),
    Case(E.UNKNOWN_NAME, "At %(time)s a name was typed that nobody has here.", unknown_name),
    Case(None, "Nothing is recorded: LINE WORKS has sent nobody here at that time.", nothing),
    Case(
        None,
        "Nothing is recorded of them, but sign-in pages were opened: perhaps nothing was typed.",
        pages_only,
    ),
    Case(
        None,
        "Nothing is recorded of them, but a similar name failed a moment ago: %(names)s",
        similar_name,
        values={"names": ANY_NAME},
    ),
    Case(None, "There was no sign-in lately, and nothing here would stop one now.", all_open),
    Case(
        None,
        "There was no sign-in lately. One would be stopped now: %(gate)s",
        gate_shut,
        values={"gate": NO_KEY},
    ),
)

OF_THE_COMMAND_LINE = {sentences.OTHER_NAMES.sentence}
"""Said if one client is asked about, which the console has no field for."""
NEVER_HERE = {Ending.MAIL_DONE}
"""A mail program gets a code, so this is said only if the record of that was lost."""
_TIME = r".{0,16}?\d\d:\d\d"


def expected(language: str, each: Case) -> re.Pattern[str]:
    """The sentence in a language, at any time."""
    text = Text(each.sentence, each.values)
    if each.is_probable:
        text = Text(sentences.PROBABLY, {"sentence": text})
    return re.compile(_pattern(language, text))


def _pattern(language: str, text: Text) -> str:
    translated = texts_in(language).gettext(text.english)
    if language != "en" and text.english.isascii() and " " in text.english:
        assert translated != text.english or text.english == sentences.NAMED
    parts = re.split(r"%\((\w+)\)s", translated)
    said = [_value(language, text.values.get(name)) for name in parts[1::2]]
    literal = [re.escape(each) for each in parts[::2]]
    return "".join(part for pair in zip(literal, [*said, ""], strict=True) for part in pair)


def _value(language: str, value: Value | None) -> str:
    if value in (None, ANY_NAME):
        return r"\S+" if value else _TIME
    return _pattern(language, value) if isinstance(value, Text) else re.escape(str(value))


async def test_every_reason_and_every_ending_is_in_the_table() -> None:
    reasons = [each.reason for each in CASES if each.reason is not None]
    assert set(reasons) == {*Reason, *Ending} - {Reason.COUNTED} - NEVER_HERE


async def test_every_sentence_that_the_console_begins_with_is_in_the_table() -> None:
    of_records = [each for known in sentences.SAYINGS.values() for each in known.values()]
    of_endings = [each for end, each in sentences.ENDINGS.items() if end not in NEVER_HERE]
    none = (sentences.NOTHING, sentences.PAGES_ONLY, sentences.SIMILAR_NAMES, sentences.ALL_OPEN)
    said = {each.sentence for each in (*of_records, *of_endings, *none)} | {sentences.GATE_SHUT}
    assert {each.sentence for each in CASES} == said


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[Site]:
    async with open_site(tmp_path_factory.mktemp("site"), chromium) as site:
        yield site


def name_of(each: Case) -> str:
    return f"{each.reason}: {each.sentence.removeprefix('At %(time)s ')[:40]}"


@pytest.mark.parametrize("each", CASES, ids=name_of)
async def test_what_went_wrong_is_said_in_each_language(
    site: Site, monkeypatch: pytest.MonkeyPatch, each: Case
) -> None:
    with monkeypatch.context() as patched:
        asked = await each.happens(await Scene.begin(site, patched))
    await site.installation.provider.audit.flush()
    said = await site.sentences(asked)
    assert tuple(said) == VIEWERS
    for language, sentence in said.items():
        assert expected(language, each).fullmatch(sentence), (language, sentence)
