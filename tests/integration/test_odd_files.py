"""Files as other programs write them: marked, packed, in another encoding, cut off, with halves of characters."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from clientlore.cli.dedup import dedup
from clientlore.cli.files import classify, match
from clientlore.cli.remembering import memory_extract
from clientlore.errors import BadDataError, ClientloreError, ConfigurationError

ITEM = {
    "id": "é",
    "title": "Kilnworks opens a plant",
    "body": "In Porto.",
    "text": "It is in Porto.",
}
LINE = json.dumps(ITEM, ensure_ascii=False) + "\n"
COMMANDS = [dedup, classify, match, memory_extract]


def answered(command: click.Command, folder: Path, raw: bytes) -> list[dict[str, Any]]:
    source, clients, out = folder / "in.jsonl", folder / "clients.jsonl", folder / "out.jsonl"
    source.write_bytes(raw)
    clients.write_text('{"client_id": 1, "name": "Kilnworks Ltd"}\n', encoding="utf-8")
    more = ["--clients", str(clients)] if command is match else []
    done = CliRunner().invoke(
        command, [str(source), "--out", str(out), *more], catch_exceptions=True
    )
    if isinstance(done.exception, ClientloreError):
        assert not out.exists()
        raise done.exception
    assert done.exception is None, done.exception
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + LINE.encode(),
        gzip.compress(LINE.encode()),
        LINE.replace("\n", "\r\n\r\n").encode(),
        LINE.rstrip().encode(),
    ],
    ids=["marked", "packed", "lines of Windows", "no last line break"],
)
def test_how_a_file_is_written_does_not_matter(
    tmp_path: Path, command: click.Command, raw: bytes
) -> None:
    assert answered(command, tmp_path, raw) == answered(command, tmp_path, LINE.encode())
    assert answered(command, tmp_path, raw)[0]["id"] == "é"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "raw",
    [LINE.encode("cp1252"), gzip.compress(LINE.encode())[:-9]],
    ids=["not UTF-8", "cut off"],
)
def test_what_cannot_be_read_is_said_and_nothing_is_written(
    tmp_path: Path, command: click.Command, raw: bytes
) -> None:
    with pytest.raises((BadDataError, ConfigurationError), match=r"in\.jsonl"):
        answered(command, tmp_path, raw)


@pytest.mark.parametrize("command", [dedup, classify, match])
def test_half_a_character_in_a_text_harms_nobody(tmp_path: Path, command: click.Command) -> None:
    half = '{"id": "a", "title": "Kilnworks \\ud83d opens", "body": "In \\udc00 Porto."}\n'
    rows = answered(command, tmp_path, (half + LINE).encode())
    assert [row["id"] for row in rows] == ["a", "é"]


@pytest.mark.parametrize("command", [classify, match])
def test_an_id_of_half_a_character_comes_back(tmp_path: Path, command: click.Command) -> None:
    line = '{"id": "a\\ud83d", "title": "Kilnworks opens"}\n'
    assert [row["id"] for row in answered(command, tmp_path, line.encode())] == ["a\ud83d"]


def test_an_id_inside_another_field_is_no_id_of_the_item(tmp_path: Path) -> None:
    lines = '{"id": "a", "title": "x", "more": {"id": "b"}}\n{"id": 5, "title": "y"}\n'
    assert [row["id"] for row in answered(dedup, tmp_path, lines.encode())] == ["a", 5]
