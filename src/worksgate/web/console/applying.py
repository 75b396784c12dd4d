"""Clients as a document says they should be, for a deployer (R-237).

With ``dry_run`` in the query nothing is changed. The answer has the ETag of the plan: with it in
``If-Match``, only that plan is carried out. Secrets are in no answer.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse

from worksgate.administration.applying import Applied, Planned, plan_id
from worksgate.administration.deployers import UnknownToken
from worksgate.administration.errors import Outdated, Refused
from worksgate.database import Conflict
from worksgate.limits.outages import Unavailable
from worksgate.oauth.errors import InvalidRequest
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.console.bearer import check_still, problem
from worksgate.web.console.visit import Visit

PATH: Final = "/api/apply"
_STOPS: Final = (Refused, Conflict, Outdated, Unavailable, UnknownToken, TooManyAttempts)
"""What may end it halfway: what was done by then is in the answer."""


async def apply(visit: Visit) -> JSONResponse:
    """Make clients so, or say what would be done.

    A plan other than the one in ``If-Match`` is refused as a whole. A client that somebody changes
    at this moment is not overwritten, and ends it; those before it stay as they are then.
    """
    is_dry_run = _is_dry_run(visit)
    if not isinstance(visit.document, list):
        raise InvalidRequest("a list of clients is needed")
    applying = visit.administration.applying
    planned = await applying.plan(visit.document)
    plan = plan_id(planned)
    if not _is_wanted(visit, plan):
        sentence = "this is not the plan that was shown: file or clients have changed since"
        return _answer(plan, planned, HTTPStatus.PRECONDITION_FAILED, error=sentence)
    if is_dry_run:
        return _answer(plan, planned)
    done: list[Applied] = []
    try:
        async for each in applying.apply(planned):
            done.append(each)
            if each.planned.action != "keep":
                await check_still(visit)
    except _STOPS as error:
        return problem(visit, error, clients=[each.document() for each in done])
    return _answer(plan, done)


def _answer(
    plan: str, clients: Sequence[Planned | Applied], status: int = HTTPStatus.OK, **more: Any
) -> JSONResponse:
    body = {**more, "plan": plan, "clients": [each.document() for each in clients]}
    return JSONResponse(body, status, {"ETag": f'"{plan}"'})


def _is_dry_run(visit: Visit) -> bool:
    """Raises InvalidRequest for anything else: a misspelt word must not change clients."""
    text = visit.request.scope["query_string"].decode("latin-1")
    found = parse_qsl(text, keep_blank_values=True)
    if found not in ([], [("dry_run", "")], [("dry_run", "1")], [("dry_run", "true")]):
        raise InvalidRequest("the only parameter is dry_run, which has no value")
    return bool(found)


def _is_wanted(visit: Visit, plan: str) -> bool:
    wanted = visit.request.headers.getlist("if-match")
    tags = [each.strip() for value in wanted for each in value.split(",")]
    return not tags or "*" in tags or f'"{plan}"' in tags
