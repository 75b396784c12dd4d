"""The file of a master key: created once, for its owner only, and never replaced."""

import os
from pathlib import Path

from worksgate.cli.refusals import Refusal
from worksgate.credentials.master_key import MasterKey


def write_key(file: Path) -> MasterKey:
    """Create a key and write it durably. Raises Refusal if the file exists, or OSError."""
    key = MasterKey.new()
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Refusal(f"{file} exists, and keys are never replaced: choose another file") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(f"{key.text}\n")
        out.flush()
        os.fsync(out.fileno())
    return key
