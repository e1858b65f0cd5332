"""Assets that make sense of what was collected: events with their duplicates folded, and what they mean for whom."""

import dagster as dg

from assets.collect import search_results
from assets.showing import DAYS, check_specs, key_of, materialize_stage, with_calibration
from clientlore.runs.session import Session
from resources.collaborators import ScorerResource

GROUP = "understand"
OWNERS = ["team:intelligence"]


@dg.asset(
    key=key_of("core/events"),
    deps=[search_results],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"polars", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/events"),
    description="A row is a distinct item that came up first on this day, with its duplicates folded. "
    "core/event_members beside it has every item, the event it belongs to and why. Looks back 30 days, never forward.",
)
def events(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/events")


@dg.asset(
    key=key_of("core/relevance"),
    deps=[events],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"polars", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/relevance"),
    description="A row is an event and a client it may be about: score from 0 to 1, category, confidence, "
    "one-sentence summary, the reason in words, who judged and what it cost.",
)
def relevance(
    context: dg.AssetExecutionContext,
    run: dg.ResourceParam[Session],
    scorer: ScorerResource,
) -> dg.MaterializeResult:
    made = materialize_stage(context, run, "core/relevance", scorer=scorer.scorer())
    return with_calibration(made, run)
