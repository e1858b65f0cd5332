"""Prints the part of requirements.lock that the library and its unit tests need: no Dagster among it.

    python -m tools.library_lock > some.lock

The closure is read from the installed packages, so it is what `clientlore` says it needs and nothing more: a test run
with it also finds a dependency that is used and not declared.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
ROOTS = (
    "clientlore",
    "editables",
    "hatchling",
    "hypothesis",
    "pytest",
    "pytest-socket",
    "pytest-timeout",
    "pytest-xdist",
)


def closure(roots: tuple[str, ...]) -> set[str]:
    """The roots and everything they need here, by canonical name."""
    found: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in roots]
    while waiting:
        name, extras = waiting.pop()
        key = canonicalize_name(name)
        if key in found and not extras:
            continue
        found.add(key)
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        for requirement in needed:
            marker = requirement.marker
            wanted = marker is None or any(
                marker.evaluate({"extra": extra}) for extra in (*extras, "")
            )
            if wanted and (canonicalize_name(requirement.name) not in found or requirement.extras):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def entries(text: str) -> list[tuple[str, str]]:
    """The entries of a lock file with their canonical names; one name may come once for each Python."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    return [
        (canonicalize_name(re.split(r"[=\[ ]", block, maxsplit=1)[0]), block) for block in blocks
    ]


def main() -> int:
    """Prints the lock."""
    wanted = closure(ROOTS)
    kept = [block for name, block in entries(LOCK.read_text()) if name in wanted]
    sys.stdout.write("\n".join(kept) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
