"""Writing files so that nobody ever sees half of one, and a crash leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clientlore.errors import StoreError
from clientlore.ids import stable_id

_PARTIAL = ".partial-"
_ABANDONED_SECONDS = 86_400.0
"""No write takes a day: what another machine left for longer is nobody's."""


def write_atomic(path: Path, write: Callable[[Path], None], *, mode: int = 0o644) -> None:
    """Writes a file through `write` under a temporary name beside it, syncs it and renames it into place.

    Whoever may read it (`mode`) may do so from the moment it has its name, and nobody else at any time.

    Raises:
        StoreError: The disk is full or the folder cannot be written; the temporary file is gone then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_mark(), suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _explain(path, error) from error
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        _sync(partial)
        partial.chmod(mode)
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


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Writes bytes atomically."""

    def write(partial: Path) -> None:
        partial.write_bytes(data)

    write_atomic(path, write, mode=mode)


def sweep_partials(folder: Path) -> int:
    """Removes temporary files whose writers are gone; returns how many.

    Their names say which process of which machine wrote them. Those of another machine go when they are a day old.
    """
    found = [partial for partial in folder.rglob(f"{_PARTIAL}*") if _is_abandoned(partial)]
    for partial in found:
        _remove(partial)
    return len(found)


def _mark() -> str:
    return f"{_PARTIAL}{_host()}-{os.getpid()}-"


def _host() -> str:
    return stable_id("host", socket.gethostname(), size=4)


def _is_abandoned(partial: Path) -> bool:
    host, _, rest = partial.name.removeprefix(_PARTIAL).partition("-")
    pid = rest.partition("-")[0]
    if host == _host() and pid.isdecimal():
        import psutil

        return not psutil.pid_exists(int(pid))
    try:
        return time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS
    except FileNotFoundError:
        return False


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
