select
    c.tenant_id,
    c.client_id,
    c.name as client,
    c.industry,
    d.day,
    coalesce(r.events, 0) as events,
    coalesce(r.relevant, 0) as relevant,
    r.best_score,
    r.top_category,
    coalesce(m.passed, 0) as passed,
    coalesce(m.mailed, 0) as mailed
from {{ ref("stg_clients") }} as c
inner join {{ ref("int_tenant_days") }} as d on d.tenant_id = c.tenant_id
left join {{ ref("int_client_day_relevance") }} as r
    on r.tenant_id = c.tenant_id and r.client_id = c.client_id and r.day = d.day
left join {{ ref("int_client_day_mail") }} as m
    on m.tenant_id = c.tenant_id and m.client_id = c.client_id and m.day = d.day
order by c.tenant_id, d.day, c.client_id
