"""`clientlore eval memory` on sets made up here: the figures are those that were worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clientlore.errors import BadDataError, NotFoundError
from clientlore.evaluation.memory import measure


def talk(folder: Path) -> None:
    turns = {
        "session_1": ["Where did you buy the boat?", "In Lisbon", "Well, well"],
        "session_2": ["A plant opens"],
    }
    conversation: dict[str, object] = {"speaker_a": "Ann", "speaker_b": "Bo"}
    for number, (session, texts) in enumerate(turns.items(), 1):
        conversation[f"{session}_date_time"] = f"1:56 pm on {number} May, 2023"
        conversation[session] = [
            {"speaker": ("Ann", "Bo")[n % 2], "dia_id": f"D{number}:{n + 1}", "text": text}
            for n, text in enumerate(texts)
        ]
    asked = [
        {"question": "Where did Bo buy the boat?", "evidence": ["D1:2"], "category": 4},
        {"question": "What opens?", "evidence": ["D2:1; D1:3"], "category": 1},
        {"question": "Who sold it?", "evidence": ["D1:1"], "category": 5},
        {"question": "What else?", "evidence": ["D9:9"], "category": 4},
    ]
    told = [{"sample_id": "talk", "conversation": conversation, "qa": asked}]
    (folder / "locomo_x.json").write_text(json.dumps(told))


def test_turns_are_measured_beside_plain_words(tmp_path: Path) -> None:
    talk(tmp_path)
    found = {(one.corpus, one.figure): one for one in measure(tmp_path, draws=50)}
    assert {corpus for corpus, _ in found} == {"talk", "locomo"}
    hit, recall = found["talk", "hit@5"], found["talk", "recall@10"]
    # The answer has no word of the question; of the two turns that answer the other question, one has.
    assert (hit.value, hit.plain, hit.questions) == (1.0, 0.5, 2)
    assert (recall.value, recall.plain) == (0.75, 0.25)
    assert found["talk", "session@10"].plain == 1.0
    assert hit.low <= hit.value <= hit.high
    assert hit.better_low <= 0.5 <= hit.better_high


def test_abstracts_are_measured_by_the_place_of_the_query(tmp_path: Path) -> None:
    texts = ["a plant", "a plant opens in a town", "mining"]
    documents = "".join(f".I {n}\n.T\nt\n.A\na\n.W\n{text}\n" for n, text in enumerate(texts, 1))
    (tmp_path / "cran.all.1400").write_text(documents)
    (tmp_path / "cran_x.qry").write_text(".I 017\n.W\nplants\n.I 033\n.W\nmines\n")
    (tmp_path / "cranqrel_x").write_text("1 2 2 \n2 3 -1\n")
    (tmp_path / "cranqrel.readme").write_text("1 1 1\n")
    (only,) = measure(tmp_path, draws=50)
    assert only.value == pytest.approx((1 / 1.5849625 + 1) / 2)
    assert (only.corpus, only.figure, only.questions) == ("cranfield", "nDCG@10", 2)
    assert measure(tmp_path, draws=50) == [only]


def test_a_folder_without_a_set_and_a_set_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no labelled set"):
        measure(tmp_path)
    (tmp_path / "locomo_x.json").write_text('[{"qa": []}]')
    with pytest.raises(BadDataError, match="cannot be read"):
        measure(tmp_path)


def test_extraction_is_measured_on_texts_that_nothing_was_learned_from(tmp_path: Path) -> None:
    notes = {
        1: ("Ann prefers tea. It rained.", [("preference", "Ann prefers tea")]),
        5: ("We decided to leave.", [("decision", "Decided to leave")]),
        2: ("Bo prefers milk. Sun and rain.", [("preference", "Bo prefers milk")]),
        3: ("Promised to call Bo. It snowed.", [("commitment", "Will call Bo")]),
    }
    folder = tmp_path / "memory_extraction_mit"
    folder.mkdir()
    for name, said in (
        ("dataset", lambda text, _: {"text": text}),
        ("labels", lambda _, told: {"memories": [{"type": k, "content": c} for k, c in told]}),
    ):
        lines = [json.dumps({"id": f"mem_{n:03}", **said(*note)}) for n, note in notes.items()]
        (folder / f"memory_extraction.{name}.jsonl").write_text("\n".join(lines))
    found = {one.figure: one for one in measure(tmp_path, draws=20)}
    labels = found["label accuracy, against majority"]
    assert (labels.value, labels.questions) == (1.0, 2)
    # Every sentence: two of four are right, and two were there.
    assert found["F1, against every sentence"].plain == pytest.approx(2 * 2 / (4 + 2))
    assert found["F1, against every sentence"].value == 1.0
