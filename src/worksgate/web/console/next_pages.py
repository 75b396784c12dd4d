"""The page of the console on which the next step of a trace is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from worksgate.administration.roles import Permission
from worksgate.administration.sign_in_trace.facts import AskedClient, Facts
from worksgate.administration.sign_in_trace.next_steps import Action, source_of
from worksgate.audit import Event
from worksgate.settings.sources.common import BUILT_IN
from worksgate.web.pages.wording import text


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPage:
    """Where it is, what its link says, and what a role must be allowed to open it."""

    path: str
    permission: Permission
    label: str
    values: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def link(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def next_page(action: Action, facts: Facts) -> NextPage | None:
    """The page for an action; None if it is done elsewhere, or on the page of the person."""
    find = _PAGES.get(action)
    return None if find is None else find(facts)


_ALL_CLIENTS: Final = NextPage(
    path="/clients", permission=Permission.SEE_CLIENTS, label=text("Show the clients")
)


def _client(facts: Facts) -> AskedClient | None:
    """The client of the last try, if that is known here."""
    client = facts.client
    asked = facts.tries[0].client_id if facts.tries else None
    return None if client is None or asked not in (None, client.client_id) else client


def _of_client(
    page: Callable[[AskedClient, Facts], NextPage],
) -> Callable[[Facts], NextPage]:
    """A page of the client of the last try; all clients, if that is not known."""

    def find(facts: Facts) -> NextPage:
        client = _client(facts)
        return _ALL_CLIENTS if client is None else page(client, facts)

    return find


@_of_client
def _the_client(client: AskedClient, _: Facts) -> NextPage:
    return NextPage(
        path="/client",
        permission=Permission.SEE_CLIENTS,
        label=text("Show %(client)s"),
        values={"client": client.name},
        query={"id": client.client_id},
    )


def _settings(part: str, label: str) -> Callable[[Facts], NextPage]:
    """The form for a part of the client's settings."""

    @_of_client
    def find(client: AskedClient, _: Facts) -> NextPage:
        return NextPage(
            path="/client/edit",
            permission=Permission.CHANGE_CLIENTS,
            label=label,
            values={"client": client.name},
            query={"id": client.client_id, "part": part},
        )

    return find


@_of_client
def _rules(client: AskedClient, facts: Facts) -> NextPage:
    """What the client's rules say of this person at the address of the last try."""
    asked = {"id": client.client_id, "address": facts.address or ""}
    person = facts.person
    if person is not None:
        is_unique = person.source == BUILT_IN
        asked["who"] = person.person.username if is_unique else person.person.subject_id
    return NextPage(
        path="/client/rules",
        permission=Permission.SEE_CLIENTS,
        label=text("Try the rules of %(client)s"),
        values={"client": client.name},
        query={name: value for name, value in asked.items() if value},
    )


def _source(facts: Facts) -> NextPage:
    name = source_of(facts)
    if name is None:
        return NextPage(
            path="/sources", permission=Permission.CHANGE_CLIENTS, label=text("Show the sources")
        )
    return NextPage(
        path="/source",
        permission=Permission.CHANGE_CLIENTS,
        label=text("Test %(source)s"),
        values={"source": name},
        query={"name": name},
    )


def _records(facts: Facts) -> NextPage:
    """The records of the last sign-in."""
    query = {"login_id": facts.tries[0].login_id} if facts.tries else {}
    return NextPage(
        path="/audit", permission=Permission.AUDIT, label=text("Show its records"), query=query
    )


def _at(page: NextPage) -> Callable[[Facts], NextPage]:
    return lambda _: page


_HEALTH: Final = NextPage(
    path="/health", permission=Permission.EXAMINE, label=text("Examine this installation")
)
_ADDRESSES: Final = text("Change the addresses of %(client)s")
_SIGN_IN: Final = text("Change how people sign in to %(client)s")

_PAGES: Final[Mapping[Action, Callable[[Facts], NextPage]]] = {
    Action.COMPARE_CLIENT_ID: _the_client,
    Action.COMPARE_LOGIN_URL: _the_client,
    Action.COMPARE_USER_INFO_URL: _the_client,
    Action.ENABLE_CLIENT: _the_client,
    Action.RENEW_SECRET: _the_client,
    Action.ADD_REDIRECT: _settings("addresses", _ADDRESSES),
    Action.ALLOW_ADDRESS: _settings("addresses", _ADDRESSES),
    Action.ALLOW_SOURCE: _settings("sign-in", _SIGN_IN),
    Action.CHANGE_SESSION_KEY_CHECK: _settings("sign-in", _SIGN_IN),
    Action.ENABLE_IMAP: _settings("mail", text("Change the mail programs of %(client)s")),
    Action.EXPLAIN_RULES: _rules,
    Action.ADD_PASSKEY: _rules,
    Action.TEST_SOURCE: _source,
    Action.ADMIT_AT_SOURCE: _source,
    Action.RUN_DOCTOR: _at(_HEALTH),
    Action.SHARE_STORE: _at(_HEALTH),
    Action.CHECK_FROM_OUTSIDE: _at(
        NextPage(
            path="/wizard/address",
            permission=Permission.CHANGE_CLIENTS,
            label=text("Check from outside now"),
        )
    ),
    Action.EXAMINE_REPLAY: _at(
        NextPage(
            path="/audit",
            permission=Permission.AUDIT,
            label=text("Show all replays"),
            query={"event": Event.CODE_REPLAYED.value},
        )
    ),
    Action.LOOK_UP: _records,
}
