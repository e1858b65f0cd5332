"""The chart of a day from collected to mailed, as geometry: what a template draws as SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from clientlore.pages.flow import STEPS, DayFlow

WIDTH = 320
ROW = 50
BAR = 16
_LEAST = 2
"""A bar of one thing among hundreds can still be seen."""

LABELS = {
    "collected": "items collected",
    "events": "distinct events",
    "relevant": "about a client",
    "passed": "wanted by somebody",
    "mailed": "mailed",
}


@dataclass(frozen=True)
class Bar:
    """A step of a day, in units of the drawing.

    Attributes:
        width: Of what is left; `before`: of what the step before had.
        lost: How many fewer than the step before; none where it is not fewer.
    """

    step: str
    label: str
    count: int
    y: int
    width: float
    before: float
    lost: int


@dataclass(frozen=True)
class Drawing:
    """The bars of a day, drawn to the same scale as those of the other days."""

    day: date
    width: int
    height: int
    bars: tuple[Bar, ...]


def draw(flows: Sequence[DayFlow]) -> list[Drawing]:
    """A drawing of each day."""
    most = max((flow.count(step) for flow in flows for step in STEPS), default=0)

    def scaled(count: int) -> float:
        return 0.0 if not count else max(_LEAST, round(WIDTH * count / most, 1))

    drawings = []
    for flow in flows:
        bars = []
        for n, step in enumerate(STEPS):
            count = flow.count(step)
            before = flow.count(STEPS[n - 1]) if n else count
            lost = max(0, before - count)
            bars.append(
                Bar(
                    step=step,
                    label=LABELS[step],
                    count=count,
                    y=n * ROW,
                    width=scaled(count),
                    before=max(scaled(before), scaled(count)),
                    lost=lost,
                )
            )
        drawings.append(Drawing(flow.day, WIDTH, ROW * len(STEPS), tuple(bars)))
    return drawings
