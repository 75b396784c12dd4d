"""``worksgate trace``: why somebody cannot get in."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.options import Moment, config_option, json_option
from worksgate.cli.printing import iso, print_json, print_line
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration.sign_in_trace import Speaker, Trace
    from worksgate.administration.sign_in_trace.gates import Gate
    from worksgate.administration.sign_in_trace.tries import Step, Try

_LANGUAGES = ("en", "ja", "ko")
"""As in ``say.LANGUAGES``, without loading it for other commands; a test compares them."""
_SIGNS = {"open": "✓", "shut": "✗", "unknown": "–"}


@click.command("trace")
@click.argument("who")
@click.option("--client", metavar="CLIENT", help="One client: its name or its ID.")
@click.option(
    "--since",
    type=Moment(),
    help="Since a time (2026-01-31T09:00, local if no zone is given) or an age (12h); by default "
    "the last 7 days.",
)
@click.option(
    "--lang",
    "language",
    type=click.Choice(_LANGUAGES),
    default="en",
    show_default=True,
    help="The language of the answer.",
)
@config_option
@json_option
def trace(
    *,
    who: str,
    client: str | None,
    since: float | None,
    language: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show why somebody cannot get in, and what to do.

    WHO is a name, a mail address, a user key, the reference on an error page (7KQ-4MD), the ID of a
    sign-in, an IP address or a time. Nobody is signed in and nothing is changed; the person's
    source is asked about them once.
    """
    from worksgate.administration.sign_in_trace import Speaker

    zone = datetime.now(UTC).astimezone().tzinfo or UTC
    found = administer(
        read_installation(config),
        lambda administration: administration.sign_in_trace.of(
            who, client=client, since=since, zone=zone
        ),
    )
    speaker = Speaker(language, zone, time.time())
    if as_json:
        print_json(_document(found, speaker))
    else:
        _print(found, speaker)


def _print(found: "Trace", speaker: "Speaker") -> None:
    from worksgate.administration.sign_in_trace import wording
    from worksgate.administration.sign_in_trace.say import Text

    verdict, facts = found.verdict, found.facts
    print_line(speaker.say(verdict.sentence))
    if verdict.now is not None:
        print_line(speaker.say(verdict.now))
    print_line()
    print_line(f"{speaker.say(Text(wording.NEXT_HEADING))}: {_next(found, speaker)}")
    if verdict.next.command is not None:
        print_line(f"  {verdict.next.command}")
    print_line()
    print_line(speaker.say(Text(wording.NOW_HEADING)))
    for gate in verdict.gates:
        sign, name, note = _gate(gate, speaker)
        print_line(f"  {sign} {name}: {note}")
    print_line()
    print_line(speaker.say(Text(wording.TRIES_HEADING)))
    for each, summary in zip(facts.tries, verdict.summaries, strict=True):
        _print_try(each, speaker.say(summary), speaker)
    if not facts.tries:
        print_line(f"  {speaker.say(Text(wording.NO_TRIES))}")
    print_line()
    print_line(speaker.say(Text(wording.HAND_ON_HEADING)))
    print_line("\n".join(f"  {line}" for line in _to_hand_on(found, speaker)), multiline=True)


def _print_try(each: "Try", summary: str, speaker: "Speaker") -> None:
    from worksgate.administration.sign_in_trace import wording
    from worksgate.administration.sign_in_trace.say import Text

    about = [each.reference, each.username, each.browser, each.address]
    if each.is_mail:
        about.append(speaker.say(Text(wording.MAIL_PROGRAM)))
    print_line(f"  {summary}")
    print_line(f"    {'  '.join(filter(None, about))}")
    for step in each.steps:
        print_line(f"    {_step(step, speaker)}")
    if each.succeeded:
        print_line(f"    – {speaker.say(Text(wording.LINE_WORKS))}")
    if each.may_lack:
        print_line(f"    {speaker.say(Text(wording.MAY_LACK))}")


def _step(step: "Step", speaker: "Speaker") -> str:
    from worksgate.administration.sign_in_trace import wording
    from worksgate.administration.sign_in_trace.say import Text
    from worksgate.administration.sign_in_trace.tries import Passage

    sign = {Passage.PASSED: "✓", Passage.STOPPED: "✗"}.get(step.passage, "·")
    notes = [speaker.say(Text(wording.PASSAGES[step.passage]))]
    if step.at is not None:
        notes.append(datetime.fromtimestamp(step.at, speaker.zone).strftime("%H:%M:%S"))
    if step.elapsed_ms is not None:
        notes.append(f"{step.elapsed_ms:.0f} ms")
    if step.failures > int(step.passage is Passage.STOPPED):
        notes.append(speaker.say(Text(wording.FAILED_TIMES, {"times": step.failures})))
    if step.is_probable:
        notes.append(speaker.say(Text(wording.PROBABLE)))
    if step.detail:
        notes.append(step.detail)
    return f"{sign} {speaker.say(Text(wording.STAGES[step.stage]))}: {', '.join(notes)}"


def _gate(gate: "Gate", speaker: "Speaker") -> tuple[str, str, str]:
    from worksgate.administration.sign_in_trace import wording
    from worksgate.administration.sign_in_trace.say import Text

    name = speaker.say(Text(wording.GATES[gate.name]))
    return _SIGNS[gate.state], name, speaker.say(gate.note)


def _next(found: "Trace", speaker: "Speaker") -> str:
    from worksgate.administration.sign_in_trace import wording
    from worksgate.administration.sign_in_trace.say import Text

    return speaker.say(Text(wording.ACTIONS[found.verdict.next.action]))


def _to_hand_on(found: "Trace", speaker: "Speaker") -> list[str]:
    return found.verdict.to_hand_on(speaker).split("\n")


def _document(found: "Trace", speaker: "Speaker") -> dict[str, Any]:
    verdict, facts = found.verdict, found.facts
    person = facts.person
    return {
        "asked": {"text": facts.question.text, "as": str(facts.question.kind)},
        "sentence": speaker.say(verdict.sentence),
        "now": None if verdict.now is None else speaker.say(verdict.now),
        "next": {
            "action": str(verdict.next.action),
            "text": _next(found, speaker),
            "command": verdict.next.command,
        },
        "person": None
        if person is None
        else {
            "subject_id": person.person.subject_id,
            "username": person.person.username,
            "name": person.person.name,
            "source": person.source,
        },
        "client_id": None if facts.client is None else facts.client.client_id,
        "gates": [
            {"gate": str(gate.name), "state": str(gate.state), "note": speaker.say(gate.note)}
            for gate in verdict.gates
        ],
        "tries": [
            _try_document(each, speaker.say(summary))
            for each, summary in zip(facts.tries, verdict.summaries, strict=True)
        ],
        "hand_on": _to_hand_on(found, speaker),
    }


def _try_document(each: "Try", summary: str) -> dict[str, Any]:
    event, reason = (None, None) if isinstance(each.stop, str) else each.stop
    return {
        "login_id": each.login_id,
        "reference": each.reference,
        "at": iso(each.at),
        "sentence": summary,
        "ended": str(each.stop) if isinstance(each.stop, str) else None,
        "event": None if event is None else str(event),
        "reason": None if reason is None else str(reason),
        "is_probable": each.is_probable,
        "may_lack_records": each.may_lack,
        "client_id": each.client_id,
        "username": each.username,
        "address": each.address,
        "browser": each.browser,
        "steps": [
            {
                "step": str(step.stage),
                "state": str(step.passage),
                "at": iso(step.at),
                "elapsed_ms": step.elapsed_ms,
                "failures": step.failures,
                "is_probable": step.is_probable,
                "detail": step.detail,
            }
            for step in each.steps
        ],
    }
