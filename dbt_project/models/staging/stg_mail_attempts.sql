select
    tenant_id,
    outbox_id,
    window_id,
    attempt,
    transport,
    outcome,
    reply_code,
    started_at,
    finished_at
from {{ source("lake", "mail_attempts") }}
