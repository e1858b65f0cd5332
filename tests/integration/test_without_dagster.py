"""The library needs no Dagster: its unit tests pass in an environment that has none, and its wheel holds it alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-library" / "bin" / "python"
needs_environment = pytest.mark.skipif(
    not PYTHON.exists(), reason="`make setup` makes the environment without Dagster"
)


@needs_environment
def test_the_unit_tests_pass_in_an_environment_without_dagster() -> None:
    has = subprocess.run([PYTHON, "-c", "import dagster"], capture_output=True, check=False)
    assert has.returncode != 0
    done = subprocess.run(
        # The laws are tested where Dagster is installed; they import nothing that the others do not.
        [
            PYTHON,
            "-m",
            "pytest",
            "tests/unit",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not hypothesis",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    assert " passed" in done.stdout


@needs_environment
def test_the_command_line_works_without_dagster_and_says_what_is_missing(tmp_path: Path) -> None:
    command = PYTHON.parent / "clientlore"
    environment = {
        "CLIENTLORE_HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [command, "demo", "--days", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "home" / "mail").glob("*.eml"))) > 0
    asked = subprocess.run(
        [command, "backfill", "--from", "2026-01-01", "--to", "2026-01-01"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert "needs the Dagster application" in asked.stderr


def test_the_wheel_holds_the_library_alone_with_its_templates_migrations_and_types(
    tmp_path: Path,
) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"clientlore", "clientlore-0.1.0.dist-info"}
    for wanted in (
        "clientlore/py.typed",
        "clientlore/digests/templates/digest.html.j2",
        "clientlore/control/migrations/versions/0001_initial.py",
        "clientlore/cli/demo.yaml",
        "clientlore/cli/example.yaml",
    ):
        assert wanted in names


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['clientlore', '--help']\n"
        "from clientlore.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'polars', 'sqlalchemy', 'pydantic', 'lancedb', 'pyarrow', 'numpy', 'httpx', 'rich', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
