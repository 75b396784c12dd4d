"""The settings of a company's own function or class as an identity source."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from worksgate.settings.field import option
from worksgate.settings.sources.common import MAX_TIMEOUT, SourceSettings

_NAME = r"[^\W\d]\w*"
_FUNCTION = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSettings(SourceSettings):
    """Where the function or class is, and how long it may take."""

    type: ClassVar[str] = "python"
    about: ClassVar[str] = (
        "A function of your own, plain or async, that takes a username and a password and "
        "returns the person; or a class with such a method, `authenticate`, and optionally "
        "`find`, which is instantiated once."
    )
    example: ClassVar[Mapping[str, object]] = {
        "name": "company",
        "function": "company_sso:authenticate",
    }

    function: str = option(
        "",
        "Its import path: package.module:name. The module must be importable: installed next "
        "to Worksgate, or in a folder of PYTHONPATH.",
    )
    timeout: float = option(
        2.0, "Seconds that a call may take; after that the source is considered down."
    )
    threads: int = option(8, "How many calls of a plain function may run concurrently.")

    def problems(self) -> Iterator[str]:
        """Return what is wrong with the values."""
        if not self.function:
            yield "function: is missing"
        elif not _FUNCTION.fullmatch(self.function):
            yield "function: must look like package.module:name"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield f"timeout: must be more than 0 and at most {MAX_TIMEOUT:g}"
        if not 1 <= self.threads <= 256:
            yield "threads: must be between 1 and 256"
