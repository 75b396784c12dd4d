"""A clock for one process, which can be set while it runs (libfaketime)."""

from pathlib import Path

from tests.machine import require_file


def faked(clock: Path) -> dict[str, str]:
    """The variables of a process whose clock differs by what the file says, as ``set_clock``."""
    library = require_file("/usr/lib", "*/faketime/libfaketime.so.1", "libfaketime")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(file: Path, offset: str) -> None:
    """``offset`` as libfaketime has it, such as ``+90s``.

    It is put in place whole: libfaketime ends the process that finds the file empty.
    """
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(f"{offset}\n", "utf-8")
    draft.replace(file)
