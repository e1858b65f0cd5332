"""Trying again what was set aside: after a reader is mended, stored answers are read anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import clients, quarantine, sources, tenants
from clientlore.control import tables as t
from clientlore.errors import BadDataError, NotFoundError
from clientlore.monitoring import raw
from clientlore.monitoring.collect import Collected, collect
from clientlore.monitoring.replay import Replayed, replay
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response, describe_request
from clientlore.providers.http import Http
from clientlore.providers.registry import Providers
from clientlore.run_context import RunContext
from clientlore.settings import Settings
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()


class Flaky:
    """A feed whose reader has a defect until it is mended. Its bodies are titles, one to a line."""

    name = "rss"
    mode: Any = "live"

    def __init__(self) -> None:
        self.body = b"One\nTwo\n\nFour"
        self.defect: Exception | None = None
        self.reads_blank = False

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """Says the same to everybody."""
        response = Response(
            source_id=ask.source.source_id,
            client_id=ask.source.client_id,
            provider=self.name,
            request=describe_request("GET", ask.source.location),
            status=200,
            headers={},
            body=self.body,
            fetched_at=NOW,
            mode=self.mode,
        )
        return Fetched((response,), ask.state)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """A title to a line; a line without one cannot be used."""
        if self.defect is not None:
            raise self.defect
        lines = response.body.decode().split("\n")
        blank = [n for n, line in enumerate(lines) if not line and not self.reads_blank]
        items = [
            Item(position=n, origin_id=f"o-{n}", title=line or "(blank)", text="")
            for n, line in enumerate(lines)
            if n not in blank
        ]
        return Parsed(items=tuple(items), rejects=tuple((n, "no_text", "blank") for n in blank))


@dataclass
class Desk:
    """A tenant with one flaky feed."""

    workspace: Workspace
    provider: Flaky

    def collect(self) -> Collected:
        """One collection of today."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
            watched = clients.clients_of(connection, "desk")
        ctx = RunContext(self.workspace)
        return collect(ctx, tenant, TODAY, raw.SEARCH_RESULTS, known_sources=known, clients=watched)

    def replay(self, *ids: str, tenant_id: str | None = None) -> Replayed:
        """Tries again."""
        ctx = RunContext(self.workspace)
        return replay(ctx, ctx.audit("a test tries again"), ids=ids, tenant_id=tenant_id)

    def titles(self) -> list[str]:
        """Titles of all raw rows, by their place in the answer."""
        lake = self.workspace.lake
        frame = lake.collect(raw.SEARCH_RESULTS, lake.scan(raw.SEARCH_RESULTS, ["desk"], [TODAY]))
        return frame.sort("position", "batch_id")["title"].to_list()

    def set_aside(self, state: str | None = None) -> dict[str, str]:
        """States by place in the answer."""
        with self.workspace.control.read() as connection:
            rows, _ = quarantine.listed(connection, state=state)
        return {row["reference"].partition("#")[2]: row["state"] for row in rows}

    def ids(self) -> list[str]:
        """Ids of what is open."""
        with self.workspace.control.read() as connection:
            rows, _ = quarantine.listed(connection)
        return [row["quarantine_id"] for row in rows]


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock) -> Iterator[Desk]:
    """A live tenant."""
    provider = Flaky()
    settings = Settings.model_validate({"home": tmp_path / "home"})
    providers = Providers(settings, clock, {"rss": provider})
    with Workspace.open(settings, clock=clock, providers=providers) as workspace:
        put_tenant(
            workspace,
            "tenant: desk\nname: Desk\nclients:\n  - {id: kiln, name: Kiln, feeds: ['https://wire.example/f']}\n",
        )
        yield Desk(workspace, provider)


@pytest.mark.parametrize(
    "defect", [BadDataError("This is no feed"), KeyError("title"), RecursionError(), UnicodeError()]
)
def test_an_answer_the_reader_stumbled_over_is_read_after_the_reader_is_mended(
    desk: Desk, defect: Exception
) -> None:
    desk.provider.defect = defect
    (outcome,) = desk.collect().outcomes
    assert (outcome.outcome, outcome.error_kind) == ("failed", "bad_data")
    assert desk.set_aside() == {"-1": "open"}
    desk.provider.defect = None
    done = desk.replay()
    assert (done.rows, done.days) == (3, (("desk", TODAY),))
    assert done.still_open(desk.workspace) == []
    assert desk.titles() == ["One", "Two", "Four"]
    # What could not be used inside of it is set aside in its turn.
    assert desk.set_aside() == {"-1": "resolved", "2": "open"}


def test_rows_read_late_are_those_that_would_have_come_in_time(desk: Desk) -> None:
    desk.collect()
    lake = desk.workspace.lake

    def rows() -> pl.DataFrame:
        frame = lake.scan(raw.SEARCH_RESULTS, ["desk"], [TODAY])
        return lake.collect(raw.SEARCH_RESULTS, frame).sort("position")

    expected = rows()
    for table in (raw.SEARCH_RESULTS, raw.RESPONSES):
        for path in lake.files(lake.folder(table, "desk", TODAY)):
            path.unlink()
    desk.provider.defect = ValueError()
    desk.collect()
    desk.provider.defect = None
    assert desk.replay().rows == 3
    # Another run has other batches, and so its answers have other ids.
    by_run = ["run_id", "batch_id", "response_id"]
    assert rows().drop(by_run).equals(expected.drop(by_run))
    _, response = raw.find_response(lake, "desk", TODAY, rows()["response_id"][0])
    assert response.body == desk.provider.body


def test_what_fails_again_is_open_again(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    done = desk.replay()
    assert done.rows == 0
    assert done.still_open(desk.workspace) == list(done.ids) == desk.ids()
    assert desk.titles() == []
    desk.provider.defect = None
    assert desk.replay().rows == 3


def test_one_entry_of_an_answer_is_read_alone(desk: Desk) -> None:
    desk.collect()
    assert desk.titles() == ["One", "Two", "Four"]
    assert desk.replay().rows == 0
    assert desk.set_aside() == {"2": "open"}
    desk.provider.reads_blank = True
    assert desk.replay().rows == 1
    assert desk.titles() == ["One", "Two", "(blank)", "Four"]
    assert desk.set_aside() == {"2": "resolved"}


def test_the_same_replay_twice_adds_nothing(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    (quarantine_id,) = desk.ids()
    desk.provider.defect = None
    desk.replay(quarantine_id)
    with desk.workspace.control.write() as connection:
        connection.execute(sa.update(t.quarantine).values(state="open"))
    desk.replay(quarantine_id)
    assert desk.titles() == ["One", "Two", "Four"]


def test_a_replayed_batch_is_not_taken_for_a_broken_one(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    desk.provider.defect = None
    desk.replay()
    assert desk.collect().healed == 0
    assert desk.titles() == ["One", "Two", "Four"]


def test_a_replay_that_dies_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """What a killed process looks like from inside."""

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    desk.provider.defect = ValueError()
    desk.collect()
    desk.provider.defect = None
    for module, name in ((raw, "store_rows"), (quarantine, "resolve")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, kill)
            with pytest.raises(Killed):
                desk.replay()
        assert desk.set_aside() == {"-1": "open"}
    desk.replay()
    assert desk.titles() == ["One", "Two", "Four"]
    assert desk.set_aside("open") == {"2": "open"}


def test_a_lost_answer_stays_set_aside_and_the_others_are_tried(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    with desk.workspace.control.write() as connection:
        quarantine.put_rejects(
            connection, tenant_id="desk", day=TODAY, stage="raw/search_results",
            rejects=[quarantine.Reject(f"response:{'0' * 32}#-1", "html", "a page")],
            run_id=None, now=NOW, complete=False,
        )  # fmt: skip
    desk.provider.defect = None
    done = desk.replay()
    assert done.rows == 3
    assert len(done.still_open(desk.workspace)) == 1
    assert desk.titles() == ["One", "Two", "Four"]


def test_what_is_not_open_is_named(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="Nothing open is set aside under q-1"):
        desk.replay("q-1")
    assert desk.replay() == Replayed((), 0, ())


def test_only_the_named_tenants_are_tried_again(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    assert desk.replay(tenant_id="others").ids == ()
    assert len(desk.replay(tenant_id="desk").ids) == 1


def test_what_lies_in_rows_is_left_to_the_day_that_is_made_again(desk: Desk) -> None:
    with desk.workspace.control.write() as connection:
        quarantine.put_rejects(
            connection, tenant_id="desk", day=TODAY, stage="core/events",
            rejects=[quarantine.Reject("item:abc", "broken_row", "no text")],
            run_id=None, now=NOW, complete=False,
        )  # fmt: skip
    done = desk.replay()
    assert (done.rows, done.days) == (0, (("desk", TODAY),))
    with desk.workspace.control.read() as connection:
        (row,), _ = quarantine.listed(connection, state=None)
    assert row["state"] == "replayed"


def test_a_replay_is_written_into_the_audit_log(desk: Desk) -> None:
    desk.provider.defect = ValueError()
    desk.collect()
    (quarantine_id,) = desk.ids()
    desk.replay(quarantine_id)
    with desk.workspace.control.read() as connection:
        logged = connection.execute(
            sa.select(t.audit_log.c.entity_id, t.audit_log.c.reason).where(
                t.audit_log.c.action == "replay"
            )
        ).all()
    assert [tuple(row) for row in logged] == [(quarantine_id, "a test tries again")]


def test_a_stored_answer_that_was_changed_or_is_lost_is_told(desk: Desk) -> None:
    desk.collect()
    lake = desk.workspace.lake
    (path,) = lake.files(lake.folder(raw.RESPONSES, "desk", TODAY))
    frame = pl.read_parquet(path)
    response_id = frame["response_id"][0]
    frame.with_columns(body=pl.lit(b"forged")).write_parquet(path)
    with pytest.raises(BadDataError, match="are not those that were stored"):
        raw.find_response(lake, "desk", TODAY, response_id)
    path.unlink()
    with pytest.raises(NotFoundError, match="is not in the lake"):
        raw.find_response(lake, "desk", TODAY, response_id)
