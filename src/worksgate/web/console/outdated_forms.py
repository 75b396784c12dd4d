"""Forms that somebody else has overtaken: what has changed since, and the question once more.

For what has no fields to put together (``conflicts``): each such form carries the version that its
page has shown, and nothing is done on another one. What was chosen in the form is kept.
"""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from worksgate.administration.changes import ChangesSince, ShownChange
from worksgate.web.console.changes import ChangeOnPage
from worksgate.web.console.visit import Visit
from worksgate.web.pages.wording import text

PROOF: Final = frozenset({"csrf", "proof", "proof_asked", "proof_passkey"})
"""Fields of a form that are of one request only."""
AGAIN: Final[Mapping[str, str]] = {
    "/person/enable": text("Enable all the same"),
    "/person/remove-factors": text("Remove the second factors all the same"),
    "/person/remove": text("Remove them all the same"),
    "/person/leave": text("Have them leave all the same"),
    "/person/leave/cancel": text("Drop the plan all the same"),
    "/client/secret": text("Renew the secret all the same"),
    "/client/enable": text("Switch it on all the same"),
    "/client/disable": text("Switch it off all the same"),
    "/administrators/role": text("Give this role all the same"),
}
"""The button that asks again, by the address of the form."""


def changed_meanwhile(
    visit: Visit, since: ChangesSince, *, name: str, version: object, back: str, now: str = ""
) -> Response:
    """What was changed, and the same form again, on the present ``version``.

    ``now`` is a sentence on how it is now, where no change says so.
    """
    kept = {each: value for each, value in visit.form.items() if each not in PROOF}
    path = visit.request.scope["path"]
    return visit.page(
        "meanwhile.html",
        409,
        changes=[ChangeOnPage(ShownChange(each, name, can_undo=False)) for each in since.changes],
        last=since.last,
        name=name,
        now=now,
        action=path,
        again=AGAIN[path],
        kept={**kept, "version": str(version)},
        back=back,
    )
