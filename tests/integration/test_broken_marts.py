"""Data broken on purpose: the dbt test that guards against it fails, and says how many rows are wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clientlore.runs import marts
from clientlore.storage import dbt
from tests.integration.conftest import PROJECT

# Of what runs here nearly all is dbt's own, and takes half as long unmeasured.
pytestmark = pytest.mark.no_cover

duckdb = pytest.importorskip("duckdb")

# name -> what is done to the data, the test that must notice, and how grave it is
BREAKAGES = {
    "an event twice": (
        "INSERT INTO lake.events SELECT * FROM lake.events LIMIT 1",
        "unique_together_stg_events",
        "fail",
    ),
    "a score above one": (
        "UPDATE lake.relevance SET score = 1.5",
        "between_stg_relevance_score",
        "fail",
    ),
    "an unknown category": (
        "UPDATE lake.relevance SET category = 'gossip'",
        "accepted_values_stg_relevance_category",
        "fail",
    ),
    "a row without a tenant": (
        "UPDATE lake.matches SET tenant_id = NULL",
        "source_not_null_lake_matches_tenant_id",
        "fail",
    ),
    "an unknown gate": (
        "UPDATE lake.matches SET gate = 'mood' WHERE gate IS NOT NULL",
        "accepted_values_stg_matches_gate",
        "fail",
    ),
    "a negative number of items": (
        "UPDATE lake.collections SET items = -1",
        "between_stg_collections_items",
        "fail",
    ),
    "an operation twice": (
        "INSERT INTO lake.memory_operations SELECT * FROM lake.memory_operations LIMIT 1",
        "unique_lake_memory_operations_seq",
        "fail",
    ),
    "a source twice a day": (
        "INSERT INTO lake.collections SELECT * FROM lake.collections LIMIT 1",
        "unique_together_stg_collections",
        "fail",
    ),
    "a client of a tenant that is not there": (
        "UPDATE lake.clients SET tenant_id = 'nobody'",
        "relationships_stg_clients_tenant_id",
        "fail",
    ),
    "a mail sent before its window closed": (
        "UPDATE lake.deliveries SET sent_at = closed_at - INTERVAL 1 DAY",
        "not_before_stg_windows_sent_at",
        "warn",
    ),
    "an event mailed twice": (
        "INSERT INTO lake.decisions SELECT * REPLACE (window_id || 'x' AS window_id, "
        "notification_id || 'x' AS notification_id) FROM lake.decisions WHERE decision = 'sent' LIMIT 1",
        "nobody_was_mailed_an_event_twice",
        "warn",
    ),
    "a line that no gate let through": (
        "UPDATE lake.matches SET passed = false",
        "what_was_mailed_had_passed_the_gates",
        "warn",
    ),
    "a digest that counts wrongly": (
        "UPDATE lake.deliveries SET items = items + 1",
        "a_digest_has_as_many_lines_as_it_says",
        "warn",
    ),
    "a mail sent without an attempt": (
        "DELETE FROM lake.mail_attempts",
        "a_sent_mail_has_an_attempt_that_succeeded",
        "warn",
    ),
    "a made-up event in a live tenant": (
        "UPDATE lake.tenants SET mode = 'live'",
        "no_made_up_event_in_a_live_tenant",
        "warn",
    ),
    "an event with a member too many": (
        "UPDATE lake.events SET members = members + 1",
        "an_event_has_as_many_members_as_items_of_its_day",
        "warn",
    ),
    "a judgement of an event that is not there": (
        "DELETE FROM lake.events",
        "in_parent_stg_relevance",
        "warn",
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_data_fails_the_test_that_guards_it(
    built: marts.Built, prepared: Path, tmp_path: Path, breakage: str
) -> None:
    statement, guard, verdict = BREAKAGES[breakage]
    guards = [
        props["name"]
        for node, props in dbt.read_manifest(prepared)["nodes"].items()
        if node.startswith("test.") and guard in props["name"]
    ]
    assert guards, guard
    shutil.copy(built.folder / marts.WORK, tmp_path / marts.WORK)
    with duckdb.connect(str(tmp_path / marts.WORK)) as opened:
        opened.execute(statement)
    done = dbt.run(
        ["build", "--select", *(f"+{name}" for name in guards)],
        project=PROJECT,
        prepared=prepared,
        target=tmp_path / "target",
        databases=tmp_path,
    )
    said = [r for r in done.results if guard in r.node_id]
    assert verdict in {r.state for r in said}
    assert max(r.failures for r in said) > 0
    assert bool(done.broken) == (verdict == "fail")
