"""What a check or a plot is, before anybody shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class CheckOutcome:
    """What a check said.

    Attributes:
        name: Unique for its asset.
        description: One sentence, with the numbers and names that matter.
        blocking: Whether what comes after must stop.
        severe: Whether a failure needs a person, though what comes after goes on.
        details: Counts and ids; never content.
    """

    name: str
    passed: bool
    description: str
    blocking: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    severe: bool = False


@dataclass(frozen=True)
class Plot:
    """A picture of a stage's result: bars with labels, one after another or stacked by series."""

    title: str
    kind: Literal["bars", "histogram"]
    labels: Sequence[str]
    series: Mapping[str, Sequence[float]]
    unit: str = ""
