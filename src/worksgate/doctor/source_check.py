"""Whether an identity source can be used, and its answer for a person."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from worksgate.catalogues import sentence_of
from worksgate.doctor import Finding, fail
from worksgate.doctor.queried_source import (
    ADVICE,
    CannotBeQueried,
    Question,
    part_of,
    queried,
)
from worksgate.doctor.sentences import said
from worksgate.settings.options import Settings
from worksgate.settings.sources import SourceSettings


def source_of(settings: Settings, name: str) -> SourceSettings:
    """The settings of a source. Raises CannotBeQueried if there is none of that name."""
    found = {each.name: each for each in settings.all_sources}
    if name not in found:
        raise CannotBeQueried(
            said(
                "there is no source %(name)s; the sources are: %(sources)s",
                name=repr(name),
                sources=", ".join(found),
            )
        )
    return found[name]


async def examine_source(
    settings: Settings, source: SourceSettings, question: Question | None = None
) -> AsyncIterator[Finding]:
    """Whether the source works, and its answer. Raises CannotBeQueried."""
    async with AsyncExitStack() as stack:
        try:
            findings = await queried(settings, source, stack).check(question or Question())
        except CannotBeQueried:
            raise
        except ValueError as problem:  # its settings, or a company's own module
            findings = [fail(part_of(source), sentence_of(problem), ADVICE)]
        for finding in findings:
            yield finding
