"""Plays LINE WORKS and people at a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.conformance.runs import PATIENT
from tests.installation import CALLBACK, PASSWORD, USERNAME

from worksgate.conformance.line_works import Credentials, Endpoints, LineWorks
from worksgate.conformance.recording.comparison import Report
from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.replaying import Replay
from worksgate.conformance.recording.sign_in import Browser
from worksgate.conformance.recording.stand_ins import StandInClient, StandInPerson, StandIns
from worksgate.conformance.recording.wire import Reply, Request, Wire


@dataclass
class Scene:
    """One server, its client and its person, seen from LINE WORKS.

    ``seen`` are all secrets and names that went over the wire.
    """

    url: str
    client_id: str
    client_secret: str
    wire: Wire
    browser: Browser
    line_works: LineWorks
    seen: set[str] = field(default_factory=set)

    async def authorize(self, **parameters: str) -> Reply:
        """The sign-in page, as a browser without cookies gets it."""
        return await self.wire.send(Request("GET", self.login_path(**parameters)))

    def login_path(self, **parameters: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": f"{CALLBACK}?state=state-of-line-works",
            **parameters,
        }
        self.seen.update(query.values())
        return "/login?" + "&".join(f"{n}={quote(v, safe='')}" for n, v in query.items())

    async def code(self) -> str:
        """The code of a sign-in."""
        redirect_uri = f"{CALLBACK}?state=state-of-line-works"
        code = await self.browser.code(self.login_path(), redirect_uri)
        self.seen.add(code)
        return code

    async def token(self, code: str) -> str:
        exchange = await self.line_works.exchange_code(code)
        token = exchange.value("access_token")
        assert token is not None, exchange
        self.seen.add(token)
        return token

    async def user_id(self, token: str) -> str:
        exchange = await self.line_works.user_info(token)
        user_id = exchange.value("user_id")
        assert user_id is not None, exchange
        self.seen.add(user_id)
        return user_id

    def stand_ins(self) -> StandIns:
        """This client and this person, as those of a target."""
        client = StandInClient(self.client_id, self.client_secret, CALLBACK)
        return StandIns([client], [StandInPerson(USERNAME, PASSWORD)])

    async def replayed(self, file: Path, *, speed: float | None = None) -> Report:
        """The outcome of sending a recording to this server."""
        replay = Replay(Recording.read(file), self.url, self.stand_ins(), speed=speed)
        return await replay.run()


@asynccontextmanager
async def scene(url: str, client_id: str, client_secret: str) -> AsyncIterator[Scene]:
    """A fresh browser and LINE WORKS, for one test."""
    endpoints = Endpoints(
        web_login=f"{url}/login",
        app_login=f"{url}/login",
        access_token=f"{url}/accessToken",
        user_info=f"{url}/userInfo",
        logout=f"{url}/logout",
        imap_login=f"{url}/apiLogin/{client_id}",
    )
    wire = Wire(url)
    browser = Browser(wire, StandInPerson(USERNAME, PASSWORD))
    async with LineWorks(
        endpoints, Credentials(client_id, client_secret), limits=PATIENT
    ) as line_works:
        yield Scene(url, client_id, client_secret, wire, browser, line_works)
    wire.close()


async def play(scene: Scene) -> None:
    """What LINE WORKS does on a day, and every error of its calls."""
    page = await scene.authorize(worksId="someone@works.example", userAgent="LineWorks")
    assert page.status == 200
    for _ in range(2):  # with the password, then by the session
        token = await scene.token(await scene.code())
        await scene.user_id(token)
    again = await scene.code()
    token = await scene.token(again)
    for code in (again, "never-issued-" + "x" * 30):
        assert (await scene.line_works.exchange_code(code)).error == "302"
        scene.seen.add(code)
    for dead in (token, "no-token-" + "x" * 30):  # the first was revoked with the reuse of its code
        assert (await scene.line_works.user_info(dead)).error == "303"
        scene.seen.add(dead)
    wrong = Credentials(scene.client_id, "a-wrong-client-secret")
    stranger = Credentials("nobodys-client", scene.client_secret)
    scene.seen.update(("a-wrong-client-secret", "nobodys-client"))
    for credentials in (wrong, stranger):
        refused = await scene.line_works.exchange_code(again, credentials=credentials)
        assert refused.error == "301"
    await malformed(scene)
    for query in ("", f"?redirect_uri={quote('https://auth.worksmobile.com/', safe='')}"):
        await scene.wire.send(Request("GET", f"/logout{query}"))
    await scene.wire.send(Request("GET", "/logout?redirect_uri=https%3A%2F%2Fevil.example%2F"))
    assert (await scene.authorize(redirect_uri="https://evil.example/cb")).status == 400
    assert (await scene.authorize(client_id="nobodys-client")).status == 400


async def malformed(scene: Scene) -> None:
    """Calls that are refused for their form."""
    ends, form = scene.line_works.endpoints, [("grant_type", "authorization_code")]
    code = await scene.code()
    pairs = [
        *form,
        ("client_id", scene.client_id),
        ("client_secret", scene.client_secret),
        ("code", code),
    ]
    for wrong in (form, [*pairs, ("code", code)], [("grant_type", "implicit"), *pairs[1:]]):
        await scene.line_works.post(ends.access_token, wrong)
    await scene.line_works.send(
        "POST", ends.access_token, body=b'{"code": "x"}', content_type="application/json"
    )
    await scene.line_works.send("GET", ends.user_info)
    await raw(scene, [*pairs[:3], ("code", ""), ("unknown name", "社員")])
    await raw(scene, pairs, http="1.0")


async def raw(scene: Scene, pairs: list[tuple[str, str]], http: str = "1.1") -> Reply:
    """A token request as an older HTTP client sends it."""
    body = "&&".join(f"{quote(n)}={quote(v)}" for n, v in pairs).encode()
    headers = (
        ("Content-Type", "application/x-www-form-urlencoded; charset=ISO-8859-1"),
        *((("Expect", "100-continue"),) if http == "1.1" else ()),
        ("Connection", "close"),
    )
    framing = "chunked" if http == "1.1" else "length"
    return await scene.wire.send(Request("POST", "/accessToken", headers, body, framing, http))
