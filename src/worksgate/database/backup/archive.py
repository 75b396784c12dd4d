"""The file of a backup: a gzipped tar of two members, optionally encrypted.

The first member, ``manifest.json``, describes the second, the database. Both are read as a stream
and under our own names: nothing in the file decides where anything is written, or how much is read
at a time. ``tarfile`` would read extended headers completely, whatever their size, so the two
headers are parsed here, and nothing else is accepted.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from worksgate.database.backup import BackupError, Progress
from worksgate.database.backup.age import MAGIC, Decrypting, Encrypting
from worksgate.database.temporary_files import remove_abandoned, written_beside

FORMAT: Final = 1
_MANIFEST = "manifest.json"
_DATABASE = "database"
_LARGEST_MANIFEST = 1024 * 1024
_CHUNK = 1024 * 1024
_COMPRESSION = 6

_DAMAGED = "the backup is damaged: it was truncated or altered"
_NO_BACKUP = "the file is not a backup written by Worksgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a backup.

    ``database`` is ``sqlite`` or ``postgresql``, ``created_at`` in seconds since the epoch,
    ``rows`` the number of rows per table; ``size`` (bytes) and ``sha256`` are those of the database
    within the backup. ``master_keys`` are the IDs of those that decrypt its secrets.
    """

    format: int = FORMAT
    database: str
    revision: str
    version: str
    created_at: float
    rows: Mapping[str, int]
    size: int
    sha256: str
    master_keys: tuple[str, ...] = ()


def pack(
    database: BinaryIO,
    manifest: Manifest,
    file: Path,
    *,
    passphrase: bytes | None,
    replace: bool,
    progress: Progress,
) -> None:
    """Write a backup atomically, readable by its owner only.

    ``database`` is read from its beginning. Raises BackupError if the file exists and must not be
    replaced, or OSError.
    """
    remove_abandoned(file.parent)
    with written_beside(file) as beside:
        with beside.open("wb") as out:
            with ExitStack() as stack:
                inner: Any = out
                if passphrase is not None:
                    inner = stack.enter_context(Encrypting(out, passphrase))
                packed = stack.enter_context(gzip.GzipFile("", "wb", _COMPRESSION, inner, mtime=0))
                _write_members(packed, database, manifest, progress)
            out.flush()
            os.fsync(out.fileno())
        put_in_place(beside, file, replace=replace)


def unpack(file: Path, to: BinaryIO, *, passphrase: bytes | None, progress: Progress) -> Manifest:
    """Check a backup completely, and write its database to an empty file.

    Raises BackupError, or OSError; the output is then unusable.
    """
    try:
        with file.open("rb") as source, _reading(source, passphrase) as packed:
            manifest = _read_manifest(packed)
            _extract(packed, manifest, to, progress)
            # Padding at the end. Only after the end has been read is it known to be complete.
            if packed.read(2 * tarfile.RECORDSIZE).strip(b"\0") or packed.read(1):
                raise BackupError(_DAMAGED)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BackupError(_DAMAGED) from None
    return manifest


def check_opens(file: Path, *, passphrase: bytes | None) -> None:
    """Raise what ``unpack`` would raise for the first bytes: BackupError, or OSError."""
    with file.open("rb") as source:
        _check_beginning(source, passphrase)


def check_can_be_written(file: Path, *, replace: bool) -> None:
    """Raise BackupError if there is no folder, or a file that must not be replaced."""
    if not file.parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    if file.exists() and not replace:
        raise BackupError(f"{file} exists; --force replaces it")


def check_free_space(folder: Path, size: int) -> None:
    """Raise BackupError if there is not enough space for so many bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise BackupError(
            f"{folder} has too little space: {size // 2**20 + 1} MiB are needed, "
            f"{free // 2**20} MiB are free"
        )


def measured(database: BinaryIO) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a file."""
    digest, size = hashlib.sha256(), 0
    database.seek(0)
    while chunk := database.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def put_in_place(beside: Path, file: Path, *, replace: bool) -> None:
    """Give a complete file its name, durably. Raises BackupError if the name is taken."""
    if replace:
        beside.replace(file)
    else:
        try:
            os.link(beside, file)  # unlike a rename, it fails if the target exists
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


def _write_members(
    packed: gzip.GzipFile, database: BinaryIO, manifest: Manifest, progress: Progress
) -> None:
    text = json.dumps(asdict(manifest), indent=2).encode()
    # The other format would announce a member of 8 GiB by an additional header.
    with tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(_member(_MANIFEST, len(text)), io.BytesIO(text))
        database.seek(0)
        watched = _Watched(database, manifest.size, progress)
        archive.addfile(_member(_DATABASE, manifest.size), watched)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Watched(io.RawIOBase):
    """A file that reports how much of it has been read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file, self._size, self._progress, self._done = file, max(size, 1), progress, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        self._progress(self._done * 100 // self._size)
        return data


@contextmanager
def _reading(source: BinaryIO, passphrase: bytes | None) -> Iterator[gzip.GzipFile]:
    """The packed members, decrypted if they are encrypted."""
    _check_beginning(source, passphrase)
    inner: Any = source if passphrase is None else Decrypting(source, passphrase)
    with gzip.GzipFile(fileobj=inner, mode="rb") as packed:
        yield packed


def _check_beginning(source: BinaryIO, passphrase: bytes | None) -> None:
    """Raise BackupError if a file is not a backup, or is unexpectedly encrypted or not."""
    beginning = source.read(len(MAGIC))
    source.seek(0)
    if beginning == MAGIC:
        if passphrase is None:
            raise BackupError("the backup is encrypted: pass its passphrase with --passphrase-file")
    elif beginning[:2] != b"\x1f\x8b":
        raise BackupError(_NO_BACKUP)
    elif passphrase is not None:
        # Somebody could have replaced the encrypted backup with one of their own.
        raise BackupError("the backup is not encrypted; if you trust it, pass no passphrase")


def _read_manifest(packed: gzip.GzipFile) -> Manifest:
    size = _read_header(packed, _MANIFEST)
    if size is None:
        raise BackupError(_NO_BACKUP)
    if size > _LARGEST_MANIFEST:
        raise BackupError(_DAMAGED)
    try:
        values = json.loads(_exactly(packed, size))
        if values["format"] != FORMAT:
            raise BackupError(
                f"the backup has format {values['format']}, which this version does not know"
            )
        manifest = msgspec.convert(values, Manifest)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BackupError(_DAMAGED) from None
    _skip_padding(packed, size)
    return manifest


def _extract(packed: gzip.GzipFile, manifest: Manifest, to: BinaryIO, progress: Progress) -> None:
    if _read_header(packed, _DATABASE) != manifest.size:
        raise BackupError(_DAMAGED)
    room = os.fstatvfs(to.fileno())
    if manifest.size > room.f_bavail * room.f_frsize:
        raise BackupError(
            "there is too little space for the database in the backup: it has "
            f"{manifest.size // 2**20 + 1} MiB"
        )
    digest, done = hashlib.sha256(), 0
    while done < manifest.size:
        chunk = _exactly(packed, min(_CHUNK, manifest.size - done))
        digest.update(chunk)
        to.write(chunk)
        done += len(chunk)
        progress(done * 100 // manifest.size)
    to.flush()
    os.fsync(to.fileno())
    if digest.hexdigest() != manifest.sha256:
        raise BackupError(_DAMAGED)
    _skip_padding(packed, manifest.size)


def _read_header(packed: gzip.GzipFile, name: str) -> int | None:
    """The size of the next member in bytes; None if its name is not this one."""
    try:
        member = tarfile.TarInfo.frombuf(_exactly(packed, tarfile.BLOCKSIZE), "utf-8", "strict")
    except (tarfile.TarError, ValueError):
        return None
    if member.type != tarfile.REGTYPE or member.name != name or member.size < 0:
        return None
    return member.size


def _skip_padding(packed: gzip.GzipFile, size: int) -> None:
    """Skip the padding after a member of so many bytes."""
    _exactly(packed, -size % tarfile.BLOCKSIZE)


def _exactly(packed: gzip.GzipFile, size: int) -> bytes:
    """Read so many bytes. Raises EOFError if there are fewer."""
    data = packed.read(size)
    if len(data) < size:
        raise EOFError
    return data
