"""How secret what stands in a dossier may be: the tenant file says it, general if it says nothing."""

from __future__ import annotations

from typing import get_args

from clientlore.control.tenants import get_tenant
from clientlore.memory.dossiers import Dossier, read_dossiers
from clientlore.memory.kinds import Tier
from clientlore.memory.service import MemoryService
from clientlore.memory.statements import Statement
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

TIERS = get_args(Tier)
TENANT = """
    tenant: acme
    name: Acme
    clients:
      - name: Harbor
        contacts: [{{name: Yuki Dubois, email: yuki@harbor.example}}]
    {said}
"""


def of_clearance(workspace: Workspace, clearance: str | None) -> list[Dossier]:
    said = f"dossiers: {{clearance: {clearance}}}" if clearance else ""
    put_tenant(workspace, TENANT.format(said=said))
    with workspace.control.read() as connection:
        tenant = get_tenant(connection, "acme")
    return read_dossiers(workspace, tenant)


def test_a_dossier_tells_and_counts_nothing_above_the_clearance_of_the_tenant_file(
    workspace: Workspace,
) -> None:
    of_clearance(workspace, None)
    memory, now = MemoryService(workspace, "acme"), workspace.clock.now()
    for tier in TIERS:
        said, gone = (
            Statement(
                "harbor", f"Yuki Dubois {did} the {tier} word", f"{did} {tier}", now, tier=tier
            )
            for did in ("said", "took back")
        )
        (_, told) = memory.remember([said, gone])
        memory.retract(told.memory_id, "ann", "it was not so")
    assert [d.kind for d in of_clearance(workspace, None)] == ["client", "contact"]
    for clearance in (None, *TIERS):
        seen = TIERS[: 1 + TIERS.index(clearance or "general")]
        client, contact = of_clearance(workspace, clearance)
        for dossier in (client, contact):
            words = {f"Yuki Dubois said the {tier} word" for tier in seen}
            assert {k.text for k in dossier.known} == words
        assert client.taken_back == len(seen)
