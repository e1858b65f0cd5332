"""The suites that describe raw and core: what breaks them is named with its count."""

from __future__ import annotations

import polars as pl
import pytest

from clientlore.monitoring.events import EVENTS
from clientlore.quality.shapes import check_shape
from clientlore.workspace import Workspace


def test_rows_of_the_demo_hold_and_each_broken_expectation_is_named_with_its_rows(
    demo: Workspace,
) -> None:
    events = demo.lake.collect(EVENTS, demo.lake.scan(EVENTS, ["demo"]))
    found = check_shape(EVENTS.key, events)
    assert found is not None
    assert found.passed
    assert found.blocking
    broken = pl.concat([events.with_columns(members=pl.lit(0, events.schema["members"])), events])
    found = check_shape(EVENTS.key, broken)
    assert found is not None
    assert not found.passed
    assert found.details["broken"] == {
        "column_values_to_be_between(members)": events.height,
        "compound_columns_to_be_unique(tenant_id+event_id)": 2 * events.height,
    }
    assert f"members): {events.height} rows" in found.description


@pytest.mark.usefixtures("bare")
def test_without_the_package_there_is_no_outcome(demo: Workspace) -> None:
    assert (
        check_shape(EVENTS.key, demo.lake.collect(EVENTS, demo.lake.scan(EVENTS, ["demo"]))) is None
    )
