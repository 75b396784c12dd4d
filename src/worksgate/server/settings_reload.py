"""Reloading of settings and certificate while the server runs (SIGHUP).

If anything is wrong with them, the server continues with the current ones, and logs why (F-32).
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import structlog

from worksgate.server.admission import Admission
from worksgate.server.application_swap import SwappableApplication, Version
from worksgate.server.tls import Certificate
from worksgate.settings.loading import ConfigurationError, load
from worksgate.settings.options import Settings

NEED_A_RESTART = (
    *("host", "port", "database_url", "store_url", "log_format", "log_level"),
    *("admin_host", "admin_port", "console_host", "console_port"),
    *("metrics_public", "worker_timeout"),
)
"""Where a process listens, where its data is and how it logs is fixed at the start."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """Where the settings came from: the file, and the values of the command line.

    Once a file was read it remains that one, existing or not: a file found in the working folder
    that is gone must not be replaced by the defaults.
    """

    file: Path | None
    overrides: Mapping[str, object] = field(default_factory=dict)

    def read(self, now: Settings) -> Settings | None:
        """The settings that a running server can apply, or None if they are unusable.

        What needs a restart is as in ``now``; that is logged, and so are all problems.
        """
        kept = {name: getattr(now, name) for name in NEED_A_RESTART}
        try:
            new = load(self.file, os.environ, self.overrides)
            settings = load(self.file, os.environ, {**self.overrides, **kept})
        except ConfigurationError as error:
            for problem in error.problems:
                _log.error("settings.kept", detail=problem)
            return None
        for name, value in kept.items():
            if getattr(new, name) != value:
                _log.warning("settings.need_a_restart", setting=name)
        return settings


def changed(old: Settings, new: Settings) -> list[str]:
    """The names of the settings that differ."""
    names = (each.name for each in fields(Settings) if each.compare)
    return [name for name in names if getattr(old, name) != getattr(new, name)]


class Reloading:
    """Switches one process to other settings and another certificate."""

    def __init__(
        self,
        settings: Settings,
        application: SwappableApplication,
        version_of: Callable[[Settings], Version],
        admission: Admission,
        *,
        source: SettingsSource | None = None,
        certificate: Certificate | None = None,
        on_change: Callable[[Settings], None] | None = None,
    ) -> None:
        self.settings = settings
        self._application = application
        self._version_of = version_of
        self._admission = admission
        self._source = source
        self._certificate = certificate
        self._on_change = on_change
        self._lock = asyncio.Lock()

    async def read_again(self) -> None:
        """Handle SIGHUP. Never raises for a problem with the files."""
        settings = None
        if self._source is not None:
            settings = await asyncio.to_thread(self._source.read, self.settings)
        await self.take_on(settings)

    async def take_on(self, settings: Settings | None, *, certificate: bool = True) -> bool:
        """Apply these settings, if any, and the current certificate.

        Returns whether the settings are in use; if not, the reason is logged.
        """
        async with self._lock:
            if self._certificate is not None and certificate and self._certificate.renew():
                _log.info("certificate.read")
            return settings is None or await self._take_on(settings)

    async def _take_on(self, settings: Settings) -> bool:
        names = changed(self.settings, settings)
        if names and settings.store_url == "memory:":
            # Another application would have its own memory, and everything open would become void.
            _log.warning("settings.need_a_restart", setting=", ".join(names))
            return False
        if names:
            try:
                await self._application.replace(self._version_of(settings))
            except Exception as error:  # whatever it is, the old one still serves
                _log.error("settings.kept", detail=f"cannot start: {type(error).__name__}")
                return False
            self.settings = settings
            self._admission.apply(settings)
            if self._on_change is not None:
                self._on_change(settings)
        _log.info("settings.read", changed=", ".join(names) or "nothing")
        return True
