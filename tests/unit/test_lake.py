"""The lake: the same rows are the same bytes, a file is replaced whole, and a scan is always for somebody."""

from __future__ import annotations

import errno
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import StoreError
from clientlore.storage.lake import UTC_TIME, Lake, Table, columns

DAY = date(2026, 11, 20)
NEWS = Table(
    "core",
    "news",
    columns({"key": pl.String, "position": pl.Int64, "text": pl.String, "at": UTC_TIME}),
    ("key", "position"),
    "A row is a piece of news.",
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.none() | st.text(max_size=4),
            "position": st.integers(0, 3),
            "text": st.none() | st.text(max_size=6),
            "at": st.none()
            | st.datetimes(
                datetime(1990, 1, 1),  # noqa: DTZ001 - the zone comes next
                datetime(2100, 1, 1),  # noqa: DTZ001
                timezones=st.just(UTC),
            ),
        }
    ),
    max_size=12,
    unique_by=lambda row: (row["key"], row["position"]),
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path / "lake")


def news(*keys: str) -> pl.DataFrame:
    return NEWS.frame([{"key": key, "position": 0, "text": f"about {key}"} for key in keys])


def keys(frame: pl.LazyFrame) -> list[str]:
    return sorted(frame.collect()["key"].to_list())


def partials(lake: Lake) -> list[Path]:
    return [p for p in lake.root.rglob("*") if p.is_file() and p.suffix and p.name[0] == "."]


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 12))
@settings(max_examples=30, deadline=None)
def test_the_same_rows_are_the_same_bytes_in_whatever_order_and_pieces_they_come(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, object]],
    order: random.Random,
    cut: int,
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    first = lake.write(NEWS, "acme", DAY, NEWS.frame(rows))
    data = first.path.read_bytes()
    shuffled = list(rows)
    order.shuffle(shuffled)
    pieces = [NEWS.frame(shuffled[:cut]), NEWS.frame(shuffled[cut:])]
    again = lake.write(NEWS, "acme", DAY, pl.concat(pieces, rechunk=False))
    assert (first.changed, again.changed) == (True, False)
    assert (again.sha, again.rows, again.path.read_bytes()) == (first.sha, len(rows), data)
    read = lake.scan(NEWS, ["acme"]).collect()
    assert read.schema == NEWS.schema
    by_key = {(row["key"], row["position"]): row for row in read.to_dicts()}
    assert by_key == {(row["key"], row["position"]): row for row in rows}


def test_columns_come_in_their_order_and_those_not_declared_are_left_out(lake: Lake) -> None:
    frame = news("a").with_columns(extra=1).select("text", "extra", "at", "position", "key")
    written = lake.write(NEWS, "acme", DAY, frame)
    assert pl.read_parquet_schema(written.path) == dict(NEWS.schema)
    assert written.sha == lake.write(NEWS, "beta", DAY, news("a")).sha


def test_a_key_that_comes_twice_is_refused_and_nothing_is_written(lake: Lake) -> None:
    lake.write(NEWS, "acme", DAY, news("a"))
    with pytest.raises(StoreError, match=r"core/news have the key \('b', 0\) twice"):
        lake.write(NEWS, "acme", DAY, news("a", "b", "b"))
    assert keys(lake.scan(NEWS, ["acme"])) == ["a"]


def test_rows_without_a_column_are_refused(lake: Lake) -> None:
    with pytest.raises(StoreError, match="Rows for core/news lack text, at"):
        lake.write(NEWS, "acme", DAY, news("a").drop("text", "at"))
    assert not lake.root.exists()


def test_a_write_replaces_the_day_as_a_whole_and_only_that(lake: Lake) -> None:
    lake.write(NEWS, "acme", DAY, news("a", "b"))
    lake.write(NEWS, "acme", DAY + timedelta(days=1), news("c"))
    lake.write(NEWS, "acme", DAY, news("d"))
    assert keys(lake.scan(NEWS, ["acme"])) == ["c", "d"]
    lake.write(NEWS, "acme", DAY, NEWS.empty())
    assert keys(lake.scan(NEWS, ["acme"])) == ["c"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_partial_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = lake.write(NEWS, "acme", DAY, news("a"))

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        with pytest.raises(KeyboardInterrupt):
            lake.write(NEWS, "acme", DAY, news("b"))
    assert keys(lake.scan(NEWS, ["acme"])) == ["a"]
    assert partials(lake) == []
    assert lake.write(NEWS, "acme", DAY, news("b")).sha != written.sha
    assert keys(lake.scan(NEWS, ["acme"])) == ["b"]


def test_a_full_disk_is_said_with_advice_and_leaves_what_was_there(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write(NEWS, "acme", DAY, news("a"))

    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for day in (DAY, DAY + timedelta(days=1)):
        with pytest.raises(StoreError) as caught:
            lake.write(NEWS, "acme", day, news("b"))
        assert "The disk is full: part.parquet could not be written" in str(caught.value)
        assert "Free some space under" in str(caught.value)
        assert "what was there is untouched" in str(caught.value)
    assert keys(lake.scan(NEWS, ["acme"])) == ["a"]
    assert partials(lake) == []


def test_a_raw_batch_is_never_replaced(lake: Lake) -> None:
    first = lake.append_raw(NEWS, "acme", DAY, "b1", news("a"))
    again = lake.append_raw(NEWS, "acme", DAY, "b1", news("other"))
    assert (first.changed, again.changed) == (True, False)
    assert (again.sha, again.path) == (first.sha, first.path)
    lake.append_raw(NEWS, "acme", DAY, "b2", news("b"))
    assert keys(lake.scan(NEWS, ["acme"])) == ["a", "b"]
    assert lake.batches(NEWS, "acme", DAY) == ["b1", "b2"]
    assert lake.batches(NEWS, "beta", DAY) == []


def test_a_scan_returns_the_rows_of_the_tenants_that_are_named_and_of_nobody_else(
    lake: Lake,
) -> None:
    for tenant in ("acme", "acme-2", "beta"):
        lake.write(NEWS, tenant, DAY, news(tenant))
        lake.write(NEWS, tenant, None, news(f"{tenant}-always"))
    assert keys(lake.scan(NEWS, ["acme"])) == ["acme", "acme-always"]
    assert keys(lake.scan(NEWS, ["acme", "beta"], [DAY])) == ["acme", "beta"]
    assert keys(lake.scan(NEWS, [])) == []
    assert keys(lake.scan(NEWS, ["gamma"])) == []


@pytest.mark.parametrize("name", ["*", "acme*", "[a]cme", "????", "**", ""])
def test_a_pattern_is_no_way_to_the_rows_of_another_tenant(lake: Lake, name: str) -> None:
    lake.write(NEWS, "acme", DAY, news("a"))
    lake.append_raw(NEWS, "acme", DAY, "b1", news("b"))
    assert keys(lake.scan(NEWS, [name])) == []
    assert keys(lake.scan(NEWS, [name], [DAY])) == []
    assert lake.days(NEWS, name) == []


def test_a_scan_of_days_returns_those_days(lake: Lake) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for day in days:
        lake.write(NEWS, "acme", day, news(day.isoformat()))
    assert keys(lake.scan(NEWS, ["acme"], days[1:])) == ["2026-11-21", "2026-11-22"]
    assert keys(lake.scan(NEWS, ["acme"], [])) == []
    assert lake.days(NEWS, "acme") == days
    assert lake.days(NEWS, "beta") == []


def test_a_file_that_is_being_written_is_not_read(lake: Lake) -> None:
    written = lake.write(NEWS, "acme", DAY, news("a"))
    (written.path.parent / ".partial-x.parquet").write_bytes(b"half")
    other = lake.folder(NEWS, "acme", DAY + timedelta(days=1))
    other.mkdir(parents=True)
    (other / ".partial-y.parquet").write_bytes(b"half")
    assert keys(lake.scan(NEWS, ["acme"])) == ["a"]
    assert lake.days(NEWS, "acme") == [DAY]


def test_a_file_of_an_older_release_is_read_with_the_columns_of_today(lake: Lake) -> None:
    written = lake.write(NEWS, "acme", DAY, news("a"))
    pl.read_parquet(written.path).drop("text").with_columns(old=1).write_parquet(written.path)
    read = lake.collect(NEWS, lake.scan(NEWS, ["acme"]))
    assert read.columns == list(NEWS.schema)
    assert read["text"].to_list() == [None]


@pytest.mark.parametrize("data", [b"", b"no parquet", None])
def test_a_damaged_file_is_a_store_error_that_says_where(lake: Lake, data: bytes | None) -> None:
    written = lake.write(NEWS, "acme", DAY, news("a"))
    written.path.write_bytes(written.path.read_bytes()[:-30] if data is None else data)
    with pytest.raises(StoreError, match="derived files may be deleted and are made again"):
        lake.collect(NEWS, lake.scan(NEWS, ["acme"]))
    written.path.unlink()
    assert lake.collect(NEWS, lake.scan(NEWS, ["acme"])).height == 0


def test_the_path_of_a_day_is_the_documented_one(lake: Lake) -> None:
    written = lake.write(NEWS, "acme", DAY, news("a"))
    told = written.path.relative_to(lake.root).as_posix()
    assert told == "core/news/day=2026-11-20/tenant=acme/part.parquet"
    always = lake.write(NEWS, "acme", None, news("a")).path.relative_to(lake.root)
    assert always.as_posix() == "core/news/tenant=acme/part.parquet"
    assert NEWS.key == "core/news"
