"""A collection that dies between any two writes is made whole by the next one, and nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.control import clients, quarantine, sources, tenants
from clientlore.errors import StoreError
from clientlore.monitoring import collect as collecting
from clientlore.monitoring import raw
from clientlore.monitoring.collect import Collected, collect
from clientlore.run_context import RunContext, Scope
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
WHOLE = rss(
    "Wire",
    [
        *(Entry(f"Kiln {n}", "x", f"https://wire.example/{n}", f"g-{n}", NOW) for n in range(3)),
        Entry(link="https://wire.example/nothing"),
    ],
)


class Killed(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


@dataclass
class Desk:
    """A tenant with one feed."""

    workspace: Workspace
    clock: FrozenClock
    server: FeedServer

    def collect(self, **scope: Any) -> Collected:
        """One collection of today."""
        with self.workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "desk")
            known = sources.sources_of(connection, "desk")
            watched = clients.clients_of(connection, "desk")
        ctx = RunContext(self.workspace, scope=Scope(**scope))
        return collect(ctx, tenant, TODAY, raw.SEARCH_RESULTS, known_sources=known, clients=watched)

    def rows(self) -> list[dict[str, Any]]:
        """Raw rows, in order."""
        lake = self.workspace.lake
        frame = lake.collect(raw.SEARCH_RESULTS, lake.scan(raw.SEARCH_RESULTS, ["desk"]))
        return frame.sort("collected_at", "response_id", "position").to_dicts()

    def responses(self) -> int:
        """How many answers are stored."""
        return len(raw.load_responses(self.workspace.lake, "desk", TODAY))

    def set_aside(self) -> list[tuple[str, str]]:
        """What is in quarantine."""
        with self.workspace.control.read() as connection:
            rows, _ = quarantine.listed(connection)
        return [(row["reason"], row["reference"].partition("#")[2]) for row in rows]

    def etag(self) -> str | None:
        """The validator that is kept."""
        with self.workspace.control.read() as connection:
            states = sources.states_of(connection, "desk")
        return next((state.etag for state in states.values()), None)


@pytest.fixture
def desk(tmp_path: Path, clock: FrozenClock) -> Iterator[Desk]:
    """A tenant whose feed has three entries, one of them empty."""
    with (
        FeedServer() as server,
        open_workspace(tmp_path / "home", clock, http_attempts=1) as workspace,
    ):
        url = server.put("/kiln.xml", Answer(WHOLE, conditional=True))
        put_tenant(
            workspace,
            f"tenant: desk\nname: Desk\nclients:\n  - {{id: kiln, name: Kiln, feeds: ['{url}']}}\n",
        )
        yield Desk(workspace, clock, server)


def _kill(*_: Any, **__: Any) -> Any:
    raise Killed


def test_rows_that_were_never_written_are_read_from_the_stored_answer(desk: Desk) -> None:
    desk.collect()
    expected, reasons = desk.rows(), desk.set_aside()
    assert len(expected) == 3
    assert reasons == [("no_text", "3")]
    folder = desk.workspace.lake.folder(raw.SEARCH_RESULTS, "desk", TODAY)
    (written,) = desk.workspace.lake.files(folder)
    written.unlink()
    desk.clock.advance(timedelta(hours=1))
    healed = desk.collect()
    assert (healed.healed, healed.rows) == (1, 0)
    assert desk.rows() == expected
    assert desk.set_aside() == reasons
    assert desk.collect().healed == 0


@pytest.mark.parametrize(
    ("module", "name", "stored", "healed"),
    [
        (raw, "store_responses", 0, 0),
        (collecting, "_quarantine", 1, 1),
        (raw, "store_rows", 1, 1),
        (sources, "put_states", 1, 0),
        (sources, "put_collections", 1, 0),
    ],
    ids=["before all", "before quarantine", "before rows", "before states", "before outcomes"],
)
def test_a_process_that_dies_between_two_writes_loses_nothing_and_doubles_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, stored: int, healed: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, name, _kill)
        with pytest.raises(Killed):
            desk.collect()
    assert desk.responses() == stored
    # The validator is kept last of all: else the next answer would be "nothing new".
    assert desk.etag() is None
    desk.clock.advance(timedelta(hours=1))
    again = desk.collect()
    assert again.healed == healed
    assert [row["title"] for row in desk.rows()] == ["Kiln 0", "Kiln 1", "Kiln 2"]
    assert desk.responses() == 1
    assert desk.set_aside() == [("no_text", "3")]
    assert desk.etag() == Answer(WHOLE).etag
    assert desk.collect().counts() == {"sources": 1, "unchanged": 1, "rows": 0}


def test_of_a_large_collection_that_dies_the_parts_stay_that_were_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.server.put("/birch.xml", Answer(rss("B", [Entry("Birch", "x", guid="b")])))
    kiln = desk.server.url("/kiln.xml")
    put_tenant(
        desk.workspace,
        "tenant: desk\nname: Desk\nclients:\n"
        f"  - {{id: kiln, name: Kiln, feeds: ['{kiln}']}}\n  - {{name: Birch, feeds: ['{other}']}}\n",
    )
    monkeypatch.setattr(collecting, "STORE_AT", 1)
    store, parts = raw.store_responses, iter(range(9))
    with monkeypatch.context() as patched:
        patched.setattr(raw, "store_responses", lambda *a: _kill() if next(parts) else store(*a))
        with pytest.raises(Killed):
            desk.collect()
    assert desk.responses() == 1
    again = desk.collect()
    assert sorted(o.outcome for o in again.outcomes) == ["collected", "unchanged"]
    assert again.healed == 0
    assert desk.responses() == 2
    assert sorted(r["title"] for r in desk.rows()) == ["Birch", "Kiln 0", "Kiln 1", "Kiln 2"]


def test_a_full_disk_is_told_and_the_feed_is_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise StoreError("The disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.workspace.lake, "append_raw", full)
        with pytest.raises(StoreError, match="The disk is full"):
            desk.collect()
    assert desk.collect().rows == 3


def test_what_died_is_healed_by_a_run_that_asks_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(raw, "store_rows", _kill)
        with pytest.raises(Killed):
            desk.collect()
    asked = len(desk.server.asked())
    assert desk.collect(collect=False).healed == 1
    assert len(desk.rows()) == 3
    assert len(desk.server.asked()) == asked


def test_an_answer_that_cannot_be_read_is_not_healed_for_ever(desk: Desk) -> None:
    desk.server.put("/kiln.xml", Answer(b"<html>no</html>"))
    desk.collect()
    assert [desk.collect().healed for _ in range(2)] == [0, 0]
    assert desk.set_aside() == [("html", "-1")]


def test_a_batch_that_died_over_an_unreadable_answer_is_closed_with_its_reason(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.server.put("/kiln.xml", Answer(b"<html>no</html>"))
    with monkeypatch.context() as patched:
        patched.setattr(collecting, "_quarantine", _kill)
        with pytest.raises(Killed):
            desk.collect()
    assert desk.set_aside() == []
    assert [desk.collect().healed for _ in range(2)] == [1, 0]
    assert desk.set_aside() == [("html", "-1")]
