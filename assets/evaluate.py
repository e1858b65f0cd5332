"""The asset that measures decisions on labelled sets; skipped where there are none."""

from collections.abc import Iterator

import dagster as dg

from assets.showing import key_of, plot_of
from clientlore.errors import NotFoundError
from clientlore.evaluation.everything import Report, accepted, measure_everything
from clientlore.evaluation.sets import folder
from clientlore.runs.calibrating import reliability_plot
from clientlore.runs.session import Session

OWNERS = ["team:intelligence"]
CHECK = "not_below_accepted"


class EvaluationConfig(dg.Config):
    """What is left out."""

    quick: bool = False
    """Leave out the classifier's training set, on which models are trained anew; it takes minutes."""


@dg.asset(
    key=key_of("out/evaluation"),
    group_name="operate",
    kinds={"numpy"},
    owners=OWNERS,
    output_required=False,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=key_of("out/evaluation"),
            description="No figure is below the lower end of the 95 % interval of the accepted one.",
        )
    ],
    description="How good decisions are on the labelled sets in CLIENTLORE_EVALUATION_DIR: near-duplicates, stories, "
    "matching, memory search, categories and how well confidence agrees with what is right. A row is a figure with "
    "its interval. Skipped without the sets.",
)
def evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationConfig,
    run: dg.ResourceParam[Session],  # noqa: ARG001 - the run has a row and a heartbeat
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    try:
        report = measure_everything(folder(None), quick=config.quick, say=context.log.info)
    except NotFoundError as error:
        why = f"skipped: {error}"
        context.log.info(why)
        yield dg.AssetCheckResult(check_name=CHECK, passed=True, description=why)
        return
    worse = report.worse
    told = [f"{f.name} {f.value:.3f}, accepted from {accepted()[f.name].low:.3f}" for f in worse]
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.figures),
            "figures": dg.MetadataValue.md(report.table()),
            "absent": dg.MetadataValue.json(list(report.absent)),
            **_pictures(report),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not worse,
                description="; ".join(told)
                or f"{len(report.figures)} figures, none below what was accepted",
            )
        ],
    )


def _pictures(report: Report) -> dict[str, dg.MetadataValue]:
    shown = plot_of(report.plot())
    for measured in report.classified:
        found = plot_of(reliability_plot(measured.bins)).values()
        shown |= {f"reliability {measured.name}": picture for picture in found}
    return shown
