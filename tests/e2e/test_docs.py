"""What the pages say is so: every fenced block is run or checked, in a copy of the checkout. See CONTRIBUTING.md."""

from __future__ import annotations

import datetime
import email
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.policy import default
from pathlib import Path

import pytest
import yaml

from clientlore import settings
from clientlore.clock import SystemClock
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.run_context import quiet
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.mail import MailServer
from clientlore.testing.workspaces import open_workspace, put_tenant
from tests.integration.conftest import postgres_server  # noqa: F401 - a fixture
from tests.support.pages import PAGES, ROOT, Block, anchors_of, blocks_of, links_of
from tests.support.terminal import at_a_terminal
from tools import make_reference

LANGUAGES = {"sh", "python", "yaml", "sql", "csv", "toml"}
OTHERS_TEST = {"docs/analysts.md", "docs/providers.md"}
"""Have tests of their own: SQL is asked of the warehouse by two releases of DuckDB, the provider is installed."""
TO_RUN = [
    page
    for page in PAGES
    if page not in {"README.md", *OTHERS_TEST}
    and any(b.language in {"sh", "python"} and b.word != "not run" for b in blocks_of(page))
]
PATIENCE = 600
"""Seconds for all commands of a page, on a machine that is busy."""
ANYWHERE = "https://news.example.com"
DATABASES = {
    "postgresql://clientlore:password@db.example.com/clientlore",
    "postgresql://clientlore:password@db.example.com/dagster",
}
FIRST_REF = (
    r"$(clientlore digest show | sed -n 's/.*Ref \([A-Z2-7]*-[A-Z2-7]*\).*/\1/p' | head -n 1)"
)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HEADLINES = {
    "acme": "Acme Corporation to acquire Oakhurst Group",
    "harbor": "Harbor Foods names Lena Ortiz chief executive",
    "vela": "Vela Logistics raises $120 million to expand in Leeds",
}
TENANT = """
tenant: acme
name: Acme Advisors
users:
  - {id: ann, name: Ann Lee, email: ann@acme.example, zone: Europe/London}
clients:
  - name: Acme Corporation
    owners: [ann]
    feeds: [%s/acme.xml]
schedules:
  - {name: every hour, type: hourly}
"""


@dataclass
class Checkout:
    """A copy of the checkout, in which a page is tried."""

    folder: Path
    replaced: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)

    def script(self, blocks: list[Block]) -> Path:
        """The blocks as one shell script that stops at the first command that fails."""
        lines = ["set -e"]
        for number, block in enumerate(blocks):
            if block.word == "not run":
                continue
            text, end = self.substituted(block), f"END_OF_BLOCK_{number}"
            lines.append(f"echo '--- {block.place}'")
            if block.word:
                redirect = ">" if block.word == "file" else ">>"
                lines.append(f"cat {redirect} '{block.value}' <<'{end}'\n{text}{end}")
            elif block.language == "sh":
                lines.append(text)
            elif block.language == "python":
                lines.append(f"python - <<'{end}'\n{text}{end}")
        path = self.folder / "page.sh"
        path.write_text("\n".join(lines))
        return path

    def substituted(self, block: Block) -> str:
        text = block.text
        for shown, real in self.replaced.items():
            text = text.replace(shown, real)
        return re.sub(r"\bREF\b", lambda _: FIRST_REF, text) if block.language == "sh" else text


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of the checkout without data, with the environments that are there."""
    folder = tmp_path / "checkout"
    left_out = (
        ".git",
        ".venv*",
        ".clientlore*",
        ".env",
        ".*_cache",
    )
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*left_out))
    venv = Path(sys.prefix)
    if not (venv / ".ready").is_file():
        pytest.skip(f"{venv} was not made by `make setup`, so `make` would make another")
    (folder / ".venv").symlink_to(venv)
    # To make, the environments are as new as what they are made from.
    for name in ("pyproject.toml", "requirements.lock"):
        os.utime(folder / name, (0, 0))
    home = tmp_path / "user"
    home.mkdir()
    environment = {
        "HOME": str(home),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder / 'tests' / 'support' / 'loopback_only'}",
        "LOOPBACK_ONLY_LOG": str(tmp_path / "reached.txt"),
        "COLUMNS": "200",
        "TZ": "Europe/London",
    }
    return Checkout(folder, {}, environment)


@pytest.fixture
def feeds(checkout: Checkout) -> Iterator[FeedServer]:
    """A server in the place of the one that the pages name."""
    with FeedServer() as running:
        for name, headline in HEADLINES.items():
            text = f"{headline}, the company said on Tuesday. It is the second such step this year."
            at = NOW - datetime.timedelta(hours=1)
            entry = Entry(headline, text, f"https://wire.example/{name}", name, at)
            running.put(f"/{name}.xml", Answer(rss("Wire", [entry]), conditional=True))
        incident = {
            "id": "i-1",
            "name": "Acme Corporation suffers an outage of its shop",
            "body": "The outage at Acme Corporation began this morning.",
            "started_at": (NOW - datetime.timedelta(hours=2)).isoformat(),
        }
        answer = yaml.safe_dump(
            {"incidents": [incident, {"id": "i-2"}]}, default_flow_style=True, width=10_000
        )
        running.put("/incidents.json", Answer(_json(answer)))
        checkout.replaced[ANYWHERE] = running.url("")
        yield running


def _json(text: str) -> bytes:
    import json

    return json.dumps(yaml.safe_load(text)).encode()


@pytest.fixture
def mail_server(checkout: Checkout) -> Iterator[MailServer]:
    with MailServer() as running:
        checkout.environment |= {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(running.port),
            "SMTP_SECURITY": "none",
            "SMTP_FROM_EMAIL": "monitor@acme.example",
        }
        yield running


def mails(folder: Path) -> list[str]:
    """The text of every mail in a folder."""
    found = []
    for path in sorted(folder.glob("*.eml")):
        body = email.message_from_bytes(path.read_bytes(), policy=default).get_body(("plain",))
        assert body is not None
        found.append(str(body.get_content()))
    return found


@pytest.mark.timeout(PATIENCE + 60)
def test_somebody_with_only_the_readme_gets_a_digest_about_their_own_client(
    checkout: Checkout, feeds: FeedServer, mail_server: MailServer, tmp_path: Path
) -> None:
    # No environment is on the path: the page says how to come by the commands.
    script = checkout.script(blocks_of("README.md"))
    status, said = at_a_terminal(
        ["/bin/sh", str(script)],
        cwd=checkout.folder,
        env=checkout.environment,
        answers=["Acme Advisors", "Ann Lee", "you@acme.example", ""],
        seconds=PATIENCE,
    )
    assert status == 0, said[-3_000:]
    assert not (tmp_path / "reached.txt").exists()
    mine = [
        text
        for text in mails(checkout.folder / ".clientlore" / "mail")
        if text.startswith("Acme Advisors")
    ]
    assert len(mine) == 2
    first, second = sorted(mine, key=lambda text: HEADLINES["acme"] not in text)
    assert HEADLINES["acme"] in first
    assert HEADLINES["harbor"] in second
    assert HEADLINES["vela"] in second
    assert HEADLINES["acme"] not in second
    assert "The bytes are those that were stored" in said
    assert "Ann Lee: told" in said
    assert "Today's configuration was taken before" in said
    assert "[Europe/London]" in said
    assert [e.rcpt_tos for e in mail_server.messages] == [["you@acme.example"]]
    assert {asked.path for asked in feeds.asked()} == {"/acme.xml", "/harbor.xml", "/vela.xml"}


@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("page", TO_RUN)
def test_the_commands_and_programs_of_a_page_work(
    page: str,
    checkout: Checkout,
    feeds: FeedServer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    blocks = blocks_of(page)
    home = checkout.folder / ".clientlore"
    with open_workspace(home, SystemClock()) as workspace:
        put_tenant(workspace, TENANT % feeds.url(""))
        day = NOW.date()
        InlineOrchestrator(workspace, quiet).launch(RunRequest(day, day, deliver=True))
    if any(address in block.text for address in DATABASES for block in blocks):
        for address in sorted(DATABASES):
            checkout.replaced[address] = request.getfixturevalue("databases")()
    environment = {**checkout.environment}
    # With the README everything is used that is installed; a page promises nothing about shapes and pictures.
    bare = checkout.folder / "tests" / "support" / "bare"
    environment["PYTHONPATH"] = f"{bare}{os.pathsep}{environment['PYTHONPATH']}"
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["/bin/sh", str(checkout.script(blocks))],
        cwd=checkout.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
    assert not (tmp_path / "reached.txt").exists()
    for block in blocks:
        if block.language == "sql" and block.word != "not run":
            with sqlite3.connect(home / "control.db") as control:
                control.executescript(block.text)


@pytest.fixture
def databases(postgres_server: str) -> Callable[[], str]:  # noqa: F811 - the fixture imported above
    """Gives the address of a new, empty database each time it is called."""
    import sqlalchemy as sa

    from clientlore.ids import new_id

    def make() -> str:
        name = f"t{new_id().replace('-', '')}"
        engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return postgres_server.replace("/postgres?", f"/{name}?")

    return make


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_is_tested_or_says_why_it_is_not_run(page: str) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, block.place
        if block.language == "csv":
            assert block.word == "file", block.place
        if block.word == "not run":
            assert len(block.value.split()) > 3, block.place
        if block.language == "yaml":
            check_yaml(block)
        if block.language == "python":
            compile(block.text, block.place, "exec")


def test_few_blocks_are_not_run() -> None:
    left_out = [b.place for page in PAGES for b in blocks_of(page) if b.word == "not run"]
    assert len(left_out) <= 8, left_out


def check_yaml(block: Block) -> None:
    """A tenant file, a part of one, or the configuration of a run."""
    content = yaml.safe_load(block.text)
    if "resources" in content:
        import dagster as dg

        from orchestration.definitions import build_defs

        job = build_defs().resolve_job_def("client_monitoring")
        assert dg.validate_run_config(job, content)
        return
    whole = "tenant" in content
    parse_tenant_file(block.text if whole else f"tenant: t\nname: T\n{block.text}", block.place)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links_of(page):
        name, _, anchor = link.partition("#")
        assert (ROOT / name).exists(), link
        if anchor:
            assert anchor in anchors_of(name), link


def test_the_reference_pages_are_what_the_code_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_reference.main(["--check"]) == 0
    monkeypatch.setattr(make_reference, "FOLDER", tmp_path)
    assert make_reference.main(["--check"]) == 1
    assert "make_reference" in capsys.readouterr().err
    assert make_reference.main([]) == 0
    (tmp_path / "commands.md").write_text("older")
    assert make_reference.main(["--check"]) == 1


def test_operations_names_every_setting_and_so_does_the_example() -> None:
    told = (ROOT / "docs" / "operations.md").read_text()
    example = (ROOT / ".env.example").read_text()
    for name in settings.VARIABLES:
        assert f"`{name}`" in told, name
        assert f"#{name}=" in example, name


def test_pictures_are_small_enough_for_a_page() -> None:
    found = list((ROOT / "docs" / "pictures").iterdir())
    assert {path.name for path in found} >= {"digest.png", "asset-graph.png", "architecture.svg"}
    for path in found:
        assert path.stat().st_size < 300_000, path.name
