"""The reference page of the settings, and the file that ``init`` writes.

``python -m worksgate.settings.reference docs/settings.md`` rewrites the reference on that page.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from worksgate.settings.options import FIELDS
from worksgate.settings.sources import SOURCE_TYPES, SourceSettings
from worksgate.settings.types import type_name

_BEGIN, _END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


def reference() -> str:
    """All settings as Markdown tables, by group, as in ``docs/settings.md``."""
    groups = [
        _section(f"### {title}", [FIELDS[name] for name in names]) for title, names in _groups()
    ]
    sources = [
        _section(f'### `[[source]]` with `type = "{name}"`\n\n{kind.about}', fields(kind))
        for name, kind in SOURCE_TYPES.items()
    ]
    return "\n".join(groups + sources)


def template(values: Mapping[str, Any]) -> str:
    """A ``worksgate.toml`` with these values; every other option is a comment with its default."""
    lines = [
        "# The settings of this Worksgate. What is commented out has the value that is shown.",
        "# Read at the start and at SIGHUP; a variable, such as WORKSGATE_PORT, wins over it.",
    ]
    for title, names in _groups():
        lines += ["", f"# === {title} ==="]
        for name in names:
            mark = "" if name in values else "# "
            value = _toml(values.get(name, FIELDS[name].default))
            lines += ["", f"# {FIELDS[name].metadata['doc']}", f"{mark}{name} = {value}"]
    return "\n".join([*lines, *_example_sources()]) + "\n"


def source_table(source: SourceSettings) -> str:
    """The table of a source as in the settings file, without defaults; secrets are not shown."""
    lines = ["[[source]]", f"type = {_toml(source.type)}"]
    for each in fields(source):
        value = getattr(source, each.name)
        if value == each.default:
            continue
        is_secret = not each.repr
        lines.append(
            f'{each.name}_file = "/etc/worksgate/…"  # the secret is not shown'
            if is_secret
            else f"{each.name} = {_toml(value)}"
        )
    return "\n".join(lines) + "\n"


def example_table(kind: type[SourceSettings]) -> str:
    """A table of this type of source with its required fields, to be filled in."""
    lines = ["[[source]]", f"type = {_toml(kind.type)}"]
    lines += [f"{name} = {_toml(value)}" for name, value in kind.example.items()]
    return "\n".join(lines) + "\n"


def _example_sources() -> Iterator[str]:
    """A commented table for each type of source, with its required fields."""
    yield from ("", "# === Identity sources: these tables stay at the end of the file ===")
    for name, kind in SOURCE_TYPES.items():
        yield from ("", f"# {kind.about}", "#", "# [[source]]", f'#   type = "{name}"')
        yield from (f"#   {key} = {_toml(value)}" for key, value in kind.example.items())


def rewrite_reference(page: Path) -> None:
    """Replace the reference between the two marks of a page."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{reference()}\n{_END}{after}", "utf-8")


def _groups() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The settings in the order in which ``Settings`` has them, group by group."""
    for title, members in groupby(FIELDS, lambda name: str(FIELDS[name].metadata["group"])):
        yield title, tuple(members)


def _section(head: str, members: Iterable[Field[Any]]) -> str:
    rows = [
        f"| `{each.name}` | {type_name(each.type)} | {_shown(each.default)} | {_cell(each)} |\n"
        for each in members
    ]
    line = "| Setting | Type | Default | What it does |\n|---|---|---|---|\n"
    return f"{head}\n\n{line}{''.join(rows)}"


def _shown(default: object) -> str:
    return "(empty)" if default in ("", (), None) else f"`{_toml(default)}`"


def _cell(each: Field[Any]) -> str:
    return str(each.metadata["doc"]).replace("|", "\\|")


def _toml(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    rewrite_reference(Path(sys.argv[1]))
