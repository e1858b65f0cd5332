"""A secret that the environment holds is in no file, table, log, error, answer or piece of metadata."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from clientlore.clock import SystemClock
from clientlore.control import fires
from clientlore.settings import load_settings
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace
from orchestration.definitions import build_defs
from orchestration.running import run_config
from resources.run import RunResource

KEY, PASSWORD = "canary-key-7f3a", "canary-password-91bc"
TODAY = datetime.datetime.now(datetime.UTC).date()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def every_byte(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def test_secrets_reach_the_servers_they_are_for_and_nothing_else(
    tmp_path: Path,
    server: FeedServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    home = tmp_path / "home"
    for name, value in {
        "CLIENTLORE_HOME": str(home),
        "ACME_FEED_KEY": KEY,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "9",
        "SMTP_USERNAME": "ann",
        "SMTP_PASSWORD": PASSWORD,
        "SMTP_FROM_EMAIL": "digest@acme.example",
        "SMTP_SECURITY": "none",
        "OPENAI_API_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    good = f"/good.xml?key={KEY}"
    server.put(
        good,
        Answer(
            rss("Wire", [Entry("Harbor Foods raises $20 million", "It raised money.", None, "g")])
        ),
    )
    text = f"""
        tenant: acme
        name: Acme
        allow_live_send: true
        users: [{{id: ann, name: Ann, email: ann@acme.example}}]
        clients:
          - {{name: Harbor Foods, owners: [ann], feeds: ["{server.url("/good.xml")}?key=${{ACME_FEED_KEY}}"]}}
          - {{name: Vela Logistics, owners: [ann], feeds: ["{server.url("/none.xml")}?key=${{ACME_FEED_KEY}}"]}}
          - {{name: Umbra Power, owners: [ann], feeds: ["http://127.0.0.1:1/x?key=${{ACME_FEED_KEY}}"]}}
    """
    with Workspace.open(load_settings(), clock=SystemClock()) as workspace:
        put_tenant(workspace, text)
        with workspace.control.write() as connection:
            fire = fires.write_by_hand(
                connection, workspace.audit("t", "t"), tenant_id="acme", day=TODAY
            )
    dagster_home = tmp_path / "dagster"
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        defs = build_defs(resources={"run": RunResource()})
        result = defs.resolve_job_def("client_monitoring").execute_in_process(
            instance=instance,
            partition_key=str(TODAY),
            run_config={"resources": {"run": {"config": {"fires": [fire.fire_id]}}}},
        )
        assert result.success
        events = "\n".join(str(record) for record in instance.all_logs(result.run_id))

    # The feed's server was given the key, so it was used.
    assert [asked.status for asked in server.asked(good)] == [200]
    for secret in (KEY, PASSWORD):
        assert secret not in events
        assert secret not in caplog.text
        for path, content in (*every_byte(home), *every_byte(dagster_home)):
            assert secret.encode() not in content, path


def test_settings_do_not_show_their_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load_settings(
        {
            "SMTP_PASSWORD": PASSWORD,
            "OPENAI_API_KEY": KEY,
            "DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
        },
        home=tmp_path,
    )
    dumped = settings.model_dump_json(include={"smtp", "openai_api_key"})
    shown = f"{settings.smtp!r} {settings.openai_api_key!r} {dumped}"
    assert PASSWORD not in shown
    assert KEY not in shown
    from clientlore.errors import StoreError

    with pytest.raises(StoreError) as caught:
        Workspace.open(settings)
    assert PASSWORD not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


def test_run_config_holds_names_and_ids_alone() -> None:
    from clientlore.run_context import Scope

    config = run_config(Scope(tenants=("acme",), fires=("f1",), collect=False))
    assert json.loads(json.dumps(config))["resources"]["run"]["config"] == {
        "tenants": ["acme"],
        "fires": ["f1"],
        "collect": False,
    }


def test_a_missing_variable_is_named_and_its_feed_is_marked(workspace: Workspace) -> None:
    from clientlore.control import tables as t
    from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest

    put_tenant(
        workspace,
        """
        tenant: acme
        name: Acme
        users: []
        clients: [{name: Harbor Foods, feeds: ["http://127.0.0.1:1/f?key=${NOT_SET_ANYWHERE}"]}]
        """,
    )
    day = workspace.clock.now().date()
    InlineOrchestrator(workspace).launch(RunRequest(day, day))
    with workspace.control.read() as connection:
        row = connection.execute(sa.select(t.collections)).mappings().one()
    assert (row["outcome"], row["error_kind"]) == ("failed", "authentication")
    assert "NOT_SET_ANYWHERE" in row["error"]
