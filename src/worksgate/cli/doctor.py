"""``worksgate doctor``."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import config_option, json_option
from worksgate.cli.running import advice_on_missing, quietly, read_settings
from worksgate.settings import loading as configuration

if TYPE_CHECKING:
    from worksgate.doctor import Finding


_ABOUT_SETTINGS = (
    "without valid settings nothing runs; the file that worksgate init writes explains every "
    "setting"
)


@click.command("doctor")
@config_option
@json_option
def doctor(*, config: Path | None, as_json: bool) -> None:
    """Diagnose this installation, and say what to do.

    Checks settings, database, store, disk, clock, clients, sources and mail server. Nothing is
    changed. The exit code is 1 if anything does not work.
    """
    from worksgate.cli.findings import collected, has_failed, print_findings_as_json

    findings = quietly(collected(findings_of(config), silent=as_json))
    if as_json:
        print_findings_as_json(findings)
    sys.exit(int(has_failed(findings)))


async def findings_of(file: Path | None) -> AsyncIterator["Finding"]:
    """What ``worksgate doctor`` finds; the console shows the same."""
    from worksgate.doctor import fail
    from worksgate.doctor.examination import examine

    try:
        settings = read_settings(file)
    except configuration.ConfigurationError as error:
        for problem in error.problems:
            yield fail("settings", problem, _ABOUT_SETTINGS)
        return
    settings_file = configuration.file_to_read(file, os.environ)
    async for finding in examine(settings, settings_file, if_missing=advice_on_missing(file)):
        yield finding
