"""When a line may say that it is more on an earlier story: never on a story that only looks like it."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from clientlore.digests.following import follow_ups

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BID = "Meridian Air said it was studying the proposal of Kestrel to take over its Porto unit."
BACKED = "The pilots of Meridian Air back the proposal of Kestrel, their union said in Porto."
OTHER_BID = (
    "Valmont Freight said it was studying the proposal of Aurelia to take over its Turin unit."
)
PRICED = f"{BID} It is worth 240 million dollars."
DEARER = f"{BID} It is worth 310 million dollars."


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (BID, BACKED, True),
        (BID, PRICED, True),
        (PRICED, DEARER, False),
        (BID, OTHER_BID, False),
    ],
)
def test_an_event_goes_on_with_another_where_neither_names_nor_numbers_contradict(
    earlier: str, later: str, expected: bool
) -> None:
    rows = [
        {
            "event_id": name,
            "item_id": name,
            "origin_key": name,
            "title": "A proposal",
            "text": text,
            "published_at": NOON,
            "collected_at": NOON,
        }
        for name, text in (("b", earlier), ("a", later))
    ]
    goes_on = follow_ups(pl.DataFrame(rows))
    assert goes_on("b", "a") is expected
    assert goes_on("b", "not there") is False
