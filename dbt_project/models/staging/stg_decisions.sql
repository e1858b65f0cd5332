select
    tenant_id,
    window_id,
    user_id,
    event_id,
    client_id,
    day,
    decision,
    reference,
    score,
    category,
    is_late,
    decided_at
from {{ source("lake", "decisions") }}
