"""From ``worksgate.toml``, the environment and the command line to ``Settings``.

The command line overrides ``WORKSGATE_*`` variables, and those override the file.
``WORKSGATE_X_FILE`` names a file that contains the value of ``WORKSGATE_X``, for secrets that are
mounted as files. Reading is strict: an unknown key or an invalid value prevents the start, and all
problems are reported at once, each with its location. No message contains a value that could be a
secret.
"""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

from worksgate.settings.checks import LOOPBACK_HOSTS, database_url_from
from worksgate.settings.contradictions import contradictions
from worksgate.settings.options import FIELDS, Origins, Settings
from worksgate.settings.source_tables import VARIABLE_PREFIX as SOURCE_PREFIX
from worksgate.settings.source_tables import problems_of, read_sources
from worksgate.settings.sources import SourceSettings
from worksgate.settings.types import NO_SUCH_FILE, parsed, secret_of, text_of, typed

FILE_NAME = "worksgate.toml"
PREFIX = "WORKSGATE_"
SYSTEM_FILE = Path("/etc/worksgate") / FILE_NAME
"""Read if no other file is named and ``FILE_NAME`` is not in the working folder."""
CONFIG_VARIABLE = "WORKSGATE_CONFIG"
"""Names the file if ``--config`` does not."""
TOKEN_VARIABLE = "WORKSGATE_DEPLOYER_TOKEN"  # the name of a variable
"""Has the token for ``worksgate client apply --to``."""
_NO_SETTINGS = (CONFIG_VARIABLE, TOKEN_VARIABLE)

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Set by systemd for units with ``LoadCredential=``."""
MASTER_KEYS = ("master_key", "previous_master_key")
_FILES = (*(f"{name}_file" for name in MASTER_KEYS), "outgoing_ca_file")
_NO_SECTIONS = "the only section is [[source]]; write the settings at the top level"
_SERVICE_LINK = re.compile(r"WORKSGATE_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))")
_SERVICE_LINKS_HINT = (
    'Kubernetes sets this for a service named "worksgate"; disable it with '
    "enableServiceLinks: false"
)


class ConfigurationError(Exception):
    """The settings cannot be used; ``problems`` has one sentence for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class _Setting:
    """A value that was given, and where."""

    value: Any = field(repr=False)
    origin: str


@dataclass(slots=True)
class _Reading:
    """The values read so far; a later value replaces an earlier one."""

    found: dict[str, _Setting] = field(default_factory=dict)
    file: str = ""
    sources: tuple[SourceSettings, ...] = ()
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, origin: str, read: Callable[[], Any]) -> None:
        try:
            self.found[name] = _Setting(read(), origin)
        except ValueError as problem:
            self.problems.append(f"{origin}: {problem}")

    def check(self, name: str, value: Any) -> Any:
        """Return the value after its check, perhaps normalized."""
        check = FIELDS[name].metadata["check"] if name in FIELDS else None
        try:
            return check(value) if check else value
        except ValueError as problem:
            self.blame(name, str(problem))
        return value

    def blame(self, name: str, problem: str) -> None:
        origin = self.found[name].origin if name in self.found else name
        self.problems.append(f"{origin}: {problem}")


def load(
    file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> Settings:
    """The settings of an installation, checked.

    ``file`` is the value of ``--config``; ``file_to_read`` defines the default. ``overrides`` are
    options of the command line by the setting's name; None means that the option was not given.
    Raises ConfigurationError.
    """
    to_read = file_to_read(file, environ)
    reading = _Reading(file="" if to_read is None else str(to_read.absolute()))
    _read_file(to_read, environ, reading)
    _read_environment(environ, reading)
    _read_overrides(overrides, reading)
    _read_credentials(environ, reading)
    return _settings(reading)


def checked(settings: Settings) -> Settings:
    """Check settings that a program has made like those of a file; some are normalized.

    Raises ConfigurationError.
    """
    reading = _Reading()
    for name in FIELDS:
        reading.add(name, name, partial(typed, FIELDS[name].type, getattr(settings, name)))
    reading.sources, reading.file = settings.sources, settings.origins.file
    reading.problems += (f"sources: {problem}" for problem in problems_of(settings.sources))
    return _settings(reading)


def _settings(reading: _Reading) -> Settings:
    """The values read, with defaults for the rest. Raises ConfigurationError."""
    _read_key_files(reading)
    values = {
        name: reading.check(name, reading.found[name].value if name in reading.found else default)
        for name, default in _defaults(reading).items()
    }
    origins = Origins(reading.file, {name: each.origin for name, each in reading.found.items()})
    settings = Settings(**values, sources=reading.sources, origins=origins)
    if not reading.problems:
        for name, problem in contradictions(settings):
            reading.blame(name, problem)
    if reading.problems:
        raise ConfigurationError(reading.problems)
    return settings


def _defaults(reading: _Reading) -> dict[str, Any]:
    """The defaults; the public address follows the port."""
    defaults = {name: each.default for name, each in FIELDS.items()}
    host, port = (
        reading.found[name].value if name in reading.found else defaults[name]
        for name in ("host", "port")
    )
    name = host if host in LOOPBACK_HOSTS else "127.0.0.1"
    if port in range(1, 65_536):
        defaults["public_url"] = f"http://{f'[{name}]' if ':' in name else name}:{port}"
    return defaults


# Where values come from


def file_to_read(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that ``--config`` or ``WORKSGATE_CONFIG`` names, whether it exists or not.

    Otherwise ``./worksgate.toml`` or ``/etc/worksgate/worksgate.toml``, if it exists, or None. A
    working folder that this user may not read, such as the home of the user who called sudo, is
    skipped; its file is returned only if the other one does not exist either.
    """
    if file is not None:
        return file
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    places = (Path(FILE_NAME), SYSTEM_FILE)
    for wanted in (_Sight.THERE, _Sight.HIDDEN):
        for place in places:
            if _seen(place) is wanted:
                return place
    return None


class _Sight(Enum):
    """What can be found out about a file."""

    THERE = auto()
    ABSENT = auto()
    HIDDEN = auto()
    """Its folder is not readable: the file is reported, not silently replaced by defaults."""


def _seen(file: Path) -> _Sight:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _Sight.ABSENT
    except OSError:
        return _Sight.HIDDEN
    return _Sight.THERE


def _read_file(file: Path | None, environ: Mapping[str, str], reading: _Reading) -> None:
    try:
        table = {} if file is None else tomllib.loads(text_of(file))
    except ValueError as problem:  # also invalid TOML or UTF-8
        reading.problems.append(f"{file}: {problem}{_hint_at_quotes(str(problem))}")
        return
    reading.sources, problems = read_sources(
        table.pop("source", []), str(file), environ, settings=FIELDS
    )
    reading.problems += problems
    folder = Path() if file is None else file.parent.resolve()
    for key, value in table.items():
        origin = f"{file}: {key}"
        if key in FIELDS:
            reading.add(key, origin, partial(_from_file, folder, key, value))
        else:
            reading.problems.append(f"{file}: {_unknown_key(key, value)}")


def _hint_at_quotes(problem: str) -> str:
    """A hint for text that had not ended when its line, or the file, did."""
    beginnings = ("Illegal character '\\n'", "Unterminated string", 'Expected "\'"')
    return "; is a closing quotation mark missing?" if problem.startswith(beginnings) else ""


def _from_file(folder: Path, name: str, value: object) -> Any:
    """Resolve a value of a settings file in this folder, whatever the working folder is."""
    known = typed(FIELDS[name].type, value)
    if name == "database_url":
        return database_url_from(folder, known)
    return str(folder / known) if name in _FILES and known else known


def _read_environment(environ: Mapping[str, str], reading: _Reading) -> None:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NO_SETTINGS:
            continue
        if variable.startswith(SOURCE_PREFIX):  # read with the tables
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in FIELDS:
            reading.add(name, variable, partial(_from_variable, name, environ[variable]))
        elif (name := name.removesuffix("_file")) in FIELDS and variable.endswith("_FILE"):
            _read_secret_file(name, variable, environ, reading)
        else:
            reading.problems.append(_unknown_variable(variable))


def _read_secret_file(
    name: str, variable: str, environ: Mapping[str, str], reading: _Reading
) -> None:
    if variable.removesuffix("_FILE") in environ:
        other = variable.removesuffix("_FILE")
        reading.problems.append(f"{variable}: {other} is set as well; remove one of them")
        return
    file = Path(environ[variable])
    reading.add(name, variable, lambda: _from_variable(name, secret_of(file)))


def _read_credentials(environ: Mapping[str, str], reading: _Reading) -> None:
    """Master keys from systemd credentials, unless something else says where they are."""
    folder = environ.get(CREDENTIALS_VARIABLE)
    for name in MASTER_KEYS if folder else ():
        file = Path(folder or "", name)
        named = any(each in reading.found for each in (name, f"{name}_file"))
        if not named and file.is_file():
            reading.add(name, str(file), partial(secret_of, file))


def _read_key_files(reading: _Reading) -> None:
    """Read the master keys that are given as files, not as values."""
    for name in MASTER_KEYS:
        file, key = (reading.found.get(each) for each in (f"{name}_file", name))
        if file is not None and file.value and not (key is not None and key.value):
            reading.add(name, file.origin, partial(_key_of, Path(file.value), name))


def _key_of(file: Path, name: str) -> str:
    """The content of a key file. If the current key is missing, the message says how to get one."""
    try:
        return secret_of(file)
    except ValueError as problem:
        if name != "master_key" or str(problem) != NO_SUCH_FILE:
            raise
        raise ValueError(
            f"{problem}; put your copy of the master key there, or, if there is none, create a "
            f"new one: worksgate key new {shlex.quote(str(file))}"
        ) from None


def _from_variable(name: str, text: str) -> Any:
    if name == "port" and text.startswith("tcp://"):
        raise ValueError(_SERVICE_LINKS_HINT)
    return parsed(FIELDS[name].type, text)


def _read_overrides(overrides: Mapping[str, object], reading: _Reading) -> None:
    for name, value in overrides.items():
        if value is not None:
            option = "--" + name.replace("_", "-")
            reading.add(name, option, partial(typed, FIELDS[name].type, value))


def _unknown_key(key: str, value: object) -> str:
    if isinstance(value, dict):
        return f"[{key}]: {_NO_SECTIONS}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return f"[[{key}]]: {_NO_SECTIONS}"
    return f"{key}: there is no such setting{_near_miss(key.replace('-', '_'), FIELDS)}"


def _unknown_variable(variable: str) -> str:
    if _SERVICE_LINK.match(variable):
        return f"{variable}: {_SERVICE_LINKS_HINT}"
    known = [PREFIX + name.upper() for name in FIELDS]
    known += [f"{name}_FILE" for name in known]
    return f"{variable}: there is no such setting{_near_miss(variable, [*known, CONFIG_VARIABLE])}"


def _near_miss(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1, 0.7)
    return f"; did you mean {close[0]}?" if close else ""
