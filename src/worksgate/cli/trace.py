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
    from worksgate.administration.sign_in_trace.report import SpokenTry
    from worksgate.administration.sign_in_trace.tries import Try

_LANGUAGES = ("en", "ja", "ko")
"""As in ``say.LANGUAGES``, without loading it for other commands; a test compares them."""
_SIGNS = {"open": "✓", "shut": "✗", "unknown": "–", "passed": "✓", "stopped": "✗"}


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
    from worksgate.administration.sign_in_trace import sentences
    from worksgate.administration.sign_in_trace.localized import Text

    def heading(english: str) -> str:
        return speaker.say(Text(english))

    spoken = found.spoken(speaker)
    print_line(spoken.sentence)
    if spoken.now:
        print_line(spoken.now)
    print_line()
    print_line(f"{heading(sentences.NEXT_HEADING)}: {spoken.next}")
    if spoken.command:
        print_line(f"  {spoken.command}")
    print_line()
    print_line(heading(sentences.NOW_HEADING))
    for gate in spoken.gates:
        print_line(f"  {_SIGNS[gate.state]} {gate.name}: {gate.note}")
    print_line()
    print_line(heading(sentences.TRIES_HEADING))
    for each in spoken.tries:
        _print_try(each, heading(sentences.LINE_WORKS))
    if not spoken.tries:
        print_line(f"  {heading(sentences.NO_TRIES)}")
    print_line()
    print_line(heading(sentences.HAND_ON_HEADING))
    lines = spoken.hand_on.split("\n")
    print_line("\n".join(f"  {line}" for line in lines), multiline=True)


def _print_try(each: "SpokenTry", line_works: str) -> None:
    print_line(f"  {each.summary}")
    print_line(f"    {'  '.join(filter(None, (*each.about, each.browser, each.address)))}")
    for step in each.steps:
        sign = _SIGNS.get(step.state, "·")
        about = ", ".join(filter(None, (step.passage, *step.times, *step.notes, step.detail)))
        print_line(f"    {sign} {step.name}: {about}")
    if each.succeeded:
        print_line(f"    – {line_works}")
    if each.may_lack:
        print_line(f"    {each.may_lack}")


def _document(found: "Trace", speaker: "Speaker") -> dict[str, Any]:
    verdict, facts, spoken = found.verdict, found.facts, found.spoken(speaker)
    person = facts.person
    return {
        "asked": {"text": facts.question.text, "as": str(facts.question.kind)},
        "sentence": spoken.sentence,
        "now": spoken.now or None,
        "next": {
            "action": str(verdict.next.action),
            "text": spoken.next,
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
            {"gate": str(gate.name), "state": str(gate.state), "note": said.note}
            for gate, said in zip(verdict.gates, spoken.gates, strict=True)
        ],
        "tries": [
            _try_document(each, said.summary)
            for each, said in zip(facts.tries, spoken.tries, strict=True)
        ],
        "hand_on": spoken.hand_on.split("\n"),
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
