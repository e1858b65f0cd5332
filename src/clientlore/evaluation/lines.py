"""JSON lines in and out: what is wrong in a file is said with its line."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clientlore.errors import BadDataError, ConfigurationError

Id = str | int


class Line(BaseModel):
    """An item as a file gives it; anything else that stands in the line is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Id
    title: str | None = None
    body: str | None = None
    url: str | None = None
    published_at: str | None = None
    publisher: str | None = None


class ClientLine(BaseModel):
    """A client as a file gives it: a name, or a domain where no name is known."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    client_id: Id
    name: str | None = None
    aliases: list[str] | None = None
    ticker: str | None = None
    domain: str | None = None
    industry: str | None = None
    people: list[str] | None = None
    places: list[str] | None = None
    exclude: list[str] | None = Field(default=None)


M = TypeVar("M", bound=BaseModel)


def read_lines(path: Path, kind: type[M]) -> list[M]:
    """The lines of a file, checked; empty lines are passed over. A name that ends in `.gz` is unpacked.

    Raises:
        ConfigurationError: The file cannot be read.
        BadDataError: A line is not what it should be; the message names the first such line.
    """
    found = []
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror or error}", "Name a file of JSON lines."
        ) from None
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(kind.model_validate(json.loads(line)))
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'the line'}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)[:3]
            )
            raise BadDataError(
                f"{path}, line {number}: {said}", "Correct the line and try again."
            ) from None
        except ValueError:
            raise BadDataError(
                f"{path}, line {number} is no JSON", "Write one JSON object on each line, in UTF-8."
            ) from None
    return found


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes a file whole or not at all; returns how many lines it has.

    Raises:
        ConfigurationError: It cannot be written.
    """
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror or error}",
            "Name a file in a folder that is there.",
        ) from None
    return len(lines)
