"""Commands over what is remembered: `memory tell|list|log|undo|retract|maintain`."""

from __future__ import annotations

import datetime
from typing import Any

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)

_FEATURES = ["conflicts", "consolidation", "summarization", "compression", "decay", "health"]
_owner = click.option("--owner", help="Only memories about this client, contact or user.")


@click.command("tell")
@click.argument("owner")
@click.argument("text")
@tenant_option
@click.option("--kind", help="fact, preference, event ...; told by rules if not given.")
@click.option("--origin", help="Whence it comes; the same origin again is known already.")
@click.option(
    "--at", type=click.DateTime(), help="Since when it has been so, in UTC; now if not given."
)
@json_option
def tell(
    owner: str,
    text: str,
    tenant: str | None,
    kind: str | None,
    origin: str | None,
    at: datetime.datetime | None,
    as_json: bool,
) -> None:
    """Remember TEXT about OWNER. Said before, it reinforces; another value of a fact ends the old one."""
    from clientlore.ids import stable_id
    from clientlore.memory.service import MemoryService
    from clientlore.memory.statements import Statement

    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        now = workspace.clock.now()
        told = MemoryService(workspace, found.tenant_id).remember(
            [
                Statement(
                    owner,
                    text,
                    origin or f"cli:{stable_id(owner, text, now)}",
                    now,
                    actor=audit_of(workspace, "memory tell").actor,
                    held_from=None if at is None else at.replace(tzinfo=datetime.UTC),
                    kind=kind,
                    sources=("cli",),
                )
            ]
        )[0]
    if as_json:
        say_json({"memory_id": told.memory_id, "outcome": told.outcome})
    else:
        click.echo(f"{told.outcome.capitalize()}: {told.memory_id}")


@click.command("list")
@tenant_option
@_owner
@click.option("--as-of", type=click.DateTime(), help="As it was known then, in UTC.")
@click.option("--all", "everything", is_flag=True, help="What holds no longer, too.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(
    tenant: str | None,
    owner: str | None,
    as_of: datetime.datetime | None,
    everything: bool,
    limit: int,
    as_json: bool,
) -> None:
    """What is known and holds, the newest first."""
    from clientlore.memory.service import MemoryService

    instant = None if as_of is None else as_of.replace(tzinfo=datetime.UTC)
    with opened() as workspace:
        service = MemoryService(workspace, one_tenant(workspace, tenant).tenant_id)
        state = (service.state if everything else service.current)(instant, owner)
    rows = state.sort("recorded_at", "memory_id", descending=True).head(limit).to_dicts()
    if as_json:
        say_json(rows)
        return
    columns = ["memory_id", "owner_id", "kind", "valid_from", "valid_to", "text"]
    say_table(f"{state.height} in all", columns, [[row[c] for c in columns] for row in rows])


@click.command("log")
@tenant_option
@_owner
@click.option("--memory", "memory_id", help="Only what happened to this memory.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def log_(
    tenant: str | None, owner: str | None, memory_id: str | None, limit: int, as_json: bool
) -> None:
    """What happened to memory, by whom and why; the newest first."""
    from clientlore.memory.service import MemoryService

    with opened() as workspace:
        found = MemoryService(workspace, one_tenant(workspace, tenant).tenant_id).log(owner)
    if memory_id is not None:
        found = found.filter(memory_id=memory_id)
    rows = found.sort("seq", descending=True).head(limit).to_dicts()
    if as_json:
        say_json(rows)
        return
    columns = ["op_id", "recorded_at", "op", "memory_id", "actor", "reason", "origin"]
    say_table("", columns, [[row[c] for c in columns] for row in rows])


@click.command("undo")
@click.argument("what")
@tenant_option
def undo(what: str, tenant: str | None) -> None:
    """Make an operation void, or all of an origin, such as a consolidation; undoing that brings it back.

    WHAT is the id of an operation or an origin, as `clientlore memory log` shows them.
    """
    from clientlore.memory.service import MemoryService

    with opened() as workspace:
        service = MemoryService(workspace, one_tenant(workspace, tenant).tenant_id)
        count = service.undo(what, audit_of(workspace, "memory undo").actor)
    click.echo(f"Undone: {count} operations.")


@click.command("retract")
@click.argument("memory_id")
@tenant_option
@click.option("--reason", default="taken back by hand", show_default=True)
def retract(memory_id: str, tenant: str | None, reason: str) -> None:
    """Take a memory back. It stays in the log; `memory undo` brings it back."""
    from clientlore.memory.service import MemoryService

    with opened() as workspace:
        service = MemoryService(workspace, one_tenant(workspace, tenant).tenant_id)
        service.retract(memory_id, audit_of(workspace, "memory retract").actor, reason)
    click.echo(f"Taken back: {memory_id}.")


@click.command("maintain")
@click.argument("features", nargs=-1, type=click.Choice(_FEATURES))
@tenant_option
@_owner
@click.option("--preview", "only_look", is_flag=True, help="Say what would happen; do nothing.")
@json_option
def maintain(
    features: tuple[str, ...],
    tenant: str | None,
    owner: str | None,
    only_look: bool,
    as_json: bool,
) -> None:
    """Keep memory in order now, in this process: all tasks, or those named. Each can be undone."""
    from clientlore.memory.maintenance.running import maintain as do
    from clientlore.memory.maintenance.running import preview
    from clientlore.memory.service import MemoryService

    rows: list[dict[str, Any]] = []
    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        service = MemoryService(workspace, found.tenant_id)
        now = workspace.clock.now()
        with workspace.locks.hold(found.tenant_id, "memory maintain"):
            for feature in features or _FEATURES:
                if only_look:
                    plan = preview(service, feature, now, owner=owner)
                    told = {
                        "feature": feature,
                        "before": dict(plan.before),
                        "after": dict(plan.after),
                        "operations": len(plan.operations),
                        "examples": list(plan.examples),
                        **plan.result,
                    }
                else:
                    told = do(service, feature, now, owner=owner).told()
                rows.append(told)
    if as_json:
        say_json(rows)
        return
    table = [
        [row["feature"], _short(row["before"]), _short(row["after"]), row["operations"]]
        for row in rows
    ]
    say_table("", ["task", "before", "after", "operations"], table)


MEMORY_COMMANDS: tuple[click.Command, ...] = (tell, list_, log_, undo, retract, maintain)


def _short(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in counts.items())
