"""How many people somebody of the help desk may help: their session cannot take over everybody."""

import structlog

from worksgate.administration.roles import Permission
from worksgate.provider.throttle import TooManyAttempts
from worksgate.web.console.visit import Visit

HELPED = 30
"""Forms about people that somebody of the help desk may send within ``WINDOW`` seconds."""
WINDOW = 3_600.0

_log = structlog.get_logger("worksgate.console")


async def count_help(visit: Visit, people: int = 1) -> None:
    """Count a form about so many ``people`` (R-160). Raises TooManyAttempts."""
    who = visit.administrator
    if visit.may(Permission.CHANGE_PEOPLE):
        return
    helped = HELPED + 1 if people > HELPED else 0
    for _ in range(0 if helped else people):
        helped = await visit.console.store.bump(f"help {who.account.subject_id}", WINDOW, visit.now)
    if helped > HELPED:
        _log.warning("console.too_much_help", username=who.account.username)
        raise TooManyAttempts(WINDOW)
