"""Files of memories in, files of answers out, through the command line and the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clientlore.memory import bulk
from clientlore.memory.store import MemoryStore
from clientlore.settings import load_settings
from clientlore.workspace import Workspace
from tests.support.typed import Commands

Typed = Callable[..., tuple[str, str]]


@pytest.fixture
def typed(typed: Commands) -> Typed:
    """Gives what was written on each stream."""

    def both(*arguments: str, status: int = 0) -> tuple[str, str]:
        said = typed(*arguments, status=status)
        return said.out, said.err

    return both


def write(name: str, lines: Sequence[dict[str, Any] | str]) -> str:
    told = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    Path(name).write_text("\n".join(told) + "\n", encoding="utf-8")
    return name


def ask(typed: Typed, *queries: dict[str, Any], limit: int = 10, mode: str = "hybrid") -> Any:
    given = [{"id": f"q{n}", "owner": "ann", **query} for n, query in enumerate(queries)]
    write("asked.jsonl", given)
    arguments = ["--tenant", "acme", "--limit", str(limit), "--mode", mode, "--out", "out.jsonl"]
    typed("memory", "query", "asked.jsonl", *arguments)
    answers = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [a["id"] for a in answers] == [q["id"] for q in given]
    return [[hit["id"] for hit in answer["hits"]] for answer in answers]


def load(typed: Typed, *lines: dict[str, Any], name: str = "in.jsonl") -> Any:
    write(name, [{"owner": "ann", **line} for line in lines])
    return json.loads(typed("memory", "load", name, "--tenant", "acme", "--json")[0])


def test_what_is_loaded_into_a_fresh_home_is_found_under_its_own_id(typed: Typed) -> None:
    told = load(
        typed,
        {"id": "a", "text": "Harbor opens two plants"},
        {"id": 7, "text": "Nothing of interest", "colour": "red"},
        {"id": "a", "text": "A plant of somebody else", "owner": "bo"},
    )
    assert told == {"tenant": "acme", "added": 3, "revised": 0, "known": 0, "rows": 3}
    found = ask(typed, {"query": "plant"}, {"query": "interesting"}, {"query": "?"}, {"query": " "})
    assert found == [["a"], [7], [], []]
    assert ask(typed, {"query": "plant", "owner": "bo"}, {"query": "plant", "owner": "nobody"}) == [
        ["a"],
        [],
    ]
    with Workspace.open(load_settings()) as workspace:
        state = MemoryStore(workspace).state("acme")
        assert json.loads(state.filter(text="Nothing of interest")["attributes"][0])[
            "metadata"
        ] == {"colour": "red"}
    assert "live" in typed("tenant", "list")[0]


def test_later_loads_add_and_the_same_again_changes_nothing(typed: Typed) -> None:
    first = {"id": "a", "text": "A plant opens"}
    load(typed, first)
    again = load(typed, {"id": "b", "text": "A second plant"}, first)
    assert (again["added"], again["known"], again["rows"]) == (1, 1, 2)
    for n, text in enumerate(["The plant is shut", "A plant opens"]):
        told = load(typed, {"id": "a", "text": text})
        assert (told["revised"], told["rows"]) == (1, 2), n
    assert ask(typed, {"query": "opens"}, {"query": "shut"}) == [["a"], []]


def test_texts_that_are_alike_stay_memories_of_their_own(typed: Typed) -> None:
    load(typed, *({"id": n, "text": "The very same words"} for n in range(5)))
    assert sorted(ask(typed, {"query": "same words"})[0]) == [0, 1, 2, 3, 4]
    assert len(ask(typed, {"query": "same words"}, limit=3)[0]) == 3


def test_without_times_the_order_of_the_file_is_the_order_of_the_session(typed: Typed) -> None:
    talk = ["Where did you grow up?", "In Sweden", "Nice", "Where do you live?", "In Lisbon"]
    load(
        typed,
        *(
            {"id": n, "text": text, "session": "s", "speaker": ["Ann", "Bo"][n % 2]}
            for n, text in enumerate(talk)
        ),
    )
    assert ask(typed, {"query": "Where did Bo grow up?"}, limit=1) == [[1]]


def test_as_of_an_instant_nothing_later_is_found_and_what_was_revised_reads_as_it_did(
    typed: Typed,
) -> None:
    for day, text in ((1, "The plant is open"), (20, "The plant is shut")):
        load(typed, {"id": "a", "text": text, "occurred_at": f"2026-05-{day:02}T09:00:00Z"})
    load(typed, {"id": "b", "text": "Another plant", "occurred_at": "2026-05-10"})
    found = ask(
        typed,
        {"query": "plant", "as_of": "2026-04-30"},
        {"query": "plant open", "as_of": "2026-05-01"},
        {"query": "plant", "as_of": "2026-05-09T23:59:59+00:00"},
        {"query": "open", "as_of": "2026-05-15T00:00:00"},
        {"query": "shut", "as_of": "2026-05-15"},
        {"query": "open"},
        {"query": "shut"},
    )
    assert found == [[], ["a"], ["a"], ["a"], [], [], ["a"]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: it is no JSON"),
        ("[]", "line 2: Input should be"),
        ({"owner": "ann", "text": "x"}, "id: Field required"),
        ({"id": "x", "owner": "ann", "text": ""}, "text: Value should have at least 1"),
        ({"id": "x", "owner": "a" * 65, "text": "x"}, "owner: Value should have at most 64"),
        ({"id": "x", "owner": "ann", "text": "\x00"}, "NUL"),
        ('{"id": "x", "owner": "ann", "text": "\\ud800"}', "surrogate"),
        ({"id": "x", "owner": "ann", "text": "x", "occurred_at": "soon"}, "occurred_at"),
        ({"id": "x", "owner": "ann", "text": "x" * 1_000_001}, "at most 1000000"),
        ({"id": "x", "owner": "ann", "text": "x", "metadata": {"a": "x" * 65_536}}, "64 kB"),
    ],
)
def test_a_line_that_cannot_be_is_named_and_nothing_of_its_file_is_taken(
    typed: Typed, line: Any, why: str
) -> None:
    write("in.jsonl", [{"id": "good", "owner": "ann", "text": "A plant"}, line])
    _, err = typed("memory", "load", "in.jsonl", "--tenant", "acme", status=1)
    assert why in err
    assert "nothing was taken" in err
    assert "acme" not in typed("tenant", "list")[0]


def test_what_cannot_be_asked_is_said(typed: Typed) -> None:
    load(typed, {"id": "a", "text": "A plant"})
    write("asked.jsonl", [{"id": "q", "owner": "ann", "query": "plant"}])
    typed("memory", "query", "asked.jsonl", "--tenant", "other", "--out", "-", status=1)
    _, err = typed(
        "memory", "query", "asked.jsonl", "--tenant", "acme", "--mode", "vector", "--out", "-", status=1
    )  # fmt: skip
    assert "EMBEDDING_MODEL" in err
    out, _ = typed("memory", "query", "asked.jsonl", "--tenant", "acme", "--out", "-")
    assert json.loads(out)["hits"][0]["id"] == "a"
    typed("memory", "load", "asked.jsonl", "--tenant", "No Tenant!", status=1)


def test_a_load_that_was_cut_off_is_completed_by_the_next(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"id": n, "text": f"Plant {n}"} for n in range(10)]

    def stop(done: int, _: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(bulk, "BATCH", 3)
    with Workspace.open(load_settings(), migrated=False) as workspace:
        bulk.prepare(workspace, "acme")
        made = [bulk.Line.model_validate({"owner": "ann", **line}) for line in lines]
        with pytest.raises(KeyboardInterrupt):
            bulk.load(workspace, "acme", made, name="in.jsonl", told=stop)
        found = MemoryStore(workspace).search("acme", "plants", owners=["ann"], limit=100)
        assert len(found.hits) == 6
    told = load(typed, *lines)
    assert (told["added"], told["known"], told["rows"]) == (4, 6, 10)
