select
    tenant_id,
    day,
    source_id,
    client_id,
    kind,
    outcome,
    outcome in ('failed', 'degraded') as is_bad,
    error_kind,
    http_status,
    attempts,
    items,
    seconds
from {{ source("lake", "collections") }}
