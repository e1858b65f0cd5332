"""Files of JSON lines that people hand in: each line checked against a model, what is wrong said with its number."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

from clientlore.errors import BadDataError, ConfigurationError

_SHOWN = 5
"""Faults of a file that are told one by one."""
_GZIP = b"\x1f\x8b"
M = TypeVar("M", bound=BaseModel)


def read_lines(lines: Iterable[str], model: type[M], name: str) -> list[M]:
    """The objects of a file; blank lines are passed over.

    Args:
        lines: The file.
        model: What a line is.
        name: What the file is called in errors.

    Raises:
        BadDataError: A line is not what it should be: nothing of the file is taken.
    """
    made, faults = [], []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            made.append(model.model_validate(json.loads(text)))
        except (ValidationError, ValueError, RecursionError) as error:
            faults.append(f"line {number}: {_why(error)}")
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise BadDataError(
            f"{name} cannot be read: {'; '.join(faults[:_SHOWN])}{more}",
            "Correct these lines and try again; nothing was taken from the file.",
        )
    return made


def read_file(source: Path | BinaryIO, model: type[M]) -> list[M]:
    """The objects of a file in UTF-8, which may be packed by gzip.

    Raises:
        ConfigurationError: The file cannot be opened or is not UTF-8.
        BadDataError: As for `read_lines`.
    """
    raw, name = unpacked(source), str(source if isinstance(source, Path) else source.name)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(name, error) from None
    # Not `splitlines`: characters that end a line elsewhere may stand inside a JSON string.
    return read_lines(text.split("\n"), model, name)


def unpacked(source: Path | BinaryIO) -> bytes:
    """What a file holds, without the mark that some programs put before UTF-8; what is packed by gzip is unpacked.

    Raises:
        ConfigurationError: It cannot be opened or unpacked.
    """
    try:
        raw = source.read_bytes() if isinstance(source, Path) else source.read()
        raw = gzip.decompress(raw) if raw.startswith(_GZIP) else raw
    except (OSError, EOFError, zlib.error) as error:
        name = str(source if isinstance(source, Path) else source.name)
        raise _unreadable(name, error) from None
    return raw.removeprefix(codecs.BOM_UTF8)


def whole(text: str) -> str:
    """A text without halves of surrogate pairs, which JSON can hold and no store takes: a `?` stands for each."""
    return text.encode(errors="replace").decode()


def _unreadable(name: str, error: Exception) -> ConfigurationError:
    why = getattr(error, "strerror", None) or error
    return ConfigurationError(
        f"{name} cannot be read: {why}", "Name a file of JSON lines in UTF-8."
    )


def _why(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"it is no JSON ({error})" if isinstance(error, json.JSONDecodeError) else str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][:1])
    return f"{place}: {first['msg'].removeprefix('Value error, ')}" if place else first["msg"]
