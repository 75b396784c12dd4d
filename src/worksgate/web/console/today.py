"""What needs attention today, and the field that finds everything."""

from starlette.responses import Response

from worksgate.administration.roles import Verb
from worksgate.administration.sign_in_trace.question import Kind, read_question
from worksgate.credentials.references import is_reference
from worksgate.directory.people_list import COUNTED, PeopleFilter, PeopleState
from worksgate.web.console.trace import local_zone
from worksgate.web.console.visit import Visit

CHANGES = 10
LONGEST = 200
"""Characters of a search."""
DAY = 86_400.0
_NEEDS = (PeopleState.NO_KEY, PeopleState.DISABLED, PeopleState.NEVER)


async def show(visit: Visit) -> Response:
    """The first page: how many people there are, what is the matter, and the last changes."""
    administration = visit.administration
    people = administration.people_list
    counts = await people.counts(PeopleFilter())
    changes = []
    if visit.may(Verb.AUDIT):
        changes = await administration.audit_log.changes(CHANGES)
    is_new = visit.may(Verb.CHANGE_CLIENTS) and not await administration.set_up.has_client()
    return visit.page(
        "today.html",
        is_new=is_new,
        everybody=counts.everybody,
        counts={state.value: counts.of(state) for state in _NEEDS},
        counted=COUNTED,
        day=await administration.audit_log.day(visit.now - DAY),
        changes=changes,
    )


async def find(visit: Visit) -> Response:
    """A person, if exactly one is meant; a trace of what is no name; or the list."""
    text = visit.query.get("q", "").strip()[:LONGEST]
    if not text:
        return visit.to("/people")
    if read_question(text, visit.now, local_zone()).kind is not Kind.PERSON:
        return visit.to("/trace", q=text)
    found = await visit.administration.sign_in_trace.find(text)
    if len(found) == 1:
        return visit.to("/person", id=found[0].subject_id)
    if not found and visit.may(Verb.SEE_CLIENTS):
        clients = await visit.administration.clients.page(text, limit=1)
        if clients and text in (clients[0].client_id, clients[0].name):
            return visit.to("/client", id=clients[0].client_id)
    if not found and is_reference(text):
        return visit.to("/trace", q=text)
    return visit.to("/people", q=text)
