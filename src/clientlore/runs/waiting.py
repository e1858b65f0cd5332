"""Sources that wait for the budget of a later day, and who is told of it: once, when it begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from clientlore.control import sources
from clientlore.control.alerts import raise_alert
from clientlore.control.model import Tenant
from clientlore.monitoring.asking import SourceOutcome
from clientlore.run_context import RunContext


def note_waiting(
    ctx: RunContext, tenant: Tenant, day: date, waiting: Sequence[SourceOutcome]
) -> tuple[str, ...]:
    """Tells somebody, unless something waited on the day before as well; gives what the run says of it."""
    if not waiting:
        return ()
    with ctx.workspace.control.read() as connection:
        before = sources.waiting_for_budget(
            connection, [tenant.tenant_id], [day - timedelta(days=1)]
        )
    if not before:
        _tell(ctx, tenant, waiting)
    return (f"{len(waiting)} sources wait for the budget of a later day",)


def _tell(ctx: RunContext, tenant: Tenant, waiting: Sequence[SourceOutcome]) -> None:
    kinds = ", ".join(sorted({o.source.kind for o in waiting}))
    with ctx.workspace.control.write() as connection:
        raise_alert(
            connection,
            ctx.audit("the budget for searching was used up"),
            tenant_id=tenant.tenant_id,
            subject="the budget for searching is used up",
            text=(
                f"What '{tenant.tenant_id}' may spend a day at {kinds} was not enough to ask about every client. "
                "Those who waited longest are asked first on the next day, about all since they were last read. "
                "Raise the budget under `search` in the tenant file, or ask fewer providers."
            ),
        )
