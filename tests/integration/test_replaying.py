"""Days replayed under another model, prompt or threshold: what would differ is told, and nothing is touched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.cli import main as cli
from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.control.tenants import get_tenant
from clientlore.digests.replaying import Change, Replay, read_prompt, replay
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError, ProviderError
from clientlore.monitoring.classifier import SHIPPED, save, shipped
from clientlore.monitoring.training import adapt
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.fakes import openai
from clientlore.testing.fakes.serving import Fake, Fault, serving
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = NOW.date()
TITLES = (
    "Kilnworks Ceramics raises $40 million in a funding round",
    "Kilnworks Ceramics names a new chief executive",
    "Kilnworks Ceramics to acquire Oakhurst Mills",
    "Glazes are back, says Kilnworks Ceramics",
)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock, fake: Fake) -> Iterator[Workspace]:
    """A day that was judged without a key and mailed; a model that is a fake could be asked."""
    with (
        FeedServer() as server,
        serving(fake, [openai.routes]) as address,
        open_workspace(
            tmp_path / "home",
            clock,
            openai_api_key=openai.KEY,
            openai_api_base=f"{address}/openai/v1",
            llm={"timeout_seconds": 5.0, "calls_per_minute": 1_000_000},
        ) as workspace,
    ):
        put(workspace, server.url("/f.xml"))
        rng = Random(1)
        entries = []
        for n, title in enumerate(TITLES):
            odd = ["".join(rng.choices("aeioubdfgklmnprst", k=6)) for _ in range(30)]
            at = NOW - timedelta(hours=n + 1)
            entries.append(
                Entry(title, f"{title}. {' '.join(odd)}.", f"https://w.example/{n}", f"g{n}", at)
            )
        server.put("/f.xml", Answer(rss("Wire", entries)))
        (result,) = InlineOrchestrator(workspace).launch(
            RunRequest(DAY, DAY, Scope(), deliver=True)
        )
        assert result.outcome == "succeeded", result.error
        yield workspace


def put(workspace: Workspace, url: str, judge: str = "{}") -> None:
    put_tenant(
        workspace,
        f"""
        tenant: desk
        name: Desk
        judge: {judge}
        users: [{{id: ann, name: Ann, email: ann@desk.example, threshold: 0.5}}]
        clients:
          - {{id: kiln, name: Kilnworks Ceramics, owners: [ann], feeds: ['{url}']}}
        """,
    )


def with_budget(workspace: Workspace) -> None:
    put(workspace, "https://w.example/f.xml", "{provider: openai, batch: 1, budget_calls: 50}")


def tenant(workspace: Workspace) -> Tenant:
    with workspace.control.read() as connection:
        return get_tenant(connection, "desk")


def told(workspace: Workspace, first: date = DAY, last: date = DAY, **change: object) -> Replay:
    return replay(workspace, tenant(workspace), first, last, Change(**change))  # type: ignore[arg-type]


def everything(workspace: Workspace, *but: str) -> dict[str, object]:
    """Every row of the control plane and every byte of the other stores."""
    found: dict[str, object] = {}
    with workspace.control.read() as connection:
        for table in t.metadata.sorted_tables:
            if table.name not in but:
                found[table.name] = [tuple(row) for row in connection.execute(sa.select(table))]
    home = workspace.settings.home
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.name.startswith("control.db"):
            found[str(path.relative_to(home))] = path.read_bytes()
    return found


def test_a_threshold_alone_leaves_the_scores_and_tells_who_would_be_mailed_less_or_more(
    desk: Workspace,
) -> None:
    before = everything(desk)
    strict = told(desk, threshold=1.0)
    assert strict.scores.is_empty()
    assert (strict.pairs, strict.mailed_after) == (4, 0)
    assert strict.mailed_before == strict.mails.height > 0
    assert set(strict.mails["user"]) == {"ann"}
    assert strict.mails["reason"].str.contains("below the threshold 1.0").all()
    loose = told(desk, threshold=0.0)
    assert loose.mailed_after == 4
    assert loose.mails.height == 4 - loose.mailed_before > 0
    assert loose.mails["after"].all()
    assert told(desk, threshold=0.5).mails.is_empty()
    assert everything(desk) == before


def test_the_same_judge_says_the_same_and_another_is_told_beside_it(
    desk: Workspace, tmp_path: Path
) -> None:
    before = everything(desk)
    for same in ("local", "shipped"):
        found = told(desk, model=same)
        assert (found.pairs, found.scores.height, found.mails.height) == (4, 0, 0)
    assert told(desk, model="rules").pairs == 4
    copy = tmp_path / SHIPPED
    copy.write_bytes(Path("src/clientlore/monitoring", SHIPPED).read_bytes())
    assert told(desk, model=str(copy)).scores.is_empty()
    texts = pl.Series([f"{TITLES[3]} {n}" for n in range(9)])
    save(adapt(shipped(), texts, ["award"] * 9, "other", {}), copy)
    found = told(desk, model=str(copy)).scores.filter(title=TITLES[3]).row(0, named=True)
    assert (found["category_before"], found["category_after"]) == ("other", "award")
    assert found["score_after"] > found["score_before"]
    assert everything(desk) == before


def test_a_language_model_judges_through_the_budget_with_its_prompt_and_nothing_else_changes(
    desk: Workspace, fake: Fake, tmp_path: Path
) -> None:
    with_budget(desk)
    bought = ("llm_judgements", "provider_spending")
    before = everything(desk, *bought)
    found = told(desk, model="openai")
    assert len(fake.asked("/openai")) == 4
    assert found.scores.height == 4
    assert found.waiting == 0
    file = tmp_path / "stricter.md"
    file.write_text("Judge strictly: a PROMPT OF ITS OWN.")
    other = told(desk, model="openai", prompt=read_prompt(file))
    asked = fake.asked("/openai")
    assert len(asked) == 8
    assert "PROMPT OF ITS OWN" not in str(asked[0].body)
    assert all("PROMPT OF ITS OWN" in str(call.body) for call in asked[4:])
    assert other.pairs == 4
    # The same again costs nothing.
    assert told(desk, model="openai", prompt=read_prompt(file)).scores.equals(other.scores)
    assert len(fake.asked("/openai")) == 8
    assert everything(desk, *bought) == before
    with desk.control.read() as connection:
        prompts = connection.execute(sa.select(t.llm_judgements.c.prompt).distinct()).scalars()
        assert set(prompts) == {"relevance-1", read_prompt(file).name}


def test_what_the_budget_has_no_room_for_is_told_as_waiting(desk: Workspace) -> None:
    put(desk, "https://w.example/f.xml", "{provider: openai, batch: 1, budget_calls: 1}")
    found = told(desk, model="openai")
    assert (found.pairs, found.waiting) == (4, 3)


def test_a_model_that_does_not_answer_is_an_error_and_not_a_difference(
    desk: Workspace, fake: Fake
) -> None:
    with_budget(desk)
    fake.fail("/openai", *[Fault(status=500)] * 50)
    with pytest.raises(ProviderError):
        told(desk, model="openai")


def test_what_cannot_be_replayed_is_said(desk: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Nothing is named"):
        told(desk)
    with pytest.raises(ConfigurationError, match="no budget for language models"):
        told(desk, model="openai")
    with pytest.raises(ConfigurationError, match="no model and no file"):
        told(desk, model="gut-feeling")
    (tmp_path / "p.md").write_text("Judge.")
    with pytest.raises(ConfigurationError, match="read by language models"):
        told(desk, prompt=read_prompt(tmp_path / "p.md"))
    with pytest.raises(NotFoundError, match="No day from 2026-11-01 to 2026-11-03 was run"):
        told(desk, date(2026, 11, 1), date(2026, 11, 3), threshold=0.5)
    found = told(desk, DAY - timedelta(days=2), DAY, threshold=0.5)
    assert (found.days, len(found.left_out)) == ((DAY,), 2)
    (tmp_path / "empty.md").write_text(" \n")
    with pytest.raises(BadDataError, match="is empty"):
        read_prompt(tmp_path / "empty.md")
    with pytest.raises(NotFoundError, match="There is no prompt"):
        read_prompt(tmp_path / "none.md")


def test_the_command_answers_with_tables_and_with_json(
    desk: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIENTLORE_HOME", str(desk.settings.home))
    asked = ["replay", "--from", str(DAY), "--to", str(DAY), "--threshold", "1"]
    for more in ([], ["--json"]):
        with contextlib.suppress(SystemExit):
            cli.main([*asked, *more])
        out = capsys.readouterr().out
        if more:
            answer = json.loads(out)
            assert answer["days"] == [str(DAY)]
            assert answer["mailed_after"] == 0
            assert len(answer["mails"]) == answer["mailed_before"]
        else:
            assert "0 would" in out
            assert "below the threshold" in out
