"""docs/analysts.md, word for word: its commands and snippets, and its ten questions with two releases of DuckDB."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "analysts.md"
ASK = ROOT / "tests" / "support" / "ask_questions.py"
OLDER = ROOT / ".venv-duckdb1" / "bin" / "python"
OPENING, _ASKING = PAGE.read_text().split("## Ten questions")
QUESTIONS = re.findall(r"^### (\d+\. .*)$", PAGE.read_text(), re.MULTILINE)


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", OPENING, re.DOTALL)


def ask(python: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, str(ASK), str(PAGE)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_an_analyst_follows_the_page_from_the_demo_to_ten_answers(
    commands: Commands, tmp_path: Path
) -> None:
    commands.json("demo")
    # The page speaks of the usual home in the current folder.
    (tmp_path / ".clientlore").symlink_to(commands.home, target_is_directory=True)

    for block in snippets("sh"):
        for line in block.splitlines():
            program, *arguments = line.split()
            if program == "clientlore":
                commands.run(*arguments)
                continue
            assert (program, Path(arguments[-1]).name) == ("duckdb", "warehouse.duckdb")
            assert (tmp_path / arguments[-1]).is_file()
            if shutil.which(program):
                subprocess.run([*line.split(), "-c", "FROM build"], cwd=tmp_path, check=True)
    shown = commands.json("warehouse", "show")
    for name in re.findall(r"^\| `(\w+)` \|", OPENING, re.MULTILINE):
        assert shown["rows"].pop(name) > 0, name
    assert shown["rows"] == {}

    for code in snippets("python"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert shown["build_id"] in done.stdout
    for query in snippets("sql"):
        code = f"import duckdb; print(duckdb.connect({shown['file']!r}, read_only=True).execute({query!r}).fetchall())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "client_activity_by_day" in done.stdout
        assert "None" not in done.stdout

    assert len(QUESTIONS) == 10
    asked = ask(sys.executable, tmp_path)
    assert list(asked["answers"]) == QUESTIONS
    for question, (columns, rows) in asked["answers"].items():
        assert len(columns) > 2, question
        assert rows, question

    if not OLDER.exists():
        pytest.skip("the rest needs .venv-duckdb1: `make setup` makes it")
    older = ask(str(OLDER), tmp_path)
    assert older["duckdb"].startswith("1.")
    assert older["answers"] == asked["answers"]


def test_without_a_build_it_says_how_to_get_one(commands: Commands) -> None:
    done = commands.run("warehouse", "show", status=1)
    assert "No warehouse was published yet" in done.stderr
    assert "clientlore warehouse publish" in done.stderr


def test_a_refused_build_ends_with_status_1_and_names_the_test(
    commands: Commands,
) -> None:
    commands.json("demo", "--days", "1")
    for path in (commands.home / "lake" / "core" / "relevance").rglob("*.parquet"):
        double(path)
    done = commands.run("warehouse", "publish", status=1)
    assert "unique_together_stg_relevance" in done.stderr
    assert not os.path.lexists(commands.home / "warehouse" / "current")


def test_the_docs_of_the_models_are_one_page(commands: Commands) -> None:
    said = commands.run("warehouse", "docs").stdout
    page = Path(said.split(" (")[0])
    assert page.is_relative_to(commands.home)
    assert "client_activity_by_day" in page.read_text()


def double(path: Path) -> None:
    import polars as pl

    rows = pl.read_parquet(path)
    pl.concat([rows, rows]).write_parquet(path)
