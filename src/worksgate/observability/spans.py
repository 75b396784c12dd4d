"""Spans of a request, for whoever needs none of the rest of tracing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Span = Callable[[str], AbstractContextManager[object]]
"""A context manager around work for a request; the text is its name."""


def no_span(_: str) -> AbstractContextManager[object]:
    """Used where traces are disabled."""
    return nullcontext()
