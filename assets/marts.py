"""From dbt's manifest to assets: each model one asset, each test one check of the model it looks at.

Here: what an asset of a model is called and says. Not here: running dbt (`clientlore.runs.marts`), and the asset
functions (`assets.analyse`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assets.showing import key_of
from clientlore.runs.marts import Built

GROUP = "analyse"
OWNERS = ["team:analysts"]


def specs_of(manifest: Mapping[str, Any]) -> dict[str, dg.AssetSpec]:
    """An asset for each model, by the model's id.

    Read from the manifest directly: the package that does so imports dbt and a parser of SQL, 1.5 s in every process
    that loads the definitions.
    """
    nodes: Mapping[str, Any] = manifest["nodes"]
    return {
        node: dg.AssetSpec(
            _key(props),
            deps=[_key(_resource(manifest, parent)) for parent in props["depends_on"]["nodes"]],
            description=f"{props['description']}\n\n```sql\n{props['raw_code']}\n```",
            group_name=GROUP,
            kinds={"dbt", "duckdb"},
            owners=OWNERS,
            code_version=props["checksum"]["checksum"],
            metadata={"dagster/column_schema": _columns(props)},
        )
        for node, props in nodes.items()
        if node.startswith("model.")
    }


def checks_of(
    manifest: Mapping[str, Any], specs: Mapping[str, dg.AssetSpec]
) -> dict[str, dg.AssetCheckSpec]:
    """A check for each test, by the test's id, at the model it looks at."""
    found = {}
    late = warn_only(manifest)
    for node, props in manifest["nodes"].items():
        if node.startswith("test."):
            looked_at = _model_of(manifest, props)
            found[node] = dg.AssetCheckSpec(
                props["name"].replace(".", "_"),
                asset=specs[looked_at].key,
                blocking=node not in late,
                description=_said(props),
            )
    return found


def shown(
    built: Built,
    specs: Mapping[str, dg.AssetSpec],
    checks: Mapping[str, dg.AssetCheckSpec],
    warn_only: set[str],
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What dbt said, as Dagster shows it."""
    for result in built.done.results:
        if result.node_id in specs and result.state == "success":
            name = result.node_id.rsplit(".", 1)[-1]
            counted = {"dagster/row_count": built.rows[name]} if name in built.rows else {}
            yield dg.MaterializeResult(
                asset_key=specs[result.node_id].key,
                metadata={**counted, "seconds": result.seconds, "build": built.build_id},
            )
        elif result.node_id in checks and result.state != "skipped":
            spec = checks[result.node_id]
            severe = result.node_id not in warn_only
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=result.state == "pass",
                severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
                description=f"{result.failures} rows are not as they should be"
                if result.failures
                else None,
                metadata={"rows": result.failures},
            )


def warn_only(manifest: Mapping[str, Any]) -> set[str]:
    """Tests that do not keep the marts from being published."""
    return {
        node
        for node, props in manifest["nodes"].items()
        if props["config"].get("severity", "").lower() == "warn"
    }


def _resource(manifest: Mapping[str, Any], node: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = manifest["sources" if node.startswith("source.") else "nodes"][node]
    return found


def _key(props: Mapping[str, Any]) -> dg.AssetKey:
    """Models lie below `out/marts`, what is no mart itself one level further down; sources say whose table they are."""
    if props["resource_type"] == "source":
        return key_of(props["config"]["meta"].get("clientlore_asset", "out/exports"))
    layer = props["fqn"][1]
    return dg.AssetKey(["out", "marts", *([] if layer == "marts" else [layer]), props["name"]])


def _columns(props: Mapping[str, Any]) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                name, column.get("data_type") or "?", description=column.get("description")
            )
            for name, column in props["columns"].items()
        ]
    )


def _model_of(manifest: Mapping[str, Any], props: Mapping[str, Any]) -> str:
    """The model that a test belongs to: of a source's, the one that reads it."""
    node: str = props.get("attached_node") or props["depends_on"]["nodes"][0]
    if node.startswith("source."):
        node = next(n for n in manifest["child_map"][node] if n.startswith("model."))
    return node


def _said(props: Mapping[str, Any]) -> str:
    """What a test asserts: the comment a singular one opens with, else column, name and arguments."""
    meta = props.get("test_metadata")
    if meta is None:
        return str(props["raw_code"]).splitlines()[0].lstrip("- ")
    told = {k: v for k, v in meta["kwargs"].items() if k not in {"model", "column_name"}}
    arguments = ", ".join(f"{k} {v}" for k, v in told.items())
    return " ".join(x for x in (props.get("column_name"), meta["name"], arguments) if x)
