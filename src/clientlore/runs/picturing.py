"""Which picture belongs to which stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clientlore.quality.outcome import Plot
from clientlore.runs.report import TenantOutcome


@dataclass(frozen=True)
class _Picture:
    """Bars of counts: one for each tenant or day, stacked by name; or one for each name."""

    title: str
    unit: str
    names: tuple[str, ...] = ()
    prefix: str = ""
    by_name: bool = False


_OUTCOMES = ("collected", "unchanged", "empty", "degraded", "failed", "skipped")
_PICTURES = {
    "raw/crm_accounts": _Picture("How CRM sources did", "sources", _OUTCOMES),
    "core/config_snapshot": _Picture(
        "What was configured", "rows", ("clients", "readers", "sources")
    ),
    "raw/crm_activities": _Picture("How CRM sources did", "sources", _OUTCOMES),
    "raw/search_results": _Picture("How sources did", "sources", _OUTCOMES),
    "core/events": _Picture(
        "What became of the items", "items", ("events", "folded", "seen_before", "quarantined")
    ),
    "core/relevance": _Picture("Categories of what was judged", "pairs", by_name=True),
    "core/memory_log": _Picture(
        "Operations on memory", "operations", ("adds", "revises", "retracts")
    ),
    "out/matches": _Picture(
        "What the gates let through", "pairs", ("passed",), prefix="stopped_by_"
    ),
    "core/memory_maintenance": _Picture(
        "Memories before and after", "memories", ("memories_before", "memories_after")
    ),
    "core/connections": _Picture("Connections", "edges", ("about", "mentions", "leads_to")),
    "core/insights": _Picture("Insights of the day", "insights", ("busy", "changed", "shared")),
    "core/memories": _Picture("Memories in the index", "memories"),
    "out/dossiers": _Picture(
        "What became of the files", "files", ("changed", "unchanged", "removed", "edited")
    ),
    "out/deliveries": _Picture(
        "Windows and mails", "count", ("windows", "mails", "sent", "deferred", "failed")
    ),
    "out/retention": _Picture("What had to go", "count", ("days", "responses", "texts")),
    "out/run_ledger": _Picture("Stages on record", "rows"),
    "out/exports": _Picture(
        "What analysts get of the control plane",
        "rows",
        ("decisions", "mail_attempts", "collections", "memory_operations", "clients", "readers"),
    ),
}
_NOT_CATEGORIES = {"unscored", "relevant", "tokens", "disagreed", "in_doubt"}


def plot_for(stage: str, outcomes: Sequence[TenantOutcome]) -> Plot | None:
    """The picture of a stage's outcomes; None where there is nothing to see."""
    picture = _PICTURES[stage]
    if not outcomes:
        return None
    if picture.by_name:
        names = sorted({n for o in outcomes for n in o.counts if n not in _NOT_CATEGORIES})
        totals = [float(sum(o.counts.get(n, 0) for o in outcomes)) for n in names]
        return Plot(picture.title, "bars", names, {"pairs": totals}, picture.unit)
    days = {o.day for o in outcomes}
    labels = [str(o.day) if len(days) > 1 else o.tenant_id for o in outcomes]
    names = list(picture.names)
    if picture.prefix:
        names += sorted({n for o in outcomes for n in o.counts if n.startswith(picture.prefix)})
    if not names:
        return Plot(
            picture.title, "bars", labels, {"rows": [float(o.rows) for o in outcomes]}, picture.unit
        )
    series = {
        n.removeprefix(picture.prefix): [float(o.counts.get(n, 0)) for o in outcomes] for n in names
    }
    shown = {name: values for name, values in series.items() if any(values)}
    return Plot(picture.title, "bars", labels, shown, picture.unit)
