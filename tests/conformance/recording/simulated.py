"""The simulator of LINE WORKS, without its pages: its sign-ins and its misbehaviour."""

import secrets
import time

from tests.conformance.recording.scene import Scene
from tests.installation import CALLBACK

from worksgate.conformance.line_works import redirect_uri_with_state
from worksgate.conformance.simulator import SimulatorSettings, misbehaviour
from worksgate.conformance.simulator.sign_in import begin, complete, read_callback

SIMULATOR = "https://auth.worksmobile.com"


async def sign_in(scene: Scene) -> str:
    """A person opens LINE WORKS and comes back from the sign-in page; who they are then."""
    login = begin(scene.line_works, CALLBACK, browser="b", now=time.monotonic())
    path = login.url.removeprefix(scene.url)
    code = await scene.browser.code(path, login.redirect_uri)
    back = f"{login.redirect_uri}&code={code}"
    login, came = read_callback(login, back, now=time.monotonic())
    assert came == code
    done = await complete(login, code, scene.line_works)
    assert done.user_id is not None, done.refusal
    return done.user_id


async def misbehave(scene: Scene) -> int:
    """Send everything that LINE WORKS would never send; how many scenarios there were."""
    settings = SimulatorSettings(
        public_url=SIMULATOR,
        endpoints=scene.line_works.endpoints,
        credentials=scene.line_works.credentials,
    )
    scenarios = list(misbehaviour.available(settings))
    for scenario in scenarios:
        code = await a_code(scene) if scenario.needs_code else ""
        await misbehaviour.run_scenario(
            scenario, scene.line_works, settings, browser="b", code=code
        )
    return len(scenarios)


async def a_code(scene: Scene) -> str:
    """A fresh code, for the redirect_uri of the installation's client."""
    redirect_uri = redirect_uri_with_state(CALLBACK, secrets.token_urlsafe(8))
    return await scene.browser.code(scene.login_path(redirect_uri=redirect_uri), redirect_uri)
