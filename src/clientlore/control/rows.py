"""From database rows to frozen values and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

T = TypeVar("T")


def load(kind: type[T], row: Mapping[Any, Any]) -> T:
    """A frozen value from a row that has at least its fields; JSON lists become tuples."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    values = {f.name: row[f.name] for f in fields}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def dump(value: Any) -> dict[str, Any]:
    """The row of a frozen value; tuples become lists, which JSON can hold."""
    row = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {
        k: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
        for k, v in row.items()
    }


def load_all(connection: Connection, kind: type[T], statement: sa.Select[Any]) -> list[T]:
    """Every row of a query as frozen values."""
    return [load(kind, row) for row in connection.execute(statement).mappings()]
