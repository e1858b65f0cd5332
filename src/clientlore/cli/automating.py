"""`policy` and `task`: what is done with memory without being asked, and what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clientlore.cli.common import (
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
