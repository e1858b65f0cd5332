"""Writing files so that nobody ever sees half of one, and a crash leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from clientlore.errors import StoreError

_PARTIAL = ".partial-"


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file through `write` under a temporary name beside it, syncs it and renames it into place.

    Raises:
        StoreError: The disk is full or the folder cannot be written; the temporary file is gone then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_PARTIAL, suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _explain(path, error) from error
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        _sync(partial)
        partial.chmod(0o644)
        partial.replace(path)
        _sync(path.parent)
    except OSError as error:
        _remove(partial)
        raise _explain(path, error) from error
    except BaseException as error:
        _remove(partial)
        # Polars and Arrow wrap what the system said.
        if "No space left" in str(error):
            raise _explain(path, OSError(errno.ENOSPC, "No space left on device")) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes atomically."""

    def write(partial: Path) -> None:
        partial.write_bytes(data)

    write_atomic(path, write)


def sweep_partials(folder: Path) -> int:
    """Removes temporary files that killed writers left; returns how many. For a folder that nobody writes to now."""
    found = list(folder.rglob(f"{_PARTIAL}*")) if folder.is_dir() else []
    for partial in found:
        _remove(partial)
    return len(found)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _explain(path: Path, error: OSError) -> StoreError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            f"The disk is full: {path.name} could not be written",
            f"Free some space under {path.parent} and run again; what was there is untouched.",
        )
    return StoreError(
        f"{path} could not be written ({error.strerror})", "Check the folder's permissions."
    )
