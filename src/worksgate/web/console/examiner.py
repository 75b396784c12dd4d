"""What the console asks about the installation itself: all of it, its address, its sources.

``doctor`` answers. It builds on everything, so it is handed in where the console is started.
"""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol

from worksgate.administration.errors import Refused
from worksgate.administration.going_live import AtSources
from worksgate.administration.set_up import KeyCount, Trial, Tried
from worksgate.oauth.model import UserKey
from worksgate.settings.options import Settings

_WHY = "this console was started without anything that examines the installation"


class Finding(Protocol):
    """One result, of a part; ``severity`` is ``ok``, ``warn`` or ``fail``, the advice may be empty.

    Texts are in English, as in ``worksgate doctor``.
    """

    @property
    def part(self) -> str: ...

    @property
    def severity(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def advice(self) -> str: ...


class Examiner(Protocol):
    """Examines one installation; it changes nothing, and signs nobody in but who is tried."""

    def installation(self) -> AsyncIterator[Finding]:
        """Everything that can be examined from here, as ``worksgate doctor`` does it."""
        ...

    def public_address(self) -> AsyncIterator[Finding]:
        """Whether the public address leads here, as far as this machine can tell."""
        ...

    def source(
        self, name: str, username: str | None = None, password: str | None = None
    ) -> AsyncIterator[Finding]:
        """Whether a source works, and its answer for a person; the password is tried once.

        Raises Refused if it cannot be asked that.
        """
        ...

    async def keys(self, name: str, kind: UserKey) -> KeyCount:
        """How many people of a source have a usable key of a kind.

        Raises Refused if the source does not list its people, or SourceUnavailable.
        """
        ...

    async def people(self, names: Collection[str]) -> AtSources:
        """Everybody whom sources of these names list; without names, all but the built-in one.

        A source that does not list its people, or not in time, is named instead.
        """
        ...

    def sign_in(self, trial: Trial) -> AsyncIterator[Tried]:
        """A sign-in as LINE WORKS makes it, at the public address, value by value.

        Nothing reaches LINE WORKS. What it finds has no secret, whatever the server says.
        """
        ...


class Unexamined:
    """The examiner of a console that was started without one: every question is refused."""

    def __init__(self, _settings: Settings) -> None: ...

    def installation(self) -> AsyncIterator[Finding]:
        return self._refused()

    def public_address(self) -> AsyncIterator[Finding]:
        return self._refused()

    def source(
        self, name: str, username: str | None = None, password: str | None = None
    ) -> AsyncIterator[Finding]:
        return self._refused()

    async def keys(self, name: str, kind: UserKey) -> KeyCount:
        raise Refused(_WHY)

    async def people(self, names: Collection[str]) -> AtSources:
        return AtSources(unasked=tuple(names))

    async def sign_in(self, trial: Trial) -> AsyncIterator[Tried]:
        raise Refused(_WHY)
        yield  # an iterator, which refuses the first question

    async def _refused(self) -> AsyncIterator[Finding]:
        raise Refused(_WHY)
        yield  # an iterator, which refuses the first question


OpenExaminer = Callable[[Settings], Examiner]
"""Makes the examiner of an installation."""
