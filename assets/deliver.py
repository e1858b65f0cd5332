"""Assets that tell people: who passes which gate, the windows that fires open, and the mail in them."""

import dagster as dg

from assets.showing import DAYS, check_specs, key_of, materialize_stage
from assets.understand import relevance
from clientlore.runs.session import Session

GROUP = "deliver"
OWNERS = ["team:platform"]


@dg.asset(
    key=key_of("out/matches"),
    deps=[relevance],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"polars", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("out/matches"),
    description="A row is an event, the client it is about and a person, with the stateless gate that let it "
    "through or stopped it.",
)
def matches(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/matches")


@dg.asset(
    key=key_of("out/deliveries"),
    deps=[matches],
    group_name=GROUP,
    kinds={"email", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("out/deliveries"),
    description="A row is a window of a person: what was decided when it closed, and what became of its mail. "
    "Materializing it by hand mails nobody new: only a fire that the run has claimed opens a window.",
)
def deliveries(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/deliveries")
