"""Memory out of a home and into another: the log as JSON lines or Parquet, and what other systems export.

An export is the log, so that what comes in has its whole past; ids stay as they are. Importing twice adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import polars as pl
import sqlalchemy as sa

from clientlore.clock import utc
from clientlore.control import forgotten
from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.errors import BadDataError, ConfigurationError
from clientlore.ids import stable_id
from clientlore.memory import kinds, log
from clientlore.memory.facts import Fact
from clientlore.memory.log import OPERATIONS, Op, Operation, memory_id_for
from clientlore.memory.service import MemoryService
from clientlore.memory.texts import content
from clientlore.storage.files import write_bytes

FORMAT = "clientlore memory 1"
SOURCES = ("clientlore", "mem0", "hippocampai")
BATCH = 1_000
_EXPORTED = [name for name in OPERATIONS if name not in {"seq", "appended_at"}]
_TIMES = ("valid_from", "valid_to", "recorded_at")
_KINDS: Mapping[str, str] = {
    "habit": "preference",
    "procedural": "procedure",
    "episodic": "event",
    "semantic": "fact",
    "semantic_memory": "fact",
    "episodic_memory": "event",
    "procedural_memory": "procedure",
}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    operations: int
    memories: int


@dataclass(frozen=True)
class Imported:
    """What came in.

    Attributes:
        appended: Operations that are new; `known`: those that were there.
        left_out: Operations about somebody who was forgotten here.
    """

    appended: int
    known: int
    left_out: int


def export(service: MemoryService, path: Path, owner: str | None = None) -> Exported:
    """Writes the log of a tenant, or of one owner, to a `.jsonl` or `.parquet` file.

    Raises:
        ConfigurationError: The file is neither.
    """
    found = service.log(owner)
    rows = found.select(_EXPORTED)
    if path.suffix == ".parquet":
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path, compression="zstd", metadata={"format": FORMAT})
    elif path.suffix == ".jsonl":
        head = json.dumps(
            {"format": FORMAT, "tenant": service.tenant_id, "operations": rows.height}
        )
        lines = (
            json.dumps(_as_json(row), ensure_ascii=False) for row in rows.iter_rows(named=True)
        )
        write_bytes(path, ("\n".join([head, *lines]) + "\n").encode())
    else:
        raise _unknown_file(path)
    return Exported(path, rows.height, rows["memory_id"].n_unique())


def import_(service: MemoryService, path: Path, source: str = "clientlore") -> Imported:
    """Brings in what `export` wrote, or what mem0 or HippocampAI exported; all of it or nothing.

    Args:
        service: The memory of the tenant that it becomes part of.
        path: A `.jsonl`, `.json` or `.parquet` file.
        source: Who wrote it: one of `SOURCES`.

    Raises:
        BadDataError: A line cannot be; its number and what is wrong are said, and nothing was brought in.
        ConfigurationError: The source or the kind of file is not known.
    """
    if source not in SOURCES:
        raise ConfigurationError(
            f"There is no importer for '{source}'", f"Choose {', '.join(SOURCES)}."
        )
    if source == "clientlore":
        operations = [_restored(service.tenant_id, n, row) for n, row in _rows_of(path)]
    elif source == "mem0":
        operations = [op for n, row in _records(path) for op in _of_mem0(service.tenant_id, n, row)]
    else:
        operations = [
            op for n, row in _records(path) for op in _of_hippocampai(service.tenant_id, n, row)
        ]
    return _bring_in(service, operations)


def _bring_in(service: MemoryService, operations: Sequence[Mapping[str, Any]]) -> Imported:
    tenant_id, now = service.tenant_id, service.workspace.clock.now()
    with service.workspace.control.write() as connection:
        gate = forgotten.gate(connection, tenant_id)
        kept = [op for op in operations if not gate.knows(op["owner_id"])]
        before = connection.execute(
            sa.select(sa.func.count()).where(t.memory_log.c.tenant_id == tenant_id)
        ).scalar_one()
        for start in range(0, len(kept), BATCH):
            part = [{**op, "appended_at": now} for op in kept[start : start + BATCH]]
            insert_ignore(connection, t.memory_log, part)
        after = connection.execute(
            sa.select(sa.func.count()).where(t.memory_log.c.tenant_id == tenant_id)
        ).scalar_one()
    appended = int(after - before)
    return Imported(appended, len(kept) - appended, len(operations) - len(kept))


def _restored(tenant_id: str, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """An operation of an export as a row of the log; under its own id where it comes home, else under one of here."""
    missing = [name for name in _EXPORTED if name not in row]
    if missing:
        raise _bad(number, f"lacks {', '.join(missing)}")
    if row["op"] not in get_args(Op):
        raise _bad(number, f"has the unknown operation '{row['op']}'")
    made = {name: row[name] for name in _EXPORTED}
    for name in _TIMES:
        made[name] = _instant(number, name, made[name])
    if isinstance(made["origin_day"], str):
        made["origin_day"] = date.fromisoformat(made["origin_day"])
    attributes = made["attributes"]
    told = json.loads(attributes) if isinstance(attributes, str) else dict(attributes or {})
    made["attributes"] = _under_todays_names(told)
    made["sources"] = list(made["sources"] or [])
    if row["tenant_id"] != tenant_id:
        made["tenant_id"] = tenant_id
        made["op_id"] = _moved(tenant_id, made["op_id"])
        if made["op"] == "undo":
            undoes = _moved(tenant_id, made["attributes"]["undoes"])
            made["attributes"] = {**made["attributes"], "undoes": undoes}
        made["lookup"] = _lookup_here(tenant_id, made)
    return made


def _under_todays_names(told: dict[str, Any]) -> dict[str, Any]:
    """Attributes of an export made when statements said their tier under `tier`: search goes by `security`."""
    if told.get("tier") in kinds.TIERS and "security" not in told:
        told["security"] = told.pop("tier")
    return told


def _lookup_here(tenant_id: str, row: Mapping[str, Any]) -> str | None:
    """What an operation is about, hashed for the tenant it has come to."""
    told = row["attributes"]
    if row["lookup"] is None:
        return None
    if "subject" in told:
        fact = Fact(told["subject"], told["attribute"], told["value"])
        return fact.key(tenant_id, row["owner_id"])
    text = told.get("told") or row["text"] or ""
    return stable_id("text", tenant_id, row["owner_id"], *content(text))


def _moved(tenant_id: str, op_id: str) -> str:
    return stable_id("import", tenant_id, op_id)


def _of_mem0(tenant_id: str, number: int, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """mem0: `{id, memory, user_id|agent_id|run_id, metadata, created_at, updated_at, categories}`."""
    text = row.get("memory") or row.get("data") or row.get("text")
    owner = row.get("user_id") or row.get("agent_id") or row.get("run_id")
    told = dict(row.get("metadata") or {})
    if row.get("categories"):
        told["categories"] = row["categories"]
    yield _plain(
        tenant_id, number, "mem0", row.get("id"), owner, text, told,
        row.get("created_at"), None, row.get("updated_at"), {},
    )  # fmt: skip


def _of_hippocampai(
    tenant_id: str, number: int, row: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """HippocampAI: `{id, text, user_id, type, importance (0-10), confidence, tags, created_at, metadata}`."""
    told = dict(row.get("metadata") or {})
    if row.get("tags"):
        told["tags"] = row["tags"]
    measured: dict[str, Any] = {}
    if row.get("importance") is not None:
        # Its scale goes to 10.
        measured["importance"] = min(1.0, max(0.0, float(row["importance"]) / 10))
    if row.get("confidence") is not None:
        measured["confidence"] = float(row["confidence"])
    text = row.get("text") or row.get("content")
    yield _plain(
        tenant_id, number, "hippocampai", row.get("id"), row.get("user_id"), text, told,
        row.get("created_at"), row.get("type"), row.get("updated_at"), measured,
    )  # fmt: skip


def _plain(
    tenant_id: str,
    number: int,
    source: str,
    given_id: object,
    owner: object,
    text: object,
    told: Mapping[str, Any],
    created: object,
    kind: object,
    updated: object,
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """A memory of another system as the add of one of ours, word for word."""
    if not isinstance(text, str) or not text.strip():
        raise _bad(number, "has no text")
    if not isinstance(owner, str) or not owner:
        raise _bad(number, "says of nobody whose memory it is (user_id)")
    wanted = str(kind or told.get("type") or "").lower()
    wanted = _KINDS.get(wanted, wanted)
    if wanted not in kinds.KINDS:
        wanted = kinds.classify(text).kind
    at = _instant(number, "created_at", created) or _instant(number, "updated_at", updated)
    if at is None:
        raise _bad(number, "has no created_at")
    origin = f"{source}:{given_id or stable_id(owner, text)}"[:255]
    operation = Operation(
        tenant_id=tenant_id,
        owner_id=owner[:64],
        memory_id=memory_id_for(tenant_id, owner[:64], wanted, origin),
        op="add",
        kind=wanted,
        text=text,
        recorded_at=at,
        actor=f"import:{source}",
        reason=f"brought in from {source}",
        origin=origin,
        valid_from=at,
        attributes={**measured, "metadata": dict(told), "origin_id": str(given_id or "")},
        sources=(origin,),
    )
    row = log.row_of(operation)
    return {**row, "attributes": dict(operation.attributes)}


def _rows_of(path: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        return list(enumerate(frame.iter_rows(named=True), start=1))
    if path.suffix != ".jsonl":
        raise _unknown_file(path)
    found = list(_records(path))
    if not found or found[0][1].get("format") != FORMAT:
        raise BadDataError(
            f"{path} is no export of this program's memory", "Name its source with --from."
        )
    return found[1:]


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a JSON or JSON lines file, or the rows of a Parquet file, with their numbers."""
    if path.suffix == ".parquet":
        yield from enumerate(pl.read_parquet(path).iter_rows(named=True), start=1)
        return
    try:
        said = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"{path} cannot be read ({error})", "Give a text file.") from error
    if path.suffix == ".json":
        try:
            whole = json.loads(said)
        except ValueError as error:
            raise BadDataError(f"{path} is no JSON ({error})", "Export it again.") from error
        listed = whole
        if isinstance(whole, dict):
            listed = whole.get("results") or whole.get("memories") or []
        yield from enumerate(listed, start=1)
        return
    if path.suffix != ".jsonl":
        raise _unknown_file(path)
    for number, line in enumerate(said.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _bad(number, f"is no JSON ({error})") from error
        if not isinstance(row, dict):
            raise _bad(number, "is no object")
        yield number, row


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {k: v.isoformat() if isinstance(v, datetime | date) else v for k, v in row.items()}
    return {**told, "attributes": json.loads(row["attributes"])}


def _instant(number: int, name: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError) as error:
        raise _bad(number, f"has no instant in {name}: '{value}'") from error
    return utc(at if at.tzinfo else at.replace(tzinfo=UTC))


def _bad(number: int, what: str) -> BadDataError:
    return BadDataError(
        f"Record {number} {what}", "Correct it and import again; nothing was brought in."
    )


def _unknown_file(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} is neither .jsonl nor .parquet", "Name a file that ends in one of them."
    )
