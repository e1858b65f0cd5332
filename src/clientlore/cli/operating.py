"""Commands of those who run the platform: `schedule`, `tenant`, `outbox`, `db`."""

from __future__ import annotations

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


@click.group()
def schedule() -> None:
    """When things are due; changes count from the next tick on, without a restart."""


@schedule.command("list")
@tenant_option
@json_option
def schedule_list(tenant: str | None, as_json: bool) -> None:
    """The schedules, with what they did last and when they are due next."""
    from clientlore.control.rows import dump
    from clientlore.control.schedules import schedules_of

    with opened() as workspace, workspace.control.read() as connection:
        found = schedules_of(connection, tenant)
    if as_json:
        say_json([dump(s) for s in found])
        return
    columns = [
        "tenant",
        "name",
        "type",
        "cron",
        "zone",
        "on",
        "next",
        "last",
        "failures",
        "last error",
    ]
    rows = [
        [s.tenant_id, s.name, s.schedule_type, s.cron, s.timezone, "yes" if s.is_active else "no", s.next_run_at,
         s.last_run_at, s.consecutive_failures, s.last_error_message]
        for s in found
    ]  # fmt: skip
    say_table("", columns, rows)


@schedule.command("trigger")
@click.argument("name")
@tenant_option
def schedule_trigger(name: str, tenant: str | None) -> None:
    """Make a schedule due now; its plan stays as it is. The running Dagster picks it up."""
    from clientlore.control.fires import write_by_hand
    from clientlore.control.schedules import find_schedule

    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        audit = audit_of(workspace, "schedule trigger")
        with workspace.control.write() as connection:
            fire = write_by_hand(
                connection,
                audit,
                tenant_id=found.tenant_id,
                day=workspace.clock.now().date(),
                schedule=find_schedule(connection, found.tenant_id, name),
                queued=True,
            )
    click.echo(
        f"Fire {fire.fire_id} is due; it happens within a minute where Dagster's daemon runs."
    )


def _switch(names: tuple[str, ...], tenant: str | None, *, what: str) -> None:
    from clientlore.control import schedules

    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        audit = audit_of(workspace, f"schedule {what}")
        with workspace.control.write() as connection:
            chosen = [schedules.find_schedule(connection, found.tenant_id, name) for name in names]
            if what == "delete":
                schedules.delete_schedules(connection, audit, chosen)
            else:
                schedules.set_active(connection, audit, chosen, active=what == "activate")
    click.echo(f"{what}d: {', '.join(s.name for s in chosen)}.")


@schedule.command("activate")
@click.argument("names", nargs=-1, required=True)
@tenant_option
def schedule_activate(names: tuple[str, ...], tenant: str | None) -> None:
    """Switch schedules on; their count of failures starts anew. All of them or none."""
    _switch(names, tenant, what="activate")


@schedule.command("deactivate")
@click.argument("names", nargs=-1, required=True)
@tenant_option
def schedule_deactivate(names: tuple[str, ...], tenant: str | None) -> None:
    """Switch schedules off until they are activated. All of them or none."""
    _switch(names, tenant, what="deactivate")


@schedule.command("delete")
@click.argument("names", nargs=-1, required=True)
@tenant_option
def schedule_delete(names: tuple[str, ...], tenant: str | None) -> None:
    """Delete schedules; `apply` brings back what the tenant file names. All of them or none."""
    _switch(names, tenant, what="delete")


@click.group()
def tenant() -> None:
    """The businesses that use this installation."""


@tenant.command("list")
@json_option
def tenant_list(as_json: bool) -> None:
    """The tenants, and why those that are held are."""
    from clientlore.control.rows import dump
    from clientlore.control.tenants import all_tenants

    with opened() as workspace, workspace.control.read() as connection:
        found = all_tenants(connection)
    if as_json:
        say_json([dump(x) for x in found])
        return
    rows = [[x.tenant_id, x.name, x.mode, x.status, x.held_reason] for x in found]
    say_table("", ["id", "name", "mode", "status", "why held"], rows)


@tenant.command("release")
@click.argument("tenant_id")
def tenant_release(tenant_id: str) -> None:
    """Let a held tenant go on. What was set aside stays set aside."""
    from clientlore.control.tenants import release

    with opened() as workspace:
        audit = audit_of(workspace, "tenant release")
        with workspace.control.write() as connection:
            changed = release(connection, audit, tenant_id)
    click.echo(
        f"Tenant '{tenant_id}' goes on." if changed else f"Tenant '{tenant_id}' was not held."
    )


@click.group()
def outbox() -> None:
    """Mail on its way."""


@outbox.command("list")
@tenant_option
@click.option("--state", type=click.Choice(["pending", "sending", "sent", "uncertain", "failed"]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def outbox_list(tenant: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """Messages, newest first."""
    import sqlalchemy as sa

    from clientlore.control import tables as t

    query = (
        sa.select(t.outbox)
        .order_by(t.outbox.c.created_at.desc(), t.outbox.c.outbox_id)
        .limit(limit)
    )
    if tenant is not None:
        query = query.where(t.outbox.c.tenant_id == tenant)
    if state is not None:
        query = query.where(t.outbox.c.state == state)
    with opened() as workspace, workspace.control.read() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    if as_json:
        say_json(rows)
        return
    columns = [
        "outbox_id",
        "tenant_id",
        "recipient",
        "channel",
        "state",
        "not_before",
        "attempts",
        "last_reply",
    ]
    say_table("", columns, [[row[c] for c in columns] for row in rows])


def _decide(outbox_id: str, *, was_delivered: bool) -> None:
    from clientlore.delivery.outbox import decide_uncertain

    with opened() as workspace:
        audit = audit_of(workspace, "an uncertain message was looked into")
        with workspace.control.write() as connection:
            decide_uncertain(connection, audit, outbox_id, was_delivered=was_delivered)
    click.echo("Noted as delivered." if was_delivered else "It is sent again with the next run.")


@outbox.command("delivered")
@click.argument("outbox_id")
def outbox_delivered(outbox_id: str) -> None:
    """An uncertain message did arrive."""
    _decide(outbox_id, was_delivered=True)


@outbox.command("resend")
@click.argument("outbox_id")
def outbox_resend(outbox_id: str) -> None:
    """An uncertain message did not arrive: send it again, under its old Message-ID."""
    _decide(outbox_id, was_delivered=False)


@click.group()
def db() -> None:
    """The database of the control plane."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the control plane to this program's version."""
    from clientlore.control import migrate

    with opened(migrated=False) as workspace:
        before = migrate.current(workspace.control)
        migrate.upgrade(workspace.control)
        after = migrate.current(workspace.control)
    click.echo(
        f"The control plane is at version {after}"
        + (f", from {before}." if before != after else ".")
    )


@db.command("downgrade")
@click.argument("version")
@click.confirmation_option(prompt="What only the newer version holds is lost. Go on?")
def db_downgrade(version: str) -> None:
    """Take the control plane back to a VERSION; `base` empties it."""
    from clientlore.control import migrate

    with opened(migrated=False) as workspace:
        migrate.downgrade(workspace.control, version)
        after = migrate.current(workspace.control)
    click.echo(f"The control plane is at version {after or 'none'}.")
