"""A wall clock for one process, which can be set while it runs.

libfaketime would do, but it also stands in front of every timed wait of a process, and its locks
there held up answers for seconds on a busy machine.
"""

import subprocess
from pathlib import Path
from struct import pack

from tests.machine import require

_SOURCE = Path(__file__).with_name("clock.c")


def faked(clock: Path) -> dict[str, str]:
    """The variables of a process whose clock differs by what the file says, as ``set_clock``."""
    library = clock.with_suffix(".so")
    subprocess.run(
        [require("gcc", "cc"), "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True
    )
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(clock)}


def set_clock(file: Path, seconds: int) -> None:
    """Set the clock of who has this file, so many seconds ahead or, below 0, behind."""
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(pack("=q", seconds))
