select
    tenant_id,
    day,
    event_id,
    client_id,
    user_id,
    score,
    category,
    passed,
    coalesce(gate, 'passed') as gate
from {{ source("lake", "matches") }}
