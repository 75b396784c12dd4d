"""The identity sources that the settings name; nothing is imported that none of them needs."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from worksgate.bootstrap.stores import Clock
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.directory.remembered import RememberedPeople, RememberedRedirect, RememberedSource
from worksgate.directory.source import DirectorySource
from worksgate.provider.sources import PasswordChanger, SourcesInUse
from worksgate.settings.options import Settings
from worksgate.settings.sources import (
    DirectorySettings,
    LdapSettings,
    OidcSettings,
    PythonSettings,
    SourceSettings,
)
from worksgate.sources import Authenticate, RedirectSource, Source
from worksgate.sources.counted import SourcesSeen
from worksgate.sources.function.source import FunctionSource, ListedFunctionSource, imported

if TYPE_CHECKING:
    from worksgate.sources.openid.source import OidcSource


FUNCTION_TIMEOUT = 2.0
"""Seconds that a company's own function may take: the page is due in 2.5."""


def function_source_of(authenticate: Authenticate, stack: AsyncExitStack) -> Mapping[str, Source]:
    """A company's own function, as the one source."""
    function = FunctionSource("function", authenticate, timeout=FUNCTION_TIMEOUT)
    stack.callback(function.close)
    return {function.name: function}


def is_built_in(settings: Settings, sources: Mapping[str, Source] | None) -> bool:
    """Whether people of the built-in directory can sign in."""
    return sources is None and any(
        isinstance(each, DirectorySettings) for each in settings.all_sources
    )


def open_sources(
    settings: Settings,
    directory: Directory,
    hashing: PasswordHashing | None,
    stack: AsyncExitStack,
    clock: Clock,
    seen: SourcesSeen,
) -> SourcesInUse:
    """The sources that the settings name; nothing is imported that none of them needs."""
    passwords: dict[str, Source] = {}
    redirects: dict[str, RedirectSource] = {}
    changer: PasswordChanger | None = None
    for each in settings.all_sources:
        if isinstance(each, DirectorySettings):
            if hashing is None:
                raise ValueError("the built-in directory needs a way to check passwords")
            built_in = _built_in(settings, directory, hashing, clock)
            changer = built_in
            passwords[each.name] = seen.source(built_in)
        elif isinstance(each, OidcSettings):
            upstream = seen.redirect(open_redirect_source(each, stack, clock))
            redirects[each.name] = RememberedRedirect(upstream, directory.people, clock)
        else:
            source = seen.source(open_password_source(each, stack, clock))
            passwords[each.name] = RememberedSource(source, directory.people, clock)
    domains = {each.name: each.domains for each in settings.all_sources}
    people = RememberedPeople(directory.people, clock)
    return SourcesInUse(passwords, redirects, domains, people, changer)


def _built_in(
    settings: Settings, directory: Directory, hashing: PasswordHashing, clock: Clock
) -> DirectorySource:
    return DirectorySource(
        directory,
        hashing,
        company=settings.company_name,
        temporary_lifetime=settings.temporary_password_lifetime,
        clock=clock,
    )


def open_password_source(
    settings: SourceSettings, stack: AsyncExitStack, clock: Clock = time.time
) -> Source:
    """A source that takes passwords, closed with the stack. Raises ValueError."""
    opener = _PASSWORD_SOURCES.get(type(settings))
    if opener is None:
        raise ValueError(f"{settings.name} takes no passwords")
    return opener(settings, stack, clock)


def _open_ldap(settings: LdapSettings, stack: AsyncExitStack, clock: Clock) -> Source:
    from worksgate.sources.ldap.source import LdapSource

    source = LdapSource(settings, clock=clock)
    stack.callback(source.close)
    return source


def _open_function(settings: PythonSettings, stack: AsyncExitStack, _clock: Clock) -> Source:
    """A company's own function or class, which may list its people. Raises ValueError."""
    made = imported(settings.function)
    limits: dict[str, Any] = {"threads": settings.threads, "timeout": settings.timeout}
    source = (
        FunctionSource(settings.name, made.authenticate, find=made.find, **limits)
        if made.people is None
        else ListedFunctionSource(
            settings.name, made.authenticate, made.people, find=made.find, **limits
        )
    )
    stack.callback(source.close)
    return source


def open_redirect_source(
    settings: OidcSettings, stack: AsyncExitStack, clock: Clock = time.time
) -> "OidcSource":
    """A source that asks another provider, closed with the stack. Raises ValueError."""
    from worksgate.sources.openid.source import OidcSource

    source = OidcSource(settings.name, settings, now=clock)
    stack.push_async_callback(source.close)
    return source


_PASSWORD_SOURCES: Mapping[type[SourceSettings], Callable[..., Source]] = {
    LdapSettings: _open_ldap,
    PythonSettings: _open_function,
}
"""What opens each type of source that takes passwords; the built-in directory is the database's."""


def can_be_asked(source: SourceSettings) -> bool:
    """Whether a source says of somebody who is not there whether they are still with it.

    One whose settings are wrong counts as one that can: what is wrong is said elsewhere.
    """
    if not isinstance(source, PythonSettings):
        return not isinstance(source, OidcSettings)
    try:
        return imported(source.function).find is not None
    except ValueError:
        return True


def sources_in_use(
    sources: Mapping[str, Source], directory: Directory, clock: Clock, seen: SourcesSeen
) -> SourcesInUse:
    """A company's own sources, which are given as objects; their people are remembered too."""
    people = directory.people
    remembered = {
        name: RememberedSource(seen.source(each), people, clock) for name, each in sources.items()
    }
    return SourcesInUse(remembered, people=RememberedPeople(people, clock))


def by_name(sources: Sequence[Source]) -> Mapping[str, Source]:
    found = {source.name: source for source in sources}
    if len(found) < len(sources):
        raise ValueError("two sources have the same name")
    return found


def open_hashing(settings: Settings, stack: AsyncExitStack) -> PasswordHashing:
    hashing = PasswordHashing(settings.hashing_threads or None, settings.hashing_queue)
    stack.callback(hashing.close)
    return hashing
