"""What upkeep leaves out to be quick changes no result: pairs are all pairs, and what was kept is what is read anew."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import combinations

import polars as pl
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from clientlore.control import tables as t
from clientlore.errors import NotFoundError
from clientlore.memory.fold import alive, fold
from clientlore.memory.log import Operation
from clientlore.memory.maintenance import running
from clientlore.memory.maintenance.plan import stems_of
from clientlore.memory.maintenance.similar import similar_pairs
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.memory.store import MemoryStore
from clientlore.runs.forgetting import forget
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
WORDS = ["plants", "plant", "dock", "Lisbon", "Porto", "12", "not", "the", "open", "mayor"]


def by_comparing_each(frame: pl.DataFrame, threshold: float) -> list[tuple[str, str, float]]:
    """The definition: Jaccard of stems, and whatever is firm in one stands in the other."""
    stems: dict[str, set[str]] = {}
    firm: dict[str, set[str]] = {}
    for memory_id, _, stem, is_firm in stems_of(frame).iter_rows():
        stems.setdefault(memory_id, set()).add(stem)
        if is_firm:
            firm.setdefault(memory_id, set()).add(stem)
    group = {m: (o, k) for m, o, k, _ in frame.iter_rows()}
    found = []
    for left, right in combinations(sorted(stems), 2):
        one, other = stems[left], stems[right]
        alike = len(one & other) / len(one | other)
        agree = firm.get(left, set()) <= other and firm.get(right, set()) <= one
        if group[left] == group[right] and alike >= threshold and (alike == 1 or agree):
            found.append((left, right, alike))
    return found


def only_first_of_the_same(
    pairs: list[tuple[str, str, float]],
) -> list[tuple[str, str, float]]:
    """Texts of the very same stems are compared as one, the one with the least id."""
    later = {right for _, right, alike in pairs if alike == 1}
    first = {left for left, _, alike in pairs if alike == 1} - later
    return [
        (left, right, alike)
        for left, right, alike in pairs
        if (left in first if alike == 1 else left not in later and right not in later)
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["harbor", "calder"]),
            st.sampled_from(["fact", "event"]),
            st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join),
        ),
        max_size=12,
    ),
    st.sampled_from([0.3, 0.5, 0.67, 0.85, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_like_memories_are_those_that_comparing_each_with_each_finds(
    told: list[tuple[str, str, str]], threshold: float
) -> None:
    frame = pl.DataFrame(
        [(f"m{n:02}", *row) for n, row in enumerate(told)],
        schema=dict.fromkeys(("memory_id", "owner_id", "kind", "text"), pl.String),
        orient="row",
    )
    found = similar_pairs(frame.sample(fraction=1, shuffle=True, seed=1), threshold)
    wanted = only_first_of_the_same(by_comparing_each(frame, threshold))
    assert list(found.iter_rows()) == wanted


def test_memory_that_was_looked_at_before_is_what_is_read_anew(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    kept, rng = MemoryService(workspace, "t1"), random.Random(7)
    for n in range(40):
        other = MemoryService(workspace, "t1")
        owner = rng.choice(["harbor", "calder"])
        who = rng.choice(["Ann Lee", "Bo Roe", "Cy Poe"])
        what = rng.choice(["tell", "tell", "tell", "retract", "undo"])
        known = other.log()
        if what == "tell" or known.is_empty():
            text = rng.choice([f"The CFO is {who}", f"Met {who} in part {rng.randint(0, 5)}"])
            told_at = NOW - timedelta(minutes=rng.randint(0, 40))
            other.remember([Statement(owner, text, f"n{n}", told_at)])
        elif what == "undo":
            done = known.filter(pl.col("op") != "undo")["op_id"].to_list()
            with suppress(NotFoundError):  # it is undone already
                other.undo(rng.choice(done), "cli:ann")
        elif (living := other.state()).height:
            kept.retract(rng.choice(living["memory_id"].to_list()), "cli:ann", "wrong")
        asked = rng.choice([None, "harbor", "calder"])
        assert_frame_equal(kept.state(owner=asked), alive(fold(other.log(asked))))
        then = NOW - timedelta(minutes=20)
        assert_frame_equal(kept.state(then, asked), alive(fold(other.log(asked), then)))
    assert kept.state() is kept.state()


def test_an_index_brought_up_from_what_was_looked_at_is_what_one_made_anew_is(
    workspace: Workspace,
) -> None:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    kept, store, rng = MemoryService(workspace, "t1"), MemoryStore(workspace), random.Random(5)
    for n in range(4):
        said = [f"The CFO is {rng.choice(['Ann', 'Bo', 'Cy'])}", f"Met them in part {n % 3}"]
        kept.remember([Statement("harbor", text, f"{n} {text}", NOW) for text in said])
        if n % 3 == 2:
            kept.retract(rng.choice(kept.state()["memory_id"].to_list()), "cli:ann", "wrong")
        kept.state()
        assert kept.standing is not None
        done = store.update("t1", standing=kept.standing)
        assert (done.rebuilt, store.behind("t1")) == (n == 0, 0)
    assert 0 < done.applied < kept.log().height
    table = workspace.vectors.open("t1", store.table_name)
    assert table is not None
    here = pl.DataFrame(table.to_arrow()).sort("memory_id")
    store.update("t1", rebuild=True)
    anew = pl.DataFrame(workspace.vectors.open("t1", store.table_name).to_arrow())  # type: ignore[union-attr]
    assert_frame_equal(here, anew.sort("memory_id"))


def test_a_log_that_was_changed_is_read_anew(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    service = MemoryService(workspace, "t1")
    service.remember([Statement("harbor", "The CFO is Ann", "n1", NOW)])
    assert service.state()["text"].to_list() == ["The CFO is Ann"]
    with workspace.control.write() as connection:
        connection.execute(sa.update(t.memory_log).values(text="The CFO is Bo"))
        connection.execute(sa.update(t.tenants).values(memory_edition=1))
    assert service.state()["text"].to_list() == ["The CFO is Bo"]


def test_what_is_forgotten_is_not_kept_in_what_was_looked_at(workspace: Workspace) -> None:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    service = MemoryService(workspace, "t1")
    service.remember([Statement(o, "The CFO is Ann", o, NOW) for o in ("harbor", "calder")])
    assert service.state().height == 2
    forget(workspace, "t1", "harbor", "cli:ann")
    assert service.state()["owner_id"].to_list() == ["calder"]


def test_each_task_does_the_same_whether_memory_was_looked_at_before_or_not(
    workspace: Workspace,
) -> None:
    put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\n")
    rng = random.Random(3)
    told = []
    for n in range(60):
        text = f"The CFO is {rng.choice(['Ann', 'Bo'])}"
        if n % 3:
            text = f"They saw the dock and {rng.choice(WORDS)} there"
        kind, at = rng.choice(["fact", "event"]), NOW - timedelta(days=rng.randint(1, 90))
        told.append(
            Operation("t1", "harbor", f"v{n:02}", "add", kind, text, at, "load", "r", f"v{n}", valid_from=at)
        )  # fmt: skip
    kept = MemoryService(workspace, "t1")
    kept.append(told)
    for feature in running.FEATURES:
        running.preview(kept, feature, NOW)
    for feature in running.FEATURES:
        anew = running.preview(MemoryService(workspace, "t1"), feature, NOW)
        assert running.preview(kept, feature, NOW) == anew
        done = running.maintain(kept, feature, NOW)
        assert (done.plan, done.appended) == (anew, len(anew.operations))
    assert kept.log().height > len(told)
