"""Work side by side in lanes: so many at a time in each and in all, whatever waits beside them.

A lane is an account or a server. What waits is the work itself and no task for it, so that memory is bounded by what
is under way: thousands of sources cost no more than a few hundred.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TypeVar

_T = TypeVar("_T")


async def side_by_side(
    work: Iterable[_T],
    do: Callable[[_T], Awaitable[None]],
    *,
    lane_of: Callable[[_T], Hashable],
    in_lane: int,
    in_all: int,
) -> None:
    """Does all of it; the work of a lane begins in the order given, and lanes take turns.

    Args:
        work: What is to be done.
        do: Does one. What it raises ends the others and is raised.
        lane_of: Whose turn something waits for.
        in_lane: How many may be under way in one lane.
        in_all: How many may be under way at all.
    """
    waiting: dict[Hashable, deque[_T]] = {}
    for piece in work:
        waiting.setdefault(lane_of(piece), deque()).append(piece)
    open_lanes = deque(waiting)
    busy = Counter[Hashable]()

    async def worker() -> None:
        # Who finds no open lane may go: in a full one, whoever is busy there takes what is next.
        while open_lanes:
            lane = open_lanes.popleft()
            piece = waiting[lane].popleft()
            busy[lane] += 1
            if waiting[lane] and busy[lane] < in_lane:
                open_lanes.append(lane)
            await do(piece)
            if waiting[lane] and busy[lane] == in_lane:
                open_lanes.append(lane)
            busy[lane] -= 1

    many = min(in_all, sum(min(len(pieces), in_lane) for pieces in waiting.values()))
    workers = [asyncio.ensure_future(worker()) for _ in range(many)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
