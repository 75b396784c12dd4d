"""Temporary files in memory, where there is enough of it.

Hundreds of thousands of commits wait for a disk otherwise. No test cuts the power of the machine,
so none needs one. ``TMPDIR`` says where the files shall be instead.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

_IN_MEMORY = Path("/dev/shm")  # each makes a folder of its own in it
_ENOUGH = 6 * 1024**3
"""Bytes: several processes, each with a PostgreSQL or two."""


def keep_in_memory(folder: Path = _IN_MEMORY, enough: int = _ENOUGH) -> bool:
    """Let this process and its children make temporary files in memory; whether they do."""
    if "TMPDIR" in os.environ or not os.access(folder, os.W_OK | os.X_OK):
        return False
    if min(shutil.disk_usage(folder).free, _available()) < enough:
        return False
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return True


def _available() -> int:
    """Bytes of memory that programs can still get."""
    try:
        text = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        return 0
    found = re.search(r"^MemAvailable: +(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
