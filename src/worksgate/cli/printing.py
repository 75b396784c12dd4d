"""Output of commands: JSON, tables and facts, safe for terminals and complete in pipes.

Control characters are escaped: a name that somebody typed into a login form must not move the
administrator's cursor. Secrets and addresses are never wrapped or truncated.
"""

import json
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from worksgate.observability.log import escape

_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def print_json(document: object) -> None:
    """Write one JSON document and a newline to standard output."""
    print_line(json.dumps(document, ensure_ascii=False, indent=2), multiline=True)


def print_json_list(documents: Iterable[object]) -> None:
    """Write them as ``print_json`` would a list, one after the other: there may be 100,000."""
    before = "[\n"
    for each in documents:
        lines = json.dumps(each, ensure_ascii=False, indent=2).split("\n")
        sys.stdout.write(before + "\n".join(f"  {escape(line)}" for line in lines))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def print_line(text: str = "", *, multiline: bool = False) -> None:
    """Write a line to standard output, never wrapped."""
    lines = text.split("\n") if multiline else [text]
    sys.stdout.write("".join(f"{escape(line)}\n" for line in lines))


def note(text: str) -> None:
    """Print a note that is not part of the result, on standard error."""
    sys.stderr.write(f"{escape(text)}\n")


def print_facts(facts: Mapping[str, str]) -> None:
    """Write a name and a value on a line, aligned and indented."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        print_line(f"  {name:<{width}}  {value}".rstrip())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Collection[str] = ()
) -> None:
    """Write a table: drawn on a terminal; in a pipe, lines with tabs between the cells.

    On a terminal, empty columns are omitted, and the columns of ``whole`` and words of headings are
    never broken: if the columns do not fit, each row becomes a block of lines.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [[column.lower() for column in columns], *cells]:
            sys.stdout.write("\t".join(line) + "\n")
        return
    used = [number for number in range(len(columns)) if any(line[number] for line in cells)]
    if not _fits(columns, cells, used, whole):
        for line in cells:
            facts = [f"{columns[each].lower()} {line[each]}" for each in used[1:] if line[each]]
            print_packed(line[used[0]], facts)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for number in used:
        table.add_column(
            columns[number],
            overflow="fold",
            no_wrap=columns[number] in whole,
            min_width=_longest_word(columns[number]),
        )
    for line in cells:
        table.add_row(*(Text(line[number] or "-") for number in used))
    Console(highlight=False).print(table)


def _fits(
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    used: Sequence[int],
    whole: Collection[str],
) -> bool:
    """Whether a terminal is wide enough for these columns."""
    from rich.cells import cell_len

    widths = [
        max(map(cell_len, (columns[each], *(line[each] for line in cells))))
        if columns[each] in whole
        else _longest_word(columns[each])
        for each in used
    ]
    return sum(widths) + 3 * len(widths) <= shutil.get_terminal_size().columns


def _longest_word(heading: str) -> int:
    return max(map(len, heading.split()))


def print_packed(beginning: str, items: Iterable[str]) -> None:
    """Write items side by side, as many per line as the terminal's width allows; none is broken.

    Continuation lines are indented.
    """
    from rich.cells import cell_len

    width = shutil.get_terminal_size().columns
    line = escape(beginning)
    for item in map(escape, items):
        if cell_len(line) + 2 + cell_len(item) > width:
            print_line(line)
            line = " " * 8
        line += f"  {item}"
    print_line(line)


@contextmanager
def progress_bar(doing: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal.

    Yields a function that takes the number of items done.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda done: progress.update(task, completed=done)


def as_document(value: Any, hidden: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a frozen value, ready for JSON: times in ISO 8601, enumerations as text."""
    is_struct = not is_dataclass(value)
    names = value.__struct_fields__ if is_struct else [each.name for each in fields(value)]
    return {name: _plain(name, getattr(value, name)) for name in names if name not in set(hidden)}


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many}"


def local_time(seconds: float | None) -> str | None:
    """A time for people, to the second, in this machine's time zone (TZ), with its name."""
    if seconds is None:
        return None
    return str(datetime.fromtimestamp(int(seconds), UTC).astimezone())


def iso(seconds: float | None) -> str | None:
    """A time in UTC for programs, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(number: int) -> str:
    """A duration with its unit, plus a larger unit if it is a whole number of those."""
    for length, name in _SPANS:
        count = number // length
        if count and not number % length:
            return f"{number} s ({count} {name}{'s' * (count > 1)})"
    return f"{number} s"


def _plain(name: str, value: Any) -> Any:
    if name == "at" or name.endswith("_at"):
        return iso(value)
    if isinstance(value, tuple):
        return [_plain("", item) for item in value]
    return str(value) if isinstance(value, str) else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))
