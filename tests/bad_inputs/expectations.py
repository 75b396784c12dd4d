"""The keys of ``expect``, each with its check.

``EACH`` looks at every answer by itself, ``TOGETHER`` at all that came of an entry. The keys of
``PLAN`` say how to send; the runner reads them, and some of them are checked here as well.
"""

import html
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from tests.bad_inputs.site import EXTERNAL_KEY
from tests.bad_inputs.situation import Situation, code_in, hidden
from tests.bad_inputs.wire import Answer

from worksgate.provider.stranger_records import DEFAULT_PER_MINUTE

Wanted: TypeAlias = Literal[True]
"""The value of a key that is there or is not."""

AUDIT = 60.0
"""Seconds in which what the servers recorded is in the database."""


@dataclass
class Outcome:
    """All that came of an entry; ``codes`` and ``resident`` are those of before it."""

    situation: Situation
    codes: int
    resident: float
    began: float
    answers: Sequence[Answer] = ()
    closed: Sequence[bool] = ()
    medians: tuple[float, float] | None = None


# Of every answer


def _status(_: Situation, answer: Answer, allowed: list[int]) -> None:
    assert answer.status in allowed, f"{answer.status}: {answer.text[:300]}"


def _no_5xx(_: Situation, answer: Answer, wanted: Wanted) -> None:
    assert answer.status < 500, f"{answer.status}: {answer.text[:300]}"


def _no_5xx_except(_: Situation, answer: Answer, allowed: list[int]) -> None:
    assert answer.status < 500 or answer.status in allowed, answer.status


def _max_ms(_: Situation, answer: Answer, limit: float) -> None:
    assert answer.seconds * 1_000 <= limit


def _json(_: Situation, answer: Answer, wanted: Wanted) -> None:
    assert isinstance(answer.json(), dict)


def _error(_: Situation, answer: Answer, number: str) -> None:
    _error_any(_, answer, [number])


def _error_any(_: Situation, answer: Answer, numbers: list[str]) -> None:
    body = answer.json()
    assert body.get("error") in numbers, body
    assert body.keys() == {"error", "error_description"}
    assert body["error_description"]


def _header_contains(_: Situation, answer: Answer, wanted: dict[str, str]) -> None:
    for name, part in wanted.items():
        assert part in (answer.header(name) or ""), answer.headers


def _header_absent(_: Situation, answer: Answer, unwanted: list[str]) -> None:
    for name, value in answer.headers:
        for beginning in unwanted:
            assert not f"{name}: {value}".lower().startswith(beginning.lower())


def _body_absent(_: Situation, answer: Answer, unwanted: list[str]) -> None:
    for text in unwanted:
        assert text not in answer.text, text


def _not_redirect(_: Situation, answer: Answer, wanted: Wanted) -> None:
    assert not 300 <= answer.status < 400
    assert answer.location is None
    assert answer.header("refresh") is None
    assert "http-equiv" not in answer.text.lower()


def _location_host_not(_: Situation, answer: Answer, hosts: list[str]) -> None:
    location = answer.location or ""
    assert urlsplit(location).hostname not in hosts
    assert not any(host in location.partition("?")[0] for host in hosts)


def _is_login_page(_: Situation, answer: Answer, wanted: Wanted) -> None:
    assert answer.status == 200
    assert hidden(answer.text, "txn")
    assert hidden(answer.text, "csrf")
    assert 'name="username"' in answer.text
    assert 'name="password"' in answer.text


def _no_user_id(_: Situation, answer: Answer, wanted: Wanted) -> None:
    assert "user_id" not in answer.text


def _user_id_is_owner(situation: Situation, answer: Answer, wanted: Wanted) -> None:
    if answer.status == 200:
        assert answer.json() == {"user_id": situation.person.external_key}
    else:
        _no_user_id(situation, answer, wanted=True)


def _token(situation: Situation, answer: Answer, wanted: Wanted) -> None:
    body = answer.json()
    assert body.get("token_type") == "Bearer", body
    assert type(body["expires_in"]) is int
    answer = situation.site.user_info(situation.client, body["access_token"])
    assert answer.json() == {"user_id": EXTERNAL_KEY}


def _no_token(situation: Situation, answer: Answer, wanted: Wanted) -> None:
    assert "access_token" not in answer.text
    assert situation.grant_id
    bought = situation.site.rows(
        "SELECT 1 FROM access_tokens WHERE grant_id = ?", situation.grant_id
    )
    assert not bought


def _adds_only(situation: Situation, answer: Answer, name: str) -> None:
    location = answer.location or ""
    added = location.removeprefix(situation.redirect_uri)
    assert location.startswith(situation.redirect_uri), location
    assert re.fullmatch(rf"&{name}=[A-Za-z0-9_-]{{54}}", added), added


def _redirect_state_unchanged(situation: Situation, answer: Answer, wanted: Wanted) -> None:
    assert (answer.location or "").startswith(situation.redirect_uri)


def _user_is(situation: Situation, answer: Answer, user_id: str) -> None:
    code = code_in(answer)
    assert code
    token = situation.site.access_token(situation.client, code)
    assert situation.site.user_info(situation.client, token).json() == {"user_id": user_id}


def _code(situation: Situation, answer: Answer, wanted: Wanted) -> None:
    body = answer.json()
    assert body.keys() == {"code"}, body
    token = situation.site.access_token(situation.client, body["code"])
    assert situation.site.user_info(situation.client, token).json() == {"user_id": EXTERNAL_KEY}


def _one_of(situation: Situation, answer: Answer, choices: list[dict[str, Any]]) -> None:
    assert any(matches(situation, answer, choice) for choice in choices), (
        f"{answer.status}: {answer.text[:300]}"
    )


def matches(situation: Situation, answer: Answer, wanted: Mapping[str, Any]) -> bool:
    """Whether an answer is as expected, where it may be otherwise."""
    try:
        for key, value in wanted.items():
            EACH[key](situation, answer, value)
    except AssertionError:
        return False
    return True


EACH: Mapping[str, Callable[[Situation, Answer, Any], None]] = {
    "status": _status,
    "no_5xx": _no_5xx,
    "no_5xx_except": _no_5xx_except,
    "max_ms": _max_ms,
    "json": _json,
    "error": _error,
    "error_any": _error_any,
    "header_contains": _header_contains,
    "header_absent": _header_absent,
    "body_absent": _body_absent,
    "not_redirect": _not_redirect,
    "location_host_not": _location_host_not,
    "is_login_page": _is_login_page,
    "no_user_id": _no_user_id,
    "user_id_is_owner": _user_id_is_owner,
    "token": _token,
    "no_token": _no_token,
    "adds_only": _adds_only,
    "redirect_state_unchanged": _redirect_state_unchanged,
    "user_is": _user_is,
    "code": _code,
    "one_of": _one_of,
}


# Of all that came of an entry


def _no_code(outcome: Outcome, wanted: Wanted) -> None:
    assert not any(code_in(answer) for answer in outcome.answers)
    # Fewer is no harm: to disable a person takes the codes away that they hold.
    assert outcome.situation.site.codes() <= outcome.codes


def _no_directory_match_beyond_one(outcome: Outcome, wanted: Wanted) -> None:
    """Nobody was found whose name it is not: the records of it name no subject."""
    _no_code(outcome, wanted)
    site, until = outcome.situation.site, time.monotonic() + AUDIT
    while not (found := site.records("imap.", since=outcome.began)):
        before = site.records("imap.refused", since=outcome.began - 60)
        if len(before) >= DEFAULT_PER_MINUTE:
            break  # after so many within a minute, in whatever order, further ones are only counted
        assert time.monotonic() < until, "nothing was recorded"
        time.sleep(0.05)
    assert {record.subject_id for record in found} <= {None}


def _codes_max(outcome: Outcome, most: int) -> None:
    assert outcome.situation.site.codes() - outcome.codes <= most
    assert len({code for answer in outcome.answers if (code := code_in(answer))}) <= most


def _code_still_valid(outcome: Outcome, wanted: Wanted) -> None:
    situation = outcome.situation
    client = situation.code_client or situation.client
    token = situation.site.access_token(client, situation.secret_code)
    answer = situation.site.user_info(client, token)
    assert answer.json() == {"user_id": EXTERNAL_KEY}


def _first_token_revoked(outcome: Outcome, wanted: Wanted) -> None:
    situation = outcome.situation
    assert situation.first_token
    answer = situation.site.user_info(situation.client, situation.first_token)
    assert answer.status == 401, answer.text
    _error(situation, answer, "303")


def _log_absent(outcome: Outcome, secrets: list[str]) -> None:
    written = outcome.situation.site.written()
    assert b"client.changed" in written, "nothing is written at all"
    for secret in secrets:
        text = outcome.situation.fill(secret)
        assert text.encode() not in written, secret


def _session_ended(outcome: Outcome, wanted: Wanted) -> None:
    assert outcome.situation.cookies, "nobody was signed in"
    assert not outcome.situation.is_signed_in()


def _old_cookie_dead_on_all_nodes(outcome: Outcome, wanted: Wanted) -> None:
    nodes = outcome.situation.site.nodes
    assert len(nodes) > 1
    assert not any(outcome.situation.is_signed_in(number) for number in range(len(nodes)))


def _max_hops(outcome: Outcome, most: int) -> None:
    site, answer = outcome.situation.site, outcome.answers[-1]
    here = f"http://127.0.0.1:{site.node.port}"
    for _ in range(most):
        if not (answer.location or "").startswith(here):
            return
        answer = site.node.get((answer.location or "").removeprefix(here))
    assert answer.location is None, "it goes on and on"


def _closes(outcome: Outcome, wanted: Wanted) -> None:
    assert all(outcome.closed)


def _rss_growth_mb_max(outcome: Outcome, most: float) -> None:
    grown = outcome.situation.site.node.resident() - outcome.resident
    assert grown <= most, f"{grown:.1f} MiB"


def _exactly_one_success(outcome: Outcome, wanted: Wanted) -> None:
    assert [answer.status for answer in outcome.answers].count(200) == 1


def _others(outcome: Outcome, wanted: dict[str, Any]) -> None:
    others = [answer for answer in outcome.answers if answer.status != 200]
    assert others
    assert all(matches(outcome.situation, answer, wanted) for answer in others)


def _outgoing_url_host_only(outcome: Outcome, hosts: list[str]) -> None:
    assert hosts == ["auth.worksmobile.com"], "somebody else's part is not played"
    assert outcome.situation.site.outside.foreign() == []


def _outgoing_path_regex(outcome: Outcome, pattern: str) -> None:
    _outgoing_url_host_only(outcome, ["auth.worksmobile.com"])
    for path in outcome.situation.site.outside.paths():
        assert re.fullmatch(pattern, path), path


def _audit_ip_is_peer(outcome: Outcome, wanted: Wanted) -> None:
    client_id = outcome.situation.client.client.client_id
    until = time.monotonic() + AUDIT
    while time.monotonic() < until:
        records = outcome.situation.site.run(
            outcome.situation.site.administration.audit_log.search(
                client=client_id, event="client.refused", since=outcome.began
            )
        )
        if records:
            assert {record.address for record in records} == {PEER}
            return
        time.sleep(0.05)
    raise AssertionError("no audit record came")


PEER = "127.0.0.2"
"""Our own address, where an entry is about it: not the one that a forged header names."""


def _max_median_delta_ms(outcome: Outcome, most: float) -> None:
    assert outcome.medians
    one, other = outcome.medians
    assert abs(one - other) * 1_000 <= most, f"{one * 1_000:.3f} ms and {other * 1_000:.3f} ms"


def _password_checks_max(outcome: Outcome, most: int) -> None:
    """A wrong password is answered 403, or 401, when it was checked, 429 when it was not."""
    checked = [answer for answer in outcome.answers if answer.status in (303, 401, 403)]
    assert len(checked) <= most


def _no_ldap_bind(outcome: Outcome, wanted: object) -> None:
    """False says that one may happen."""
    if wanted is not False:
        site = outcome.situation.site
        assert outcome.situation.node is site.with_ldap, "nobody here would notice"
        assert site.company.binds == []


TOGETHER: Mapping[str, Callable[[Outcome, Any], None]] = {
    "no_code": _no_code,
    "no_code_issued": _no_code,
    "no_directory_match_beyond_one": _no_directory_match_beyond_one,
    "codes_max": _codes_max,
    "code_still_valid": _code_still_valid,
    "first_token_revoked": _first_token_revoked,
    "log_absent": _log_absent,
    "session_ended": _session_ended,
    "session_ended_or_asked": _session_ended,
    "old_cookie_dead_on_all_nodes": _old_cookie_dead_on_all_nodes,
    "max_hops": _max_hops,
    "closes": _closes,
    "rss_growth_mb_max": _rss_growth_mb_max,
    "exactly_one_success": _exactly_one_success,
    "others": _others,
    "outgoing_url_host_only": _outgoing_url_host_only,
    "outgoing_path_regex": _outgoing_path_regex,
    "audit_ip_is_peer": _audit_ip_is_peer,
    "max_median_delta_ms": _max_median_delta_ms,
    "password_checks_max": _password_checks_max,
    "no_ldap_bind": _no_ldap_bind,
}


PLAN = {
    "repeat",
    "parallel",
    "across_nodes",
    "others_ok",
    "scheme",
    "raw_socket",
    "may_close",
    "timing_pair",
    "timing_setup",
    "samples",
    "same_response_as",
    "ignore",
    "same_for_unknown_user",
}
"""How to send. ``raw_socket`` says nothing more: everything is sent byte for byte."""


def check(outcome: Outcome, expect: Mapping[str, Any]) -> None:
    """Check all that is expected. Raises AssertionError, or KeyError for an unknown key."""
    unknown = expect.keys() - EACH.keys() - TOGETHER.keys() - PLAN
    if unknown:
        raise KeyError(f"nobody checks {sorted(unknown)}")
    if any(value is False for key, value in expect.items() if key != "no_ldap_bind"):
        raise KeyError("a key that is not wanted must not be there")
    for key in EACH.keys() & expect.keys():
        for answer in outcome.answers:
            EACH[key](outcome.situation, answer, expect[key])
    for key in TOGETHER.keys() & expect.keys():
        TOGETHER[key](outcome, expect[key])


# Two answers that must be alike


def normalised(answer: Answer, username: str, ignore: Sequence[str]) -> tuple[int, list[str], str]:
    """An answer without what may differ: the ignored parts and the name that was typed."""
    assert int(answer.header("content-length") or "") == len(answer.body)
    headers = [
        f"{name}: {value}"
        for name, value in answer.headers
        if name.lower() not in (*ignore, "content-length")
    ]
    text = answer.text
    for name in {"txn", "csrf"} & set(ignore):
        text = text.replace(html.escape(hidden(text, name)), "")
    return answer.status, headers, text.replace(html.escape(username), "")


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The middle of each of two rows of times."""
    return median(one for one, _ in pairs), median(other for _, other in pairs)
