"""Providers of news in a tenant file, and those that other packages bring."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from clientlore import plugins
from clientlore.control import sources
from clientlore.control.client_entry import add_clients
from clientlore.control.model import Client, Source
from clientlore.control.tenant_file import ClientEntry, parse_tenant_file
from clientlore.control.tenants import get_tenant
from clientlore.errors import ConfigurationError
from clientlore.names import without_legal_form
from clientlore.providers.kinds import Kind
from clientlore.providers.registry import KINDS, Providers, kind_of
from clientlore.providers.search import api
from clientlore.providers.search.mock import MockSearch
from clientlore.settings import load_settings
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

FILE = """
tenant: desk
name: Desk
search:
  - serper
  - {{provider: edgar, on_failure: fail}}
  - {{provider: brave, country: gb, language: en}}
  {more}
clients:
  - {{name: Harbor Foods, ticker: HRBR}}
  - {{name: Vela Works}}
"""


def _sources(workspace: Workspace) -> list[Source]:
    with workspace.control.read() as connection:
        return sources.sources_of(connection, "desk")


def test_each_client_has_a_source_for_each_provider_that_can_know_it(workspace: Workspace) -> None:
    put_tenant(workspace, FILE.format(more=""))
    found = {(s.client_id, s.kind): s for s in _sources(workspace)}
    assert set(found) == {
        ("harbor-foods", "serper"),
        ("harbor-foods", "brave"),
        ("harbor-foods", "edgar"),
        ("vela-works", "serper"),
        ("vela-works", "brave"),
    }
    assert found["harbor-foods", "edgar"].on_failure == "fail"
    assert found["harbor-foods", "brave"].options == {"country": "gb", "language": "en"}


def test_applying_twice_changes_nothing_and_what_is_taken_out_is_switched_off(
    workspace: Workspace,
) -> None:
    put_tenant(workspace, FILE.format(more="- gdelt"))
    assert put_tenant(workspace, FILE.format(more="- gdelt")) == []
    put_tenant(workspace, FILE.format(more=""))
    assert "gdelt" not in {s.kind for s in _sources(workspace)}


def test_a_client_of_the_command_line_is_searched_for_like_the_others(workspace: Workspace) -> None:
    put_tenant(workspace, FILE.format(more=""))
    with workspace.control.read() as connection:
        tenant = get_tenant(connection, "desk")
    audit = workspace.audit("test", "a client is added")
    entry = ClientEntry.model_validate({"name": "Umbra Power", "cik": "320193"})
    add_clients(workspace.control, audit, tenant, [entry])
    kinds = {s.kind for s in _sources(workspace) if s.client_id == "umbra-power"}
    assert kinds == {"serper", "brave", "edgar"}
    put_tenant(workspace, FILE.format(more="").replace("- serper\n", "- newsapi\n"))
    kinds = {s.kind for s in _sources(workspace) if s.client_id == "umbra-power"}
    assert kinds == {"newsapi", "brave", "edgar"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("- serpr", "there is no search provider 'serpr'; did you mean 'serper'?"),
        ("- bing", "Allowed: brave, edgar, edgar_full_text, gdelt"),
        ("- rss", "there is no search provider 'rss'. Allowed"),
        ("- google_news", "write {provider: google_news, accept_terms: true}"),
        ("- brave", "the search provider 'brave' is used twice"),
        ("- {provider: gdelt, on_failure: mock}", "'on_failure: mock' makes up data"),
        ("- {provider: gdelt, language: english}", "language"),
        ("- {provider: gdelt, key: secret}", "key"),
    ],
)
def test_a_wrong_provider_is_refused_with_its_line_and_what_is_allowed(
    line: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_tenant_file(FILE.format(more=line), "desk.yaml")
    assert said in str(caught.value)
    if "on_failure: mock" not in line:
        assert "desk.yaml line 8" in str(caught.value)


def test_consent_is_taken_down(workspace: Workspace) -> None:
    put_tenant(
        workspace, FILE.format(more="- {provider: google_news, accept_terms: true, country: gb}")
    )
    (found, *_) = [s for s in _sources(workspace) if s.kind == "google_news"]
    assert found.options == {"accept_terms": True, "country": "gb"}


MINE = Kind("search_results", lambda _settings, clock: MockSearch(clock), "mock_search", "Mine")


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that brings three things under our entry-point group."""
    module = ModuleType("a_package_of_somebody")
    module.KIND = MINE  # type: ignore[attr-defined]
    module.CRM = Kind("crm_accounts", MINE.make, "mock_accounts")  # type: ignore[attr-defined]
    module.WRONG = "text"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_package_of_somebody", module)
    points = {
        name: EntryPoint(name, f"a_package_of_somebody:{value}", plugins.GROUP)
        for name, value in (("mine", "KIND"), ("their_crm", "CRM"), ("wrong", "WRONG"))
    }
    monkeypatch.setattr(plugins, "brought", lambda: points)


@pytest.mark.usefixtures("brought")
def test_a_provider_of_another_package_is_used_like_ours(workspace: Workspace) -> None:
    put_tenant(workspace, FILE.format(more="- mine"))
    assert {s.kind for s in _sources(workspace)} == {"serper", "brave", "edgar", "mine"}
    assert KINDS["mine"] is MINE
    assert "mine" in set(KINDS)
    assert len(KINDS) == len(list(KINDS))
    made = Providers(workspace.settings, workspace.clock).get("mine")
    assert isinstance(made, MockSearch)


@pytest.mark.usefixtures("brought")
@pytest.mark.parametrize("name", ["their_crm", "wrong"])
def test_what_is_no_provider_of_news_is_not_searched(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"there is no search provider '{name}'"):
        parse_tenant_file(FILE.format(more=f"- {name}"))


@pytest.mark.usefixtures("brought")
def test_an_entry_point_that_is_no_kind_or_cannot_be_loaded_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError, match="'wrong' is str, not a Kind"):
        kind_of("wrong")
    broken = {"broken": EntryPoint("broken", "no_such_module:KIND", plugins.GROUP)}
    monkeypatch.setattr(plugins, "brought", lambda: broken)
    with pytest.raises(ConfigurationError, match=r"'broken' \(no_such_module:KIND\) cannot be"):
        kind_of("broken")
    with pytest.raises(ConfigurationError, match="no kind of source 'nothing'"):
        kind_of("nothing")


def test_nothing_is_brought_by_ourselves() -> None:
    # What ships is known without entry points: a checkout works as it is, installed anew or not.
    assert not set(plugins.brought()) & set(plugins.SEARCHABLE)
    for name in plugins.SEARCHABLE:
        assert KINDS[name].terms is not None
        assert KINDS[name].title


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Vela Logistics SE", "Vela Logistics"),
        ("Harbor Foods, Inc.", "Harbor Foods"),
        ("Umbra Co., Ltd.", "Umbra"),
        ("SE", "SE"),
        ("Johnson & Co", "Johnson"),
    ],
)
def test_a_name_is_looked_for_without_its_legal_form(name: str, plain: str) -> None:
    assert without_legal_form(name) == plain


def test_a_client_is_looked_for_by_name_aliases_and_site() -> None:
    profile = {"aliases": ["Vela", 'The "Big" V', "vela"]}
    client = Client("desk", "vela", "Vela SE", domain="vela.example", profile=profile)
    names = api.names_of(client)
    assert [n.lower() for n in names] == ["vela", "the big v", "vela.example"]
    assert api.any_of(names[1:]) == '"The Big V" OR "vela.example"'
    assert api.any_of(["a" * 30, "b" * 30], longest=40) == '"' + "a" * 30 + '"'


def test_the_sec_is_told_a_mail_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SEC_EDGAR_CONTACT: .*a company and a mail"):
        load_settings({"SEC_EDGAR_CONTACT": "Example Ltd"}, start=tmp_path)
