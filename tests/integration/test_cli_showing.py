"""`clientlore dossier` and `clientlore page` in process: what people type, and how it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.typed import Commands

TENANT = """
tenant: {tenant}
name: Acme
mode: mock
users: [{{id: ann, name: Ann, email: ann@{tenant}.example}}]
clients:
  - {{name: Harbor Foods, owners: [ann], contacts: [{{name: Yuki Dubois, role: Buyer}}]}}
"""
Typed = Callable[..., str]


@pytest.fixture
def typed(typed: Commands, tmp_path: Path) -> Typed:
    """Gives the answer, or the trouble; there are two tenants."""
    for tenant in ("acme", "other"):
        (tmp_path / "t.yaml").write_text(TENANT.format(tenant=tenant))
        typed("apply", "t.yaml")
    return lambda *arguments, status=0: typed(*arguments, status=status).answer


def test_a_dossier_is_printed_as_markdown_by_name_or_id(typed: Typed) -> None:
    told = typed("dossier", "harbor foods", "--tenant", "acme")
    assert told == typed("dossier", "harbor-foods", "--tenant", "acme")
    assert told.startswith("---\ngenerator: clientlore dossier 1\ntenant: acme\n")
    assert "# Harbor Foods" in told
    assert "Nothing is known yet beyond who they are." in told


def test_a_dossier_of_a_person_is_asked_for_by_their_client(typed: Typed) -> None:
    told = typed("dossier", "Harbor Foods", "--contact", "yuki dubois", "--tenant", "acme")
    assert "# Yuki Dubois" in told
    assert "- **Role:** Buyer" in told


def test_a_dossier_as_json_has_the_same_facts(typed: Typed) -> None:
    found = json.loads(typed("dossier", "Harbor Foods", "--tenant", "other", "--json"))
    assert (found["tenant_id"], found["kind"], found["name"]) == ("other", "client", "Harbor Foods")
    assert [c["name"] for c in found["contacts"]] == ["Yuki Dubois"]


def test_on_a_terminal_a_dossier_is_laid_out(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    told = typed("dossier", "Harbor Foods", "--tenant", "acme")
    assert "Harbor Foods" in told
    assert "checksum" not in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dossier", "Nobody", "--tenant", "acme"), "Known: harbor-foods."),
        (("dossier", "Harbor Foods", "--contact", "X", "--tenant", "acme"), "Known: Yuki Dubois."),
        (("dossier", "Harbor Foods"), "Name one with --tenant: acme, other."),
        (("page", "--tenant", "acme"), "`clientlore run` collects."),
        (("page", "--tenant", "nobody"), "Known: acme, other."),
    ],
)
def test_what_cannot_be_shown_is_said_with_what_to_do(
    typed: Typed, arguments: tuple[str, ...], said: str
) -> None:
    assert said in typed(*arguments, status=1)


def test_a_run_leaves_dossiers_and_what_a_page_needs(typed: Typed, tmp_path: Path) -> None:
    typed("run", "--deliver", "--tenant", "acme")
    folder = tmp_path / "home" / "dossiers"
    found = {p.relative_to(folder).parts[:2] for p in folder.rglob("*.md")}
    assert found == {("acme", "clients"), ("acme", "contacts")}
    page = tmp_path / "home" / "pages" / "acme" / "index.html"
    assert typed("page", "--tenant", "acme") == f"Open {page} in a browser.\n"
    assert "Harbor Foods" in page.read_text()
    typed("page", "--tenant", "acme", "--days", "1", "--out", "mine.html")
    assert "Harbor Foods" in (tmp_path / "mine.html").read_text()
    assert (
        typed("dossier", "Harbor Foods", "--tenant", "acme")
        == next(folder.glob("acme/clients/*.md")).read_text()
    )
