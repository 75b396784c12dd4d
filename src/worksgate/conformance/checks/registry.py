"""A check and its record, and the families that checks belong to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from worksgate.conformance.checks.run import Run

Body = Callable[[Run], Awaitable[None]]
"""Returns if the rule is kept. Raises Finding or Untested."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: what must hold, why, and the page of ``docs/`` that explains it."""

    id: str
    title: str
    reason: str
    page: str
    body: Body = field(repr=False)

    @property
    def family(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Family:
    """The checks of one address or one subject, in the order in which they run.

    `official` is the name of LINE WORKS' own page, `page` that of ours.
    """

    name: str
    official: str
    page: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, title: str, reason: str, *, page: str | None = None
    ) -> Callable[[Body], Body]:
        """Register a function as a check; title and reason are the English texts."""

        def register(body: Body) -> Body:
            self.checks.append(Check(f"{self.name}.{name}", title, reason, page or self.page, body))
            return body

        return register
