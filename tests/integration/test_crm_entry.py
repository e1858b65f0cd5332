"""A CRM in a tenant file: which may be named, and what goes with it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from clientlore import plugins
from clientlore.control import sources
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.errors import ConfigurationError
from clientlore.providers.registry import KINDS
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

HEAD = "tenant: desk\nname: Desk\n"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{provider: salesfroce}", "did you mean 'salesforce'?"),
        ("{provider: pipedrive}", "Allowed: files, hubspot, salesforce"),
        ("{provider: hubspot, accounts: a.csv}", "accounts and activities are files, and hubspot is asked"),
        ("{provider: salesforce, activities: a.csv}", "take them out"),
        ("{activities: a.csv}", "name the export of the accounts"),
        ("{provider: hubspot, on_failure: mock}", "only for tenants with 'mode: mock'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_can(entry: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_tenant_file(f"{HEAD}crm: {entry}\n")
    assert said in str(caught.value)


@pytest.mark.parametrize("crm", sorted(plugins.CRMS))
def test_a_crm_has_a_source_for_accounts_and_one_for_activities(
    workspace: Workspace, crm: str
) -> None:
    put_tenant(workspace, f"{HEAD}crm: {{provider: {crm}, on_failure: fail}}")
    with workspace.control.read() as connection:
        found = sources.sources_of(connection, "desk")
    assert {(s.kind, s.location, s.on_failure) for s in found} == {
        (f"{crm}_accounts", "crm", "fail"),
        (f"{crm}_activities", "crm", "fail"),
    }
    for source in found:
        kind = KINDS[source.kind]
        assert kind.table == f"crm_{source.kind.removeprefix(crm + '_')}"
        assert kind.incremental
        assert KINDS[kind.stand_in].table == kind.table
    put_tenant(workspace, f"{HEAD}crm: {{accounts: a.parquet}}")
    with workspace.control.read() as connection:
        assert [s.kind for s in sources.sources_of(connection, "desk")] == ["crm_accounts"]


def test_a_crm_that_another_package_brings_can_be_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("copper_accounts", "clientlore.providers.registry:_MADE_UP", plugins.GROUP)
    monkeypatch.setattr(
        "clientlore.providers.registry._MADE_UP", KINDS["crm_accounts"], raising=False
    )
    monkeypatch.setattr(plugins, "brought", lambda: {"copper_accounts": point})
    assert plugins.crms()["copper"] == ("copper_accounts",)
    put_tenant(workspace, f"{HEAD}crm: {{provider: copper}}")
    with workspace.control.read() as connection:
        assert [s.kind for s in sources.sources_of(connection, "desk")] == ["copper_accounts"]
