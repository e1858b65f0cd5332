"""What a line is in the files of items and clients that commands read and answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clientlore.json_lines import whole
from clientlore.storage.files import write_bytes

_Text = Annotated[str, AfterValidator(whole)]
Id = str | int


class Line(BaseModel):
    """An item as a file gives it; anything else that stands in the line is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    id: Id
    title: _Text | None = None
    body: _Text | None = None
    url: _Text | None = None
    published_at: _Text | None = None
    publisher: _Text | None = None


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


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes a file whole or not at all; returns how many lines it has.

    Raises:
        StoreError: It cannot be written.
    """
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = "".join(f"{line}\n" for line in lines)
    # An id may hold half a surrogate pair, which only an escape can write.
    write_bytes(path, re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):x}", text).encode())
    return len(lines)
