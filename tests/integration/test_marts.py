"""The analysts' marts over the demo's data: what they count, what they leave out, and what refuses a build."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.digests.matches import MATCHES
from clientlore.errors import ConfigurationError, NotFoundError, StoreError
from clientlore.memory.store import MemoryStore
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.run_context import RunContext
from clientlore.runs import marts
from clientlore.runs.exports import EXPORTS
from clientlore.runs.stages import run_stage
from clientlore.storage import dbt
from clientlore.storage.lake import Lake
from clientlore.storage.warehouse import FILE
from clientlore.testing.demo import TENANT
from clientlore.testing.workspaces import open_workspace
from clientlore.workspace import Workspace
from tests.integration.conftest import PROJECT

duckdb = pytest.importorskip("duckdb")


def asked(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as opened:
        return list(opened.execute(query).fetchall())


def test_dbt_builds_and_tests_the_demo_without_one_warning(built: marts.Built) -> None:
    assert built.done.warnings == ()
    assert {r.state for r in built.done.results} == {"success", "pass"}
    tests = [r for r in built.done.results if r.node_id.startswith("test.")]
    assert len(tests) > 150
    assert set(built.rows) >= {
        "client_activity_by_day",
        "relevance_by_category",
        "digests",
        "source_health",
        "memory_growth",
    }
    assert all(built.rows.values())


def test_the_marts_count_what_lies_in_the_lake_and_the_log(
    built: marts.Built, played: Path, clock: FrozenClock
) -> None:
    file = built.folder / FILE
    with open_workspace(played, clock) as workspace:
        lake = workspace.lake
        events = lake.scan(EVENTS, [TENANT]).collect()
        members = lake.scan(MEMBERS, [TENANT]).collect().filter(pl.col("status") == "PROCESSED")
        judged = lake.scan(RELEVANCE, [TENANT]).collect()
        matched = lake.scan(MATCHES, [TENANT]).collect()
        alive = MemoryStore(workspace).state(TENANT).height
        with workspace.control.read() as connection:
            sent = connection.execute(
                sa.select(sa.func.count())
                .select_from(t.notifications)
                .where(t.notifications.c.decision == "sent")
            ).scalar_one()
            mails = connection.execute(
                sa.select(sa.func.count()).select_from(t.outbox)
            ).scalar_one()
            answers = connection.execute(
                sa.select(sa.func.count()).select_from(t.collections)
            ).scalar_one()
    assert asked(file, "SELECT count(*), sum(members), sum(folded) FROM events") == [
        (events.height, members.height, members.height - events.height)
    ]
    assert asked(file, "SELECT sum(events), sum(relevant) FROM client_activity_by_day") == [
        (judged.height, judged.filter(pl.col("score") >= 0.5).height)
    ]
    assert asked(file, "SELECT count(*), count(DISTINCT client) FROM client_activity_by_day") == [
        (36, 12)
    ]
    for threshold, passing in asked(
        file, "SELECT threshold, sum(at_or_above) FROM relevance_by_category GROUP BY 1"
    ):
        assert passing == judged.filter(pl.col("score") >= float(threshold)).height
    stopped = dict(asked(file, "SELECT gate, sum(pairs) FROM gates_by_day GROUP BY 1"))
    assert stopped.pop("passed") == matched.filter("passed").height
    assert sum(stopped.values()) == matched.filter(~pl.col("passed")).height
    assert asked(
        file,
        "SELECT sum(items), count(*) FILTER (WHERE mail_state = 'sent'), count(DISTINCT reader) FROM digests",
    ) == [(sent, mails, 3)]
    assert asked(file, "SELECT count(*) FROM digest_lines WHERE decision = 'sent'") == [(sent,)]
    assert asked(
        file,
        "SELECT sum(alive) FROM memory_growth WHERE day = (SELECT max(day) FROM memory_growth)",
    ) == [(alive,)]
    assert asked(file, "SELECT count(*) FROM source_health") == [(answers,)]
    assert asked(file, "SELECT build_id FROM build") == [(built.build_id,)]


def test_bad_days_are_counted_in_a_row_and_begin_anew_after_a_good_one(
    demo: Workspace, prepared: Path
) -> None:
    with demo.control.write() as connection:
        source = (
            connection.execute(
                sa.select(t.collections.c.source_id).order_by(t.collections.c.source_id)
            )
            .scalars()
            .first()
        )
        days = (
            connection.execute(
                sa.select(t.collections.c.day).where(t.collections.c.source_id == source)
            )
            .scalars()
            .all()
        )
        for day in sorted(days)[1:]:
            connection.execute(
                sa.update(t.collections)
                .where(t.collections.c.source_id == source, t.collections.c.day == day)
                .values(outcome="failed", error_kind="retriable")
            )
    run_stage(RunContext(demo), "out/exports")
    made = marts.build(demo, PROJECT, prepared, "run")
    found = asked(
        made.folder / FILE,
        f"SELECT bad_days_in_a_row, is_bad FROM source_health WHERE source_id = '{source}' ORDER BY day",
    )
    assert found == [(0, False), (1, True), (2, True)]


def test_no_address_name_of_a_person_or_text_leaves_with_the_marts(
    built: marts.Built, played: Path, clock: FrozenClock
) -> None:
    with open_workspace(played, clock) as workspace:
        lake = workspace.lake
        secret = lake.scan(EVENTS, [TENANT]).select("text").collect()["text"].to_list()
        with workspace.control.read() as connection:
            for column in (
                t.users.c.name,
                t.users.c.email,
                t.memory_log.c.text,
                t.outbox.c.subject,
            ):
                secret += list(connection.execute(sa.select(column)).scalars())
        exported = [
            str(value)
            for export in EXPORTS
            for row in lake.scan(export.table, [TENANT]).collect().iter_rows()
            for value in row
        ]
    assert len(secret) > 100
    for name in (marts.WORK, FILE):
        with duckdb.connect(str(built.folder / name), read_only=True) as opened:
            for (table,) in opened.execute(
                "SELECT schema_name || '.\"' || table_name || '\"' FROM duckdb_tables()"
            ).fetchall():
                for row in opened.execute(f"SELECT * FROM {table}").fetchall():
                    exported += [str(value) for value in row]
    assert not {text for text in secret if text} & set(exported)
    assert [text for text in exported if re.search(r"\w@\w", text)] == []


def test_every_model_and_column_says_what_it_means_and_carries_it_into_the_file(
    played: Path, prepared: Path, built: marts.Built, clock: FrozenClock
) -> None:
    with open_workspace(played, clock) as workspace:
        page, warned = marts.documentation(workspace, PROJECT, prepared)
    assert warned == ()
    assert "client_activity_by_day" in page.read_text()
    manifest = dbt.read_manifest(prepared)
    catalog = json.loads((page.parent / "catalog.json").read_text())
    assert catalog["errors"] is None
    described = {**manifest["nodes"], **manifest["sources"]}
    kept = {node for node in described if node.startswith(("model.", "source."))}
    assert kept == {*catalog["nodes"], *catalog["sources"]}
    for node in sorted(kept):
        columns = {**catalog["nodes"], **catalog["sources"]}[node]["columns"]
        documented = described[node]["columns"]
        assert len(described[node]["description"]) > 15, node
        assert set(columns) == set(documented), node
        for name, told in documented.items():
            assert len(told["description"]) > 4, f"{node}.{name}"
    assert (
        asked(
            built.folder / FILE,
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE schema_name = 'main' AND NOT internal AND comment IS NULL",
        )
        == []
    )


def test_every_model_has_tests(prepared: Path) -> None:
    manifest = dbt.read_manifest(prepared)
    models = {n for n in manifest["nodes"] if n.startswith("model.")}
    looked_at = {
        parent
        for node, props in manifest["nodes"].items()
        if node.startswith("test.")
        for parent in props["depends_on"]["nodes"]
    }
    assert models <= looked_at


def test_a_broken_build_is_not_published_and_what_is_out_stays(
    demo: Workspace, prepared: Path
) -> None:
    marts.build(demo, PROJECT, prepared, "good")
    out = marts.publish(demo, "good")
    frame = demo.lake.scan(EVENTS, [TENANT]).collect()
    day = frame["day"][0]
    broken = Lake(demo.lake.root)
    loose = replace(EVENTS, sort=("title", "event_id", "members"))
    rows = frame.filter(pl.col("day") == day)
    broken.write(
        loose, TENANT, day, pl.concat([rows, rows.with_columns(members=pl.lit(99, pl.Int32))])
    )
    made = marts.build(demo, PROJECT, prepared, "bad")
    assert "unique_together_stg_events" in {r.node_id.split(".")[2][:26] for r in made.done.broken}
    assert made.rows == {}
    assert (made.folder / marts.REFUSED).exists()
    with pytest.raises(NotFoundError, match="no database"):
        marts.publish(demo, "bad")
    assert demo.warehouse.current() == out


def test_publishing_needs_marts_that_were_built_under_that_name(demo: Workspace) -> None:
    with pytest.raises(NotFoundError, match="no database"):
        marts.publish(demo, "never")


def test_an_empty_home_builds_empty_marts(workspace: Workspace, prepared: Path) -> None:
    made = marts.build(workspace, PROJECT, prepared, "empty")
    assert made.done.broken == []
    assert {name for name, rows in made.rows.items() if rows} == {"build"}
    assert marts.publish(workspace, "empty").snapshot == 0


def test_a_file_of_an_older_release_lacks_columns_and_is_read(
    demo: Workspace, prepared: Path
) -> None:
    for path in (demo.lake.root / "core" / "relevance").rglob("*.parquet"):
        pl.read_parquet(path).drop("tokens", "cost_usd").write_parquet(path)
    made = marts.build(demo, PROJECT, prepared, "older")
    assert made.done.broken == []
    assert asked(made.folder / FILE, "SELECT sum(tokens) FROM costs_by_day") == [(0,)]


def test_a_damaged_file_of_the_lake_is_named(demo: Workspace, prepared: Path) -> None:
    path = next((demo.lake.root / "out" / "matches").rglob("*.parquet"))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match=r"files of out/matches cannot be loaded"):
        marts.build(demo, PROJECT, prepared, "damaged")


def test_a_project_that_changed_since_it_was_parsed_is_parsed_again(
    workspace: Workspace, prepared: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "project"
    shutil.copytree(PROJECT, changed)
    mart = changed / "models" / "marts" / "build.sql"
    mart.write_text(mart.read_text().replace("snapshot,", "snapshot + 1 as snapshot,"))
    assert not dbt.is_prepared(changed, prepared)
    made = marts.build(workspace, changed, prepared, "changed")
    assert asked(made.folder / FILE, "SELECT snapshot FROM build") == [(1,)]
    mart.write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(ConfigurationError, match="nowhere"):
        marts.build(workspace, changed, prepared, "mistaken")


def test_nothing_is_written_into_the_project(built: marts.Built) -> None:
    assert built.rows
    assert {p.name for p in PROJECT.iterdir()} == {
        "dbt_project.yml",
        "profiles.yml",
        "macros",
        "models",
        "tests",
    }
