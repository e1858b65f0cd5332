"""Items in files of JSON lines, for tools that need no home: read in columns, answered one row for each, in order.

What makes items the same is decided by the layers that events are folded by. Not here: what a command prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from clientlore.errors import BadDataError, NotFoundError
from clientlore.json_lines import unpacked, whole
from clientlore.monitoring import folding, nearduplicates
from clientlore.monitoring.normalise import with_keys

TEXTS = ("title", "body", "url", "published_at", "publisher")
"""What an item may have beside its id; each may be absent or null."""

_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%a, %d %b %Y %H:%M:%S %#z",
)
_LOCAL_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%d-%b-%Y %H:%M:%S%.f")


def read_items(path: Path) -> pl.DataFrame:
    """The items of a file: `id` as it is, the other columns as text, null where absent.

    Raises:
        NotFoundError: There is no such file.
        ConfigurationError: It cannot be opened.
        BadDataError: A line is no JSON object, or has no id; the line is named.
    """
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}", "Name a file of JSON lines.")
    raw = unpacked(path)
    if not raw.strip():
        return pl.DataFrame(schema={"id": pl.String, **dict.fromkeys(TEXTS, pl.String)})
    for kind, written in _IDS.items():
        if not re.search(written, raw):
            continue
        try:
            found = pl.read_ndjson(raw, schema={"id": kind, **dict.fromkeys(TEXTS, pl.String)})
        except pl.exceptions.PolarsError:
            break
        # Where every line has one id, and of the kind, no number was read as text, nor text as a number.
        rows = found.height
        if raw.count(b'"id"') == rows and (
            raw.count(b'"id": "') == rows or len(re.findall(written, raw)) == rows
        ):
            return found
    return _line_by_line(raw, path)


_IDS: Mapping[type[pl.DataType], bytes] = {
    pl.String: rb'"id"\s*:\s*"',
    pl.Int64: rb'"id"\s*:\s*-?\d{1,18}\s*[,}]',
}


def _line_by_line(raw: bytes, path: Path) -> pl.DataFrame:
    """Slower, for ids of several kinds, and to say which line is wrong."""
    rows: list[dict[str, str | None]] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            raise BadDataError(
                f"Line {number} of {path} is no JSON ({error})", "Write one object in each line."
            ) from None
        if not isinstance(item, dict) or item.get("id") is None:
            raise BadDataError(f"Line {number} of {path} has no id", "Give every item an id.")
        rows.append({"id": json.dumps(item["id"]), **{n: _text(item.get(n)) for n in TEXTS}})
    frame = pl.DataFrame(rows, schema={"id": pl.String, **dict.fromkeys(TEXTS, pl.String)})
    return frame.rename({"id": _AS_JSON})


_AS_JSON = "id_as_json"


def _text(value: Any) -> str | None:
    return None if value is None else whole(str(value))


def group(items: pl.DataFrame) -> pl.DataFrame:
    """Which items are the same, by the layers up to near-duplicates.

    Args:
        items: As `read_items` gives them, in the order of collection.

    Returns:
        A row for each item, in order: `group` (position of the first of its group), `reason` (the layer, `first` for
        the first of a group), `similarity`, and the columns `words`, `title`, `text`, `published_at`.
    """
    row = pl.int_range(pl.len())
    told = items.select(
        title=pl.col("title").fill_null(""),
        text=pl.col("body").fill_null(""),
        url="url",
        publisher="publisher",
        published_at=_moment(items["published_at"]),
        # A file does not say by which feed an item came, so no feed can be caught at teasers or at links to its site.
        source_id=row.cast(pl.String),
        origin_id=pl.col(items.columns[0]).cast(pl.String),
        item_id=row,
        collected_at=row,
    )
    keyed = with_keys(told).with_columns(pl.col("origin_id").alias("origin_key"))
    keyed = keyed.with_columns(fingerprints=nearduplicates.fingerprints(keyed["words"]))
    none = keyed.clear().select(
        pl.lit(None, keyed["item_id"].dtype).alias(name) if name == "event_id" else pl.col(name)
        for name in folding.KEYS
    )
    placed = folding.fold(keyed, none, lambda _: none)
    changed = placed["marked_revision"] & placed["layer"].is_in(["near", "url"])
    return placed.select(
        group="event_id",
        reason=pl.when(changed).then(pl.lit("revision")).otherwise("layer"),
        similarity=pl.col("similarity").fill_null(1.0),
        words="words",
        title="title",
        text="text",
        published_at="published_at",
    )


def answers(items: pl.DataFrame, grouped: pl.DataFrame) -> pl.DataFrame:
    """The rows that are written: `id`, `group_id`, `story_id` if stories were asked for, `reason`, `similarity`."""
    ids = items[items.columns[0]]
    stories = {"story_id": ids.gather(grouped["story"])} if "story" in grouped.columns else {}
    return pl.DataFrame(
        {ids.name: ids, "group_id": ids.gather(grouped["group"]), **stories}
    ).with_columns(grouped["reason"], grouped["similarity"].round(4))


def write_answers(rows: pl.DataFrame, path: Path) -> None:
    """Writes the rows as JSON lines; ids are what they were."""
    if rows.columns[0] != _AS_JSON:
        rows.write_ndjson(path)
        return
    known: Sequence[Mapping[str, Any]] = rows.rename({_AS_JSON: "id"}).to_dicts()
    with path.open("w", encoding="utf-8") as file:
        for row in known:
            plain = {n: json.loads(v) if n.endswith("id") else v for n, v in row.items()}
            file.write(json.dumps(plain, ensure_ascii=False) + "\n")


def _moment(texts: pl.Series) -> pl.Series:
    kind = pl.Datetime("us", "UTC")
    if texts.null_count() == len(texts):
        return pl.Series("published_at", [None] * len(texts), dtype=kind)
    column = pl.col("published_at").str.strip_chars()
    zoned = [
        column.str.to_datetime(f, time_unit="us", strict=False, time_zone="UTC") for f in _FORMATS
    ]
    local = [
        column.str.to_datetime(f, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        for f in _LOCAL_FORMATS
    ]
    days = column.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    zulu = column.str.replace("[Zz]$", "+00:00")
    first = zulu.str.to_datetime(_FORMATS[0], time_unit="us", strict=False, time_zone="UTC")
    every = pl.coalesce(first, *zoned, *local, days.dt.replace_time_zone("UTC"))
    return texts.to_frame("published_at").select(every.alias("published_at"))["published_at"]
