"""``worksgate record``: keep what LINE WORKS calls, to send it again later."""

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import Duration, config_option, json_option
from worksgate.cli.printing import counted, local_time, note, print_json, print_line
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import administer, ended_in_order, read_installation, run

if TYPE_CHECKING:
    from worksgate.conformance.recording.collector import Collector
    from worksgate.conformance.recording.file import Ended, RecordingWriter

_MEGABYTE = 1024 * 1024
_LONGEST = 24 * 3600
_ENDINGS = {
    "time": "the time is over",
    "calls": "there are as many calls as were wanted",
    "size": "the file is as large as it may be",
    "stopped": "it was stopped",
    "disk": "the disk is full",
}
"""Sentences by ``file.Ending``, without loading it for other commands; a test compares them."""


_NOBODY = (
    "no process of the server was found: it must run on this machine, with the same settings, as "
    "this user or with this command run by root"
)
_SOON = 10.0
"""Seconds after which a server that was not found is mentioned; it is looked for until the end."""
_OF_THIS_MACHINE = (
    "Only calls that this machine serves are recorded. If others serve the same database, record "
    "on each of them at the same time, and give all files to worksgate replay."
)


@click.command("record")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why, for the audit log.")
@click.option(
    "--for",
    "duration",
    type=Duration(),
    default=3600.0,
    show_default="1h",
    help="For how long, up to 24h.",
)
@click.option(
    "--calls",
    type=click.IntRange(1, 1_000_000),
    default=100_000,
    show_default=True,
    help="End after so many calls.",
)
@click.option(
    "--megabytes",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    help="End before the file is larger than this.",
)
@config_option
@json_option
def record(
    *,
    file: Path,
    reason: str,
    duration: float,
    calls: int,
    megabytes: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Record the calls of LINE WORKS, without secrets and names.

    Records the calls that the server on this machine serves, until Ctrl-C, a time, or a size.
    FILE holds their shape, in which every secret and every name is a hash under a key that is
    thrown away. It is new, and can be read by this user only; worksgate replay sends it to
    another version.
    """
    from worksgate.conformance.recording.collector import CannotRecord, Collector, check_free
    from worksgate.conformance.recording.file import Limits, RecordingWriter

    if not 1 <= duration <= _LONGEST:
        raise click.UsageError("--for must be between 1s and 24h")
    settings = read_installation(config)
    socket = settings.recording_socket
    if socket is None:
        raise Refusal("set recording_directory first: with PostgreSQL it has no default")
    limits = Limits(duration, calls, megabytes * _MEGABYTE)
    try:
        check_free(socket)
        with ended_in_order():
            writer = RecordingWriter.create(file, limits, time.time())
            try:
                until = writer.began + duration
                administer(settings, lambda all_: all_.recordings.begin(reason, until))
            except BaseException:
                writer.discard()
                raise
            collector = Collector(writer, socket, limits, time.time)
            note(f"Recording until {local_time(until)}; Ctrl-C ends it.")
            if settings.database_file is None:
                note(_OF_THIS_MACHINE)
            try:
                ended = _collected(collector, writer)
            finally:
                why, count, dropped = _why(writer), writer.calls, collector.dropped
                administer(settings, lambda all_: all_.recordings.end(count, dropped, why))
    except CannotRecord as refused:
        raise Refusal(str(refused)) from None
    _print(file, ended, collector.processes, as_json=as_json)


def _collected(collector: "Collector", writer: "RecordingWriter") -> "Ended":
    """Record until the end; whatever happens, the file is closed then."""
    from worksgate.conformance.recording.file import Ending

    async def collecting() -> "Ended":
        import asyncio

        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:
                loop.add_signal_handler(each, collector.stop)
        loop.call_later(_SOON, _mention_nobody, collector)
        return await collector.run()

    try:
        return run(collecting())
    finally:
        if not writer.is_closed:
            writer.end(Ending.STOPPED, time.time(), collector.dropped)


def _mention_nobody(collector: "Collector") -> None:
    if not collector.processes:
        note(f"So far {_NOBODY}.")


def _why(writer: "RecordingWriter") -> str:
    ended = writer.ended
    return "stopped" if ended is None else str(ended.ending)


def _print(file: Path, ended: "Ended", processes: int, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "calls": ended.calls,
                "dropped": ended.dropped,
                "processes": processes,
                "ended": str(ended.ending),
            }
        )
    if not processes:
        raise Refusal(_NOBODY)
    if not as_json:
        kept = counted(ended.calls, "call", "calls")
        of = counted(processes, "process", "processes")
        print_line(f"Recorded {kept} of {of} in {file}: {_ENDINGS[ended.ending]}.")
    if ended.dropped:
        dropped = counted(ended.dropped, "call was", "calls were")
        note(f"{dropped} dropped: more at once than could be written.")
    if ended.ending == "disk":
        raise Refusal(f"{file}: the disk is full, so the recording ended early")
