"""What analysts get of the control plane: the same on both databases, each tenant by itself, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.run_context import RunContext, Scope
from clientlore.runs.exports import (
    COLLECTIONS,
    DECISIONS,
    EXPORTS,
    MAIL_ATTEMPTS,
    MEMORY_OPERATIONS,
    READERS,
    TENANTS,
)
from clientlore.runs.stages import run_stage
from clientlore.testing.demo import TENANT, play_demo
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, clock: FrozenClock, database_url: str) -> Iterator[Workspace]:
    """A day of the demo on each kind of database in turn."""
    with open_workspace(tmp_path / "home", clock, database_url=database_url) as opened:
        play_demo(opened, days=1)
        yield opened


def count(workspace: Workspace, table: sa.Table) -> int:
    with workspace.control.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_every_row_is_exported_once_and_twice_is_the_same(workspace: Workspace) -> None:
    first = run_stage(RunContext(workspace), "out/exports")
    assert first.failed == []
    kept = {
        DECISIONS.name: t.notifications,
        MAIL_ATTEMPTS.name: t.email_logs,
        COLLECTIONS.name: t.collections,
        MEMORY_OPERATIONS.name: t.memory_log,
        READERS.name: t.users,
    }
    frames = {e.table.name: workspace.lake.scan(e.table, [TENANT]).collect() for e in EXPORTS}
    for name, source in kept.items():
        assert frames[name].height == count(workspace, source) > 0, name
    assert frames["memory_operations"].filter(pl.col("sources") < 1).is_empty()
    assert frames["mail_attempts"]["window_id"].null_count() == 0
    assert frames["collections"]["kind"].null_count() == 0
    assert frames["readers"]["relevance_threshold"].to_list().count(0.7) == 1
    again = run_stage(RunContext(workspace), "out/exports")
    assert again.rows == first.rows
    for export in EXPORTS:
        found = workspace.lake.scan(export.table, [TENANT]).collect()
        assert found.equals(frames[export.table.name]), export.table.key


def test_a_tenant_gets_its_own_rows_and_one_that_is_held_is_exported_too(
    workspace: Workspace,
) -> None:
    put_tenant(workspace, "{tenant: other, name: Other, mode: mock, users: [], clients: []}")
    with workspace.control.write() as connection:
        connection.execute(
            sa.update(t.tenants).where(t.tenants.c.tenant_id == TENANT).values(status="held")
        )
    only = RunContext(workspace, scope=Scope(tenants=("other",)))
    assert [o.tenant_id for o in run_stage(only, "out/exports").outcomes] == ["other"]
    assert workspace.lake.scan(TENANTS, [TENANT]).collect().height == 0
    run_stage(RunContext(workspace), "out/exports")
    both = workspace.lake.scan(TENANTS, [TENANT, "other"]).collect()
    assert dict(both.select("tenant_id", "status").iter_rows()) == {
        TENANT: "held",
        "other": "active",
    }
    for export in EXPORTS:
        frame = workspace.lake.scan(export.table, ["other"]).collect()
        assert frame.filter(pl.col("tenant_id") != "other").is_empty()
