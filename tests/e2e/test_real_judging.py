"""Clients in real articles, by their names alone; skipped where the labelled sets are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from clientlore.evaluation.labelled import client_set
from clientlore.evaluation.matching import measure_matching

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "monitoring"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the labelled sets are not at {DATA}")


@needs_data
def test_real_articles_are_given_to_the_right_clients() -> None:
    found = client_set(DATA)
    assert found is not None
    measured = measure_matching(found)
    assert measured.f1.value >= 0.97
    assert measured.recall.value >= 0.96
    assert measured.wrongly.value <= 0.012
    assert measured.role.value >= 0.98
