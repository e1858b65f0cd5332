"""The local classifier: features, training, the model file, and what it says together with the rules."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import BadDataError
from clientlore.evaluation.classification import classify_items, measure_held_back
from clientlore.evaluation.lines import Line
from clientlore.monitoring import training
from clientlore.monitoring.categories import by_both, by_rules
from clientlore.monitoring.classifier import live, load, save, shipped
from clientlore.monitoring.ngrams import features, form_features, word_and_letter_features
from clientlore.monitoring.training import Labelled, alike, hold_back, train
from clientlore.taxonomy import CATEGORY_NAMES

TOPICS = {
    "Deals": ("m_and_a", ["buys rival", "agrees merger", "takeover bid", "acquires stake"]),
    "Courts": ("legal_regulatory", ["sued in court", "judge rules", "fined by regulator"]),
    "Markets": ("other", ["index drifts", "stocks mixed", "bond yields move", "dollar slips"]),
    "Vague": (None, ["something happened", "people talk"]),
}
_FILL = [
    "today",
    "again",
    "in Porto",
    "says board",
    "after talks",
    "for cash",
    "this week",
    "at last",
]


def _labelled(count: int = 240) -> Labelled:
    rng = Random(5)
    topics = [rng.choice(list(TOPICS)) for _ in range(count)]
    texts = [
        f"Firm{rng.randrange(10_000)} {rng.choice(TOPICS[t][1])} {' '.join(rng.sample(_FILL, 3))} {n}"
        for n, t in enumerate(topics)
    ]
    return Labelled(pl.Series(texts), tuple(topics), {t: c for t, (c, _) in TOPICS.items()})


@given(st.lists(st.text(max_size=40), max_size=6))
@settings(max_examples=20, deadline=None)
def test_features_of_a_text_do_not_depend_on_the_texts_beside_it(texts: list[str]) -> None:
    together = features(pl.Series(texts, dtype=pl.String), 0.5)
    for n, text in enumerate(texts):
        alone = features(pl.Series([text], dtype=pl.String), 0.5)
        for one, all_ in zip(alone, together, strict=True):
            mine = all_.text == n
            assert np.array_equal(one.bucket, all_.bucket[mine])
            assert np.array_equal(one.weight, all_.weight[mine])


def test_features_are_the_same_on_every_machine() -> None:
    words, letters = word_and_letter_features(pl.Series(["Kiln Works buys"]))
    assert words.bucket.tolist() == [88396, 97095, 121994, 129528, 220491]
    assert (len(letters.bucket), int(letters.bucket.sum()) % 1_000_003) == (30, 75156)


def test_a_model_learns_what_it_is_shown_and_is_the_same_when_trained_again() -> None:
    labelled = _labelled()
    model = train(labelled, "test", {})
    again = train(labelled, "test", {})
    assert (model.version, model.temperature) == (again.version, again.temperature)
    said = model.probabilities(
        pl.Series(["Orla agrees merger today", "Orla sued in court"])
    ).argmax(1)
    assert [CATEGORY_NAMES[n] for n in said] == ["m_and_a", "legal_regulatory"]
    assert "Vague" not in model.topics


def test_texts_that_are_nearly_the_same_are_never_on_both_sides() -> None:
    texts = pl.Series(["a b c d e f g", "a b c d e f h", "x y z u v w", "A b c, d e f g!", "q"])
    groups = alike(texts).tolist()
    assert groups[0] == groups[1] == groups[3]
    assert len(set(groups)) == 3
    labelled = _labelled(60)
    doubled = Labelled(
        pl.concat([labelled.texts, labelled.texts.str.to_uppercase()]),
        labelled.topics * 2,
        labelled.categories,
    )
    held = hold_back(doubled)
    assert held.row.max() < 60
    assert len(set(held.row.tolist())) == sum(t != "Vague" for t in labelled.topics)


def test_held_back_figures_have_intervals_and_a_calibration_error() -> None:
    labelled = _labelled()
    measured = measure_held_back(labelled, hold_back(labelled), "made")
    assert measured.accuracy.value > 0.95
    assert measured.accuracy.low <= measured.accuracy.value <= measured.accuracy.high
    assert 0 <= measured.calibration_error < 0.3
    assert set(measured.by_category) == {"m_and_a", "legal_regulatory", "other"}
    assert sum(b.count for b in measured.bins) == measured.count


def test_the_temperature_is_the_likeliest() -> None:
    held = hold_back(_labelled())
    best = training.best_temperature(held)
    assert best in [round(float(t), 4) for t in np.geomspace(0.05, 1.0, 40)]


def test_a_model_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    model = train(_labelled(), "test", {"licence": "MIT"})
    save(model, tmp_path / "model.npz")
    read = live(tmp_path / "model.npz")
    texts = pl.Series(["Orla agrees merger", "", "Größe \U0001f600"])
    assert np.allclose(read.probabilities(texts), model.probabilities(texts), atol=1e-3)
    assert (read.sheet, read.version) == ({"licence": "MIT"}, model.version)


def test_what_is_no_model_is_refused_and_no_model_means_the_shipped_one(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="is no model"):
        load(b"nothing", "x.npz")
    assert live(tmp_path / "absent.npz") is shipped()


def test_the_shipped_model_says_what_it_was_trained_on_and_is_small() -> None:
    model = shipped()
    assert model.sheet["licence"] == "MIT"
    assert float(str(model.sheet["macro_f1"])) > 0.85
    assert float(str(model.sheet["accuracy"])) > 0.90
    assert set(model.categories) <= set(CATEGORY_NAMES)


@pytest.mark.parametrize(
    ("title", "category"),
    [
        ("Orla Bank reports Q3 earnings, revenue up 8%", "earnings"),
        ("Orla Bank to acquire Bex in $2 billion deal", "m_and_a"),
        ("Orla Bank names Ann Lee as CEO", "leadership"),
        ("Judge rules against Orla Bank in antitrust lawsuit", "legal_regulatory"),
        ("Fed officials see rates on hold as inflation cools", "other"),
    ],
)
def test_headlines_get_their_category(title: str, category: str) -> None:
    (row,) = classify_items([Line(id=1, title=title)])
    assert row["category"] == category
    assert 0.3 < row["confidence"] <= 1


def test_a_category_that_was_never_learned_is_given_by_the_rules() -> None:
    text = "Workers strike over layoffs after an accident and an explosion at the plant."
    (row,) = classify_items([Line(id=1, title="Layoffs and strike at Orla Bank", body=text)])
    assert (row["category"], row["method"]) == ("risk", "rules")


@pytest.mark.parametrize(
    "line", [Line(id=1), Line(id=1, title=" ", body=""), Line(id=1, title="?")]
)
def test_without_a_text_it_is_other_and_nobody_is_sure(line: Line) -> None:
    assert classify_items([line]) == [
        {"id": 1, "category": "other", "confidence": None, "method": "classifier"}
    ]


def test_no_items_give_no_rows() -> None:
    assert classify_items([]) == []


def test_shares_of_categories_that_no_rule_sees_take_nothing_from_the_others() -> None:
    frame = pl.DataFrame({"title": ["$ORLA lifts revenue"], "text": [""], "publisher": [""]})
    judged = by_rules(frame)
    assert by_both(judged, shipped())["confidence"][0] > 0.5


def test_the_classifier_is_less_sure_of_what_is_no_post() -> None:
    texts = ["Orla Bank to buy Bex", "Orla Bank to buy Bex https://example.com/a"]
    news, post = classify_items([Line(id=n, title=text) for n, text in enumerate(texts)])
    assert news["category"] == post["category"] == "m_and_a"
    assert news["confidence"] < post["confidence"]


def test_a_flash_in_capitals_is_judged_by_the_classifier_as_posts_are() -> None:
    text = "Utility regulator: reservoir levels remain above those of last year"
    flash, news = classify_items([Line(id=1, title=text.upper()), Line(id=2, title=text)])
    assert (flash["category"], flash["method"]) == ("other", "classifier")
    assert (news["category"], news["method"]) == ("legal_regulatory", "rules")


def test_what_says_nothing_is_rather_of_a_rare_category_than_it_would_be_by_frequency(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labelled = _labelled()
    kept = [n for n, t in enumerate(labelled.topics) if t != "Deals" or n % 6 == 0]
    rare = Labelled(
        labelled.texts.gather(kept),
        tuple(labelled.topics[n] for n in kept),
        labelled.categories,
    )
    held = hold_back(rare)
    leans = train(rare, "test", {}, held=held)
    monkeypatch.setattr(training, "LEAN", 0.0)
    straight = train(rare, "test", {}, held=held)
    gained = dict(zip(leans.topics, leans.bias - straight.bias, strict=True))
    share = rare.topics.count("Deals") / sum(rare.categories[t] is not None for t in rare.topics)
    assert gained["Deals"] == pytest.approx(-0.025 * np.log(share), abs=1e-6)
    assert gained["Deals"] > gained["Courts"] > 0


def test_form_alone_tells_texts_apart_and_a_model_that_never_saw_it_does_not_read_it() -> None:
    texts = pl.Series(["ORLA BUYS BEX", "Orla buys Bex", "orla buys bex: #1"])
    form = form_features(texts)
    assert len({tuple(form.bucket[form.text == n].tolist()) for n in range(3)}) == 3
    words, _ = word_and_letter_features(texts[:2])
    assert words.bucket[words.text == 0].tolist() == words.bucket[words.text == 1].tolist()
    assert len(features(texts, 0.0)) == 2
    assert features(texts, 0.5)[2].length == 0.5


def test_ten_thousand_items_take_seconds() -> None:
    items = [
        Line(id=n, title=f"Firm{n} buys Orla{n % 97} for $2 billion today") for n in range(10_000)
    ]
    started = time.process_time()
    classify_items(items)
    assert time.process_time() - started < 8
