"""What comes first: words, what stands around them, who said it, when, and what it means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.memory import ranking, semantics
from clientlore.memory.scope import Scope, make_scope

T0 = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")


def rows(lines: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """From text, session, speaker and hours after the beginning."""
    made = []
    for n, (text, *rest) in enumerate(lines):
        session, speaker, hours = (*rest, None, None, None)[:3]
        attributes = {"session": session, "speaker": speaker, "order": n}
        made.append(
            {
                "memory_id": f"m{n:05}",
                "owner_id": "harbor",
                "kind": "memory",
                "text": text,
                "attributes": json.dumps({k: v for k, v in attributes.items() if v is not None}),
                "valid_from": None if hours is None else T0 + timedelta(hours=hours),
                "valid_to": None,
                "recorded_at": T0 + timedelta(hours=hours or 0),
                "sources": [],
            }
        )
    return pl.DataFrame(
        made, schema_overrides={"valid_from": TIME, "recorded_at": TIME, "valid_to": TIME}
    )


def best(scope: Scope, query: str, limit: int = 10) -> list[str]:
    ranked = ranking.by_words(scope, query)
    allowed = np.ones(scope.rows.height, dtype=np.bool_)
    places = ranking.order(ranked, scope, allowed, limit)
    return [scope.rows["memory_id"][p] for p in places]


def test_without_sessions_the_order_is_that_of_bm25() -> None:
    lines = [("plant plant",), ("a plant house",), ("mining",), ("plant among long words here",)]
    scope = make_scope(rows(lines))
    assert best(scope, "plants") == ["m00000", "m00001", "m00003"]
    n, held = 4, 3
    idf = np.log1p((n - held + 0.5) / (held + 0.5))
    lengths = scope.words.lengths
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    place = scope.rows["memory_id"].to_list().index("m00000")
    words = ranking.by_words(scope, "plants").parts["words"]
    assert words[place] == pytest.approx(idf * 2 * 2.2 / (2 + norm[place]))


def test_an_answer_is_found_by_the_words_of_the_question_before_it() -> None:
    talk = [
        ("Where did you move from?", "s1", "Ann"),
        ("Sweden, long ago", "s1", "Bo"),
        ("Lovely weather", "s1", "Ann"),
        ("Sweden", "s2", "Ann"),
    ]
    assert best(make_scope(rows(talk)), "Where did Bo move from?")[0] == "m00001"


def test_neighbours_end_with_the_session() -> None:
    talk = [("A plant", "s1", "Ann"), ("Indeed", "s2", "Bo"), ("Indeed", "s1", "Bo")]
    assert best(make_scope(rows(talk)), "plant") == ["m00000", "m00002"]


def test_who_is_named_is_who_speaks() -> None:
    talk = [
        ("I paint, Bo", "s1", "Ann"),
        ("I paint, Ann", "s2", "Bo"),
        ("Ann: I paint too", "s3", None),
    ]
    assert best(make_scope(rows(talk)), "What does Ann paint?")[2] == "m00001"
    assert best(make_scope(rows(talk)), "What does Bo paint?")[0] == "m00001"


def test_a_question_counts_less_than_what_is_said() -> None:
    talk = [("A plant?", "s1", "Ann"), ("no", "s1", "Bo"), ("A plant.", "s2", "Ann"), ("no", "s2", "Bo")]  # fmt: skip
    assert best(make_scope(rows(talk)), "plant")[0] == "m00002"


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("What was bought on 3 May 2026?", "m00001"),
        ("What was bought on May 3rd, 2026?", "m00001"),
        ("What was bought on 2026-05-03?", "m00001"),
        ("What was bought in June 2026?", "m00002"),
        ("What may be bought?", "m00003"),
        ("What was bought lately?", "m00003"),
        ("What was bought on 2026-13-45?", "m00003"),
    ],
)
def test_time_counts_where_the_question_names_it_and_breaks_ties(question: str, first: str) -> None:
    days = [0, 2, 40, 90]
    lines = [("something was bought", None, None, 24 * day) for day in days]
    assert best(make_scope(rows(lines)), question)[0] == first


def test_of_equals_the_later_comes_first_and_recency_counts_for_nothing_else() -> None:
    lines = [("a plant", None, None, 1), ("a plant", None, None, 9), ("plant plant", None, None, 0)]
    assert best(make_scope(rows(lines)), "plant") == ["m00002", "m00001", "m00000"]


def test_semantics_is_fitted_to_long_texts_alone_and_brings_together_what_belongs_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(semantics, "DIMENSIONS", 2)
    rng = np.random.default_rng(1)
    topics = [[f"t{topic}w{n}" for n in range(30)] for topic in range(2)]
    lines = [(" ".join(rng.choice(topics[n % 2], 40)),) for n in range(80)]
    scope = make_scope(rows(lines))
    assert scope.semantics is not None
    found = ranking.by_words(scope, "t0w1 t0w2")
    own = np.array([int(i[1:]) % 2 == 0 for i in scope.rows["memory_id"]])
    meaning = found.parts["meaning"]
    assert meaning[own].min() > meaning[~own].max()
    again = make_scope(rows(lines)).semantics
    assert again is not None
    np.testing.assert_array_equal(again.texts, scope.semantics.texts)
    assert make_scope(rows([("short",)] * 80)).semantics is None


def test_an_embedder_that_knows_nothing_changes_nothing_of_what_words_found() -> None:
    rng = np.random.default_rng(2)
    lines = [(" ".join(["plant", *(f"w{k}" for k in range(n))]),) for n in range(200)]
    lines += [("mining",)] * 800
    vectors = rng.standard_normal((1_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scope = make_scope(rows(lines), vectors)
    words = ranking.by_words(scope, "plant")
    allowed = np.ones(1_000, dtype=np.bool_)
    cosine = (scope.vectors @ vectors[5]).astype(float)  # type: ignore[operator]
    fused = ranking.fuse(words, cosine, allowed, 10)
    alone = ranking.order(words, scope, allowed, 20)
    assert ranking.order(fused, scope, allowed, 20) == alone


def test_an_embedder_that_knows_lifts_what_it_finds() -> None:
    lines = [(f"plant {'opens' if n < 20 else 'is shut'} {n}",) for n in range(100)]
    vectors = np.array([[1.0, 0.0] if n < 20 else [0.0, 1.0] for n in range(100)], dtype=np.float32)
    vectors[99] = [1.0, 0.0]
    scope = make_scope(rows(lines), vectors)
    allowed = np.ones(100, dtype=np.bool_)
    cosine = scope.vectors[:, 0].astype(float)  # type: ignore[index]
    words = ranking.by_words(scope, "plant opens")
    fused = ranking.fuse(words, cosine, allowed, 30)
    last = scope.rows["memory_id"].to_list().index("m00099")
    assert ranking.order(words, scope, allowed, 100).index(last) >= 20
    assert ranking.order(fused, scope, allowed, 100).index(last) == 20


def test_what_was_stemmed_before_gives_the_same_scope() -> None:
    before = make_scope(rows([("a plant opens", "s", "Ann"), ("mining", "s", "Bo")]))
    wanted = rows(
        [("a plant opens", "s", "Ann"), ("mining goes on", "s", "Bo"), ("more", "s", "Bo")]
    )
    assert make_scope(wanted, None, before).rows.equals(make_scope(wanted).rows)


words_of = st.lists(
    st.sampled_from(["plant", "mine", "town", "sea", "Ann", "ask"]), max_size=5
).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            words_of, st.sampled_from([None, "s1", "s2"]), st.sampled_from([None, "Ann", "Bo"])
        ),
        max_size=12,
    ),
    query=words_of,
    limit=st.integers(1, 5),
)
def test_whatever_is_asked_the_best_are_the_head_of_the_whole_order(
    lines: list[tuple[str, str | None, str | None]], query: str, limit: int
) -> None:
    scope = make_scope(rows(lines)) if lines else make_scope(rows([("x",)]).head(0))
    assert best(scope, query, limit) == best(scope, query, 1_000)[:limit]
