"""``worksgate rules``: how a client's rules decide about a sign-in."""

import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.options import CommandGroup, Moment, config_option, json_option
from worksgate.cli.printing import as_document, note, print_json, print_line
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, check_source, read_installation
from worksgate.clients.access_rules import Action, Situation
from worksgate.clients.rule_trials import RuleTrial, try_rules
from worksgate.oauth.model import Client, LoginKind
from worksgate.settings.sources.common import BUILT_IN

if TYPE_CHECKING:
    from worksgate.administration import Administration

_OUTCOMES = {
    Action.ALLOW: "signs in without a second factor",
    Action.ASK: "signs in, with a second factor if they have one",
    Action.REQUIRE: "signs in with a second factor; without one they set one up first",
    Action.REQUIRE_PASSKEY: "signs in with a passkey; without one they set one up first",
    Action.DENY: "is refused",
}


def _read_address(_context: click.Context, _parameter: click.Parameter, address: str) -> str:
    """An IP address, or None. Raises BadParameter."""
    try:
        return str(ip_address(address)) if address else ""
    except ValueError:
        raise click.BadParameter(
            f"{address!r} is not an IP address; use '' for an unknown one"
        ) from None


@click.group("rules", cls=CommandGroup)
def app() -> None:
    """Rules: who may sign in, from where and when.

    They also decide who needs a second factor. Set them with worksgate client set --rule.
    """


@app.command("explain")
@click.argument("username")
@click.option("--client", required=True, metavar="CLIENT", help="The client: its name or its ID.")
@click.option(
    "--from",
    "address",
    required=True,
    callback=_read_address,
    metavar="ADDRESS",
    help="The address that the person comes from; '' if unknown.",
)
@click.option(
    "--kind",
    type=click.Choice([str(kind) for kind in LoginKind]),
    default=str(LoginKind.WEB),
    show_default=True,
    help="Where the person signs in.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="GROUP",
    help="A group of the person, instead of those in the built-in directory. Repeatable.",
)
@click.option(
    "--source",
    default=BUILT_IN,
    show_default=True,
    metavar="NAME",
    help="The identity source that the person comes from.",
)
@click.option(
    "--at",
    type=Moment(),
    help="When (2026-01-31T09:00, local if no zone is given); the default is now.",
)
@config_option
@json_option
def explain_rules(
    *,
    username: str,
    client: str,
    address: str,
    kind: str,
    groups: tuple[str, ...],
    source: str,
    at: float | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show how a client's rules decide about a sign-in, and why.

    Nobody is signed in. The person's groups are those in the built-in directory or, with --source,
    of their last sign-in; --group names others.
    """
    settings = read_installation(config)
    check_source(settings, source)
    found, known = administer(
        settings, lambda administration: _look_up(administration, client, username, source)
    )
    if known is None and not groups:
        note(
            f"Nobody called {username} has signed in with {source}, so no groups are known: "
            "name them with --group."
        )
    situation = Situation(
        kind=LoginKind(kind),
        address=address,
        at=time.time() if at is None else at,
        groups=groups or known or (),
        source=source,
    )
    try:
        trial = try_rules(found.rules, found.second_factor, situation)
    except (ValueError, OverflowError) as problem:
        raise Refusal(f"the rules of {found.name} cannot be evaluated: {problem}") from None
    if as_json:
        print_json(_document(found, situation, trial))
    else:
        _print(username, found, trial)


async def _look_up(
    administration: "Administration", client: str, username: str, source: str
) -> tuple[Client, tuple[str, ...] | None]:
    """The client, and the person's groups if they are known here. Raises NotFound."""
    found = await administration.clients.get(client)
    if source == BUILT_IN:
        return found, (await administration.users.get(username)).groups
    person = await administration.people.find(username, source)
    return found, None if person is None else person.person.groups


def _print(username: str, client: Client, trial: RuleTrial) -> None:
    for number, each in enumerate(trial.explanations, 1):
        fits = "match" if each.fits else "no match"
        print_line(f"{number:>2}  {fits:<8}  {each.rule.shown}")
        print_line(f"    {'; '.join(each.reasons)}")
    decision = trial.decision
    rule = decision.rule
    why = f"by the rule {rule.shown}" if rule else "; ".join(decision.reasons)
    when = ", before the password is checked" if trial.is_refused_early else ""
    print_line(f"{client.name}: {username} {_OUTCOMES[decision.action]}{when} ({why})")


def _document(client: Client, situation: Situation, trial: RuleTrial) -> dict[str, Any]:
    decision = trial.decision
    return {
        "client_id": client.client_id,
        "situation": as_document(situation),
        "action": str(decision.action),
        "rule": None if decision.rule is None else str(decision.rule),
        "reasons": list(decision.reasons),
        "before_password": trial.is_refused_early,
        "rules": [
            {"rule": str(each.rule), "fits": each.fits, "reasons": list(each.reasons)}
            for each in trial.explanations
        ],
    }
