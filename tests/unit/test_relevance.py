"""Relevance by rules: the formula on worked examples, categories, reasons in words."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control.model import Client
from clientlore.monitoring.matching import match
from clientlore.monitoring.relevance import RulesScorer
from clientlore.monitoring.rules import KEYWORDS, RULES_VERSION
from clientlore.providers.search.mock_texts import STORIES
from clientlore.taxonomy import CATEGORY_NAMES

# Words that no category knows, and none of our names.
CALM = (
    "The river ran by the town as it had in the years before, and the birds were out on the water."
)
FAR = f"{CALM} {CALM} {CALM}"
ITEM = {
    "item_id": "i",
    "publisher": "Meridian Wire",
    "url": None,
    "client_id": None,
    "publishers": 1,
}
SCHEMA = {
    "item_id": pl.String,
    "title": pl.String,
    "text": pl.String,
    "publisher": pl.String,
    "url": pl.String,
    "client_id": pl.String,
    "publishers": pl.Int32,
}
KILN = Client("desk", "kiln", "Kilnworks Ceramics", domain="kiln.example", ticker="KLN")


def _scored(title: str, text: str = CALM, **given: Any) -> dict[str, Any]:
    items = pl.DataFrame([{**ITEM, "title": title, "text": text, **given}], schema=SCHEMA)
    matched = match(items, [KILN])
    joined = matched.join(items.drop("client_id"), on="item_id")
    (row,) = RulesScorer().score(joined, [KILN]).to_dicts()
    return row


@pytest.mark.parametrize(
    ("title", "text", "given", "role", "score"),
    [
        # 0.55 subject - 0.1 no category
        ("Kilnworks Ceramics by the river", CALM, {}, "subject", 0.45),
        # 0.45 lead - 0.1
        ("By the river", f"Kilnworks Ceramics. {CALM}", {}, "lead", 0.35),
        # 0.25 mention - 0.1
        ("By the river", f"{FAR} Kilnworks Ceramics.", {}, "mention", 0.15),
        # 0.2 own feed - 0.1
        ("By the river", CALM, {"client_id": "kiln"}, "source", 0.1),
        # at least 0.5 on its own site - 0.1
        ("By the river", CALM, {"url": "https://kiln.example/a"}, "source", 0.4),
        (
            "By the river",
            f"{FAR} Kilnworks Ceramics.",
            {"url": "https://kiln.example/a"},
            "mention",
            0.4,
        ),
        # 0.55 subject stays above 0.5
        (
            "Kilnworks Ceramics by the river",
            CALM,
            {"url": "https://kiln.example/a"},
            "subject",
            0.45,
        ),
        # 0.55 + 0.3 * 3/4: one word in the headline
        ("Kilnworks Ceramics and the lawsuit", CALM, {}, "subject", 0.775),
        # 0.55 + 0.3 * 1/4: one word in the text
        ("Kilnworks Ceramics by the river", f"A lawsuit. {CALM}", {}, "subject", 0.625),
        # 0.55 + 0.3 * 1: two words in the headline are six hits, and strength ends at 1
        ("Kilnworks Ceramics: lawsuit and injunction", CALM, {}, "subject", 0.85),
        # + 0.05 for three hits
        (
            "Kilnworks Ceramics by the river",
            f"Kilnworks Ceramics (KLN). {CALM}",
            {},
            "subject",
            0.5,
        ),
        # + 0.05 for each further publisher, at most 0.1
        ("Kilnworks Ceramics by the river", CALM, {"publishers": 2}, "subject", 0.5),
        ("Kilnworks Ceramics by the river", CALM, {"publishers": 3}, "subject", 0.55),
        ("Kilnworks Ceramics by the river", CALM, {"publishers": 9}, "subject", 0.55),
        # - 0.2 for a round-up
        ("Markets wrap: the river", f"Kilnworks Ceramics. {CALM}", {}, "lead", 0.15),
        # 0.25 - 0.1 - 0.2 is cut to 0
        ("Markets wrap: the river", f"{FAR} Kilnworks Ceramics.", {}, "mention", 0.0),
        # 0.55 + 0.3 + 0.05 + 0.1 = 1
        (
            "Kilnworks Ceramics: lawsuit and injunction",
            "Kilnworks Ceramics and Kilnworks Ceramics.",
            {"publishers": 3},
            "subject",
            1.0,
        ),
    ],
)
def test_the_score_follows_the_formula(
    title: str, text: str, given: dict[str, Any], role: str, score: float
) -> None:
    row = _scored(title, text, **given)
    assert (row["role"], row["score"]) == (role, pytest.approx(score))


HEADLINES = {
    "funding": "raises $40 million",
    "m_and_a": "to acquire rival in takeover",
    "leadership": "appoints chief executive",
    "legal_regulatory": "faces antitrust lawsuit",
    "product": "unveils new model",
    "earnings": "revenue and dividend up",
    "partnership": "in joint venture alliance",
    "risk": "hit by data breach and outage",
    "expansion": "expansion: new factory",
    "award": "wins prize",
    "other": "by the river",
}


@pytest.mark.parametrize("category", CATEGORY_NAMES)
def test_each_category_is_recognised_by_its_words(category: str) -> None:
    assert _scored(f"Kilnworks Ceramics {HEADLINES[category]}")["category"] == category


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.category)
def test_the_stories_of_the_demo_get_their_category(story: Any) -> None:
    slots = {
        "name": KILN.name, "short": KILN.name, "industry": "kilns", "city": "Porto", "city2": "Graz",
        "person": "Ines Farkas", "person2": "Luca Osei", "amount": "$40 million", "percent": "12%",
        "count": "240", "product": "Tessera", "other": "Valmont Freight", "quarter": "the spring",
    }  # fmt: skip
    body = " ".join(story.sentences).format(**slots)
    assert _scored(story.title.format(**slots), body)["category"] == story.category
    assert set(KEYWORDS) == {s.category for s in STORIES}


def test_without_a_word_of_any_category_it_is_other_and_says_so() -> None:
    row = _scored("Kilnworks Ceramics by the river")
    assert row["category"] == "other"
    assert row["rationale"] == "named in the headline (Kilnworks Ceramics); no category"
    # 0.95 that the client is meant, times 0.7 where no category leads.
    assert row["confidence"] == pytest.approx(0.95 * 0.7)


def test_confidence_grows_by_how_clearly_one_category_leads() -> None:
    clear = _scored("Kilnworks Ceramics and the lawsuit")
    even = _scored("Kilnworks Ceramics: lawsuit, dividend")
    assert clear["confidence"] == pytest.approx(0.95)
    assert even["confidence"] == pytest.approx(0.95 * 0.7)
    half = _scored("Kilnworks Ceramics by the river", f"A lawsuit, an injunction, a prize. {CALM}")
    assert half["confidence"] == pytest.approx(0.95 * (0.7 + 0.3 * 0.5))


@pytest.mark.parametrize(
    ("title", "text", "given", "rationale"),
    [
        (
            "Kilnworks Ceramics faces lawsuit",
            CALM,
            {"publishers": 3},
            "named in the headline (Kilnworks Ceramics); Legal and regulatory: lawsuit; 3 publishers",
        ),
        (
            "Markets wrap: river",
            f"A dividend at KLN ($KLN). {CALM}",
            {},
            "named at the beginning (KLN); Earnings: dividend; a round-up",
        ),
        (
            "By the river",
            f"{FAR} Kilnworks Ceramics.",
            {},
            "named in passing (Kilnworks Ceramics); no category",
        ),
        (
            "By the river",
            CALM,
            {"client_id": "kiln"},
            "named by the source only (its own feed, which does not name it); no category",
        ),
    ],
)
def test_the_rationale_names_the_evidence(
    title: str, text: str, given: dict[str, Any], rationale: str
) -> None:
    assert _scored(title, text, **given)["rationale"] == rationale


@pytest.mark.parametrize(
    ("title", "is_roundup"),
    [
        ("Markets wrap: Kilnworks Ceramics", True),
        ("Stocks to watch: Kilnworks Ceramics", True),
        ("Kilnworks Ceramics in brief", True),
        ("Week ahead: Kilnworks Ceramics", True),
        ("Wrap-up: Kilnworks Ceramics", True),
        ("Kilnworks Ceramics unwraps its oven", False),
        ("Kilnworks Ceramics and the digestive biscuit", False),
        ("Kilnworks Ceramics in briefing", False),
    ],
)
def test_a_round_up_is_told_by_whole_words_of_its_title(title: str, is_roundup: bool) -> None:
    assert _scored(title)["rationale"].endswith("; a round-up") == is_roundup


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (
            "Kilnworks Ceramics opened its oven in Porto. Then it rained.",
            "Kilnworks Ceramics opened its oven in Porto.",
        ),
        (
            "Kilnworks Ceramics has no full stop anywhere here",
            "Kilnworks Ceramics has no full stop anywhere here",
        ),
        ("Too short.", "Kilnworks Ceramics by the river"),
        ("", "Kilnworks Ceramics by the river"),
        ("x" * 900, "x" * 280),
    ],
)
def test_the_summary_is_the_first_sentence_or_the_headline(text: str, summary: str) -> None:
    assert _scored("Kilnworks Ceramics by the river", text)["summary"] == summary


def test_the_name_of_the_publisher_decides_no_category() -> None:
    title = "Kilnworks Ceramics by the river - Court Journal"
    assert _scored(title, publisher="Court Journal")["category"] == "other"


def test_only_the_beginning_of_a_text_is_read_for_its_category() -> None:
    assert _scored("Kilnworks Ceramics by the river", "x " * 800 + "lawsuit")["category"] == "other"


def test_rules_cost_nothing_and_say_which_they_are() -> None:
    scorer = RulesScorer()
    assert (scorer.method, scorer.version) == ("rules", RULES_VERSION)
    row = _scored("Kilnworks Ceramics by the river")
    assert (row["tokens"], row["cost_usd"]) == (0, 0.0)


WORDS = st.sampled_from(
    [
        "Kilnworks Ceramics",
        "lawsuit",
        "raises $3 million",
        "wrap",
        "results",
        "river.",
        "(KLN)",
        "ceo",
        "ipo",
    ]
)


@given(
    st.lists(
        st.tuples(
            st.lists(WORDS, max_size=6),
            st.lists(WORDS, max_size=30),
            st.integers(1, 9),
            st.sampled_from([None, "kiln"]),
            st.sampled_from([None, "https://kiln.example/a", "https://x.example/a"]),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=25, deadline=None)
def test_whatever_is_judged_score_and_confidence_lie_between_nought_and_one(
    told: list[tuple[list[str], list[str], int, str | None, str | None]],
) -> None:
    rows = [
        {**ITEM, "item_id": str(n), "title": " ".join(title), "text": " ".join(text),
         "publishers": publishers, "client_id": client, "url": url}
        for n, (title, text, publishers, client, url) in enumerate(told)
    ]  # fmt: skip
    items = pl.DataFrame(rows, schema=SCHEMA)
    matched = match(items, [KILN]).join(items.drop("client_id"), on="item_id")
    for row in RulesScorer().score(matched, [KILN]).iter_rows(named=True):
        assert 0.0 <= row["score"] <= 1.0
        assert 0.0 <= row["confidence"] <= 1.0
        assert row["category"] in CATEGORY_NAMES
        assert row["rationale"].startswith("named ")
        assert row["summary"] is not None
