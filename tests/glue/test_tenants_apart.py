"""One tenant's trouble is not another's: failures, made-up rows among real ones, tenants that are held."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import replace

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.control import fires, tenants
from clientlore.control import tables as t
from clientlore.monitoring import raw
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.providers.base import Item, Parsed, Response
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

TODAY = datetime.datetime.now(datetime.UTC).date()
RunJob = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as opened:
        yield opened


def live_tenant(workspace: Workspace, name: str, url: str, *, on_failure: str = "skip") -> None:
    """A live tenant with one reader and one client that has a feed."""
    put_tenant(
        workspace,
        f"""
        tenant: {name}
        name: {name.title()} Advisors
        users: [{{id: ann, name: Ann, email: ann@{name}.example}}]
        clients:
          - name: Harbor Foods
            owners: [ann]
            feeds: [{{url: "{url}", on_failure: {on_failure}}}]
        """,
    )


def a_feed(title: str) -> bytes:
    text = (
        f"{title}. Harbor Foods said it raised $20 million in a round led by investors in the city."
    )
    return rss("Wire", [Entry(title, text, "https://wire.example/1", "g1")])


def fire_for(workspace: Workspace, tenant_id: str) -> str:
    with workspace.control.write() as connection:
        return fires.write_by_hand(
            connection, workspace.audit("test", "deliver"), tenant_id=tenant_id, day=TODAY
        ).fire_id


def smuggle(workspace: Workspace, tenant_id: str) -> None:
    """Puts a made-up row into a live tenant's raw folder, as a confused script might."""
    clock = workspace.clock.now()
    batch = raw.Batch.new(tenant_id, TODAY, raw.SEARCH_RESULTS, clock, "smuggler")
    made_up = Response(
        "s-x", "harbor-foods", "mock_search", '{"url": "mock:x"}', 200, {}, b"{}", clock, "mock"
    )
    item = Item(
        0, "m1", "Harbor Foods buys the moon", "Harbor Foods acquired the moon for $1 million."
    )
    raw.store_responses(workspace.lake, batch, [made_up])
    raw.store_rows(workspace.lake, batch, [(made_up, Parsed(items=(item,)))])


def checks_of(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], tuple[bool, str]]:
    return {
        (c.asset_key.to_user_string(), c.check_name): (c.passed, c.description or "")
        for c in result.get_asset_check_evaluations()
    }


def test_a_made_up_row_in_a_live_tenant_is_set_aside_holds_it_and_reaches_nobody(
    real_time: Workspace, run_job: RunJob, server: FeedServer, instance: dg.DagsterInstance
) -> None:
    good = server.put("/good.xml", Answer(a_feed("Harbor Foods raises $20 million")))
    for name in ("clean", "spoilt"):
        live_tenant(real_time, name, good)
    smuggle(real_time, "spoilt")
    given = [fire_for(real_time, name) for name in ("clean", "spoilt")]

    result = run_job("client_monitoring", TODAY.isoformat(), fires=given)

    assert result.success
    said = checks_of(result)
    passed, description = said["core/events", "no_mock_in_live"]
    assert not passed
    assert "spoilt" in description
    assert "clean" not in description
    assert said["core/events", "mock_free"][0]
    (check,) = (
        c for c in result.get_asset_check_evaluations() if c.check_name == "no_mock_in_live"
    )
    assert check.severity is dg.AssetCheckSeverity.ERROR
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["clientlore/outcome"] == "degraded"
    assert run.tags["clientlore/troubled"] == "spoilt held"
    with real_time.control.read() as connection:
        spoilt = tenants.get_tenant(connection, "spoilt")
        assert (spoilt.status, tenants.get_tenant(connection, "clean").status) == ("held", "active")
        aside = connection.execute(sa.select(t.quarantine)).mappings().one()
        assert (aside["tenant_id"], aside["reason"]) == ("spoilt", "mock_in_live")
        assert (
            connection.execute(
                sa.select(sa.func.count()).where(t.memory_log.c.tenant_id == "spoilt")
            ).scalar_one()
            == 0
        )
        batches = dict(
            connection.execute(
                sa.select(t.raw_batches.c.tenant_id, t.raw_batches.c.status).where(
                    t.raw_batches.c.table_name == "search_results"
                )
            )
            .tuples()
            .all()
        )
    assert batches == {"clean": "PROCESSED", "spoilt": "SKIPPED"}
    recipients = [p.read_bytes() for p in real_time.settings.mail.glob("*.eml")]
    assert len(recipients) == 1
    assert b"ann@clean.example" in recipients[0]
    assert b"the moon" not in recipients[0]


def test_a_released_tenant_goes_on_without_the_row_and_is_not_held_for_it_again(
    real_time: Workspace, run_job: RunJob, server: FeedServer
) -> None:
    live_tenant(
        real_time, "spoilt", server.put("/f.xml", Answer(a_feed("Harbor Foods raises $20 million")))
    )
    smuggle(real_time, "spoilt")
    run_job("client_monitoring", TODAY.isoformat())
    with real_time.control.write() as connection:
        assert tenants.release(connection, real_time.audit("test", "looked into it"), "spoilt")
    result = run_job("client_monitoring", TODAY.isoformat(), fires=[fire_for(real_time, "spoilt")])
    assert checks_of(result)["core/events", "no_mock_in_live"][0]
    titles = real_time.lake.scan(EVENTS, ["spoilt"]).collect()["title"].to_list()
    assert titles == ["Harbor Foods raises $20 million"]
    assert len(list(real_time.settings.mail.glob("*.eml"))) == 1


def test_one_failing_source_marks_its_client_and_the_rest_go_on(
    real_time: Workspace, run_job: RunJob, server: FeedServer
) -> None:
    good = server.put("/good.xml", Answer(a_feed("Harbor Foods raises $20 million")))
    put_tenant(
        real_time,
        f"""
        tenant: acme
        name: Acme
        users: [{{id: ann, name: Ann, email: ann@acme.example}}]
        clients:
          - {{name: Harbor Foods, owners: [ann], feeds: ["{good}"]}}
          - {{name: Vela Logistics, owners: [ann], feeds: ["{server.url("/gone.xml")}"]}}
        """,
    )
    result = run_job("client_monitoring", TODAY.isoformat(), fires=[fire_for(real_time, "acme")])
    assert result.success
    passed, description = checks_of(result)["raw/search_results", "sources_answered"]
    assert not passed
    assert "1 of 2 sources gave no answer" in description
    with real_time.control.read() as connection:
        outcomes = dict(
            connection.execute(sa.select(t.collections.c.client_id, t.collections.c.outcome))
            .tuples()
            .all()
        )
        fire = connection.execute(sa.select(t.fires)).mappings().one()
    assert outcomes == {"harbor-foods": "collected", "vela-logistics": "failed"}
    assert (fire["state"], "404" in fire["error"]) == ("degraded", True)
    assert len(list(real_time.settings.mail.glob("*.eml"))) == 1


def test_a_source_that_must_not_fail_stops_its_tenant_and_no_other(
    real_time: Workspace, run_job: RunJob, server: FeedServer
) -> None:
    live_tenant(real_time, "strict", server.url("/gone.xml"), on_failure="fail")
    live_tenant(
        real_time, "easy", server.put("/f.xml", Answer(a_feed("Harbor Foods raises $20 million")))
    )
    given = [fire_for(real_time, name) for name in ("strict", "easy")]
    result = run_job("client_monitoring", TODAY.isoformat(), fires=given)
    assert result.success
    passed, description = checks_of(result)["raw/search_results", "tenants_done"]
    assert not passed
    assert description.startswith("strict: harbor-foods: ")
    with real_time.control.read() as connection:
        states = dict(
            connection.execute(sa.select(t.fires.c.tenant_id, t.fires.c.state)).tuples().all()
        )
        windows = connection.execute(sa.select(t.windows.c.tenant_id)).scalars().all()
    assert states == {"strict": "failed", "easy": "done"}
    # A window that is not opened is not lost: the next fire opens one over all.
    assert windows == ["easy"]


def test_a_stage_that_fails_for_every_tenant_fails_the_run(
    real_time: Workspace, run_job: RunJob, server: FeedServer
) -> None:
    live_tenant(real_time, "strict", server.url("/gone.xml"), on_failure="fail")
    fire = fire_for(real_time, "strict")
    result = run_job("client_monitoring", TODAY.isoformat(), fires=[fire])
    assert not result.success
    with real_time.control.read() as connection:
        run = connection.execute(sa.select(t.runs)).mappings().one()
        state = connection.execute(sa.select(t.fires.c.state)).scalar_one()
    assert (run["outcome"], state) == ("failed", "failed")
    assert "404" in run["error"]


def test_made_up_data_for_a_live_tenant_is_refused(
    real_time: Workspace, run_job: RunJob, server: FeedServer
) -> None:
    live_tenant(real_time, "acme", server.put("/f.xml", Answer(a_feed("News"))))
    result = run_job("reprocess_days", TODAY.isoformat(), force_mock=True)
    assert not result.success
    assert server.asked() == []
    assert not real_time.lake.batches(raw.RESPONSES, "acme", TODAY)


def test_a_defect_in_one_tenant_is_noted_without_content_and_the_others_go_on(
    tenant: Workspace, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clientlore.runs import work
    from clientlore.runs.stages import STAGES

    put_tenant(
        tenant, "{tenant: other, name: Other, mode: mock, users: [], clients: [{name: Umbra}]}"
    )
    real = work.events

    def broken(ctx: object, of: object, day: object) -> object:
        if of.tenant_id == "other":  # type: ignore[attr-defined]
            raise ValueError("secret words of an article")
        return real(ctx, of, day)  # type: ignore[arg-type]

    stage = replace(STAGES["core/events"], by_day=broken)  # type: ignore[arg-type]
    monkeypatch.setitem(STAGES, "core/events", stage)  # type: ignore[arg-type]
    result = run_job("client_monitoring")
    assert result.success
    passed, description = checks_of(result)["core/events", "tenants_done"]
    assert not passed
    assert "ValueError" in description
    assert "secret words" not in description
    assert tenant.lake.scan(EVENTS, ["acme"]).collect().height > 0
    assert tenant.lake.scan(MEMBERS, ["other"]).collect().is_empty()


def test_nothing_of_a_tenant_is_in_another_tenants_files(
    tenant: Workspace, run_job: RunJob
) -> None:
    put_tenant(
        tenant,
        """
        tenant: other
        name: Other
        mode: mock
        users: [{id: ann, name: Ann Two, email: ann@other.example}]
        clients: [{name: Harbor Foods, owners: [ann]}]
        """,
    )
    assert run_job("client_monitoring").success
    for path in tenant.lake.root.rglob("*.parquet"):
        owner = path.parent.name.removeprefix("tenant=")
        assert pl.read_parquet(path)["tenant_id"].unique().to_list() in ([owner], []), path
    for path in tenant.settings.dossiers.rglob("*.md"):
        owner = path.relative_to(tenant.settings.dossiers).parts[0]
        assert f"\ntenant: {owner}\n" in path.read_text()
    assert {p.name for p in tenant.settings.dossiers.iterdir()} == {"acme", "other"}
