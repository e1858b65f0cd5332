"""The asset that trains the local classifier; skipped where there is nothing to train on."""

from collections.abc import Iterator

import dagster as dg

from assets.showing import key_of, plot_of
from clientlore.runs.calibrating import reliability_plot
from clientlore.runs.session import Session
from clientlore.runs.teaching import Taught, teach_everybody
from clientlore.runs.training import renew

OWNERS = ["team:intelligence"]


@dg.asset(
    key=key_of("core/classifier"),
    group_name="understand",
    kinds={"numpy"},
    owners=OWNERS,
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec(
            "not_worse",
            asset=key_of("core/classifier"),
            description="Models like the new one are not worse on texts held back than those before, beyond noise.",
        )
    ],
    description="The classifier that judges categories with no key: trained on the labelled sets in "
    "CLIENTLORE_TRAINING_DIR whose licence allows it, measured on texts held back, and in force unless it is worse "
    "than the one before. Skipped without them. Then each tenant's own model is taught by what its people said.",
)
def classifier(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    made = renew(run.ctx.workspace.settings)
    for tenant_id, taught in teach_everybody(run.ctx.workspace).items():
        context.log.info("%s: %s", tenant_id, taught.why if isinstance(taught, Taught) else taught)
    if made is None:
        why = "skipped: CLIENTLORE_TRAINING_DIR names no set to train on"
        context.log.info(why)
        yield dg.AssetCheckResult(check_name="not_worse", passed=True, description=why)
        return
    yield dg.MaterializeResult(
        metadata={
            "version": made.model.version,
            "live": made.live,
            "texts held back": made.measured.count,
            "accuracy": str(made.measured.accuracy),
            "macro F1": str(made.measured.macro_f1),
            "expected calibration error": round(made.measured.calibration_error, 4),
            **plot_of(reliability_plot(made.measured.bins)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="not_worse",
                passed=made.live,
                description=f"macro F1 {made.measured.macro_f1}; before {made.before}",
            )
        ],
    )
