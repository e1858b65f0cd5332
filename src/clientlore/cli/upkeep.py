"""Commands over what is remembered: `memory tell|list|log|undo|retract|maintain`, `policy`, `task`."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from clientlore.memory.automation import AutomationController
    from clientlore.workspace import Workspace

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
    from clientlore.memory.arrival import Statement
    from clientlore.memory.service import MemoryService

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
        [row["feature"], _short(row["before"]), _short(row["after"]), row["operations"]] for row in rows
    ]
    say_table("", ["task", "before", "after", "operations"], table)


MEMORY_COMMANDS: tuple[click.Command, ...] = (tell, list_, log_, undo, retract, maintain)


@click.group()
def policy() -> None:
    """What is done with memory without being asked; everything is off until it is switched on."""


@policy.command("set")
@click.argument("owner")
@click.argument("values", nargs=-1, metavar="[FIELD=VALUE]...")
@tenant_option
def policy_set(owner: str, values: tuple[str, ...], tenant: str | None) -> None:
    """Change a policy of OWNER, or make one; `*` is the whole memory of the tenant.

    Fields are policy_type, auto_summarization, summarization_threshold, summarization_schedule and the like; a schedule
    is written as JSON: '{"interval_hours": 6}'.
    """
    import yaml

    changes: dict[str, Any] = {}
    for value in values:
        name, separator, said = value.partition("=")
        if not separator:
            message = f"'{value}' is not FIELD=VALUE"
            raise click.UsageError(message)
        changes[name] = yaml.safe_load(said)
    with opened() as workspace:
        made = _controller(workspace, tenant).update_policy(owner, **changes)
    click.echo(f"The policy of '{owner}' is set: {made.policy_type.value}.")


@policy.command("get")
@click.argument("owner")
@tenant_option
def policy_get(owner: str, tenant: str | None) -> None:
    """A policy with all its fields, as JSON."""
    from clientlore.errors import NotFoundError

    with opened() as workspace:
        found = _controller(workspace, tenant).get_policy(owner)
    if found is None:
        raise NotFoundError(f"'{owner}' has no policy", "`clientlore policy set` makes one.")
    say_json(found.model_dump(mode="json"))


@policy.command("list")
@tenant_option
@json_option
def policy_list(tenant: str | None, as_json: bool) -> None:
    """The policies, and what each has switched on."""
    from clientlore.memory.automation.policies import all_policies

    with opened() as workspace, workspace.control.read() as connection:
        found = all_policies(connection, None if tenant is None else [tenant])
    if as_json:
        say_json([{"tenant": t, **p.model_dump(mode="json")} for t, p in found])
        return
    rows = [
        [t, p.user_id, p.policy_type.value, ", ".join(f for f in _FEATURES if p.switched_on(f))]
        for t, p in found
    ]
    say_table("", ["tenant", "owner", "type", "on"], rows)


@policy.command("delete")
@click.argument("owner")
@tenant_option
def policy_delete(owner: str, tenant: str | None) -> None:
    """Delete the policy of OWNER."""
    with opened() as workspace:
        gone = _controller(workspace, tenant).delete_policy(owner)
    click.echo(f"The policy of '{owner}' is deleted." if gone else f"'{owner}' had no policy.")


@policy.command("explain")
@click.argument("owner")
@tenant_option
@json_option
def policy_explain(owner: str, tenant: str | None, as_json: bool) -> None:
    """Why each task of OWNER's memory is due now, or is not, and when it was done last."""
    from clientlore.memory.automation.policies import marks_of

    with opened() as workspace:
        controller = _controller(workspace, tenant)
        with workspace.control.read() as connection:
            marks = marks_of(connection, controller.tenant_id, owner)
        answers = {feature: controller.should_run(feature, owner) for feature in _FEATURES}
    rows = [
        {
            "feature": feature,
            "due": answer.due,
            "reason": answer.reason,
            "fires": marks[feature].fires if feature in marks else 0,
            "fired_at": marks[feature].fired_at if feature in marks else None,
        }
        for feature, answer in answers.items()
    ]
    if as_json:
        say_json(rows)
        return
    columns = ["feature", "due", "reason", "fires", "fired_at"]
    say_table("", columns, [[row[c] for c in columns] for row in rows])


@click.group()
def task() -> None:
    """Tasks of memory: done in the background by Dagster's runs, or now."""


@task.command("submit")
@click.argument("owner")
@click.argument("task_type", type=click.Choice([*_FEATURES, "all"]))
@tenant_option
@click.option(
    "--priority", type=click.Choice(["low", "normal", "high", "critical"]), default="normal"
)
@click.option("--force", is_flag=True, help="Pass by thresholds and times; what is off stays off.")
@click.option("--now", "inline", is_flag=True, help="Do it in this process.")
@json_option
def task_submit(
    owner: str,
    task_type: str,
    tenant: str | None,
    priority: str,
    force: bool,
    inline: bool,
    as_json: bool,
) -> None:
    """Ask for a task of OWNER's memory; the running Dagster does it within a minute."""
    from dataclasses import asdict

    from clientlore.memory.automation import TaskManager, TaskPriority

    with opened() as workspace:
        manager = TaskManager(_controller(workspace, tenant), "inline" if inline else "dagster")
        made = manager.submit_task(owner, task_type, TaskPriority(priority), force=force)
    if as_json:
        say_json(asdict(made))
    else:
        click.echo(f"Task {made.task_id} is {made.status.value}.")


@task.command("list")
@tenant_option
@_owner
@click.option(
    "--status", type=click.Choice(["pending", "running", "completed", "failed", "cancelled"])
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def task_list(
    tenant: str | None, owner: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """Tasks, the newest first."""
    from dataclasses import asdict

    from clientlore.memory.automation import TaskStatus
    from clientlore.memory.automation.tasks import listed

    with opened() as workspace:
        found_tenant = one_tenant(workspace, tenant).tenant_id
        with workspace.control.read() as connection:
            found = listed(
                connection,
                found_tenant,
                owner=owner,
                status=None if status is None else TaskStatus(status),
                limit=limit,
            )
    if as_json:
        say_json([asdict(x) for x in found])
        return
    rows = [
        [x.task_id, x.user_id, x.task_type, x.priority.value, x.status.value, x.trigger, x.attempts, x.error]
        for x in found
    ]  # fmt: skip
    columns = ["task", "owner", "what", "priority", "status", "asked by", "attempts", "error"]
    say_table("", columns, rows)


@task.command("cancel")
@click.argument("task_id")
@tenant_option
def task_cancel(task_id: str, tenant: str | None) -> None:
    """Take back a task that has not begun."""
    from clientlore.memory.automation import TaskManager

    with opened() as workspace:
        gone = TaskManager(_controller(workspace, tenant), "dagster").cancel_task(task_id)
    click.echo(
        "Cancelled." if gone else "It has begun or is over; `clientlore task list` says which."
    )


def _controller(workspace: Workspace, tenant: str | None) -> AutomationController:
    from clientlore.memory.automation import AutomationController
    from clientlore.memory.service import MemoryService

    found = one_tenant(workspace, tenant)
    return AutomationController(MemoryService(workspace, found.tenant_id))


def _short(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in counts.items())
