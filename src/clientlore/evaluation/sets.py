"""Where the labelled sets lie and how their files are read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from clientlore.errors import NotFoundError

VARIABLE = "CLIENTLORE_EVALUATION_DIR"


def folder(given: Path | None) -> Path:
    """The folder of the sets: as given, or as the environment says.

    Raises:
        NotFoundError: There is none.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None or not named.is_dir():
        raise NotFoundError(
            f"The labelled sets are not at {named}"
            if named
            else "No folder of labelled sets is named",
            f"Name it with --data or {VARIABLE}. Nothing was measured.",
        )
    return named


def part(sets: Path, name: str) -> Path:
    """The part of the sets with this name; the folder itself where it has no such part."""
    return sets / name if (sets / name).is_dir() else sets


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a gzipped file of JSON lines.

    Raises:
        NotFoundError: The file is absent.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        raise NotFoundError(
            f"The set {path.parent.name} is not in {path.parent.parent}",
            "This measurement needs it and was left out.",
        ) from None
