"""A load, and what each of its answers cost the server, its event loop and its database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import load
from load import Result, Template
from machine import Spent
from measures import Plan, rest
from process import Server

Facts = dict[str, Any]
"""Answers a second, latencies in milliseconds, microseconds of processor time for each answer."""


class Metered:
    """Sends to one server; ``database`` is the process of its database, where it has one."""

    def __init__(self, plan: Plan, server: Server, database: int | None = None) -> None:
        self._plan = plan
        self._server = server
        self._database = database

    def send(
        self,
        template: Template,
        values: Sequence[str],
        seconds: float,
        *,
        meanwhile: AbstractContextManager[object] | None = None,
        **how: Any,
    ) -> tuple[Result, Facts]:
        """A load and what came of it; ``how`` is that of ``load``. Raises Failed."""
        pid = self._server.process.pid
        before = Spent.so_far(pid, self._database)
        with meanwhile or nullcontext():
            result = self.load(template, values, seconds, **how)
        rest(pid)  # what was put off until after the answers belongs to them
        each = Spent.so_far(pid, self._database).each(result.answers, before)
        return result, result.as_json() | each

    def load(
        self,
        template: Template,
        values: Sequence[str],
        seconds: float,
        *,
        once: bool = True,
        pace: int | None = None,
        locations: Path | None = None,
    ) -> Result:
        """As many requests as can be answered, or ``pace`` a second on as many connections.

        Raises Failed where one answer was missing or not a good one.
        """
        return load.start(
            self._server.port,
            template,
            values,
            seconds=seconds,
            connections=pace or self._plan.connections,
            core=None if pace else self._plan.cores.load,
            once=once,
            pause=1_000 if pace else None,
            locations=locations,
        ).result()
