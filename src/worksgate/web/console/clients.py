"""The clients; one client, what its Developer Console needs, and its settings."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from worksgate.administration import NewClient, NotFound, Outdated
from worksgate.database import ConcurrentChange, Conflict
from worksgate.oauth.model import DAY, Client
from worksgate.web.console.changes import changes_of
from worksgate.web.console.client_fields import (
    FIELDS,
    NEW,
    PARTS,
    PRODUCT_NAMES,
    ClientPart,
    Typed,
    part_named,
    read_typed,
    texts_of,
)
from worksgate.web.console.conflicts import Compared, compare, conflict_page
from worksgate.web.console.exports import Export, Layout, layout_of
from worksgate.web.console.outdated_forms import changed_meanwhile
from worksgate.web.console.rules import rules_on_page
from worksgate.web.console.visit import Visit, number_of

PAGE: Final = 50
LONGEST: Final = 200
"""Characters of a search."""
CHANGES: Final = 10
OVERLAP: Final = DAY
"""Seconds for which the old secret stays valid after a new one."""
_TAKEN: Final = {"name": "taken"}
"""The problem of a name that another client has."""


async def show_list(visit: Visit) -> Response:
    """A page of the clients by name."""
    wanted = visit.query.get("q", "").strip()[:LONGEST]
    after = visit.query.get("after")
    found = await visit.administration.clients.page(wanted, after, limit=PAGE + 1)
    return visit.page(
        "clients.html",
        products=PRODUCT_NAMES,
        clients=found[:PAGE],
        next=found[PAGE - 1].name if len(found) > PAGE else None,
        is_first=after is None,
        wanted=wanted,
    )


async def export(visit: Visit) -> Response:
    """All that match, with their settings, as a file; never their secrets."""
    wanted = visit.form.get("q", "").strip()[:LONGEST]
    return await Export(
        name="clients", chosen={"q": wanted}, pages=_pages(visit, wanted), layout=_LAYOUT
    ).response(visit)


async def _pages(visit: Visit, wanted: str) -> AsyncIterator[Sequence[Client]]:
    after: str | None = None
    clients = visit.administration.clients
    while page := await clients.page(wanted, after, limit=_EXPORTED_AT_ONCE):
        yield page
        after = page[-1].name


def _document(client: Client) -> dict[str, object]:
    return {name: getattr(client, name) for name in _COLUMNS}


_EXPORTED_AT_ONCE: Final = 200
_COLUMNS: Final = ("client_id", "enabled", *FIELDS, "version")
_LAYOUT: Final[Layout[Client]] = layout_of(_COLUMNS, _document)


async def show(visit: Visit) -> Response:
    """One client: what to enter in the Developer Console, its settings, and who changed them."""
    client = await _client(visit, visit.query.get("id", ""))
    return visit.page(
        "client.html",
        client=client,
        urls=visit.administration.clients.urls(client.client_id),
        parts=PARTS,
        rules=rules_on_page(client.rules),
        second_factor=FIELDS["second_factor"].choices[client.second_factor],
        changes=await changes_of(visit, client.client_id, CHANGES),
        done=visit.query.get("done", ""),
    )


async def edit(visit: Visit) -> Response:
    """The form for one part of the settings."""
    client = await _client(visit, visit.query.get("id", ""))
    part = _part(visit.query.get("part", ""))
    return _form(visit, client, part, texts_of(client, part.fields), {})


async def change(visit: Visit) -> Response:
    """Change one part of the settings; on a version that somebody has seen."""
    form, administration = visit.form, visit.administration
    client = await _client(visit, form.get("id", ""))
    part = _part(form.get("part", ""))
    typed = read_typed(form, part.fields)
    found = {**administration.clients.problems(client, typed.values), **typed.problems}
    problems = {name: found[name] for name in typed.texts if name in found}
    if problems:
        return _form(visit, client, part, typed.texts, problems, form.get("version", ""))
    seen = number_of(form.get("version", ""))
    if seen != client.version:
        since = await administration.changes.since(client.client_id, seen)
        rows = _compared(client, part, typed, since.before)
        if any(row.is_theirs for row in rows):
            return conflict_page(
                visit,
                rows,
                name=client.name,
                last=since.last,
                action="/client/edit",
                back=visit.link("/client", id=client.client_id),
                kept={
                    "id": client.client_id,
                    "part": part.name,
                    "version": str(client.version),
                },
            )
    return await _save(visit, client, part, typed)


async def show_new(visit: Visit) -> Response:
    """The form for a new client."""
    texts = texts_of(Client(client_id="", name=""), NEW.fields)
    return _new_form(visit, texts, {})


async def add(visit: Visit) -> Response:
    """Add a client with the defaults of its product; its secret is shown once."""
    clients = visit.administration.clients
    typed = read_typed(visit.form, NEW.fields)
    blank = Client(client_id="", name="", redirect_uris=("https://example.com",))
    problems = {**clients.problems(blank, typed.values), **typed.problems}
    if problems:
        return _new_form(visit, typed.texts, problems)
    try:
        made = await clients.add(**typed.values)
    except ConcurrentChange:
        raise
    except Conflict:
        return _new_form(visit, typed.texts, _TAKEN)
    return _secret_page(visit, made, is_new=True)


async def renew_secret(visit: Visit) -> Response:
    """A new secret, shown once; the old one stays valid for a day.

    The version keeps a reload of the page from making another.
    """

    async def renew(client: Client) -> Response:
        made = await visit.administration.clients.rotate_secret(
            client.client_id, overlap=float(OVERLAP), expected_version=client.version
        )
        return _secret_page(visit, made, is_new=False)

    return await _on_seen_version(visit, renew)


async def enable(visit: Visit) -> Response:
    """Let people of a client sign in again."""

    async def switch(client: Client) -> Response:
        await visit.administration.clients.enable(client.client_id, expected_version=client.version)
        return visit.to("/client", id=client.client_id, done="enabled")

    return await _on_seen_version(visit, switch)


async def disable(visit: Visit) -> Response:
    """Refuse all sign-ins and calls of a client."""

    async def switch(client: Client) -> Response:
        await visit.administration.clients.disable(
            client.client_id, expected_version=client.version
        )
        return visit.to("/client", id=client.client_id, done="disabled")

    return await _on_seen_version(visit, switch)


async def _on_seen_version(visit: Visit, work: Callable[[Client], Awaitable[Response]]) -> Response:
    """Do it with the client as its page has shown it; asked again if it has changed since."""
    client = await _client(visit, visit.form.get("id", ""))
    seen = number_of(visit.form.get("version", ""))
    if seen == client.version:
        try:
            return await work(client)
        except ConcurrentChange:
            raise
        except Outdated:  # by somebody who was faster than this request
            client = await _client(visit, client.client_id)
    return changed_meanwhile(
        visit,
        await visit.administration.changes.since(client.client_id, seen),
        name=client.name,
        version=client.version,
        back=visit.link("/client", id=client.client_id),
    )


async def _client(visit: Visit, client_id: str) -> Client:
    """The client with this ID; a name is not one. Raises NotFound."""
    client = await visit.administration.clients.get(client_id)
    if client.client_id != client_id:
        raise NotFound(f"there is no client {client_id!r}")
    return client


def _part(name: str) -> ClientPart:
    part = part_named(name)
    if part is None:
        raise NotFound(f"a client has no settings {name!r}")
    return part


async def _save(visit: Visit, client: Client, part: ClientPart, typed: Typed) -> Response:
    """Save what is not so already. Raises Outdated if somebody is faster than this request."""
    values = {name: value for name, value in typed.values.items() if value != getattr(client, name)}
    back = {"id": client.client_id}
    if not values:
        return visit.to("/client", **back)
    try:
        await visit.administration.clients.change(
            client.client_id, expected_version=client.version, **values
        )
    except ConcurrentChange:
        raise
    except Conflict:
        return _form(visit, client, part, typed.texts, _TAKEN)
    except Outdated:
        return await change(visit)  # it compares with what is there now
    return visit.to("/client", **back, done="changed")


def _compared(
    client: Client, part: ClientPart, typed: Typed, before: Mapping[str, object]
) -> list[Compared]:
    was = {name: FIELDS[name].text_of(value) for name, value in before.items() if name in FIELDS}
    mine = {name: FIELDS[name].text_of(value) for name, value in typed.values.items()}
    return compare(part.fields, was, texts_of(client, part.fields), mine)


def _form(
    visit: Visit,
    client: Client,
    part: ClientPart,
    texts: Mapping[str, str],
    problems: Mapping[str, str],
    version: str = "",
) -> Response:
    """The form with what was typed, and the problems beside the fields."""
    return visit.page(
        "client_edit.html",
        400 if problems else 200,
        client=client,
        part=part,
        texts={**texts_of(client, part.fields), **texts},
        problems=problems,
        version=version or client.version,
        sources=[each.name for each in visit.console.settings.all_sources],
    )


def _new_form(visit: Visit, texts: Mapping[str, str], problems: Mapping[str, str]) -> Response:
    return visit.page(
        "client_new.html", 400 if problems else 200, part=NEW, texts=texts, problems=problems
    )


def _secret_page(visit: Visit, made: NewClient, *, is_new: bool) -> Response:
    """The page that shows a secret; neither the browser nor the server keeps it."""
    return visit.page("client_secret.html", made=made, is_new=is_new)
