select
    tenant_id,
    client_id,
    day,
    count(distinct event_id) filter (where passed) as passed,
    count(distinct event_id) filter (where is_mailed) as mailed
from (
    select tenant_id, client_id, day, event_id, passed, false as is_mailed
    from {{ ref("stg_matches") }}
    union all
    select tenant_id, client_id, day, event_id, false, true
    from {{ ref("stg_decisions") }}
    where decision = 'sent'
)
group by all
