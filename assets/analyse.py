"""Assets for analysts: what leaves the control plane for them, the marts that dbt makes, and the published file."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from assets import marts as shapes
from assets.deliver import deliveries
from assets.marts import GROUP, OWNERS
from assets.operate import run_ledger
from assets.remember import memories
from assets.showing import check_specs, key_of, materialize_stage, plot_of
from clientlore.runs import marts
from clientlore.runs.session import Session
from clientlore.storage import dbt

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"


@dg.asset(
    key=key_of("out/exports"),
    deps=[memories, deliveries, run_ledger],
    group_name=GROUP,
    kinds={"sql", "parquet"},
    owners=OWNERS,
    check_specs=check_specs("out/exports"),
    description="A row is one of the control plane's that analysts may see: decisions, attempts to mail, how sources "
    "did, operations on memory, clients and readers. Ids, counts and times; no addresses and no texts.",
)
def exports(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "out/exports")


def marts_and_warehouse(prepared: Path) -> list[dg.AssetsDefinition]:
    """The assets that need the parsed dbt project: a model each, and the file they are published in."""
    manifest = dbt.read_manifest(prepared)
    specs, late = shapes.specs_of(manifest), shapes.warn_only(manifest)
    checks = shapes.checks_of(manifest, specs)

    @dg.multi_asset(name="marts", specs=list(specs.values()), check_specs=list(checks.values()))
    def build_marts(
        run: dg.ResourceParam[Session],
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        built = marts.build(run.ctx.workspace, PROJECT, prepared, run.ctx.root)
        run.ctx.progress("stage", marts.told(built))
        yield from shapes.shown(built, specs, checks, late)
        if built.done.broken:
            first = built.done.broken[0]
            run.fail(f"out/marts: {first.node_id}: {first.message}")
            raise dg.Failure(
                f"{len(built.done.broken)} of dbt's models and tests failed; nothing is published. The first: "
                f"{first.node_id}: {first.message}",
                allow_retries=False,
            )

    @dg.asset(
        key=key_of("out/warehouse"),
        deps=[specs[node].key for node in specs if _is_mart(specs[node])],
        group_name=GROUP,
        kinds={"duckdb"},
        owners=OWNERS,
        description="A row is a build of the analysts' database: one read-only DuckDB file with all marts, put in the "
        "place of the last one while they read. docs/analysts.md says how to open it.",
    )
    def warehouse(run: dg.ResourceParam[Session]) -> dg.MaterializeResult:
        published = marts.publish(run.ctx.workspace, run.ctx.root)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(published.rows.values()),
                "build": published.build_id,
                "snapshot": published.snapshot,
                "megabytes": round(published.size / 1e6, 2),
                "seconds": round((published.published_at - published.taken_at).total_seconds(), 3),
                "marts": dg.MetadataValue.md(
                    "\n".join(
                        ["| mart | rows |", "|---|---:|"]
                        + [f"| {name} | {rows} |" for name, rows in published.rows.items()]
                    )
                ),
                "file": dg.MetadataValue.path(str(run.ctx.workspace.warehouse.file)),
                **plot_of(marts.plot_of(published.rows)),
            }
        )

    return [build_marts, warehouse]


def _is_mart(spec: dg.AssetSpec) -> bool:
    return len(spec.key.path) == 3
