"""Each request has an ID, which leads from the log to what was changed."""

import json
from hashlib import sha256

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from tests.web.console.console import SESSION, ConsoleUnderTest

from worksgate.administration.roles import Role


async def test_r245_a_change_names_its_session_and_request_and_is_found_by_them(
    console: ConsoleUnderTest,
) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None)
    owner = await console.signed_in("owner")
    await owner.get(f"/person?id={subject}")
    with capture_logs([merge_contextvars]) as lines:
        await owner.post("/person/disable", id=subject)
    request_id = owner.page.headers["x-request-id"]
    (line,) = [each for each in lines if each["event"] == "console.form"]
    assert (line["request_id"], line["path"]) == (request_id, "/person/disable")

    page = (await owner.get(f"/find?q={request_id}")).headers["location"]
    assert page == f"/audit/changes?request={request_id}"
    found = (await owner.get(page)).text
    assert found.count('<details class="change">') == 1
    session = line["session"]
    assert f"/audit/changes?session={session}" in found

    await owner.post("/audit/changes/export", request=request_id, **{"as": "jsonl"})
    change = json.loads(owner.page.text)
    assert (change["session"], change["request_id"]) == (session, request_id)
    secret = owner.http.cookies[SESSION]
    assert session not in (secret, sha256(secret.encode()).hexdigest())
    assert not sha256(secret.encode()).hexdigest().startswith(session)

    # The record of the sign-in and the lists of sessions have the same name.
    assert f"session {session}" in (await owner.get("/audit")).text
    for path in ("/me", "/administrators"):
        assert f"/audit/changes?session={session}" in (await owner.get(path)).text
    # Another request of the same session changed nothing, and is looked up as a name.
    other = (await owner.get("/")).headers["x-request-id"]
    assert (await owner.get(f"/find?q={other}")).headers["location"] == f"/people?q={other}"
