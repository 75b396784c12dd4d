"""Tokens of deployers: made, shown once, and ended."""

from starlette.responses import Response

from worksgate.administration.errors import Refused
from worksgate.web.console.administrators import TOKEN_DAYS, administrators_page
from worksgate.web.console.visit import Visit, number_of


async def make(visit: Visit) -> Response:
    """Make a token; it is shown on the page that answers, once."""
    days = number_of(visit.form.get("days", ""))
    if days not in TOKEN_DAYS:
        raise Refused("a token is valid for up to ten years")
    made = await visit.administration.deployers.make(
        visit.form.get("name", "").strip(), lifetime=days * 86_400.0 if days else None
    )
    return await administrators_page(visit, token=made)


async def end(visit: Visit) -> Response:
    """End a token at once."""
    ended = await visit.administration.deployers.end(visit.form.get("id", ""))
    return visit.to("/administrators", token_ended=ended.name)
