"""What a step of a sign-in will read, read ahead with what it reads first: in one round trip.

A step reads the session, the person of the session, their factors, and so on, each where it is
needed. On PostgreSQL each would be a round trip. So the first of these reads takes the others with
it, and their rows wait here, in the context of the step, until they are asked for.

    reading_ahead   one step; ``directory.read_ahead`` knows what each reads, and keeps it
    take            the rows, for whoever would have read them; once
    drop            forgets them, before something is changed

Nobody sees what is older than the step, and nothing is seen twice: a second read reads again.
Nor is anything seen after a change of an artifact or of the directory: the last look at a person,
once the code is saved, is always one at the database.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from worksgate.database.direct_reads import Query, Rows
from worksgate.oauth.model import Artifact


@dataclass(slots=True)
class Step:
    """A step that reads ahead.

    ``trusted`` are the keys of what may say that its browser is trusted.
    """

    trusted: Sequence[str] = ()
    kept: dict[Hashable, Rows] = field(default_factory=dict)
    is_over: bool = False


_step: ContextVar[Step | None] = ContextVar("step", default=None)


@contextmanager
def reading_ahead(trusted: Sequence[str] = ()) -> Iterator[None]:
    """Around one step; what has not been asked for by then is dropped."""
    step = Step(trusted)
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)
        # Tasks that it has started in the background still have it in their context.
        step.is_over = True
        step.kept.clear()


def current_step() -> Step | None:
    step = _step.get()
    return None if step is None or step.is_over else step


def take(read: Hashable) -> Rows | None:
    """The rows of a read, once; None if it was not read ahead."""
    step = _step.get()
    return None if step is None else step.kept.pop(read, None)


def drop() -> None:
    """Forget everything, since something is being changed."""
    step = _step.get()
    if step is not None:
        step.kept.clear()


# The reads


def read_of(query: Query, values: Mapping[str, object]) -> Hashable:
    return query, *values.values()


def artifact_read(kind: type[Artifact], key: str) -> Hashable:
    return kind, key


def counters_read(counters: Collection[str]) -> Hashable:
    return frozenset(counters)
