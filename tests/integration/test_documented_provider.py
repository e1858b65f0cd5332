"""The provider that the documentation shows, installed as a package is and collected from over real HTTP."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clientlore import plugins
from clientlore.clock import FrozenClock
from clientlore.control import clients, sources, tenants
from clientlore.monitoring import raw
from clientlore.monitoring.collect import collect
from clientlore.providers.registry import KINDS
from clientlore.run_context import RunContext
from clientlore.testing.fakes.serving import Fake, serving
from clientlore.testing.workspaces import open_workspace, put_tenant
from tests.conftest import NOW

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
FILE = "tenant: desk\nname: Desk\nsearch: [wire_news]\nclients: [{name: Harbor Foods}]\n"


def _part(_fake: Fake) -> Sequence[Route]:
    async def news(request: Request) -> JSONResponse:
        told = {"id": 7, "title": "Harbor Foods opens plant", "at": "2026-11-20T08:00:00Z"}
        return JSONResponse({"news": [told, {"id": 8}]})

    return [Route("/api/news", news)]


def test_the_example_of_the_documentation_collects_like_what_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (entry,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    fake = Fake()
    with serving(fake, [_part]) as address:
        site = tmp_path / "site"
        (site / "wire_news").mkdir(parents=True)
        (site / "wire_news" / "provider.py").write_text(
            code.replace("https://wire.example", address)
        )
        made = site / "wire_news-1.0.dist-info"
        made.mkdir()
        (made / "METADATA").write_text("Metadata-Version: 2.1\nName: wire-news\nVersion: 1.0\n")
        group, line = entry.strip().split("\n")
        assert group == f'[project.entry-points."{plugins.GROUP}"]'
        (made / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{line.replace(chr(34), '')}\n")
        monkeypatch.syspath_prepend(str(site))
        plugins.brought.cache_clear()
        try:
            assert "wire_news" in plugins.searchable()
            with open_workspace(tmp_path / "home", clock) as workspace:
                put_tenant(workspace, FILE)
                with workspace.control.read() as connection:
                    tenant = tenants.get_tenant(connection, "desk")
                    known = sources.sources_of(connection, "desk")
                    watched = clients.clients_of(connection, "desk")
                done = collect(
                    RunContext(workspace), tenant, NOW.date(), raw.SEARCH_RESULTS,
                    known_sources=known, clients=watched,
                )  # fmt: skip
                assert (done.rows, [o.outcome for o in done.outcomes]) == (1, ["collected"])
                assert [r[2] for r in done.outcomes[0].rejects] == ["missing_field"]
        finally:
            plugins.brought.cache_clear()
            sys.modules.pop("wire_news.provider", None)
            sys.modules.pop("wire_news", None)
    (asked,) = fake.asked("/api/news")
    assert asked.query == {"q": '"Harbor Foods"', "since": "2026-11-19T00:00:00+00:00"}


def test_every_provider_that_ships_stands_in_the_table_with_what_it_needs() -> None:
    lines = {
        line.split("|")[1].strip(" `"): line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    }
    assert set(lines) == set(plugins.SEARCHABLE)
    for name, line in lines.items():
        assert all(f"`{variable}`" in line for variable in KINDS[name].needs)
