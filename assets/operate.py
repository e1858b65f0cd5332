"""Assets about the platform itself: what runs did, and whether the stores answer."""

import dagster as dg

from assets.deliver import deliveries
from assets.remember import dossiers, memories
from assets.showing import check_specs, key_of, materialize_stage
from clientlore.runs.session import Session

GROUP = "operate"
OWNERS = ["team:platform"]


@dg.asset(
    key=key_of("out/retention"),
    deps=[deliveries],
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    check_specs=check_specs("out/retention"),
    description="Empties raw answers and texts that a provider's terms allow to be kept for some days only, once these "
    "are over. Title, address and date stay. A row is a response that was emptied.",
)
def retention(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/retention")


@dg.asset(
    key=key_of("out/run_ledger"),
    deps=[memories, dossiers, deliveries, retention],
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    check_specs=check_specs("out/run_ledger"),
    description="A row is what one stage of one run did for a tenant: rows, counts, seconds, errors.",
)
def run_ledger(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/run_ledger")


@dg.asset(
    key=key_of("out/store_health"),
    group_name=GROUP,
    kinds={"sql", "parquet", "lancedb"},
    owners=OWNERS,
    check_specs=[
        dg.AssetCheckSpec(
            "stores_answer",
            asset=key_of("out/store_health"),
            description="Every store answered a real read or write.",
        )
    ],
    description="How each store answered just now: control plane, lake, blobs, vectors. The same as "
    "`clientlore doctor` asks.",
)
def store_health(run: dg.ResourceParam[Session]) -> dg.MaterializeResult:
    found = run.ctx.workspace.validate_connections()
    down = [health for health in found if not health.ok]
    rows = [
        f"| {h.store} | {'yes' if h.ok else 'no'} | {h.latency_ms:.1f} | {h.error or ''} |"
        for h in found
    ]
    header = ["| store | answers | ms | error |", "|---|---|---:|---|"]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found),
            "stores": dg.MetadataValue.md("\n".join(header + rows)),
            "slowest_ms": round(max(h.latency_ms for h in found), 1),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="stores_answer",
                passed=not down,
                severity=dg.AssetCheckSeverity.ERROR,
                description="every store answered"
                if not down
                else "; ".join(f"{h.store}: {h.error}" for h in down),
            )
        ],
    )
