"""Work side by side: bounds of a lane and of all, order, fairness, and what becomes of the others when one fails."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore.providers.lanes import side_by_side


@given(
    lanes=st.lists(st.integers(0, 4), max_size=40),
    naps=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    in_lane=st.integers(1, 4),
    in_all=st.integers(1, 6),
)
def test_everything_is_done_once_and_in_its_lanes_order_and_never_too_much_at_a_time(
    lanes: list[int], naps: list[int], in_lane: int, in_all: int
) -> None:
    begun: list[tuple[int, int]] = []
    busy, most, most_in_all = Counter[int](), Counter[int](), 0

    async def do(piece: tuple[int, int]) -> None:
        nonlocal most_in_all
        lane, number = piece
        begun.append(piece)
        busy[lane] += 1
        most[lane] = max(most[lane], busy[lane])
        most_in_all = max(most_in_all, busy.total())
        for _ in range(naps[number]):
            await asyncio.sleep(0)
        busy[lane] -= 1

    work = [(lane, number) for number, lane in enumerate(lanes)]
    asyncio.run(
        side_by_side(work, do, lane_of=lambda piece: piece[0], in_lane=in_lane, in_all=in_all)
    )
    assert sorted(begun) == sorted(work)
    for lane in set(lanes):
        assert [p for p in begun if p[0] == lane] == [p for p in work if p[0] == lane]
    assert all(count <= in_lane for count in most.values())
    assert most_in_all <= in_all


def test_all_room_is_used_while_there_is_work_for_it() -> None:
    under_way: set[int] = set()
    most = 0

    async def do(number: int) -> None:
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.discard(number)

    asyncio.run(side_by_side(range(50), do, lane_of=lambda n: n % 2, in_lane=4, in_all=7))
    assert most == 7


def test_a_lane_that_stands_still_does_not_hold_up_the_others() -> None:
    done: list[str] = []

    async def go() -> None:
        others_are_done = asyncio.Event()

        async def do(piece: str) -> None:
            if piece.startswith("slow"):
                await others_are_done.wait()
            done.append(piece)
            if len(done) == 20:
                others_are_done.set()

        work = [f"slow {n}" for n in range(20)] + [f"fast {n}" for n in range(20)]
        await side_by_side(work, do, lane_of=lambda p: p.split()[0], in_lane=3, in_all=6)

    asyncio.run(asyncio.wait_for(go(), 10))
    assert [p for p in done[:20] if p.startswith("slow")] == []
    assert len(done) == 40


def test_what_waits_is_no_task_yet() -> None:
    tasks: list[int] = []

    async def do(_: int) -> None:
        tasks.append(len(asyncio.all_tasks()))

    asyncio.run(side_by_side(range(5_000), do, lane_of=lambda _: None, in_lane=8, in_all=16))
    assert len(tasks) == 5_000
    assert max(tasks) <= 9


def test_one_that_fails_ends_the_others_before_its_fault_is_told() -> None:
    ended: list[int] = []

    async def do(number: int) -> None:
        if number == 1:
            raise RuntimeError("the disk is full")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(number)

    with pytest.raises(RuntimeError, match="the disk is full"):
        asyncio.run(side_by_side([0, 1, 2], do, lane_of=lambda n: n, in_lane=1, in_all=3))
    assert sorted(ended) == [0, 2]
