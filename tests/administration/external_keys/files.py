"""LINE WORKS's file in every form, and people here, for tests of external keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worksgate.administration.external_keys.console_file import (
    ConsoleFile,
    FileChoices,
    read_console_file,
)
from worksgate.administration.external_keys.holders import KeyHolder

HEADER = ("Name", "ID", "Team", "External Key")


def holder(username: str, key: str | None = None, **values: Any) -> KeyHolder:
    """Somebody here, whose LINE WORKS account is their username."""
    known: dict[str, Any] = {"works_account": username, **values}
    return KeyHolder(username=username, external_key=key, **known)


@dataclass(frozen=True)
class Form:
    """What LINE WORKS does not document: how its file is written."""

    codec: str = "utf-8"
    mark: bytes = b""
    delimiter: str = ","
    line_end: str = "\r\n"
    has_last_end: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell, in quotation marks or not, if it can do without."""

    value: str
    is_quoted: bool = False

    def written(self, delimiter: str) -> str:
        if self.is_quoted or any(each in self.value for each in ('"', "\r", "\n", delimiter)):
            return '"' + self.value.replace('"', '""') + '"'
        return self.value


@dataclass(frozen=True)
class Table:
    """A file before it is written."""

    rows: Sequence[Sequence[Cell]]
    form: Form = field(default_factory=Form)

    def data(self) -> bytes:
        form = self.form
        lines = [
            form.delimiter.join(each.written(form.delimiter) for each in row) for row in self.rows
        ]
        text = form.line_end.join(lines) + form.line_end * form.has_last_end
        return form.mark + text.encode(form.codec)


def read(data: bytes | str, people: Sequence[KeyHolder], **choices: Any) -> ConsoleFile:
    data = data.encode() if isinstance(data, str) else data
    return read_console_file(data, people, FileChoices(**choices))
