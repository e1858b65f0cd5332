"""Relevance with no key: the rules are the floor, the classifier adds to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from clientlore.control.model import Client
from clientlore.monitoring.classifier import Classifier, shipped
from clientlore.monitoring.local import LocalScorer
from clientlore.monitoring.matching import match
from clientlore.monitoring.relevance import RulesScorer

CLIENTS = [Client("desk", "kiln", "Kiln Works")]


def _items(title: str, text: str) -> pl.DataFrame:
    schema = dict.fromkeys(("item_id", "title", "text", "url", "client_id"), pl.String)
    item = {"item_id": "i", "title": title, "text": text, "url": None, "client_id": None}
    frame = pl.DataFrame([item], schema=schema)
    return (
        match(frame, CLIENTS)
        .join(frame.drop("client_id"), on="item_id")
        .with_columns(publishers=pl.lit(1), publisher=pl.lit(""))
    )


def _blind(category: str) -> Classifier:
    """A model that always says the same, and is sure."""
    known = shipped()
    bias = np.where(np.array(known.categories) == category, 9.0, -9.0).astype(np.float32)
    return replace(known, weights=np.zeros_like(known.weights), bias=bias)


def test_what_the_rules_see_counts_whatever_the_classifier_says() -> None:
    items = _items(
        "Kiln Works agrees merger", "It will acquire Orla in a takeover. More later today."
    )
    (rules,) = RulesScorer().score(items, CLIENTS).to_dicts()
    (local,) = LocalScorer(_blind("other")).score(items, CLIENTS).to_dicts()
    assert local["score"] >= rules["score"]


def test_the_classifier_lifts_what_the_rules_do_not_see() -> None:
    items = _items("Kiln Works does it", "Nobody expected it to.")
    (rules,) = RulesScorer().score(items, CLIENTS).to_dicts()
    (local,) = LocalScorer(_blind("m_and_a")).score(items, CLIENTS).to_dicts()
    assert (rules["category"], local["category"]) == ("other", "m_and_a")
    assert local["score"] > rules["score"]
    assert "by its wording M&A (" in local["rationale"]


def test_a_category_of_which_the_rules_are_sure_stands_and_the_doubt_is_told() -> None:
    items = _items("Kiln Works raises $40 million in a funding round", "")
    (row,) = LocalScorer(_blind("product")).score(items, CLIENTS).to_dicts()
    assert (row["category"], row["local_category"]) == ("funding", "product")
    assert row["confidence"] == round(0.95 * 0.5, 4)
    assert "by its wording Product (" in row["rationale"]


def test_confidence_is_that_of_the_client_times_that_of_the_category() -> None:
    items = _items("Kiln Works lifts its outlook", "")
    (row,) = LocalScorer().score(items, CLIENTS).to_dicts()
    assert row["confidence"] == pytest.approx(0.95 * row["local_confidence"], abs=1e-3)
    assert LocalScorer().version.startswith("r1:posts-")
