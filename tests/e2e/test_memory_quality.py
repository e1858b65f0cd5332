"""Search of memory on public labelled sets: read in place, never copied; skipped where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from clientlore.evaluation.memory import Measured, measure

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "memory"


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Measured]:
    if not DATA.is_dir():
        pytest.skip(f"the labelled sets are not at {DATA}")
    return {(one.corpus, one.figure): one for one in measure(DATA, draws=1_000)}


@pytest.mark.parametrize(
    ("figure", "least"),
    [("hit@5", 0.69), ("hit@10", 0.76), ("recall@10", 0.69), ("session@10", 0.96)],
)
def test_conversations_are_searched_well_and_better_than_by_words_alone(
    found: dict[tuple[str, str], Measured], figure: str, least: float
) -> None:
    one = found["locomo", figure]
    assert one.value >= least
    assert one.better_low > 0


@pytest.mark.parametrize("figure", ["hit@5", "hit@10", "recall@10"])
def test_no_conversation_is_searched_worse_than_by_words_alone(
    found: dict[tuple[str, str], Measured], figure: str
) -> None:
    every = [one for (corpus, name), one in found.items() if name == figure and corpus != "locomo"]
    assert len(every) > 1
    assert all(one.value > one.plain for one in every)


def test_abstracts_are_searched_better_than_by_words_alone(
    found: dict[tuple[str, str], Measured],
) -> None:
    one = found["cranfield", "nDCG@10"]
    assert one.value >= 0.40
    assert one.better_low > 0
