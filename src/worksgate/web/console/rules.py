"""The access rules of a client in words, and what they would say of somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from starlette.responses import Response

from worksgate.clients.access_rules import Condition, Rule, Situation, parse_rule
from worksgate.clients.rule_trials import RuleTrial, try_rules
from worksgate.oauth.model import LoginKind
from worksgate.sources import Person
from worksgate.web.console.client_fields import FIELDS
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

LONGEST: Final = 200
"""Characters of a name or an address."""
KIND_NAMES: Final[Mapping[str, str]] = {
    LoginKind.WEB: text("browser"),
    LoginKind.APP: text("app"),
    LoginKind.IMAP: text("mail app"),
}


@dataclass(frozen=True, slots=True)
class RuleOnPage:
    """A rule; ``rule`` is None if a server of this release cannot read it."""

    text: str
    rule: Rule | None

    @property
    def conditions(self) -> Sequence[Condition]:
        return () if self.rule is None else self.rule.conditions

    @property
    def timezone(self) -> str:
        """That of days and hours; empty where the rule has neither."""
        has_time = any(each.name in ("days", "hours") for each in self.conditions)
        return self.rule.timezone if has_time and self.rule is not None else ""


def rules_on_page(texts: Sequence[str]) -> list[RuleOnPage]:
    """The rules of a client in their order."""
    return [RuleOnPage(each, _parsed(each)) for each in texts]


async def show(visit: Visit) -> Response:
    """What the rules of a client say of a person who comes from an address now.

    Nobody is signed in by it.
    """
    query = visit.query
    client = await visit.administration.clients.get(query.get("id", ""))
    who = query.get("who", "").strip()[:LONGEST]
    address = query.get("address", "").strip()[:LONGEST]
    kind = query.get("kind", "")
    kind = kind if kind in list(LoginKind) else LoginKind.WEB.value
    problems: dict[str, str] = {}
    source, found = await _person(visit, who, problems) if who else ("", None)
    if address and not _is_address(address):
        problems["address"] = "address"
    trial: RuleTrial | None = None
    if found is not None and not problems:
        situation = Situation(
            kind=LoginKind(kind),
            address=address,
            at=visit.now,
            groups=found.groups,
            source=source,
        )
        try:
            trial = try_rules(client.rules, client.second_factor, situation)
        except ValueError:
            problems["rules"] = "rules"
    return visit.page(
        "client_rules.html",
        client=client,
        rules=rules_on_page(client.rules),
        second_factor=FIELDS["second_factor"].choices[client.second_factor],
        asked={"who": who, "address": address, "kind": kind},
        kinds=KIND_NAMES,
        found=found,
        problems=problems,
        trial=trial,
    )


async def _person(visit: Visit, who: str, problems: dict[str, str]) -> tuple[str, Person | None]:
    """The one person who is meant, and their source; a problem if that is nobody, or several."""
    found = await visit.administration.sign_in_trace.find(who)
    if len(found) == 1:
        return await visit.administration.people.with_source(found[0].subject_id)
    problems["who"] = "several" if found else "nobody"
    return "", None


def _is_address(typed: str) -> bool:
    try:
        ip_address(typed)
    except ValueError:
        return False
    return True


def _parsed(line: str) -> Rule | None:
    try:
        return parse_rule(line)
    except ValueError:
        return None
