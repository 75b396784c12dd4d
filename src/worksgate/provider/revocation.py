"""Revocation of everything that a person holds, in one place.

Sessions, codes, tokens, trusted browsers, app passwords and, from a given time on, second factors.
Callers are the account page, ``worksgate user``, the link of a notice, and disabling or removing a
person. Each step leaves an audit record; repeating it finishes what an outage has interrupted.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from worksgate.audit import Event
from worksgate.directory.audit.writer import Recorder
from worksgate.directory.credential_changes import Change
from worksgate.directory.endings import Endings
from worksgate.provider.factors import Holder
from worksgate.store import Store, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Ended:
    """How many things were revoked; ``held`` are sessions, codes, tokens and trusted browsers."""

    held: int = 0
    app_passwords: int = 0
    factors: int = 0


class Revocation:
    """Revokes what people hold; ``store`` opens the store on first use."""

    def __init__(
        self, endings: Endings, records: Recorder, store: Callable[[], Awaitable[Store]]
    ) -> None:
        self._endings = endings
        self._records = records
        self._store = store

    async def end_everything(
        self, holder: Holder, change: Change, now: float, *, factors_since: float | None = None
    ) -> Ended:
        """Revoke everything a person holds, and factors added at or after ``factors_since``.

        ``change`` is the reason, which decides about the notice. Raises DatabaseUnavailable, or
        StoreUnavailable after the directory's part has been revoked.
        """
        held = 0
        with suppress(StoreUnavailable):  # first: a session could recreate what is revoked next
            held = await self._forget(holder)
        rows = await self._endings.end(
            holder.subject_id,
            change,
            lambda event, detail: holder.event(event, now, detail),
            factors_since=factors_since,
        )
        held += await self._forget(holder)
        if held:
            detail = f"everywhere: {held} {'thing has' if held == 1 else 'things have'} ended"
            await self._records.record([holder.event(Event.LOGOUT, now, detail)])
        return Ended(held, rows.app_passwords, rows.factors)

    async def end_console_sessions(self, subject_id: str) -> None:
        """End all sessions that a person has in the console. Raises DatabaseUnavailable."""
        await self._endings.end_console_sessions(subject_id)

    async def _forget(self, holder: Holder) -> int:
        return await (await self._store()).forget(holder.subject_id)
