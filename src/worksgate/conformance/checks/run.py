"""One run of the check: the calls, and the sign-ins that several checks look at.

A sign-in is made once, redeemed at once as LINE WORKS does it, and kept: `journey` is the one of
the browser, `app_journey` that of the apps, `mail_journey` that of a mail client. A check that
spends a code of its own asks for `code`.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from urllib.parse import urlsplit

from worksgate.conformance.checks.forms import joined
from worksgate.conformance.checks.meter import Meter
from worksgate.conformance.checks.operator import Operator
from worksgate.conformance.checks.sign_in import BROWSER_HEADERS, Arrival, SignIn, Stuck
from worksgate.conformance.checks.target import Mailbox, Target
from worksgate.conformance.checks.verdicts import Untested
from worksgate.conformance.checks.wire import Conversation, Framing, converse
from worksgate.conformance.exchange import Exchange, TimeLimits
from worksgate.conformance.line_works import (
    Credentials,
    LineWorks,
    Parameters,
    authorization_url,
    with_parameters,
)

T = TypeVar("T")

STATE: Final = "%2B%2f%3D"
"""The end of each state: `+/=`, in capitals and in small letters, as no library would write it."""
_FLOOD_LIMITS: Final = TimeLimits(connect=15.0, answer=30.0)


@dataclass(frozen=True, slots=True)
class Journey:
    """A sign-in from LINE WORKS' side: out and back, and the two calls that follow."""

    redirect_uri: str
    arrival: Arrival
    token: Exchange | None = None
    user_info: Exchange | None = None

    @property
    def access_token(self) -> str | None:
        return None if self.token is None else self.token.value("access_token")

    @property
    def user_key(self) -> str | None:
        return None if self.user_info is None else self.user_info.value("user_id")


@dataclass(frozen=True, slots=True)
class MailJourney:
    """A mail client's sign-in: the answer with the code, and the two calls that follow."""

    login: Exchange
    token: Exchange | None = None
    user_info: Exchange | None = None

    @property
    def access_token(self) -> str | None:
        return None if self.token is None else self.token.value("access_token")


class Run:
    """What a check works with. Close it with `aclose`."""

    def __init__(
        self,
        target: Target,
        sign_in: SignIn | None,
        meter: Meter,
        operator: Operator | None = None,
    ) -> None:
        self.target = target
        self.sign_in = sign_in
        self.meter = meter
        self.operator = operator or Operator({}, meter)
        self.line_works = LineWorks(
            target.endpoints,
            target.credentials,
            limits=target.limits,
            transport=target.transport(),
        )
        self._journeys: dict[str, Journey] = {}
        self.refuses_session_keys = False
        self._mail: MailJourney | None = None
        self._done: dict[str, object] = {}

    async def once(self, name: str, work: "Callable[[Run], Awaitable[T]]") -> T:
        """Return what a piece of work returned the first time; failures are not kept."""
        if name not in self._done:
            self._done[name] = await work(self)
        return cast(T, self._done[name])

    async def aclose(self) -> None:
        await self.line_works.aclose()
        if self.sign_in is not None:
            await self.sign_in.aclose()

    # Calls of LINE WORKS' servers

    async def exchange_code(
        self, code: str, *, credentials: Credentials | None = None, grant_type: str | None = None
    ) -> Exchange:
        async with self.meter.request() as keep:
            call = self.line_works.exchange_code(
                code, credentials=credentials, grant_type=grant_type
            )
            return keep(await call)

    async def refresh(
        self, refresh_token: str, *, credentials: Credentials | None = None
    ) -> Exchange:
        async with self.meter.request() as keep:
            call = self.line_works.refresh(refresh_token, credentials=credentials)
            return keep(await call)

    async def user_info(
        self, access_token: str, *, credentials: Credentials | None = None
    ) -> Exchange:
        async with self.meter.request() as keep:
            call = self.line_works.user_info(access_token, credentials=credentials)
            return keep(await call)

    async def flood(self, access_token: str, calls: int) -> list[Exchange]:
        """Send so many calls of the User info return API at once; they count as one request.

        Kept of them is one that did not succeed, if there is any. LINE WORKS' limits of time are
        not those of these calls: a machine that sends so many may be slow itself.
        """
        async with (
            self.meter.request() as keep,
            LineWorks(
                self.target.endpoints,
                self.target.credentials,
                limits=_FLOOD_LIMITS,
                transport=self.target.transport(),
            ) as line_works,
        ):
            calling = (line_works.user_info(access_token) for _ in range(calls))
            answers = await asyncio.gather(*calling)
            keep(next((each for each in answers if each.value("user_id") is None), answers[0]))
        return answers

    async def imap_login(self, email: str, password: str) -> Exchange:
        async with self.meter.request() as keep:
            return keep(await self.line_works.imap_login(email, password))

    async def post(self, url: str, form: Parameters) -> Exchange:
        async with self.meter.request() as keep:
            return keep(await self.line_works.post(url, form))

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Exchange:
        async with self.meter.request() as keep:
            call = self.line_works.send(method, url, body=body, content_type=content_type)
            return keep(await call)

    async def send_as_browser(self, url: str) -> Exchange:
        """Open a page without cookies, and follow nothing."""
        async with self.meter.request() as keep:
            call = self.line_works.send("GET", url, headers=BROWSER_HEADERS, expects_json=False)
            return keep(await call)

    async def converse(self, url: str, framing: Framing, *, linger: float = 0) -> Conversation:
        async with self.meter.request() as keep:
            said = await converse(self.target, url, framing, linger=linger)
            keep(said.exchange)
            return said

    # Forms with right credentials; code and token are made up

    def token_form(self, *, grant_type: str = "authorization_code") -> list[tuple[str, str]]:
        """Return the form of the Access Token Return API."""
        return [("grant_type", grant_type), *self._client(), ("code", made_up())]

    def user_info_form(self) -> list[tuple[str, str]]:
        """Return the form of the User info return API."""
        return [*self._client(), ("access_token", made_up())]

    def _client(self) -> list[tuple[str, str]]:
        client = self.target.credentials
        return [("client_id", client.client_id), ("client_secret", client.client_secret)]

    # Sign-ins

    def redirect_uri(self) -> str:
        """Return a redirect_uri with a new state inside, between two other parameters.

        Its bytes are such that decoding and encoding them again would show.
        """
        end = f"zone=b%2fa&state={secrets.token_urlsafe(9)}{STATE}&area=1"
        before = self.target.redirect_uri
        return f"{before}{'&' if '?' in before else '?'}{end}"

    async def authorize(
        self,
        redirect_uri: str,
        *,
        app: bool = False,
        has_session_key: bool = True,
        session: str | None = None,
        fills: bool = True,
        waits: float = 0.0,
        client_id: str | None = None,
        works_id: str | None = None,
        response_type: str = "code",
        meanwhile: str | None = None,
        extra: Parameters = (),
        stops: Callable[[str], bool] | None = None,
        sign_in: SignIn | None = None,
    ) -> Arrival:
        """Open the sign-in page as LINE WORKS does it. Raises Untested if nobody can sign in.

        `meanwhile` is the redirect_uri of another sign-in that the same browser begins before the
        password is typed.
        """
        sign_in = sign_in or self.sign_in
        if sign_in is None:
            raise Untested("no_person")
        ends = self.target.endpoints
        url = authorization_url(
            ends.app_login if app else ends.web_login,
            client_id=client_id or self.target.credentials.client_id,
            redirect_uri=redirect_uri,
            works_id=works_id,
            app=app,
            session_key=secrets.token_urlsafe(24) if app and has_session_key else None,
        )
        url = url.replace("response_type=code", f"response_type={response_type}", 1)
        return await sign_in.arrive(
            with_parameters(url, extra),
            stops or self.is_callback,
            session=session or ("app" if app else "web"),
            fills=fills,
            waits=waits,
            meanwhile=None if meanwhile is None else self._sign_in_url(meanwhile),
        )

    def _sign_in_url(self, redirect_uri: str) -> str:
        return authorization_url(
            self.target.endpoints.web_login,
            client_id=self.target.credentials.client_id,
            redirect_uri=redirect_uri,
        )

    def is_callback(self, location: str) -> bool:
        """Whether a URL leads to the registered redirect_uri, or at least to its host."""
        if joined(self.target.redirect_uri, location) is None:
            return False
        wanted, found = urlsplit(self.target.redirect_uri), urlsplit(location)
        if wanted[:2] != found[:2]:
            return False
        is_elsewhere = wanted[:2] != urlsplit(self.target.endpoints.web_login)[:2]
        return is_elsewhere or found.path == wanted.path

    async def journey(self) -> Journey:
        """Return the sign-in in a browser; made once. Raises Untested."""
        return await self._journey("web", app=False)

    async def app_journey(self) -> Journey:
        """Return the sign-in in an app; made once. Raises Untested.

        An implementation that asks LINE WORKS about the `sessionKey` learns that it is unknown
        there: then the sign-in is made without one, and `refuses_session_keys` is set.
        """
        self.signed_in(await self.journey())
        journey = await self._journey("app", app=True)
        if journey.arrival.stuck is not Stuck.ERROR_PAGE or self.refuses_session_keys:
            return journey
        other = await self._made(app=True, has_session_key=False)
        if other.arrival.code is not None:
            self._journeys["app"], self.refuses_session_keys = other, True
        return self._journeys["app"]

    async def _journey(self, session: str, *, app: bool) -> Journey:
        if session not in self._journeys:
            self._journeys[session] = await self._made(app=app)
        return self._journeys[session]

    async def _made(self, *, app: bool, has_session_key: bool = True) -> Journey:
        redirect_uri = self.redirect_uri()
        arrival = await self.authorize(redirect_uri, app=app, has_session_key=has_session_key)
        return await self._redeem(Journey(redirect_uri, arrival))

    async def _redeem(self, journey: Journey) -> Journey:
        code = journey.arrival.code
        if not code:
            return journey
        return Journey(journey.redirect_uri, journey.arrival, *await self._redeemed(code))

    async def _redeemed(self, code: str) -> tuple[Exchange, Exchange | None]:
        token = await self.exchange_code(code)
        access_token = token.value("access_token")
        return token, None if access_token is None else await self.user_info(access_token)

    def signed_in(self, journey: Journey) -> Journey:
        """Return the journey if it has a code. Raises Untested."""
        if not journey.arrival.code:
            raise Untested("not_signed_in")
        return journey

    async def token(self) -> Exchange:
        """Return the answer to the code of the browser's sign-in. Raises Untested."""
        journey = self.signed_in(await self.journey())
        if journey.token is None:
            raise Untested("not_signed_in")
        return journey.token

    async def access_token(self) -> str:
        """Return the access token of the browser's sign-in. Raises Untested."""
        await self.token()
        access_token = (await self.journey()).access_token
        if access_token is None:
            raise Untested("no_token")
        return access_token

    async def identified(self) -> Exchange:
        """Return the user info of the browser's sign-in. Raises Untested."""
        await self.access_token()
        user_info = (await self.journey()).user_info
        if user_info is None:
            raise Untested("no_token")
        return user_info

    async def code(self) -> str:
        """Return a new code that nobody has used. Raises Untested."""
        self.signed_in(await self.journey())
        arrival = await self.authorize(self.redirect_uri())
        if not arrival.code:
            raise Untested("no_further_code")
        return arrival.code

    async def spare_code(self) -> str:
        """Return a code that no check redeems; the same one each time. Raises Untested."""
        return await self.once("spare_code", Run.code)

    def automatic(self) -> None:
        """Raise Untested where a person would have to open every URL."""
        if self.sign_in is not None and not self.sign_in.is_automatic:
            raise Untested("by_hand")

    def mailbox(self) -> Mailbox:
        """Return the mail client's name and password. Raises Untested."""
        if self.target.mailbox is None:
            raise Untested("no_mailbox")
        return self.target.mailbox

    async def mail_journey(self) -> MailJourney:
        """Return the mail client's sign-in with the right password; made once. Raises Untested."""
        mailbox = self.mailbox()
        if self._mail is None:
            login = await self.imap_login(mailbox.email, mailbox.password)
            self._mail = await self._redeem_mail(login)
        return self._mail

    async def _redeem_mail(self, login: Exchange) -> MailJourney:
        code = login.value("code")
        if code is None:
            return MailJourney(login)
        return MailJourney(login, *await self._redeemed(code))


def made_up() -> str:
    """Return a code or a token that nobody has issued."""
    return secrets.token_urlsafe(32)
