"""The folder of write-ahead files: one is written, the others are complete and wait for the object store."""

import errno
import fcntl
import os
import time
import uuid
from pathlib import Path
from typing import Final

from scoring.log.records import MAGIC, framed, model_payload

_SUFFIX: Final = ".wal"
_MIB: Final = 1024 * 1024


class FolderUnusableError(Exception):
    """The folder cannot hold write-ahead files now: which, why, and the way out."""


class SegmentFolder:
    """The files of one process; those that an earlier one left are complete from the start.

    A name is this process's random id and a number, so that what is made of a file has a name that follows from it.
    Not safe from several threads, but for `complete` and `remove`, which may run beside the writer.
    """

    def __init__(self, folder: Path, max_disk_mib: int) -> None:
        """Takes the folder.

        Args:
            folder: made if it is not there.
            max_disk_mib: most that all files may take together.

        Raises:
            FolderUnusableError: another process has it, or it cannot be made or opened.
        """
        self._folder = folder
        self._max_bytes = max_disk_mib * _MIB
        self._descriptor = _taken(folder)
        self._writer = uuid.uuid4().hex[:12]
        self._number = 0
        self._open: Segment | None = None
        self._used = self._used_bytes()
        self._written: Path | None = None
        """The path of `_open`, known before the file is there and until nothing is added to it any more."""

    @property
    def current(self) -> "Segment":
        """The file that is written.

        Raises:
            OSError: a new one was needed and the disk has no room.
        """
        if self._open is None:
            self._number += 1
            self._written = self._folder / f"{self._writer}-{self._number:08d}{_SUFFIX}"
            self._open = Segment(self._written)
            os.fsync(self._descriptor)
        return self._open

    @property
    def rows(self) -> int:
        """Rows in the file that is written."""
        return self._open.rows if self._open else 0

    @property
    def age_seconds(self) -> float:
        """Since the file that is written began; 0 without one."""
        segment = self._open  # once: the writer's thread may take it away between two looks
        return time.monotonic() - segment.began if segment else 0.0

    def append(self, data: bytes, rows: int, *, sync: bool) -> None:
        """Adds records to the file that is written, all or none.

        Raises:
            OSError: the disk, or the bound, has no room.
        """
        if self._used + len(data) > self._max_bytes:
            self._used = self._used_bytes()  # less, where files went to the store since
            if self._used + len(data) > self._max_bytes:
                raise OSError(errno.ENOSPC, "the write-ahead files have reached SCORING_LOG_MAX_DISK_MIB")
        try:
            self.current.append(data, rows, sync=sync)
        except OSError:
            self.seal()  # whatever state the file is in, nothing is added to it
            raise
        self._used += len(data)

    def seal(self) -> None:
        """Completes the file that is written."""
        if self._open is not None:
            segment, self._open = self._open, None
            segment.close()
            if segment.rows == 0:  # a full disk would otherwise leave an empty file for each failed write
                segment.path.unlink(missing_ok=True)
            self._written = None

    def complete(self) -> list[Path]:
        """The complete files, the oldest first."""
        # Listed before the writer is asked: a file that it begins in between is not in the list, where the other order
        # would take it for complete, and the rows written to it from then on would go with it.
        paths = list(self._folder.glob(f"*{_SUFFIX}"))
        written = self._written
        return sorted((path for path in paths if path != written), key=_modified)

    def remove(self, path: Path) -> None:
        """Removes a complete file, whose rows are in the store."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> None:
        """Keeps a file that cannot be read out of the way of the others."""
        path.rename(path.with_suffix(".broken"))

    def release(self) -> None:
        """Completes what is written and gives the folder back."""
        self.seal()
        os.close(self._descriptor)

    def _used_bytes(self) -> int:
        total = 0
        for entry in os.scandir(self._folder):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue  # handed to the store meanwhile
        return total


class Segment:
    """A write-ahead file that is written."""

    def __init__(self, path: Path) -> None:
        """Args: the file, which must not be there."""
        self.path: Final = path
        self.began: Final = time.monotonic()
        self.rows = 0
        self._models: set[int] = set()
        self._size = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self.append(MAGIC, 0, sync=False)
        except OSError:
            os.close(self._descriptor)
            path.unlink()
            raise

    def introduce(self, version: int, manifest_json: bytes) -> bytes:
        """The record that must stand before the first rows of this version; empty when it stands there."""
        if version in self._models:
            return b""
        self._models.add(version)
        return framed(model_payload(manifest_json))

    def append(self, data: bytes, rows: int, *, sync: bool) -> None:
        """Adds bytes, all or none."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
            if sync:
                os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)
        self.rows += rows

    def close(self) -> None:
        """Ends writing."""
        os.close(self._descriptor)


def _taken(folder: Path) -> int:
    """The descriptor of a folder that no other process has from now on."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        message = (
            f"{folder} cannot be used: {error.strerror}; SCORING_LOG_FOLDER must name a folder on a disk with room"
        )
        raise FolderUnusableError(message) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        reason = (
            "is used by another process" if isinstance(error, BlockingIOError) else f"has no locks: {error.strerror}"
        )
        raise FolderUnusableError(f"{folder} {reason}; give each process its own SCORING_LOG_FOLDER") from None
    return descriptor


def _modified(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except FileNotFoundError:
        return 0.0, path.name
