"""Clients from a CSV or one by one: what can be used is used, the rest is named with its line and reason."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control import clients, people, sources
from clientlore.control.client_entry import add_clients, entry_from, read_csv
from clientlore.control.model import Client, Tenant
from clientlore.control.tenant_file import ClientEntry
from clientlore.control.tenants import get_tenant
from clientlore.errors import BadDataError, ConfigurationError, NotFoundError
from clientlore.ids import slug
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

FILE = """
tenant: acme
name: Acme
mode: {mode}
users: [{{id: ana, name: Ana}}, {{id: bo, name: Bo}}]
clients:
  - {{name: Harbor Foods, domain: harbor.example, aliases: [Harbor], owners: [ana]}}
"""


def tenant_of(workspace: Workspace, mode: str = "live") -> Tenant:
    """A tenant with two people and one client."""
    put_tenant(workspace, FILE.format(mode=mode))
    with workspace.control.read() as connection:
        return get_tenant(connection, "acme")


def add(workspace: Workspace, tenant: Tenant, **values: object) -> Client:
    """Adds a client as the command line does; returns it as it is stored."""
    audit = workspace.audit("cli:me", "client add")
    (made,) = add_clients(workspace.control, audit, tenant, [entry_from(values, "client add")])
    with workspace.control.read() as connection:
        return next(c for c in clients.clients_of(connection, "acme") if c.client_id == made)


def csv_file(tmp_path: Path, data: bytes | str) -> Path:
    file = tmp_path / "clients.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_csv_is_read_whatever_program_exported_it(
    tmp_path: Path, separator: str, mark: bytes, ending: str
) -> None:
    lines = [
        ["Account Name", "Website", "RSS", "Alias", "Symbol", "Sector", "Owners"],
        [
            "Harbor Foods",
            "https://www.Harbor.example/about",
            "https://a.example/1 https://a.example/2",
            '"Harbor;HF"',
            "HRBF",
            "food",
            "ana",
        ],
    ]
    text = ending.join(separator.join(line) for line in lines) + ending
    (entry,), rejects = read_csv(csv_file(tmp_path, mark + text.encode()))
    assert rejects == []
    assert entry == ClientEntry.model_validate(
        {
            "name": "Harbor Foods",
            "domain": "harbor.example",
            "feeds": ["https://a.example/1", "https://a.example/2"],
            "aliases": ["Harbor", "HF"],
            "ticker": "HRBF",
            "industry": "food",
            "owners": ["ana"],
        }
    )


def test_a_missing_name_column_is_named_with_the_columns_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(BadDataError) as caught:
        read_csv(csv_file(tmp_path, "domain;sector\na.example;food\n"))
    assert "lacks the column name; it has domain, sector" in str(caught.value)
    assert "Accepted headers are name, company, client, accountname" in str(caught.value)


def test_a_duplicated_id_keeps_the_first_and_names_the_line_of_the_second(tmp_path: Path) -> None:
    text = "name,id,domain\nHarbor,h,one.example\nQuarry,,\nHarbour,h,two.example\nQUARRY,,\n"
    entries, rejects = read_csv(csv_file(tmp_path, text))
    assert [(e.client_id, e.domain) for e in entries] == [("h", "one.example"), ("quarry", None)]
    assert [(r["line"], r["detail"]) for r in rejects] == [
        (4, "the id 'h' stands in an earlier line, which counts"),
        (5, "the id 'quarry' stands in an earlier line, which counts"),
    ]


def test_a_row_that_cannot_be_used_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    text = (
        "name,domain,feed,ticker\n"
        ",a.example,,\n"
        "Harbor,no domain,,\n"
        "Quarry,,ftp://x.example/f,\n"
        "Vela,,,??\n"
        "\n"
        ",,,\n"
        "Umbra,,,UMB,and,more\n"
        "Solano\n"
    )
    entries, rejects = read_csv(csv_file(tmp_path, text))
    assert [e.name for e in entries] == ["Umbra", "Solano"]
    assert [r["line"] for r in rejects] == [2, 3, 4, 5]
    said = [r["detail"] for r in rejects]
    assert said[0].startswith("line 2: name: ")
    assert "domain: " in said[1]
    assert "feeds.0.url: a feed is an http:// or https:// address" in said[2]
    assert "ticker: " in said[3]


def test_the_line_of_a_row_counts_line_breaks_inside_cells(tmp_path: Path) -> None:
    entries, rejects = read_csv(csv_file(tmp_path, 'name,ticker\n"Harbor\nFoods",HF\nVela,??\n'))
    assert [e.client_id for e in entries] == ["harbor-foods"]
    assert [r["line"] for r in rejects] == [4]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n", "is empty"),
        ("name\nHärbor\n".encode("latin-1"), "is not UTF-8 text"),
        ("name\nHarbor\n".encode("utf-16"), "is not UTF-8 text"),
        (b'name\n"' + b"x" * 200_000, "after line 1: this is no CSV"),
        (b'"' + b"x" * 200_000, "after line 0: this is no CSV"),
        (b"\x50\x4b\x03\x04 zipped", "lacks the column name"),
    ],
)
def test_what_is_no_csv_at_all_is_said_so(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(BadDataError, match=told) as caught:
        read_csv(csv_file(tmp_path, data))
    assert "clients.csv" in str(caught.value)


def test_a_feed_with_a_password_is_refused_without_repeating_it(tmp_path: Path) -> None:
    text = "name,feed\nHarbor,https://me:hush-hush@x.example/f\n"
    entries, rejects = read_csv(csv_file(tmp_path, text))
    assert entries == []
    assert "contains a password" in rejects[0]["detail"]
    assert "hush-hush" not in rejects[0]["detail"]


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20).filter(
        lambda name: name.strip() != ""
    ),
    min_size=1,
    max_size=6,
)


@given(NAMES, st.sampled_from(",;\t"))
@settings(max_examples=60, deadline=None)
def test_names_come_back_from_a_csv_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], separator: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerows([["name", "industry"], *([name, "any"] for name in names)])
    file = csv_file(tmp_path_factory.getbasetemp(), text.getvalue())
    entries, rejects = read_csv(file)
    first = {slug(name.strip()): name.strip() for name in reversed(names)}
    assert {e.client_id: e.name for e in entries} == first
    assert len(entries) + len(rejects) == len(names)


def test_an_added_client_is_looked_after_by_everybody_unless_an_owner_is_named(
    workspace: Workspace,
) -> None:
    tenant = tenant_of(workspace)
    add(workspace, tenant, name="Quarry Stone", feeds=["https://q.example/f"])
    add(workspace, tenant, name="Vela", owners=["bo"])
    with workspace.control.read() as connection:
        owners = clients.responsible(connection, "acme")
        found = sources.sources_of(connection, "acme")
    ana, bo = people.user_id_for("acme", "ana"), people.user_id_for("acme", "bo")
    assert owners["quarry-stone"] == sorted([ana, bo])
    assert owners["vela"] == [bo]
    assert [(s.location, s.client_id, s.origin) for s in found] == [
        ("https://q.example/f", "quarry-stone", "cli")
    ]


def test_an_owner_who_is_no_user_leaves_nothing_behind(workspace: Workspace) -> None:
    tenant = tenant_of(workspace)
    entries = [entry_from({"name": "Vela"}, ""), entry_from({"name": "Q", "owners": ["cy"]}, "")]
    with pytest.raises(NotFoundError, match="Known: ana, bo"):
        add_clients(workspace.control, workspace.audit("cli:me", "x"), tenant, entries)
    with workspace.control.read() as connection:
        assert [c.client_id for c in clients.clients_of(connection, "acme")] == ["harbor-foods"]


def test_a_client_that_is_there_already_keeps_what_is_not_given(workspace: Workspace) -> None:
    tenant = tenant_of(workspace)
    found = add(workspace, tenant, name="Harbor Foods", ticker="HRBF", people=["Lena Moss"])
    assert (found.domain, found.ticker, found.origin) == ("harbor.example", "HRBF", "file")
    assert found.profile == {"aliases": ["Harbor"], "people": ["Lena Moss"]}
    with workspace.control.read() as connection:
        owners = clients.responsible(connection, "acme")["harbor-foods"]
    assert owners == [people.user_id_for("acme", "ana")]


def test_an_added_client_survives_the_next_apply(workspace: Workspace) -> None:
    tenant = tenant_of(workspace)
    add(workspace, tenant, name="Vela", feeds=["https://v.example/f"])
    assert put_tenant(workspace, FILE.format(mode="live")) == []
    with workspace.control.read() as connection:
        assert len(clients.clients_of(connection, "acme")) == 2
        assert len(sources.sources_of(connection, "acme")) == 1


def test_a_client_that_left_the_file_and_is_added_by_hand_survives_the_next_apply(
    workspace: Workspace,
) -> None:
    tenant = tenant_of(workspace)
    without = FILE.format(mode="live").split("clients:")[0]
    put_tenant(workspace, without)
    found = add(workspace, tenant, name="Harbor Foods")
    assert (found.origin, found.domain) == ("cli", "harbor.example")
    put_tenant(workspace, without)
    with workspace.control.read() as connection:
        assert [c.client_id for c in clients.clients_of(connection, "acme")] == ["harbor-foods"]


def test_a_client_of_a_mock_tenant_gets_made_up_news(workspace: Workspace) -> None:
    tenant = tenant_of(workspace, "mock")
    add(workspace, tenant, name="Vela")
    add(workspace, tenant, name="Harbor Foods")
    with workspace.control.read() as connection:
        found = sources.sources_of(connection, "acme")
    mocks = {s.client_id: s.origin for s in found if s.kind == "mock_search"}
    assert mocks == {"harbor-foods": "file", "vela": "cli"}


def test_a_value_of_the_command_line_that_cannot_be_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^client add: domain: "):
        entry_from({"name": "Vela", "domain": "not a domain"}, "client add")
    assert entry_from({"name": "Vela", "domain": "", "feeds": []}, "client add").domain is None
