"""The tables of the control plane: what they hold and what must be unique. Nothing here runs a query.

Tenant comes first in every key. Instants are UTC. The migrations in `control/migrations` build exactly
this; a test compares the two.
"""

from clientlore.control.tables.audit import (
    alerts,
    audit_log,
)
from clientlore.control.tables.base import metadata
from clientlore.control.tables.collection import (
    collections,
    event_splits,
    quarantine,
    raw_batches,
    retentions,
    reviews,
    source_state,
    sources,
)
from clientlore.control.tables.feedback import feedback
from clientlore.control.tables.mail import (
    email_logs,
    notifications,
    outbox,
    windows,
)
from clientlore.control.tables.memory import (
    automation_policies,
    forgettings,
    forgotten_keys,
    memory_log,
    memory_tasks,
    policy_marks,
)
from clientlore.control.tables.people import (
    assignments,
    clients,
    contacts,
    tenants,
    user_preferences,
    users,
)
from clientlore.control.tables.schedules import (
    automation_schedules,
    beats,
    config_snapshots,
    fires,
    runs,
    stage_runs,
    tenant_days,
)
from clientlore.control.tables.spending import (
    llm_batches,
    llm_judgements,
    provider_spending,
)

__all__ = [
    "alerts",
    "assignments",
    "audit_log",
    "automation_policies",
    "automation_schedules",
    "beats",
    "clients",
    "collections",
    "config_snapshots",
    "contacts",
    "email_logs",
    "event_splits",
    "feedback",
    "fires",
    "forgettings",
    "forgotten_keys",
    "llm_batches",
    "llm_judgements",
    "memory_log",
    "memory_tasks",
    "metadata",
    "notifications",
    "outbox",
    "policy_marks",
    "provider_spending",
    "quarantine",
    "raw_batches",
    "retentions",
    "reviews",
    "runs",
    "source_state",
    "sources",
    "stage_runs",
    "tenant_days",
    "tenants",
    "user_preferences",
    "users",
    "windows",
]
