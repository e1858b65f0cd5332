"""What a stage reports: for people who watch, for the ledger, and for whoever shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from clientlore.quality.outcome import CheckOutcome, Plot

State = Literal["done", "degraded", "failed", "held"]


@dataclass(frozen=True)
class Work:
    """What a stage did for one tenant.

    Attributes:
        rows: Rows of the stage's table as they stand now.
        counts: What happened, by name.
        content_sha: SHA-256 of the written file.
        inputs_sha: Of what it was made from, as far as that lies in other days.
        error: Why it is only a part, for `degraded`; why it failed, for `failed`.
        notes: What people should know and is no error.
        read_through: Up to which sequence number of the memory log documents were read, for the ledger.
    """

    rows: int
    counts: Mapping[str, int | float] = field(default_factory=dict)
    state: State = "done"
    content_sha: str | None = None
    inputs_sha: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    read_through: int | None = None


@dataclass(frozen=True)
class TenantOutcome:
    """How a stage went for one tenant on one day."""

    tenant_id: str
    day: date | None
    state: State
    rows: int
    counts: Mapping[str, int | float]
    seconds: float
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageReport:
    """How a stage went, over the tenants and days of a run."""

    stage: str
    outcomes: tuple[TenantOutcome, ...]
    checks: tuple[CheckOutcome, ...] = ()
    plot: Plot | None = None
    check_seconds: float = 0.0

    @property
    def failed(self) -> list[TenantOutcome]:
        """Tenants for which it failed."""
        return [o for o in self.outcomes if o.state == "failed"]

    @property
    def rows(self) -> int:
        """Rows over all tenants and days."""
        return sum(o.rows for o in self.outcomes)

    @property
    def seconds(self) -> float:
        """Seconds inside the library, checks left out."""
        return sum(o.seconds for o in self.outcomes)

    def totals(self) -> dict[str, int | float]:
        """The counts over all tenants and days."""
        total: Counter[str] = Counter()
        for outcome in self.outcomes:
            for name, value in outcome.counts.items():
                total[name] += value  # type: ignore[assignment]
        return dict(total)


def table(outcomes: Sequence[TenantOutcome]) -> str:
    """The outcomes as a Markdown table; a row for each tenant and day."""
    lines = ["| tenant | day | state | rows | counts | error |", "|---|---|---|---:|---|---|"]
    for outcome in outcomes:
        counts = ", ".join(f"{k} {v}" for k, v in outcome.counts.items() if v)
        error = "; ".join(x for x in (outcome.error, *outcome.notes) if x).replace("|", "/")
        lines.append(
            f"| {outcome.tenant_id} | {outcome.day or ''} | {outcome.state} | {outcome.rows} "
            f"| {counts} | {' '.join(error.split())} |"
        )
    return "\n".join(lines)
