"""Assets that remember: the operations of a day on memory, and the index in which memory is searched."""

import dagster as dg

from assets.collect import crm_activities
from assets.showing import DAYS, check_specs, key_of, materialize_stage
from assets.understand import relevance
from clientlore.runs.session import Session
from resources.collaborators import EmbedderResource

GROUP = "remember"
OWNERS = ["team:intelligence"]


@dg.asset(
    key=key_of("core/memory_log"),
    deps=[relevance, crm_activities],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"sql", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/memory_log"),
    description="A row is an operation on memory that the day's sources gave rise to: events, notes in the CRM, "
    "and the documents that the day read. The log itself, append-only, is in the control plane; this is its export.",
)
def memory_log(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/memory_log")


@dg.asset(
    key=key_of("core/memories"),
    deps=[memory_log],
    group_name=GROUP,
    kinds={"lancedb"},
    owners=OWNERS,
    check_specs=check_specs("core/memories"),
    description="A row is a memory as it stands, found by stemmed words within its tenant and owner. Made from the "
    "log, and made anew from it by `clientlore memory rebuild`.",
)
def memories(
    context: dg.AssetExecutionContext,
    run: dg.ResourceParam[Session],
    embedder: EmbedderResource,
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/memories", embedder=embedder.embedder())


@dg.asset(
    key=key_of("out/dossiers"),
    deps=[memory_log],
    group_name=GROUP,
    kinds={"markdown"},
    owners=OWNERS,
    check_specs=check_specs("out/dossiers"),
    description="A row is a Markdown file about a client or a contact: who they are, what happened, what is known "
    "and since when, with its sources. Generated from memory and events, checksummed, and never the truth.",
)
def dossiers(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/dossiers")
