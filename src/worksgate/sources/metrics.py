"""Metrics of identity sources: the results of sign-ins at each one, and their durations.

``MeasuredSource`` and ``MeasuredRedirect`` wrap one source without changing its behaviour.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

from worksgate.credentials.password_hashing import HashingBusy
from worksgate.observability.instruments import HasBreakers, SourceFigures, SourceOutcome
from worksgate.observability.spans import Span, no_span
from worksgate.sources import (
    AuthorizationRedirect,
    HasCapacity,
    Identified,
    IdentifiesFirst,
    Person,
    PersonDisabled,
    RedirectSource,
    RefusedUpstream,
    SlowToRefuse,
    Source,
    SourceUnavailable,
    TemporaryPasswordExpired,
    verify,
)


class _Measured:
    def __init__(self, source: Source | RedirectSource, span: Span) -> None:
        self.figures = SourceFigures(source.name)
        if isinstance(source, HasBreakers):
            self.figures.breakers = lambda: source.circuits
        self._span = span

    @contextmanager
    def _call(self, verb: str, *, took: float = 0.0, goes_on: bool = False) -> Iterator[None]:
        """Around one question; an exception is an outcome too.

        With ``goes_on`` it is the first half of a sign-in, whose seconds the second half adds to
        its own, as ``took``: each sign-in is timed once.
        """
        began = perf_counter()
        is_over = True
        try:
            with self._span(f"source.{verb}"):
                yield
            is_over = not goes_on
        except PersonDisabled:
            self._count(SourceOutcome.DISABLED)
            raise
        except TemporaryPasswordExpired:
            self._count(SourceOutcome.WRONG)
            raise
        except RefusedUpstream:
            self._count(SourceOutcome.REFUSED)
            raise
        except HashingBusy:
            self._count(SourceOutcome.BUSY)
            raise
        except SourceUnavailable:
            self._count(SourceOutcome.UNAVAILABLE)
            raise
        finally:
            if is_over:
                self.figures.seconds.observe(took + perf_counter() - began)

    def _count(self, outcome: SourceOutcome) -> None:
        self.figures.outcomes[outcome] += 1


class MeasuredSource(_Measured):
    """A ``Source`` with metrics."""

    def __init__(self, source: Source, span: Span = no_span) -> None:
        super().__init__(source, span)
        self.name = source.name
        self._source = source

    def check_capacity(self, *, is_known: bool = True) -> None:
        """As in ``HasCapacity``; refusals are counted."""
        if isinstance(self._source, HasCapacity):
            try:
                self._source.check_capacity(is_known=is_known)
            except HashingBusy:
                self._count(SourceOutcome.BUSY)
                raise

    async def refusal_time(self) -> float:
        """As in ``SlowToRefuse``."""
        if not isinstance(self._source, SlowToRefuse):
            return 0.0
        return await self._source.refusal_time()

    async def authenticate(self, username: str, password: str) -> Person | None:
        with self._call("authenticate"):
            person = await self._source.authenticate(username, password)
        return self._counted(person)

    async def identify(self, username: str) -> Identified:
        if not isinstance(self._source, IdentifiesFirst):
            return Identified(username)
        began = perf_counter()
        with self._call("identify", goes_on=True):
            identified = await self._source.identify(username)
        return replace(identified, took=perf_counter() - began)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        with self._call("authenticate", took=identified.took):
            person = await verify(self._source, identified, password, admitted=admitted)
        return self._counted(person)

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        with self._span("source.find"):
            return await self._source.find(subject_id, last_seen)

    def _counted(self, person: Person | None) -> Person | None:
        self._count(SourceOutcome.WRONG if person is None else SourceOutcome.ACCEPTED)
        return person


class MeasuredRedirect(_Measured):
    """A ``RedirectSource`` with metrics."""

    def __init__(self, source: RedirectSource, span: Span = no_span) -> None:
        super().__init__(source, span)
        self.name = source.name
        self._source = source

    @property
    def label(self) -> str:
        return self._source.label

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        with self._call("begin"):
            return await self._source.begin(return_url, login_hint, reauthenticate=reauthenticate)

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        with self._call("finish"):
            person = await self._source.finish(return_url, kept, query)
        self._count(SourceOutcome.ACCEPTED)
        return person

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        with self._span("source.find"):
            return await self._source.find(subject_id, last_seen)

    async def logout_url(self, return_url: str) -> str | None:
        return await self._source.logout_url(return_url)


class SourceMetrics:
    """Wraps each source of an installation, and has the metrics of all."""

    def __init__(self, span: Span = no_span) -> None:
        self.figures: list[SourceFigures] = []
        self._span = span

    def source(self, source: Source) -> Source:
        measured = MeasuredSource(source, self._span)
        self.figures.append(measured.figures)
        return measured

    def redirect(self, source: RedirectSource) -> RedirectSource:
        measured = MeasuredRedirect(source, self._span)
        self.figures.append(measured.figures)
        return measured
