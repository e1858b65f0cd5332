"""Compressed memories answer the questions of LoCoMo as well as whole ones do; needs the labelled set."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clientlore.memory.maintenance.compress import shortened
from clientlore.memory.texts import STOP, stem, words

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "memory" / "locomo_show.json"
needs_data = pytest.mark.skipif(not DATA.is_file(), reason=f"the labelled set is not at {DATA}")
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def stems(text: str) -> list[str]:
    return [stem(w) for w in words(text) if w not in STOP]


def hits(turns: dict[str, str], questions: list[dict[str, Any]]) -> int:
    """Questions with a turn of their evidence among the ten best by BM25 (k1 0.9, b 0.4)."""
    documents = {turn: Counter(stems(text)) for turn, text in turns.items()}
    mean = sum(sum(d.values()) for d in documents.values()) / len(documents)
    postings: dict[str, list[str]] = defaultdict(list)
    for turn, counted in documents.items():
        for word in counted:
            postings[word].append(turn)
    found = 0
    for question in questions:
        scores: dict[str, float] = defaultdict(float)
        for word in set(stems(question["question"])):
            rare = math.log(
                1 + (len(documents) - len(postings[word]) + 0.5) / (len(postings[word]) + 0.5)
            )
            for turn in postings[word]:
                count = documents[turn][word]
                size = sum(documents[turn].values()) / mean
                scores[turn] += rare * count * 1.9 / (count + 0.9 * (0.6 + 0.4 * size))
        best = sorted(scores, key=lambda turn: (-scores[turn], turn))[:10]
        found += bool(set(best) & set(question["evidence"]))
    return found


@needs_data
def test_texts_that_are_shorter_by_30_per_cent_answer_within_one_point() -> None:
    whole = short = asked = before = after = 0
    for conversation in json.loads(DATA.read_text()):
        turns = {
            turn["dia_id"]: f"{turn['speaker']}: {turn['text']}"
            for name, session in conversation["conversation"].items()
            if isinstance(session, list)
            for turn in session
        }
        questions = [
            q for q in conversation["qa"] if q["category"] in {1, 2, 3, 4} and q["evidence"]
        ]
        frame = pl.DataFrame({"turn": list(turns), "text": list(turns.values())}).with_columns(
            short=shortened(pl.col("text"), 0.30)
        )
        made = dict(frame.select("turn", "short").iter_rows())
        before += int(frame["text"].str.len_chars().sum())
        after += int(frame["short"].str.len_chars().sum())
        whole += hits(turns, questions)
        short += hits(made, questions)
        asked += len(questions)
    assert after <= 0.70 * before, after / before
    assert abs(short - whole) / asked <= 0.01, (whole / asked, short / asked)
