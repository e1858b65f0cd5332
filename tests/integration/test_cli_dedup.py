"""`clientlore dedup`: a row for each item, in order, with no home."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clientlore.cli.dedup import dedup

STORY = (
    "Kilnworks Ceramics said on Tuesday it would open a plant near Porto and hire 240 people there by next summer. "
    "Chief executive Bo Lind said demand had grown 31% in twelve months and outpaced every plan. The regional "
    "government will pay for the road to the site and for the training of 90 apprentices."
)
MORE = " Shares of the company rose on the news. It employs 1,900 people in four countries and exports most."
OTHER = "Pilots of Meridian Air will strike for three days from Monday over pay, their union told local radio."


def run(folder: Path, *items: dict[str, Any], layers: str = "story") -> list[dict[str, Any]]:
    source, out = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    result = CliRunner().invoke(
        dedup, [str(source), "--out", str(out), "--layers", layers], catch_exceptions=False
    )
    assert result.exit_code == 0
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def item(number: str | int, body: str | None = STORY, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": "Kilnworks opens a plant", "body": body, **more}


def test_every_layer_gives_its_reason_and_the_first_owns_the_group(tmp_path: Path) -> None:
    rows = run(
        tmp_path,
        item("a", url="https://wire.example/1?utm_source=x"),
        item("b", OTHER, title="Pilots strike"),
        item("c", STORY + MORE, url="https://m.wire.example/1/amp"),
        item("d", STORY, title="A plant for Porto"),
        item("e", STORY + MORE[:50], title="Kilnworks to open plant"),
        item("f", STORY.replace("31%", "13%"), title="CORRECTED - Kilnworks opens a plant"),
        item("a", STORY),
        item("g", ""),
    )
    assert [(row["id"], row["group_id"], row["reason"]) for row in rows] == [
        ("a", "a", "first"),
        ("b", "b", "first"),
        ("c", "a", "url"),
        ("d", "a", "content"),
        ("e", "a", "near"),
        ("f", "a", "revision"),
        ("a", "a", "identity"),
        ("g", "g", "first"),
    ]
    assert all(0 < row["similarity"] <= 1 for row in rows)
    assert {row["story_id"] for row in rows if row["group_id"] == "a"} == {"a"}


def test_near_leaves_stories_out(tmp_path: Path) -> None:
    (row,) = run(tmp_path, item("a"), layers="near")
    assert row == {"id": "a", "group_id": "a", "reason": "first", "similarity": 1.0}


@pytest.mark.parametrize("ids", [("1", "2"), (1, 2), (1, "2"), ('ä\n"x"', 2.5)])
def test_ids_come_back_unchanged(tmp_path: Path, ids: tuple[Any, Any]) -> None:
    rows = run(tmp_path, item(ids[0]), item(ids[1]))
    assert [row["id"] for row in rows] == list(ids)
    assert [row["group_id"] for row in rows] == [ids[0], ids[0]]
    assert rows[1]["story_id"] == ids[0]


def test_title_and_body_may_be_empty_null_or_absent(tmp_path: Path) -> None:
    rows = run(
        tmp_path,
        {"id": "a"},
        {"id": "b", "title": None, "body": ""},
        {"id": "c", "title": "", "body": STORY},
        {"id": "d", "title": STORY, "body": None, "extra": [1]},
    )
    assert [row["id"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[2]["reason"] == "first"


def test_a_file_without_items_gives_a_file_without_rows(tmp_path: Path) -> None:
    assert run(tmp_path) == []


def test_days_between_the_same_words_count_where_dates_are_given(tmp_path: Path) -> None:
    told = (
        "The central bank added {n} billion of reserves through repurchase agreements, dealers said. "
        * 2
    )
    day = datetime(2026, 11, 2, tzinfo=UTC)
    rows = run(
        tmp_path,
        item("a", told.format(n=1), published_at=day.isoformat()),
        item("b", told.format(n=2), published_at=(day + timedelta(days=9)).isoformat()),
    )
    assert [row["group_id"] for row in rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "what"), [("{", "Line 2"), ("[]", "Line 2"), ('{"title": "x"}', "Line 2")]
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, what: str) -> None:
    from clientlore.errors import BadDataError

    source = tmp_path / "in.jsonl"
    source.write_text(f'{{"id": "a", "body": "x"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(BadDataError, match=what):
        CliRunner().invoke(
            dedup, [str(source), "--out", str(tmp_path / "o")], catch_exceptions=False
        )


BODIES = (STORY, STORY + MORE, OTHER, OTHER + MORE, STORY[: len(STORY) // 2], "short", "")
ITEMS = st.lists(
    st.builds(
        lambda body, title, url: {"title": title, "body": body, "url": url},
        st.sampled_from(BODIES),
        st.sampled_from(["Kilnworks opens a plant", "UPDATE 1 - Kilnworks", "Pilots strike"]),
        st.none() | st.sampled_from(["https://a.example/1", "https://b.example/2?utm_term=3"]),
    ),
    max_size=10,
)
QUICK = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(ITEMS, ITEMS)
@QUICK
def test_later_items_move_nothing_and_a_replay_adds_nothing(
    tmp_path: Path, early: list[dict[str, Any]], late: list[dict[str, Any]]
) -> None:
    def numbered(items: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
        return [{"id": start + n, **one} for n, one in enumerate(items)]

    first = numbered(early, 0)
    before = run(tmp_path, *first)
    after = run(tmp_path, *first, *numbered(late, len(first)))
    assert after[: len(first)] == before
    again = run(tmp_path, *first, *first)
    assert again[: len(first)] == before
    assert {row["group_id"] for row in again} == {row["group_id"] for row in before}


def test_two_hundred_addresses_of_ten_pages_are_ten_groups(tmp_path: Path) -> None:
    rng = Random(4)
    pages = [f"news{n}.example/2026/{n}/story-{n}" for n in range(10)]
    dress = [
        "https://{p}", "http://www.{p}", "https://m.{p}", "https://amp.{p}", "https://{p}/", "https://{p}/amp",
        "https://{p}/amp/", "https://{p}?amp=1", "https://{p}#top", "https://{p}?utm_source=a&fbclid=b",
        "https://mobile.{p}?gclid=1", "HTTPS://{p}?ref=x", "https://{p}.amp?usqp=1", "https://{p}/index.html",
        "https://www.google.com/url?q=https%3A%2F%2F{q}&sa=D", "https://l.facebook.com/l.php?u=https%3A%2F%2F{q}&h=1",
        "https://www.google.com/amp/s/{p}", "https://news-example.cdn.ampproject.org/c/s/{p}",
        "https://out.reddit.com/t3?url=https%3A%2F%2F{q}&token=1",
        "https://eu.safelinks.protection.outlook.com/?url=https%3A%2F%2F{q}%3Futm_medium%3Dmail&data=1",
    ]  # fmt: skip
    made = [
        (n, form.format(p=page, q=page.replace("/", "%2F")))
        for n, page in enumerate(pages)
        for form in dress
    ]
    rng.shuffle(made)
    assert len({url for _, url in made}) == 200
    words = [f"word{n}" for n in range(4_000)]
    rows = run(
        tmp_path,
        *(
            item(k, " ".join(rng.sample(words, 30)), title=f"T{k}", url=url)
            for k, (_, url) in enumerate(made)
        ),
        layers="near",
    )
    groups: dict[int, set[int]] = {}
    for row, (page, _) in zip(rows, made, strict=True):
        groups.setdefault(page, set()).add(row["group_id"])
    assert all(len(found) == 1 for found in groups.values())
    assert len({row["group_id"] for row in rows}) == 10
