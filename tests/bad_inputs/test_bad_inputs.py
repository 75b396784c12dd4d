"""Malicious requests, and some unusual but valid ones: each gets the expected response.

What an entry means is in ``entries.py``. The tests after the entries show that the checks can fail.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.bad_inputs.entries import ENTRIES, Entry, filled, wire
from tests.bad_inputs.expectations import EACH, PLAN, TOGETHER, matches
from tests.bad_inputs.run import run, run_on_a_busy_machine
from tests.bad_inputs.site import FORM, PASSWORD, Site
from tests.bad_inputs.situation import PATHS, PLACEHOLDERS, SETUPS, Situation, arrange
from tests.bad_inputs.wire import Answer, Connection, request
from tests.served import wait_until

UNHEARD_OF = "127.0.0.3"
"""An address that has not used up what is recorded of strangers."""


def _is_slow(entry: Entry) -> bool:
    return "timing_pair" in entry.expect


IN_ORDER = sorted(ENTRIES, key=_is_slow)  # measurements last: nothing else is under way then
BY_ID = {entry.id: entry for entry in ENTRIES}


@pytest.mark.parametrize("entry", IN_ORDER, ids=lambda entry: entry.id)
def test_bad_input(site: Site, entry: Entry) -> None:
    run_on_a_busy_machine(site, entry)


# What follows is about the whole run


def test_nothing_crashed(site: Site) -> None:
    for node in (*site.nodes, *site.special_nodes):
        log = node.log.read_text()
        assert '"event"' in log
        assert "crashed" not in log
        assert "Traceback" not in log
        assert node.is_ready()


def test_r106_no_secret_is_in_a_log_or_in_the_database(site: Site) -> None:
    situation = arrange(site, BY_ID["login-134"])
    site.access_token(situation.client, situation.sign_in())
    wait_until(lambda: b"login.succeeded" in site.written())
    written = site.written()
    assert len(site.secrets) > 5
    for secret in (*site.secrets, PASSWORD, PASSWORD.replace(" ", "%20")):
        assert secret.encode() not in written


def test_r106_a_secret_in_the_field_of_the_client_id_is_not_recorded(site: Site) -> None:
    situation = arrange(site, BY_ID["token-186"])
    secrets = [situation.value(name) for name in ("client_secret", "code", "access_token")]
    for secret in secrets:
        form = {"grant_type": "authorization_code", "client_secret": "x", "code": "x"}
        answer = site.node.post("/accessToken", {**form, "client_id": secret}, UNHEARD_OF)
        assert answer.status == 401
    form = {"client_id": "mistyped-id", "client_secret": "x", "access_token": "x"}
    assert site.node.post("/userInfo", form, UNHEARD_OF).status == 401
    wait_until(lambda: b"mistyped-id" in site.written())
    assert not any(secret.encode() in site.written() for secret in secrets)


def test_every_entry_is_run() -> None:
    assert len(BY_ID) == len(IN_ORDER) == 396


def test_every_key_that_occurs_is_understood() -> None:
    known = EACH.keys() | TOGETHER.keys() | PLAN
    for entry in ENTRIES:
        assert entry.expect.keys() <= known, entry.id
        assert entry.setup in SETUPS
        assert entry.endpoint in PATHS


def test_what_is_not_understood_fails_loudly(site: Site) -> None:
    entry = BY_ID["token-186"]
    with pytest.raises(ValueError, match="surprise"):
        Entry.parse({"id": "x", "surprise": 1})
    with pytest.raises(KeyError, match="surprise"):
        run(site, replace(entry, expect={"status": [200], "surprise": True}))
    with pytest.raises(KeyError, match="surprise"):
        run(site, replace(entry, setup="surprise"))
    with pytest.raises(KeyError, match="surprise"):
        run(site, replace(entry, body="x={{surprise}}"))
    with pytest.raises(ValueError, match="surprise"):
        wire({"surprise": 1}, str)
    with pytest.raises(ValueError, match="surprise"):
        wire({"b64": "", "surprise": 1}, str)


def test_placeholders_are_filled_in() -> None:
    assert filled("a{{b}}{{c}}d", {"b": "1", "c": "2"}.__getitem__) == "a12d"
    assert not PLACEHOLDERS.keys() & {"otp", "otp_used"}


# The checks can fail

JSON = ("content-type", "application/json; charset=utf-8")
REFUSED = b'{"error":"302","error_description":"invalid_authorization: Invalid authorization code"}'
WRONG: list[tuple[str, Any, Answer]] = [
    ("status", [200], Answer(400, [], b"", 0)),
    ("no_5xx", True, Answer(500, [], b"", 0)),
    ("no_5xx_except", [501], Answer(500, [], b"", 0)),
    ("max_ms", 500, Answer(200, [], b"", 0.6)),
    ("json", True, Answer(200, [("content-type", "text/html")], b"{}", 0)),
    ("error", "301", Answer(400, [JSON], REFUSED, 0)),
    ("error_any", ["201", "301"], Answer(400, [JSON], REFUSED, 0)),
    ("header_contains", {"cache-control": "no-store"}, Answer(200, [], b"", 0)),
    ("header_absent", ["set-cookie: a"], Answer(200, [("Set-Cookie", "a=b")], b"", 0)),
    ("body_absent", ["evil"], Answer(200, [], b"devilish", 0)),
    ("not_redirect", True, Answer(200, [("location", "/")], b"", 0)),
    ("not_redirect", True, Answer(303, [], b"", 0)),
    ("not_redirect", True, Answer(200, [], b'<meta http-equiv="refresh">', 0)),
    ("location_host_not", ["evil.example"], Answer(303, [("location", "//evil.example")], b"", 0)),
    ("is_login_page", True, Answer(200, [], b'name="txn" value="" name="csrf" value=""', 0)),
    ("no_user_id", True, Answer(200, [], b'{"user_id":"user1"}', 0)),
    ("user_id_is_owner", True, Answer(200, [JSON], b'{"user_id":"admin"}', 0)),
    ("no_token", True, Answer(200, [JSON], b'{"access_token":"x"}', 0)),
    ("code", True, Answer(200, [JSON], b'{"code":""}', 0)),
    ("code", True, Answer(200, [JSON], b'{"code":"x","error":""}', 0)),
    ("adds_only", "code", Answer(303, [("location", "https://works.example/?code=x")], b"", 0)),
    ("redirect_state_unchanged", True, Answer(303, [("location", "https://x/")], b"", 0)),
    ("one_of", [{"status": [200]}, {"error": "303"}], Answer(400, [JSON], REFUSED, 0)),
]


@pytest.mark.parametrize(("key", "value", "answer"), WRONG, ids=[f"{row[0]}" for row in WRONG])
def test_a_wrong_answer_is_noticed(site: Site, key: str, value: Any, answer: Answer) -> None:
    situation = arrange(site, BY_ID["token-186"])
    assert not matches(situation, answer, {key: value})


WRONG_EXPECTATIONS: list[tuple[str, Mapping[str, Any]]] = [
    ("token-186", {"code_still_valid": True}),
    ("token-186", {"no_token": True}),
    ("token-001", {"token": True}),
    ("token-186", {"closes": True}),
    ("token-186", {"log_absent": ["client.changed"]}),
    ("token-186", {"rss_growth_mb_max": -100}),
    ("token-186", {"parallel": 2, "exactly_one_success": True, "others": {"error": "301"}}),
    ("token-001", {"parallel": 2, "exactly_one_success": True}),
    ("token-180", {"repeat": 2, "no_ldap_bind": True}),
    ("imap-058", {"no_ldap_bind": True}),
    ("imap-085", {"no_code": True}),
    ("imap-085", {"no_code_issued": True}),
    ("imap-085", {"no_directory_match_beyond_one": True}),
    ("imap-081", {"repeat": 5, "password_checks_max": 4}),
    ("login-134", {"no_code": True}),
    ("login-134", {"session_ended": True}),
    ("login-134", {"session_ended_or_asked": True}),
    ("login-134", {"old_cookie_dead_on_all_nodes": True}),
    ("login_submit-008", {"codes_max": 0}),
    ("login_submit-008", {"user_is": "admin"}),
    ("login_submit-009", {"repeat": 3, "password_checks_max": 2}),
    ("login_submit-036", {"same_response_as": "txn={{txn}}&csrf=x&username=u", "ignore": []}),
    ("login-131", {"outgoing_path_regex": "^/login/check/[a-z]+$"}),
    ("token-200", {"timing_pair": "grant_type=x", "samples": 2, "max_median_delta_ms": 9.0}),
]


@pytest.mark.parametrize(("entry_id", "expect"), WRONG_EXPECTATIONS)
def test_a_wrong_outcome_is_noticed(site: Site, entry_id: str, expect: Mapping[str, Any]) -> None:
    with pytest.raises(AssertionError):
        run(site, replace(BY_ID[entry_id], expect=expect))


def test_a_first_token_that_still_works_is_noticed(site: Site) -> None:
    with_wrong_secret = BY_ID["token-048"].body  # a replay by a stranger revokes nothing (R-36)
    entry = replace(BY_ID["token-098"], body=with_wrong_secret)
    run(site, replace(entry, expect={"status": [401]}))
    with pytest.raises(AssertionError, match="user1"):
        run(site, replace(entry, expect={"first_token_revoked": True}))


def test_calls_to_anybody_but_line_works_are_noticed(site: Site) -> None:
    site.outside.calls.clear()
    run(site, BY_ID["login-131"])
    assert site.outside.paths() == ["/login/check/abcDEF123"]
    assert site.outside.foreign() == []
    for message in (b"CONNECT evil.example:443", b"POST http://evil.example/login/check/x"):
        with Connection(site.outside.port) as connection:
            connection.exchange(message + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert len(site.outside.foreign()) == 2


# What an entry cannot say


def test_a_body_that_does_not_come_keeps_nobody_else_waiting(site: Site) -> None:
    situation = arrange(site, BY_ID["token-186"])
    body = wire(BY_ID["token-186"].body, situation.fill)
    headers = {**FORM, "Content-Length": str(len(body))}
    message = request("POST", b"/accessToken", headers, body, host="x")
    with site.node.connect() as slow:
        slow.begin(message[:-1])
        for _ in range(5):
            code, _grant = site.issue_code(site.client, site.owner)
            assert site.access_token(site.client, code)
        assert slow.exchange(message[-1:]).status == 200


def test_a_sign_in_on_one_node_counts_on_the_other(site: Site) -> None:
    situation = Situation(site, site.client, site.owner, PATHS["login"])
    code = situation.sign_in()
    assert situation.is_signed_in(1)
    assert site.exchange(site.client, code, site.nodes[1]).status == 200
    assert site.exchange(site.client, code, site.nodes[0]).status == 400
