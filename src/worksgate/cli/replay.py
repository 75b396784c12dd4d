"""``worksgate replay``: send a recording to another version, and compare the answers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worksgate.cli.options import Duration, json_option
from worksgate.cli.printing import counted, note, print_json, print_line, print_table, progress_bar
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import run

if TYPE_CHECKING:
    from worksgate.conformance.recording.comparison import Report

_FASTEST = "max"


class Speed(click.ParamType[float]):
    """A factor of the recorded pace; 0 is as fast as possible."""

    name = "FACTOR"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if value == _FASTEST:
            return 0.0
        try:
            factor = float(value)
        except ValueError:
            factor = 0.0
        if not 0.01 <= factor <= 10_000:
            self.fail(f"{value!r} is neither a factor such as 1 or 60 nor max", param, ctx)
        return factor


@click.command("replay")
@click.argument(
    "files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE..."
)
@click.argument("url")
@click.option(
    "--stand-ins",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file with the test clients and test people of the target.",
)
@click.option(
    "--speed",
    type=Speed(),
    default=1.0,
    show_default=True,
    help="How many times as fast as recorded, or max: as fast as possible.",
)
@click.option(
    "--patience",
    type=Duration(),
    default=120.0,
    show_default="2m",
    help="How long a call may wait for a code or a token to expire.",
)
@json_option
def replay(
    *,
    files: tuple[Path, ...],
    url: str,
    stand_ins: Path,
    speed: float,
    patience: float,
    as_json: bool,
) -> None:
    """Send the calls of a recording to another server.

    Of several machines that were recorded at the same time, give all FILEs: their calls are sent in
    the order of their times.

    URL is the address of a test installation, of a new version or of another implementation. A
    recording has no secrets, so the calls are re-enacted with the clients and people of --stand-ins
    and with codes of new sign-ins, in the recorded order. Compared are status, members, types,
    errors and times. The exit code is 1 if anything is different, or nothing could be replayed.
    """
    report = _replayed(files, url, stand_ins, speed or None, patience)
    if as_json:
        print_json(_document(report))
    else:
        _print(report)
    if not report.is_same:
        sys.exit(1)


def _replayed(
    files: tuple[Path, ...], url: str, stand_ins: Path, speed: float | None, patience: float
) -> "Report":
    from worksgate.conformance.recording.file import BadRecording, Recording
    from worksgate.conformance.recording.replaying import Replay
    from worksgate.conformance.recording.stand_ins import BadStandIns, StandIns
    from worksgate.conformance.recording.wire import NoAnswer

    try:
        recording = Recording.merged([Recording.read(file) for file in files])
        actors = StandIns.read(stand_ins)
    except (BadRecording, BadStandIns) as bad:
        raise Refusal(str(bad)) from None
    with progress_bar("Replaying", len(recording.calls)) as progress:
        try:
            replay = Replay(
                recording, url, actors, speed=speed, patience=patience, progress=progress
            )
        except ValueError:
            raise click.UsageError("URL must be http://… or https://…") from None
        try:
            return run(replay.run())
        except NoAnswer as silence:
            raise Refusal(f"the target does not answer: {silence}") from None


def _print(report: "Report") -> None:
    left_out = report.not_replayed.total()
    print_line(
        f"{report.same} of {counted(report.calls, 'call was', 'calls were')} answered the same, "
        f"{report.different} differently; {left_out} were not replayed."
    )
    if report.differences:
        print_line()
        rows = [
            (each.kind, each.what, each.recorded, each.now, count, ", ".join(report.lines[each]))
            for each, count in report.differences.most_common()
        ]
        print_table(("Call", "What", "Recorded", "Now", "Calls", "Lines"), rows)
    if left_out:
        print_line()
        not_replayed = [(str(why), count) for why, count in report.not_replayed.most_common()]
        print_table(("Not replayed", "Calls"), not_replayed)
    if report.failed_sign_ins:
        print_line()
        print_table(("Sign-ins that failed", "Times"), report.failed_sign_ins.most_common())
    if report.times:
        print_line()
        print_table(
            ("Call", "Calls", "Median before", "Median now", "99 % before", "99 % now"),
            [(kind, *_milliseconds(times)) for kind, times in _times(report).items()],
        )
    _print_notes(report)


def _print_notes(report: "Report") -> None:
    note(
        f"{counted(report.sign_ins, 'sign-in', 'sign-ins')} re-enacted, not compared; "
        f"{report.recorded_seconds:.1f} s of recording took {report.seconds:.1f} s."
    )
    if not report.is_whole:
        note("A recording has no end: its last calls may be missing.")
    if report.dropped:
        note(f"{counted(report.dropped, 'call is', 'calls are')} missing in the recording.")


def _milliseconds(times: dict[str, Any]) -> tuple[object, ...]:
    shown = [f"{times[name]:.1f} ms" for name in list(times)[1:]]
    return times["calls"], *shown


def _times(report: "Report") -> dict[str, dict[str, Any]]:
    from worksgate.conformance.recording.comparison import percentile

    return {
        str(kind): {
            "calls": len(each.now),
            "median_before_ms": round(percentile(each.recorded, 0.5) * 1000, 2),
            "median_now_ms": round(percentile(each.now, 0.5) * 1000, 2),
            "p99_before_ms": round(percentile(each.recorded, 0.99) * 1000, 2),
            "p99_now_ms": round(percentile(each.now, 0.99) * 1000, 2),
        }
        for kind, each in sorted(report.times.items())
    }


def _document(report: "Report") -> dict[str, Any]:
    return {
        "calls": report.calls,
        "same": report.same,
        "different": report.different,
        "not_replayed": {str(why): count for why, count in report.not_replayed.items()},
        "differences": [
            {
                "call": str(each.kind),
                "what": each.what,
                "recorded": each.recorded,
                "now": each.now,
                "calls": count,
                "lines": report.lines[each],
            }
            for each, count in report.differences.most_common()
        ],
        "sign_ins": report.sign_ins,
        "failed_sign_ins": dict(report.failed_sign_ins),
        "people": report.people,
        "times": _times(report),
        "seconds": round(report.seconds, 3),
        "recorded_seconds": round(report.recorded_seconds, 3),
        "recording_has_its_end": report.is_whole,
        "dropped": report.dropped,
    }
