"""The file of a backup: a gzipped tar of two members, and encryption around it if it is wanted.

The first member, ``manifest.json``, tells what the second, the database, must turn out to be. Both
are read as a stream and by our own names: nothing of the file decides where anything is written.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Final

from worksgate.backup import BackupError, Progress
from worksgate.backup.age import MAGIC, Decrypting, Encrypting

FORMAT: Final = 1
_MANIFEST = "manifest.json"
_DATABASE = "database"
_LARGEST_MANIFEST = 1024 * 1024
_CHUNK = 1024 * 1024
_COMPRESSION = 6

_DAMAGED = "the backup is damaged: it was cut or altered"
_NO_BACKUP = "the file is no backup that Worksgate has written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    ``database`` is ``sqlite`` or ``postgresql``, ``created_at`` in seconds since the epoch,
    ``rows`` how many rows each table has; ``size`` (bytes) and ``sha256`` are those of the
    database within the backup.
    """

    format: int = FORMAT
    database: str
    revision: str
    version: str
    created_at: float
    rows: Mapping[str, int]
    size: int
    sha256: str


def pack(
    database: Path,
    manifest: Manifest,
    file: Path,
    *,
    passphrase: bytes | None,
    replace: bool,
    progress: Progress,
) -> None:
    """Write a backup, readable by its owner alone, in one step as others see it.

    Raises BackupError where the file exists and is not to be replaced, or OSError.
    """
    beside = file.with_name(f".{file.name}.{token_hex(4)}")
    try:
        with _new_file(beside) as out:
            with ExitStack() as stack:
                inner: Any = out
                if passphrase is not None:
                    inner = stack.enter_context(Encrypting(out, passphrase))
                packed = stack.enter_context(gzip.GzipFile("", "wb", _COMPRESSION, inner, mtime=0))
                _write_members(packed, database, manifest, progress)
            out.flush()
            os.fsync(out.fileno())
        put_in_place(beside, file, replace=replace)
    finally:
        beside.unlink(missing_ok=True)


def unpack(file: Path, to: Path, *, passphrase: bytes | None, progress: Progress) -> Manifest:
    """Check a backup to its last byte, and write its database to a new file of its owner's alone.

    Raises BackupError, or OSError; what was written so far is then removed.
    """
    try:
        with file.open("rb") as source, _reading(source, passphrase) as packed:
            with tarfile.open(fileobj=packed, mode="r|") as archive:
                manifest = _read_manifest(archive)
                _extract(archive, manifest, to, progress)
            while packed.read(_CHUNK):  # only what was read to its end is known to be whole
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError):
        to.unlink(missing_ok=True)
        raise BackupError(_DAMAGED) from None
    except BaseException:
        to.unlink(missing_ok=True)
        raise
    return manifest


def check_is_free(file: Path, *, replace: bool) -> None:
    """Raise BackupError where something is there that is not to be replaced."""
    if file.exists() and not replace:
        raise BackupError(f"{file} exists; --force replaces it")


def measured(database: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a file."""
    with database.open("rb") as data:
        return database.stat().st_size, hashlib.file_digest(data, "sha256").hexdigest()


def put_in_place(beside: Path, file: Path, *, replace: bool) -> None:
    """Give a whole file its name, durably. Raises BackupError where the name is taken."""
    if replace:
        beside.replace(file)
    else:
        try:
            os.link(beside, file)  # unlike a rename it fails where something is there
        except FileExistsError:
            raise BackupError(f"{file} exists; --force replaces it") from None
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder as durable as the files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_file(path: Path) -> BinaryIO:
    """A file to write that was not there, readable by its owner alone."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def _write_members(
    packed: gzip.GzipFile, database: Path, manifest: Manifest, progress: Progress
) -> None:
    text = json.dumps(asdict(manifest), indent=2).encode()
    with tarfile.open(fileobj=packed, mode="w|") as archive:
        archive.addfile(_member(_MANIFEST, len(text)), io.BytesIO(text))
        with database.open("rb") as data:
            watched = _Watched(data, manifest.size, progress)
            archive.addfile(_member(_DATABASE, manifest.size), watched)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Watched(io.RawIOBase):
    """A file that tells how much of it has been read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file, self._size, self._progress, self._done = file, max(size, 1), progress, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        self._progress(self._done * 100 // self._size)
        return data


@contextmanager
def _reading(source: BinaryIO, passphrase: bytes | None) -> Iterator[gzip.GzipFile]:
    """The packed members, decrypted where they are encrypted."""
    beginning = source.read(len(MAGIC))
    source.seek(0)
    inner: Any = source
    if beginning == MAGIC:
        if passphrase is None:
            raise BackupError("the backup is encrypted: give its passphrase by --passphrase-file")
        inner = Decrypting(source, passphrase)
    elif beginning[:2] != b"\x1f\x8b":
        raise BackupError(_NO_BACKUP)
    elif passphrase is not None:
        # Somebody could have put a backup of their own in the place of the encrypted one.
        raise BackupError("the backup is not encrypted; if you trust it, give no passphrase")
    with gzip.GzipFile(fileobj=inner, mode="rb") as packed:
        yield packed


def _read_manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    data = None if member is None or not member.isfile() else archive.extractfile(member)
    if member is None or data is None or member.name != _MANIFEST:
        raise BackupError(_NO_BACKUP)
    if member.size > _LARGEST_MANIFEST:
        raise BackupError(_DAMAGED)
    try:
        values = json.loads(data.read())
        if values["format"] != FORMAT:
            raise BackupError(
                f"the backup has format {values['format']}, which this version does not know"
            )
        return Manifest(**values)
    except (ValueError, TypeError, KeyError):
        raise BackupError(_DAMAGED) from None


def _extract(archive: tarfile.TarFile, manifest: Manifest, to: Path, progress: Progress) -> None:
    member = archive.next()
    data = None if member is None or not member.isfile() else archive.extractfile(member)
    if member is None or data is None or (member.name, member.size) != (_DATABASE, manifest.size):
        raise BackupError(_DAMAGED)
    digest, done = hashlib.sha256(), 0
    with _new_file(to) as out:
        while chunk := data.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
            done += len(chunk)
            progress(done * 100 // max(manifest.size, 1))
        out.flush()
        os.fsync(out.fileno())
    if (done, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise BackupError(_DAMAGED)
