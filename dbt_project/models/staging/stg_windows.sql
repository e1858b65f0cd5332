select
    tenant_id,
    window_id,
    user_id,
    frequency,
    window_key,
    as_of_day,
    outcome,
    items,
    more,
    late,
    channel,
    state as mail_state,
    attempts,
    closed_at,
    sent_at
from {{ source("lake", "deliveries") }}
