"""How a process of ours ends. Not here: what must be closed before; whoever opened it does."""

from __future__ import annotations

import atexit
import gc
import sys


def leave_quickly() -> None:
    """Spares this process the last looks for garbage among all it imported: a quarter of a short command's time.

    Files and connections are closed by then, and memory goes with the process.
    """
    atexit.register(_freeze)


def _freeze() -> None:
    # DuckDB's binding counts what nobody took away, and complains on standard error.
    if "_duckdb" not in sys.modules:
        gc.freeze()
