"""The types of identity sources with everything they support: a new type is a new entry here.

Their settings are in ``settings.sources``. Only modules that a source needs are imported.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from worksgate.bootstrap.stores import Clock
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.directory.remembered import RememberedRedirect, RememberedSource
from worksgate.directory.source import DirectorySource
from worksgate.provider.sources import PasswordChanger
from worksgate.settings.options import Settings
from worksgate.settings.sources import (
    DirectorySettings,
    LdapSettings,
    OidcSettings,
    PythonSettings,
    SourceSettings,
)
from worksgate.sources import RedirectSource, Source, SourceFinding
from worksgate.sources.function.source import FunctionSource, ListedFunctionSource, imported
from worksgate.sources.metrics import SourceMetrics


@dataclass(slots=True, kw_only=True)
class Opening:
    """The resources for opening sources, and opened ones; all are closed with the stack.

    ``hashing`` is None without a built-in directory.
    """

    settings: Settings
    directory: Directory
    hashing: PasswordHashing | None
    stack: AsyncExitStack
    clock: Clock
    metrics: SourceMetrics
    passwords: dict[str, Source] = field(default_factory=dict)
    redirects: dict[str, RedirectSource] = field(default_factory=dict)
    changer: PasswordChanger | None = None


class SourceType(ABC):
    """What a type of identity source supports, regardless of how people sign in."""

    takes_password: ClassVar[bool] = False
    """Whether an administrator can try a person's password with it."""

    @abstractmethod
    def add(self, source: SourceSettings, opening: Opening) -> None:
        """Open a source of this type for sign-ins. Raises ValueError."""

    @abstractmethod
    def can_look_up_people(self, source: SourceSettings) -> bool:
        """Whether it can tell if an absent person is still known to it.

        A misconfigured source counts as one that can: its problem is reported elsewhere.
        """


class BuiltIn(SourceType):
    """The built-in directory: the people are in the database."""

    def add(self, source: SourceSettings, opening: Opening) -> None:
        if opening.hashing is None:
            raise ValueError("the built-in directory needs a way to check passwords")
        built_in = DirectorySource(
            opening.directory,
            opening.hashing,
            company=opening.settings.company_name,
            temporary_lifetime=opening.settings.temporary_password_lifetime,
            clock=opening.clock,
        )
        opening.changer = built_in
        opening.passwords[source.name] = opening.metrics.source(built_in)

    def can_look_up_people(self, source: SourceSettings) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ByPassword(SourceType):
    """A source with passwords.

    ``open`` creates it from its settings, closed with the stack; it raises ValueError.
    """

    takes_password = True

    open: Callable[[Any, AsyncExitStack, Clock], Source]
    can_find: Callable[[Any], bool] = lambda _: True

    def add(self, source: SourceSettings, opening: Opening) -> None:
        measured = opening.metrics.source(self.open(source, opening.stack, opening.clock))
        people = opening.directory.people
        opening.passwords[source.name] = RememberedSource(measured, people, opening.clock)

    def can_look_up_people(self, source: SourceSettings) -> bool:
        return self.can_find(source)


class ExaminedRedirect(RedirectSource, Protocol):
    """A source that redirects to another provider, and can be examined before a sign-in."""

    async def test(self, return_url: str) -> list[SourceFinding]:
        """Examine it; people come back to ``return_url``."""
        ...


@dataclass(frozen=True, slots=True)
class ByRedirect(SourceType):
    """A source that redirects to another provider, and knows people only when they sign in.

    ``open`` creates it from its settings, closed with the stack; it raises ValueError.
    """

    open: Callable[[Any, AsyncExitStack, Clock], ExaminedRedirect]

    def add(self, source: SourceSettings, opening: Opening) -> None:
        measured = opening.metrics.redirect(self.open(source, opening.stack, opening.clock))
        people = opening.directory.people
        opening.redirects[source.name] = RememberedRedirect(measured, people, opening.clock)

    def can_look_up_people(self, source: SourceSettings) -> bool:
        return False


def _open_ldap(settings: LdapSettings, stack: AsyncExitStack, clock: Clock) -> Source:
    from worksgate.sources.ldap.source import LdapSource

    source = LdapSource(settings, clock=clock)
    stack.callback(source.close)
    return source


def _open_openid(settings: OidcSettings, stack: AsyncExitStack, clock: Clock) -> ExaminedRedirect:
    from worksgate.sources.openid.source import OidcSource

    source = OidcSource(settings.name, settings, now=clock)
    stack.push_async_callback(source.close)
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


def _function_finds(settings: PythonSettings) -> bool:
    try:
        return imported(settings.function).find is not None
    except ValueError:
        return True


SOURCE_TYPES: Mapping[type[SourceSettings], BuiltIn | ByPassword | ByRedirect] = {
    DirectorySettings: BuiltIn(),
    LdapSettings: ByPassword(_open_ldap),
    OidcSettings: ByRedirect(_open_openid),
    PythonSettings: ByPassword(_open_function, _function_finds),
}
"""The types, by the class of their settings."""


def type_of(source: SourceSettings) -> BuiltIn | ByPassword | ByRedirect:
    """The type of a source, by its settings."""
    return SOURCE_TYPES[type(source)]
