"""Asks the questions of docs/analysts.md as an analyst would, in the current folder, and prints the answers as JSON.

    python ask_questions.py docs/analysts.md

Knows nothing of Clientlore: it runs with nothing but DuckDB and LanceDB, of whatever release is installed.
"""

import json
import re
import sys
from pathlib import Path

import duckdb

FILE = ".clientlore/warehouse/current/warehouse.duckdb"


def main() -> None:
    text = Path(sys.argv[1]).read_text().split("## Ten questions")[1].split("\n## ")[0]
    answers = {}
    with duckdb.connect(FILE, read_only=True) as warehouse:
        for part in text.split("\n### ")[1:]:
            language, code = re.search(r"```(\w+)\n(.*?)```", part, re.DOTALL).groups()
            if language == "sql":
                found = warehouse.sql(code.strip().rstrip(";"))
            else:
                names: dict = {}
                exec(code.replace("print(answer)", ""), names)
                found = names["answer"]
            # As text, since Python gets other types from other releases; order is part of the answer.
            shown = ", ".join(f'"{name}"::VARCHAR' for name in found.columns)
            answers[part.splitlines()[0]] = [
                list(found.columns),
                [list(row) for row in found.project(shown).fetchall()],
            ]
    print(json.dumps({"duckdb": duckdb.__version__, "answers": answers}))


if __name__ == "__main__":
    main()
