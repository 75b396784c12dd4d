"""The ``[[source]]`` tables of ``worksgate.toml``.

A secret can be given as a file, by the field's name and ``_file``. A variable,
``WORKSGATE_SOURCE_<NAME>_<FIELD>`` (also with ``_FILE``), overrides the field of the table with
that name; ``-`` becomes ``_``. Each problem is reported with its location:

    worksgate.toml: [[source]] company: bind_dn: must be text
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from worksgate.settings.sources import SOURCE_TYPES, SourceSettings, common_problems
from worksgate.settings.types import parsed, secret_of, typed

VARIABLE_PREFIX = "WORKSGATE_SOURCE_"
MAX_SOURCES = 20


@dataclass(slots=True)
class _Table:
    """One table as it is read: its type, its location, and the values of its fields so far."""

    kind: type[SourceSettings]
    place: str
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def fields(self) -> Mapping[str, Field[Any]]:
        return {each.name: each for each in fields(self.kind)}

    @property
    def variable_prefix(self) -> str | None:
        """Prefix of the variables of this table; None without a usable name."""
        name = self.values.get("name", self.fields["name"].default)
        if not isinstance(name, str):
            return None
        return f"{VARIABLE_PREFIX}{name.upper().replace('-', '_')}_"

    def add(self, name: str, origin: str, read: Callable[[], Any]) -> None:
        self.origins[name] = origin
        try:
            self.values[name] = read()
        except ValueError as problem:
            self.problems.append(f"{origin}: {problem}")

    def made(self) -> SourceSettings | None:
        """The settings of this source, or None if something is wrong; problems are collected."""
        if self.problems:
            return None
        settings = self.kind(**self.values)
        for sentence in _problems_of_one(settings):
            name, _, problem = sentence.partition(": ")
            origin = self.origins.get(name, f"{self.place}: {name}")
            self.problems.append(f"{origin}: {problem}")
        return None if self.problems else settings


def read_sources(
    tables: object, place: str, environ: Mapping[str, str], *, settings: Container[str] = ()
) -> tuple[tuple[SourceSettings, ...], list[str]]:
    """The sources of a settings file, and all problems with them.

    ``tables`` is the value of ``source`` in the file; ``place`` is the file's name, for problems;
    ``settings`` are the names that belong above all tables. Use the sources only if there are no
    problems.
    """
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        return (), [f"{place}: source: write each source as a table under [[source]]"]
    problems: list[str] = []
    read = [_read_table(each, number, place, settings) for number, each in enumerate(tables, 1)]
    opened = [each for each in read if isinstance(each, _Table)]
    problems += [each for each in read if isinstance(each, str)]
    problems += _read_variables(environ, opened)
    made = [(table, table.made()) for table in opened]
    for table, _ in made:
        problems += table.problems
    sources = tuple(source for _, source in made if source is not None)
    problems += (f"{place}: [[source]] {each}" for each in _contradictions(sources))
    return sources, problems


def problems_of(sources: Iterable[SourceSettings]) -> Iterator[str]:
    """Return the problems of sources that a program has made."""
    given = tuple(sources)
    wrong_types = [problem for source in given for problem in _type_problems(source)]
    if wrong_types:
        yield from wrong_types
        return
    for source in given:
        yield from (f"{source.name}: {sentence}" for sentence in _problems_of_one(source))
    yield from _contradictions(given)


def _problems_of_one(source: SourceSettings) -> Iterator[str]:
    yield from common_problems(source)
    yield from source.problems()


def _type_problems(source: SourceSettings) -> Iterator[str]:
    for each in fields(source):
        try:
            typed(each.type, getattr(source, each.name))
        except ValueError as problem:
            yield f"{source.name}: {each.name}: {problem}"


def _contradictions(sources: tuple[SourceSettings, ...]) -> Iterator[str]:
    """Problems of the sources together; each begins with the name of one."""
    if len(sources) > MAX_SOURCES:
        yield f"{sources[-1].name}: there are more than {MAX_SOURCES} sources"
    names = [source.name for source in sources]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: name: another source has the same name"


def _read_table(
    table: Mapping[str, object], number: int, file: str, settings: Container[str]
) -> _Table | str:
    """A table with the fields that the file gives it, or why it cannot be read at all."""
    name = table.get("name", table.get("type"))
    shown = name if isinstance(name, str) and name.isprintable() and name else f"number {number}"
    place = f"{file}: [[source]] {shown}"
    kind = table.get("type")
    if kind is None:
        return f"{place}: type: is missing: {_one_of(SOURCE_TYPES)}"
    if not isinstance(kind, str) or kind not in SOURCE_TYPES:
        hint = _near_miss(kind, SOURCE_TYPES) if isinstance(kind, str) else ""
        return f"{place}: type: must be {_one_of(SOURCE_TYPES)}{hint}"
    read = _Table(SOURCE_TYPES[kind], place)
    for key, value in table.items():
        if key != "type":
            _read_key(key, value, table, read, settings)
    return read


def _read_key(
    key: str, value: object, given: Container[str], table: _Table, settings: Container[str]
) -> None:
    origin, name = f"{table.place}: {key}", key.removesuffix("_file")
    secrets = [each.name for each in table.fields.values() if not each.repr]
    if key in table.fields:
        table.add(key, origin, lambda: typed(table.fields[key].type, value))
    elif key in settings:
        table.problems.append(
            f"{origin}: this is a setting of Worksgate, but below [[source]] TOML takes it for "
            "a field of the source; move it above the first [[source]]"
        )
    elif name not in secrets:
        known = [*table.fields, *(f"{each}_file" for each in secrets), "type"]
        table.problems.append(f"{origin}: there is no such setting{_near_miss(key, known)}")
    elif name in given:
        table.problems.append(f"{origin}: {name} is given as well; remove one of them")
    else:
        table.add(name, origin, lambda: _from_file(value))


def _from_file(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be the name of a file")  # noqa: TRY004  # a problem of the settings
    return secret_of(Path(value))


# Variables


def _read_variables(environ: Mapping[str, str], tables: Iterable[_Table]) -> Iterator[str]:
    """Apply the variables of the environment to the tables; variables of no table are problems."""
    known = {
        f"{table.variable_prefix}{name.upper()}{suffix}": (table, name, suffix)
        for table in tables
        if table.variable_prefix is not None
        for name in table.fields
        for suffix in ("", "_FILE")
        if name != "name"
    }
    for variable in sorted(name for name in environ if name.startswith(VARIABLE_PREFIX)):
        if variable not in known:
            yield f"{variable}: there is no such setting of a source{_near_miss(variable, known)}"
            continue
        table, name, suffix = known[variable]
        if suffix and variable.removesuffix(suffix) in environ:
            other = variable.removesuffix(suffix)
            yield f"{variable}: {other} is set as well; remove one of them"
            continue
        _set_variable(table, name, variable, environ[variable], from_file=bool(suffix))


def _set_variable(table: _Table, name: str, variable: str, text: str, *, from_file: bool) -> None:
    kind = table.fields[name].type
    if from_file:
        table.add(name, variable, lambda: parsed(kind, secret_of(Path(text))))
    else:
        table.add(name, variable, lambda: parsed(kind, text))


def _one_of(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"


def _near_miss(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1, 0.7)
    return f"; did you mean {close[0]}?" if close else ""
