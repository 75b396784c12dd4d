"""Sends an entry exactly as it is written, and checks the outcome."""

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from tests.bad_inputs.entries import Entry, wire
from tests.bad_inputs.expectations import PEER, Outcome, check, medians, normalised
from tests.bad_inputs.site import Site
from tests.bad_inputs.situation import SETUPS, Situation, arrange
from tests.bad_inputs.wire import Answer, Connection, NoAnswerError

WARM_UP = 100
"""Requests before a measurement."""
LONGEST_MEASUREMENT = 40.0
"""Seconds after which the samples that there are have to do."""
FEWEST_SAMPLES = 500
BUSY = 1.0
"""Programs that want each core: with more, the servers share it with something else."""
TRIES = 5
"""How often an entry is run then, at most."""

NOBODY = "nobody@example.com"


def run_on_a_busy_machine(site: Site, entry: Entry) -> None:
    """Run one entry; again where others keep the servers from their real deadlines.

    Only what was measured, or came with a late answer, can be the machine's fault.
    """
    for _ in range(TRIES - 1):
        late = Connection.late_answers
        try:
            run(site, entry)
        except AssertionError:
            is_of_time = "timing_pair" in entry.expect or Connection.late_answers > late
            if not is_of_time or os.getloadavg()[0] < BUSY * (os.cpu_count() or 1):
                raise
        else:
            return
    run(site, entry)


def run(site: Site, entry: Entry) -> None:
    """Run one entry. Raises AssertionError, or KeyError where the entry is not understood."""
    expect = entry.expect
    situation = arrange(site, entry)
    if "timing_setup" in expect:
        SETUPS[expect["timing_setup"]](situation)
    message = situation.message(entry)  # forms and codes for it are made before the counting
    site.outside.calls.clear()
    outcome = Outcome(situation, site.codes(), site.node.resident(), time.time())
    with situation.during():
        _send(outcome, entry, expect, message)
    check(outcome, expect)


def _send(outcome: Outcome, entry: Entry, expect: Mapping[str, Any], message: bytes) -> None:
    situation = outcome.situation
    if "timing_pair" in expect:
        other = situation.message(entry, expect["timing_pair"])
        outcome.medians = _measure(situation.site, message, other, expect["samples"])
    elif "same_response_as" in expect:
        _compare(situation, entry, expect["same_response_as"], expect["ignore"])
    elif expect.get("same_for_unknown_user"):
        _compare_with_nobody(situation, entry, expect["repeat"])
    elif "parallel" in expect:
        outcome.answers = _in_parallel(situation, entry, expect)
    elif expect.get("others_ok"):
        _beside_others(outcome, message)
    elif any(key.startswith("outgoing_") for key in expect):
        # Only an app's sessionKey is asked about: the same once more, as an app would come.
        app = b"&userAgent=LineWorks HTTP/1.1"
        _one_by_one(outcome, [message, message.replace(b" HTTP/1.1", app, 1)], expect)
    else:
        times = max(situation.times, expect.get("repeat", 1))
        _one_by_one(outcome, (situation.message(entry) for _ in range(times)), expect)


def _one_by_one(outcome: Outcome, messages: Any, expect: Mapping[str, Any]) -> None:
    """One after the other on one connection, as long as the server keeps it."""
    source = PEER if "audit_ip_is_peer" in expect else None
    node, answers, closed = outcome.situation.node, [], []
    connection = node.connect(source)
    for message in messages:
        try:
            answers.append(connection.exchange(message))
        except NoAnswerError:
            if not expect.get("may_close"):
                raise
        ends = not answers or answers[-1].header("connection") == "close"
        if "closes" in expect or ends:
            closed.append(connection.is_closed())
            connection.close()
            connection = node.connect(source)
    connection.close()
    outcome.answers, outcome.closed = answers, closed


def _in_parallel(situation: Situation, entry: Entry, expect: Mapping[str, Any]) -> list[Answer]:
    """All at the same moment, each on its own connection, spread over the nodes."""
    number: int = expect["parallel"]
    nodes: int = expect.get("across_nodes", 1)
    assert nodes <= len(situation.site.nodes)
    together = threading.Barrier(number)

    def one(index: int) -> Answer:
        message = situation.message(entry, node=index % nodes)
        with situation.site.nodes[index % nodes].connect() as connection:
            together.wait()
            return connection.exchange(message)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


def _beside_others(outcome: Outcome, message: bytes) -> None:
    """While the answer is out, others must be served as always."""
    site = outcome.situation.site

    def one() -> tuple[Answer, bool]:
        with site.node.connect() as connection:
            return connection.exchange(message), connection.is_closed()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one)
        time.sleep(0.2)
        for _ in range(5):
            code, _grant = site.issue_code(site.client, site.owner)
            assert site.access_token(site.client, code)
        answer, closed = waiting.result()
    outcome.answers, outcome.closed = [answer], [closed]


def _measure(site: Site, one: bytes, other: bytes, samples: int) -> tuple[float, float]:
    """The medians of both requests, sent in turns on one connection."""
    pairs: list[tuple[float, float]] = []
    until = time.monotonic() + LONGEST_MEASUREMENT
    with site.node.connect() as connection:
        for number in range(-WARM_UP, samples):
            if time.monotonic() > until:
                break
            first, second = connection.exchange(one), connection.exchange(other)
            assert first.body == second.body, "they differ in more than time"
            if number >= 0:
                pairs.append((first.seconds, second.seconds))
    assert len(pairs) >= min(samples, FEWEST_SAMPLES)
    return medians(pairs)


def _compare(situation: Situation, entry: Entry, other: str, ignore: list[str]) -> None:
    """Both bodies, each against a form of its own, get answers that are alike."""
    answers = []
    for body in (entry.body, other):
        username = _username_of(situation, body)
        answers.append(normalised(_submit(situation, entry, body), username, ignore))
    assert answers[0] == answers[1]


def _compare_with_nobody(situation: Situation, entry: Entry, times: int) -> None:
    """In a row of attempts each is answered as it is for a person who does not exist."""
    username = _username_of(situation, entry.body)
    body = entry.body.replace("user1%40example.com", NOBODY.replace("@", "%40"))
    assert body != entry.body
    statuses = []
    for _ in range(times):
        known = _submit(situation, entry, entry.body)
        unknown = _submit(situation, entry, body)
        statuses.append(known.status)
        ignored = ("date", "txn", "csrf")
        assert normalised(known, username, ignored) == normalised(unknown, NOBODY, ignored)
    assert {403, 429} <= set(statuses), "the limit was not reached"


def _submit(situation: Situation, entry: Entry, body: str) -> Answer:
    with situation.site.node.connect() as connection:
        return connection.exchange(situation.message(entry, body))


def _username_of(situation: Situation, body: Any) -> str:
    return parse_qs(wire(body, situation.fill).decode())["username"][0]
