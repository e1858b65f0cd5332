"""`forget`: takes somebody out of every store, for ever, and keeps a proof without content."""

from __future__ import annotations

import click

from clientlore.cli.common import (
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)


@click.command()
@tenant_option
@click.option(
    "--owner",
    help="The id of a client (its contacts go too), a contact, a user, or an owner of memories.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--resume", is_flag=True, help="Finish what was begun and did not end.")
@click.option("--list", "listed", is_flag=True, help="Show what was forgotten, with its proof.")
@json_option
def forget(
    tenant: str | None, owner: str | None, yes: bool, resume: bool, listed: bool, as_json: bool
) -> None:
    """Forget somebody for ever: in every table, file, index, mail and run record.

    It cannot be undone. What was forgotten is not collected again. Backups are yours to let expire, by the day said.
    """
    from dataclasses import asdict

    from clientlore.cli.progress import shown
    from clientlore.runs import forgetting as doing

    with opened() as workspace:
        if listed:
            found = doing.forgettings(workspace, tenant)
        elif resume:
            with shown(quiet=as_json) as progress:
                found = doing.resume(workspace, progress)
        else:
            if owner is None:
                message = "say whom with --owner, or --resume, or --list"
                raise click.UsageError(message)
            found_tenant = one_tenant(workspace, tenant).tenant_id
            if not yes:
                click.confirm(f"Forget '{owner}' of tenant '{found_tenant}' for ever?", abort=True)
            from clientlore.cli.common import audit_of

            actor = audit_of(workspace, "forget").actor
            with shown(quiet=as_json) as progress:
                found = [doing.forget(workspace, found_tenant, owner, actor, progress)]
    if as_json:
        say_json([asdict(f) for f in found])
        return
    rows = [
        [f.forget_id, f.tenant_id, f.state, f.finished_at, f.proof.get("looked_into"), f.proof.get("left"),
         str(f.backups_expire_on)]
        for f in found
    ]  # fmt: skip
    columns = [
        "proof",
        "tenant",
        "state",
        "finished",
        "files looked into",
        "left",
        "backups expire on",
    ]
    say_table("", columns, rows)
