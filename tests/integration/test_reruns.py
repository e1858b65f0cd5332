"""Same raw, same configuration, same code: the same rows in the same order, whatever ran before, however often."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.runs.stages import DAILY
from clientlore.testing.derived import derived_tables, differences
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_copy, open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW

DAYS = [datetime.date(2026, 11, day) for day in (18, 19, 20)]
MOCK = """
    tenant: acme
    name: Acme
    mode: mock
    users:
      - {id: ann, name: Ann, email: ann@acme.example}
      - {id: bo, name: Bo, email: bo@acme.example, threshold: 0.8, zone: Asia/Tokyo}
    clients:
      - {name: Harbor Foods, industry: food, owners: [ann]}
      - {name: Vela Logistics SE, industry: logistics, owners: [bo]}
      - {name: Umbra Power AG, industry: energy, owners: [ann, bo]}
"""


def run(
    workspace: Workspace, *days: datetime.date, deliver: bool = False, collect: bool = True
) -> None:
    for day in days:
        request = RunRequest(day, day, Scope(collect=collect), deliver=deliver)
        results = InlineOrchestrator(workspace).launch(request)
        assert [r.outcome for r in results] == ["succeeded"], results


def derived_bytes(workspace: Workspace) -> dict[str, str]:
    """Every derived file of the days with the hash of its bytes."""
    root = workspace.lake.root
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for layer in ("core", "out")
        for path in sorted((root / layer).rglob("day=*/**/*.parquet"))
    }


def mails(workspace: Workspace) -> list[Path]:
    return sorted(workspace.settings.mail.glob("*.eml"))


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the three days, each worked once. Only to be copied."""
    home = tmp_path_factory.mktemp("worked") / "home"
    with open_workspace(home, FrozenClock(NOW)) as workspace:
        put_tenant(workspace, MOCK)
        run(workspace, *DAYS)
    return home


@pytest.fixture
def worked(three_days: Path, tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    """That home, to do with as one likes."""
    with open_copy(three_days, tmp_path / "worked", clock) as opened:
        yield opened


@pytest.mark.usefixtures("bare")
@pytest.mark.no_cover
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("collect", [True, False], ids=["asking again", "from what is stored"])
def test_any_day_made_again_in_any_order_gives_the_same_bytes(
    worked: Workspace, order: tuple[int, ...], collect: bool
) -> None:
    before = derived_bytes(worked)
    assert len(before) == 3 * 6
    run(worked, *(DAYS[n] for n in order), collect=collect)
    assert derived_bytes(worked) == before
    with worked.control.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(t.memory_log)).scalar_one()
            > 10
        )
        retracted = sa.select(sa.func.count()).where(t.memory_log.c.op != "add")
        assert connection.execute(retracted).scalar_one() == 0


def test_two_installations_with_the_same_sources_come_to_the_same(
    tmp_path: Path, clock: FrozenClock
) -> None:
    found = []
    for name in ("one", "two"):
        with open_workspace(tmp_path / name, clock) as workspace:
            put_tenant(workspace, MOCK)
            run(workspace, *DAYS)
            found.append(derived_tables(workspace, "acme"))
    assert differences(*found) == []


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


def stories() -> list[Entry]:
    """Stories with copies, near copies and a revision."""
    found = []
    for n in range(8):
        text = (
            f"Harbor Foods said it will open plant number {n} in Town{n} next year and hire {n + 30} people there. "
            f"The company invests ${n + 2}0 million, said its head of operations Jo Berg{n}, who expects first "
            f"deliveries by the end of the year and more plants after that."
        )
        title = f"Harbor Foods opens plant {n} in Town{n}"
        found += [
            Entry(title, text, f"https://wire.example/{n}", f"g{n}"),
            Entry(
                f"Plant {n} for Town{n}",
                f"{text} Analysts had expected it.",
                f"https://post.example/{n}",
                f"h{n}",
            ),
            Entry(title, text, f"https://wire.example/{n}?utm_source=x", f"i{n}"),
        ]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_items_of_a_batch_in_another_order_give_the_same_events(
    tmp_path: Path, clock: FrozenClock, server: FeedServer, seed: int
) -> None:
    entries = stories()
    shuffled = Random(seed).sample(entries, len(entries))
    groups = []
    for name, told in (("as told", entries), ("shuffled", shuffled)):
        feed = server.put("/f.xml", Answer(rss("Wire", told)))
        with open_workspace(tmp_path / name.replace(" ", "-"), clock) as workspace:
            put_tenant(
                workspace,
                f"{{tenant: acme, name: A, users: [], clients: [{{name: Harbor Foods, feeds: ['{feed}']}}]}}",
            )
            run(workspace, DAYS[-1])
            members = workspace.lake.scan(MEMBERS, ["acme"]).collect()
            groups.append(dict(members.select("item_id", "event_id").iter_rows()))
    assert groups[0] == groups[1]
    assert len(set(groups[0].values())) == 8


def test_a_fuller_copy_at_noon_neither_renames_an_event_nor_mails_it_again(
    workspace: Workspace, clock: FrozenClock, server: FeedServer
) -> None:
    flash = "Harbor Foods said it raised $20 million in a round led by Oakhurst Partners to open a plant in Leeds."
    first = Entry("Harbor Foods raises $20 million", flash, "https://wire.example/1", "g1")
    fuller = Entry(
        "Harbor Foods raises $20 million from Oakhurst",
        f"{flash} The company will hire 200 people there, its chairman Jo Berg said, and pay back a loan.",
        "https://post.example/1",
        "h1",
    )
    feed = server.put("/f.xml", Answer(rss("Wire", [first])))
    put_tenant(
        workspace,
        f"""
        tenant: acme
        name: Acme
        users: [{{id: ann, name: Ann, email: ann@acme.example}}]
        clients: [{{name: Harbor Foods, owners: [ann], feeds: ["{feed}"]}}]
        """,
    )
    run(workspace, DAYS[-1], deliver=True)
    (morning,) = workspace.lake.scan(EVENTS, ["acme"]).collect().to_dicts()
    assert len(mails(workspace)) == 1

    clock.advance(timedelta(hours=3))
    server.put("/f.xml", Answer(rss("Wire", [fuller, first])))
    run(workspace, DAYS[-1], deliver=True)
    (noon,) = workspace.lake.scan(EVENTS, ["acme"]).collect().to_dicts()
    assert noon["event_id"] == morning["event_id"]
    assert noon["title"] == fuller.title
    assert noon["members"] == 2
    assert len(mails(workspace)) == 1


def test_the_stages_that_are_made_again_are_all_daily_ones() -> None:
    assert len(DAILY) == 8
