"""The shapes of raw and core tables as Great Expectations suites: what an analyst reads to know what may stand there.

Great Expectations takes 3 s and 190 MiB to import, so it is imported in the one step of a run that first needs it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

import polars as pl

from clientlore.monitoring.events import EVENTS
from clientlore.monitoring.raw import SEARCH_RESULTS
from clientlore.quality.outcome import CheckOutcome


def _results_suite(gx: Any) -> Any:
    expect = gx.expectations
    return gx.ExpectationSuite(
        name="raw/search_results",
        expectations=[
            *(
                expect.ExpectColumnValuesToNotBeNull(column=column)
                for column in ("tenant_id", "item_id", "response_id", "provider", "request",
                               "fetched_at", "collected_at", "content_hash", "source_mode")
            ),
            expect.ExpectColumnValuesToBeInSet(column="source_mode", value_set=["live", "mock"]),
            expect.ExpectColumnValueLengthsToEqual(column="content_hash", value=64),
            expect.ExpectColumnValuesToBeBetween(column="position", min_value=0),
            expect.ExpectCompoundColumnsToBeUnique(column_list=["response_id", "position"]),
        ],
    )  # fmt: skip


def _events_suite(gx: Any) -> Any:
    expect = gx.expectations
    return gx.ExpectationSuite(
        name="core/events",
        expectations=[
            *(
                expect.ExpectColumnValuesToNotBeNull(column=column)
                for column in ("tenant_id", "day", "event_id", "story_id", "shown_item_id",
                               "first_collected_at", "source_mode")
            ),
            expect.ExpectColumnValueLengthsToBeBetween(column="title", min_value=1),
            expect.ExpectColumnValuesToBeBetween(column="members", min_value=1),
            expect.ExpectColumnValuesToBeInSet(column="source_mode", value_set=["live", "mock"]),
            expect.ExpectCompoundColumnsToBeUnique(column_list=["tenant_id", "event_id"]),
        ],
    )  # fmt: skip


_SUITES: dict[str, Callable[[Any], Any]] = {
    SEARCH_RESULTS.key: _results_suite,
    EVENTS.key: _events_suite,
}
_COLUMNS = {
    SEARCH_RESULTS.key: ("tenant_id", "item_id", "response_id", "provider", "request", "fetched_at",
                         "collected_at", "content_hash", "source_mode", "position"),
    EVENTS.key: ("tenant_id", "day", "event_id", "story_id", "shown_item_id", "first_collected_at",
                 "source_mode", "title", "members"),
}  # fmt: skip


def check_shape(key: str, frame: pl.DataFrame) -> CheckOutcome | None:
    """Checks rows against the suite of their table; None where Great Expectations is not installed.

    Args:
        key: `raw/search_results` or `core/events`.
        frame: The rows of the run's whole partition range.
    """
    gx = _great_expectations()
    if gx is None:
        return None
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batches = (
        context.data_sources.add_pandas("rows")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
    rows = frame.select(_COLUMNS[key]).to_pandas()
    result = batches.get_batch(batch_parameters={"dataframe": rows}).validate(_SUITES[key](gx))
    broken = {
        _label(found): int(found.result.get("unexpected_count") or 0)
        for found in result.results
        if not found.success
    }
    said = "; ".join(f"{name}: {count} rows" for name, count in broken.items())
    return CheckOutcome(
        "shape",
        passed=bool(result.success),
        description=f"{len(result.results)} expectations hold for {frame.height} rows"
        if result.success
        else f"broken: {said}",
        blocking=True,
        details={"expectations": len(result.results), "rows": frame.height, "broken": broken},
    )


def _great_expectations() -> Any:
    """The package, or None where it is not installed. It says nothing to the outside."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        with warnings.catch_warnings():
            # It still imports `sre_constants`, which Python 3.11 warns about.
            warnings.simplefilter("ignore", DeprecationWarning)
            import great_expectations
        # It tells of every temporary folder, and has set a level of its own where it does.
        for name in ("great_expectations", "great_expectations.data_context.types.base"):
            logging.getLogger(name).setLevel(logging.WARNING)
    except ModuleNotFoundError:
        return None
    return great_expectations


def _label(found: Any) -> str:
    config = found.expectation_config
    column = config.kwargs.get("column") or "+".join(config.kwargs.get("column_list", []))
    return f"{config.type.removeprefix('expect_')}({column})"
