"""People as their sources list them, so that a rehearsal knows those who have never signed in."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from worksgate.directory.people_list import Listed


@dataclass(frozen=True, slots=True)
class AtSources:
    """The people of sources that were ``asked``; of ``unasked`` ones those who have signed in.

    Of a person, ``enabled`` is whether they could sign in at all, and keys are those that can be
    used.
    """

    people: Sequence[Listed] = ()
    asked: frozenset[str] = frozenset()
    unasked: tuple[str, ...] = ()

    def with_known(self, known: Iterable[Listed]) -> list[Listed]:
        """Everybody: of those known here, what their source says now; without who left it."""
        listed = {each.subject_id: each for each in self.people}
        everybody = [
            _now(each, listed.pop(each.subject_id, None))
            for each in known
            if each.source not in self.asked or each.subject_id in listed
        ]
        return [*everybody, *listed.values()]


def _now(known: Listed, listed: Listed | None) -> Listed:
    if listed is None:
        return known
    return replace(
        known,
        username=listed.username,
        external_key=listed.external_key,
        works_account=listed.works_account,
        email=listed.email,
        enabled=known.enabled and listed.enabled,
    )


AskSources = Callable[[Collection[str]], Awaitable[AtSources]]
"""Asks the sources of these names, or all of them without any; the built-in one is never asked."""


async def ask_none(_names: Collection[str]) -> AtSources:
    """Nobody but those who are known here."""
    return AtSources()
