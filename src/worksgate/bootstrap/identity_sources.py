"""The identity sources of an installation, from the settings or a company's own."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from worksgate.bootstrap.source_types import Opening, type_of
from worksgate.bootstrap.stores import Clock
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.directory.last_sign_ins import LastSignIns
from worksgate.directory.remembered import RememberedPeople, RememberedSource
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import ThrottlePolicy
from worksgate.settings.options import Settings
from worksgate.sources import Authenticate, Source
from worksgate.sources.function.source import FunctionSource
from worksgate.sources.metrics import SourceMetrics

FUNCTION_TIMEOUT = 2.0
"""Seconds that a company's own function may take: a page is answered within 2.5."""


def function_source_of(authenticate: Authenticate, stack: AsyncExitStack) -> Mapping[str, Source]:
    """A company's own function, as the only source."""
    function = FunctionSource("function", authenticate, timeout=FUNCTION_TIMEOUT)
    stack.callback(function.close)
    return {function.name: function}


def is_built_in(settings: Settings, sources: Mapping[str, Source] | None) -> bool:
    """Whether people of the built-in directory can sign in."""
    return sources is None and any(each.is_built_in for each in settings.all_sources)


def open_sources(
    settings: Settings,
    directory: Directory,
    hashing: PasswordHashing | None,
    stack: AsyncExitStack,
    clock: Clock,
    metrics: SourceMetrics,
) -> SourcesInUse:
    """The identity sources of the settings; only modules that they need are imported."""
    opening = Opening(
        settings=settings,
        directory=directory,
        hashing=hashing,
        stack=stack,
        clock=clock,
        metrics=metrics,
    )
    for each in settings.all_sources:
        type_of(each).add(each, opening)
    domains = {each.name: each.domains for each in settings.all_sources}
    people = _open_remembered(directory, stack, clock)
    return SourcesInUse(opening.passwords, opening.redirects, domains, people, opening.changer)


def _open_remembered(directory: Directory, stack: AsyncExitStack, clock: Clock) -> RememberedPeople:
    last_sign_ins = LastSignIns(directory.people.note_logins, clock)
    stack.push_async_callback(last_sign_ins.close)
    return RememberedPeople(directory.people, last_sign_ins, clock)


def sources_in_use(
    sources: Mapping[str, Source],
    directory: Directory,
    stack: AsyncExitStack,
    clock: Clock,
    metrics: SourceMetrics,
) -> SourcesInUse:
    """A company's own sources, given as objects; their people are remembered too."""
    people = directory.people
    remembered = {
        name: RememberedSource(metrics.source(each), people, clock)
        for name, each in sources.items()
    }
    return SourcesInUse(remembered, people=_open_remembered(directory, stack, clock))


def by_name(sources: Sequence[Source]) -> Mapping[str, Source]:
    found = {source.name: source for source in sources}
    if len(found) < len(sources):
        raise ValueError("two sources have the same name")
    return found


def open_hashing(settings: Settings, stack: AsyncExitStack) -> PasswordHashing:
    hashing = PasswordHashing(settings.hashing_threads or None, settings.hashing_queue)
    stack.callback(hashing.close)
    return hashing


def throttle_policy(settings: Settings) -> ThrottlePolicy:
    """How failed sign-ins delay the next one, according to the settings."""
    return ThrottlePolicy(
        free=settings.login_free_failures,
        longest_delay=settings.login_longest_delay,
        per_address=settings.login_failures_per_address,
    )
