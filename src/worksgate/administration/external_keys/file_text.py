"""The text of a file of LINE WORKS' console, and how it becomes the same bytes again.

Its encoding is not documented. A byte order mark says it; otherwise it is UTF-8, or the only one of
the older encodings in which the file is ordinary text of a language. What is not clear is asked.
"""

import codecs
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from worksgate.administration.external_keys.csv_fields import NotCsv, delimiter_of, records
from worksgate.administration.external_keys.faults import BadMembersFile, FileFault
from worksgate.administration.external_keys.headers import has_known_header
from worksgate.administration.older_encodings import ordinary_text

_OLDER: Final = ("cp932", "cp949", "gb18030")
ENCODINGS: Final = ("utf-8", "utf-16", *_OLDER)
"""What can be chosen."""
_CODECS: Final = {"utf-16": "utf-16-le"}
"""Python's names, where they differ: without a mark, that of Windows."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class FileText:
    """A text without its byte order mark, the codec that it was read with, and the mark."""

    text: str
    codec: str
    mark: bytes = b""

    def encode(self, part: str) -> bytes:
        """A part of a file as bytes, which do not depend on what is around it.

        Raises UnicodeEncodeError.
        """
        return part.encode(self.codec)

    def can_write(self, text: str) -> bool:
        """Whether the encoding has all of these characters."""
        try:
            self.encode(text)
        except UnicodeEncodeError:
            return False
        return True

    def check_exact(self, data: bytes) -> None:
        """That the text makes these very bytes again. Raises BadMembersFile.

        Some characters of the older encodings have a twin: two codes for one character.
        """
        if self.mark + self.encode(self.text) != data:
            raise BadMembersFile(
                FileFault.ENCODING, f"as {self.codec} it cannot be written back unchanged"
            )


def read_text(data: bytes, encoding: str | None = None) -> FileText:
    """The text of a file; ``encoding`` is one of ``ENCODINGS``, and a mark wins over it.

    Raises BadMembersFile.
    """
    if encoding is not None and encoding not in ENCODINGS:
        raise BadMembersFile(FileFault.ENCODING)
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], codec, mark)
    if encoding is not None:
        return _decoded(data, _CODECS.get(encoding, encoding))
    with suppress(UnicodeDecodeError):
        return FileText(_without_nul(data.decode()), "utf-8")
    return _decoded(data, _only_older(data))


def _only_older(data: bytes) -> str:
    """The only older encoding in which this is ordinary text."""
    readings = ((each, ordinary_text(data, each, is_exact=True)) for each in _OLDER)
    fitting = [(each, text) for each, text in readings if text is not None]
    if len(fitting) > 1:
        fitting = [(each, text) for each, text in fitting if _names_its_columns(text)]
    if len(fitting) != 1:
        raise BadMembersFile(FileFault.ENCODING)
    return fitting[0][0]


def _names_its_columns(text: str) -> bool:
    """Whether a column is named in words of the language, not only in ASCII."""
    with suppress(NotCsv):
        first = next(records(text, delimiter_of(text)), None)
        return first is not None and has_known_header([each.value for each in first.fields])
    return False


def _decoded(data: bytes, codec: str, mark: bytes = b"") -> FileText:
    try:
        return FileText(_without_nul(data.decode(codec)), codec, mark)
    except UnicodeDecodeError:
        raise BadMembersFile(FileFault.ENCODING, codec) from None


def _without_nul(text: str) -> str:
    before, nul, _ = text.partition("\0")
    if nul:
        raise BadMembersFile(FileFault.NOT_CSV, str(NotCsv(text, len(before), "there is a NUL")))
    return text
