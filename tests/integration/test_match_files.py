"""`clientlore match`: items and clients of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.cli.main import clientlore
from clientlore.errors import BadDataError
from clientlore.evaluation.lines import ClientLine, Line
from clientlore.evaluation.matching import match_items


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _run(folder: Path, items: list[dict[str, Any]], clients: list[dict[str, Any]]) -> Result:
    return CliRunner().invoke(
        clientlore,
        [
            "match",
            str(_write(folder / "in.jsonl", items)),
            "--clients",
            str(_write(folder / "clients.jsonl", clients)),
            "--out",
            str(folder / "out.jsonl"),
            "--review",
            str(folder / "review.jsonl"),
        ],
        catch_exceptions=False,
    )


def test_each_item_and_client_is_a_line_in_the_order_of_the_items(tmp_path: Path) -> None:
    items = [
        {"id": 9, "title": "Orla Bank lifts Kiln\nWorks", "body": "", "more": 1},
        {"id": "b", "title": None, "body": "filler " * 60 + "Kiln Works, Inc. rose."},
        {"id": "a", "body": "Nothing."},
        {"id": 9, "title": "Bo Lind wins", "url": "https://x.example/1"},
    ]
    clients = [
        {"client_id": 2, "name": "Kiln Works Inc", "people": ["Bo Lind"], "aliases": None},
        {"client_id": "o", "name": "Orla Bank"},
    ]
    assert _run(tmp_path, items, clients).exit_code == 0
    assert _read(tmp_path / "out.jsonl") == [
        {"id": 9, "client_id": 2, "role": "subject", "confidence": 0.95, "evidence": "Kiln\nWorks"},
        {"id": 9, "client_id": "o", "role": "subject", "confidence": 0.95, "evidence": "Orla Bank"},
        {
            "id": "b",
            "client_id": 2,
            "role": "mention",
            "confidence": 0.95,
            "evidence": "Kiln Works",
        },
    ]
    (unsure,) = _read(tmp_path / "review.jsonl")
    assert unsure == {
        "id": 9,
        "client_id": 2,
        "role": "subject",
        "confidence": 0.5,
        "evidence": "Bo Lind",
        "doubt": "only a person of the client is named",
    }


def test_an_item_on_the_clients_own_site_says_so_with_its_address(tmp_path: Path) -> None:
    items = [{"id": 1, "title": "Hello", "url": "https://kiln.example/a"}]
    _run(tmp_path, items, [{"client_id": 1, "domain": "kiln.example"}])
    (row,) = _read(tmp_path / "out.jsonl")
    assert (row["role"], row["evidence"]) == ("subject", "https://kiln.example/a")


def test_empty_files_give_empty_files(tmp_path: Path) -> None:
    assert _run(tmp_path, [], []).exit_code == 0
    assert _read(tmp_path / "out.jsonl") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: it is no JSON"),
        ('{"title": "x"}', "line 2: id"),
        ('{"id": 1, "title": 5}', "line 2: title"),
        ("[1]", "line 2: Input should be"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path: Path, line: str, said: str) -> None:
    bad = tmp_path / "in.jsonl"
    bad.write_text('{"id": 1}\n' + line + "\n")
    clients = _write(tmp_path / "clients.jsonl", [{"client_id": 1, "name": "Kiln Works"}])
    out = tmp_path / "out.jsonl"
    with pytest.raises(BadDataError, match=said):
        CliRunner().invoke(
            clientlore,
            ["match", str(bad), "--clients", str(clients), "--out", str(out)],
            catch_exceptions=False,
        )
    assert not out.exists()


def test_two_clients_with_one_id_or_one_without_name_and_domain_are_refused() -> None:
    twice = [ClientLine(client_id="a", name="Kiln Works"), ClientLine(client_id="a", name="Orla")]
    with pytest.raises(BadDataError, match="'a' stands twice"):
        match_items([], twice)
    with pytest.raises(BadDataError, match="neither a name nor a domain"):
        match_items([], [ClientLine(client_id="a")])


@given(
    st.lists(
        st.sampled_from(["Kiln Works rose", "Orla Bank fell", "An analyst at Kiln Works", ""]),
        max_size=6,
    )
)
@settings(max_examples=25, deadline=None)
def test_an_item_is_judged_the_same_whatever_else_is_in_the_file(titles: list[str]) -> None:
    clients = [ClientLine(client_id=n, name=n) for n in ("Kiln Works", "Orla Bank")]
    items = [Line(id=n, title=title) for n, title in enumerate(titles)]
    alone = [row for item in items for row in match_items([item], clients).accepted]
    assert match_items(items, clients).accepted == alone
