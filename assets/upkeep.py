"""Assets of memory's upkeep: what policies want done, connections, and the insights of a day."""

import dagster as dg

from assets.remember import GROUP, OWNERS, memory_log
from assets.showing import DAYS, check_specs, key_of, materialize_stage
from clientlore.runs.session import Session


@dg.asset(
    key=key_of("core/memory_maintenance"),
    deps=[memory_log],
    group_name=GROUP,
    kinds={"sql"},
    owners=OWNERS,
    check_specs=check_specs("core/memory_maintenance"),
    description="A row is a task of upkeep that was done for an owner because a policy wants it: conflicts, "
    "duplicates, "
    "summaries, compression, decay, health. Everything is off until a policy switches it on, and can be undone. What "
    "each would do now is shown in a page beside the dossiers.",
)
def memory_maintenance(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/memory_maintenance")


@dg.asset(
    key=key_of("core/connections"),
    deps=[memory_maintenance],
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/connections"),
    description="A row is an edge between two memories, or between a memory and a client or contact that it names, "
    "with "
    "its type and a score.",
)
def connections(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/connections")


@dg.asset(
    key=key_of("core/insights"),
    deps=[memory_log],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/insights"),
    description="A row is a pattern in what became known on a day, citing the memories it was seen in: an owner "
    "of whom much is heard, a fact that changed, a name that several share.",
)
def insights(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/insights")
