"""A day through the job with a model as judge and an embedder, both named by the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clientlore.memory.store import MemoryStore
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.testing.fakes import anthropic, openai
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.glue.conftest import MOCK_TENANT, RunJob

pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    made = Fake()
    with serving(made, [openai.routes, anthropic.routes]) as address:
        for name, value in {
            "OPENAI_API_KEY": openai.KEY,
            "OPENAI_API_BASE": f"{address}/openai/v1",
            "ANTHROPIC_API_KEY": anthropic.KEY,
            "ANTHROPIC_API_BASE": f"{address}/anthropic",
            "LLM_TIMEOUT": "20",
            "EMBEDDING_MODEL": "text-embedding-3-small",
            "EMBEDDING_DIMENSIONS": "48",
        }.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_day_is_judged_and_embedded_through_the_real_libraries_and_says_what_it_cost(
    fake: Fake, real_time: Workspace, run_job: RunJob, provider: str
) -> None:
    put_tenant(real_time, f"{MOCK_TENANT}\n    judge: {{provider: {provider}, batch: 3}}\n")
    result = run_job("client_monitoring")
    assert result.success
    rows = real_time.lake.scan(RELEVANCE, ["acme"]).collect()
    assert set(rows["method"]) == {"llm", "rules"}
    judged = rows.filter(method="llm")
    assert judged["tokens"].min() > 0
    assert judged["cost_usd"].min() > 0
    metadata = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }["core/relevance"]
    assert metadata["llm_calls"].value == len(fake.asked(f"/{provider}")) - len(
        fake.asked("/openai/v1/embeddings") if provider == "openai" else []
    )
    assert metadata["llm_usd"].value > 0
    checks = {
        check.check_name: check.passed
        for check in result.get_asset_check_evaluations()
        if check.asset_key.to_user_string() == "core/relevance"
    }
    assert checks["all_judged"]
    assert checks["scores_in_range"]
    assert "models_in_time" in checks
    with open_workspace(
        real_time.settings.home,
        real_time.clock,
        openai_api_key=openai.KEY,
        openai_api_base=os.environ["OPENAI_API_BASE"],
        embedding={"model": "text-embedding-3-small", "dimensions": 48},
    ) as opened:
        assert MemoryStore(opened).search("acme", "harbor foods").mode == "hybrid"
    before = len(fake.asked(f"/{provider}/v1/{'chat' if provider == 'openai' else 'messages'}"))
    assert run_job("reprocess_days").success
    assert (
        len(fake.asked(f"/{provider}/v1/{'chat' if provider == 'openai' else 'messages'}"))
        == before
    )
