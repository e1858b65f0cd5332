select
    d.tenant_id,
    d.window_id,
    d.user_id,
    r.handle as reader,
    d.event_id,
    d.client_id,
    c.name as client,
    d.day,
    d.decision,
    d.reference,
    d.score,
    d.category,
    d.is_late,
    d.decided_at
from {{ ref("stg_decisions") }} as d
left join {{ ref("stg_readers") }} as r
    on r.tenant_id = d.tenant_id and r.user_id = d.user_id
left join {{ ref("stg_clients") }} as c
    on c.tenant_id = d.tenant_id and c.client_id = d.client_id
order by d.tenant_id, d.decided_at, d.window_id, d.event_id
