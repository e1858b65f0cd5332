with marked as (
    select
        *,
        count(*) filter (where not is_bad) over (
            partition by tenant_id, source_id order by day
        ) as good_days_before
    from {{ ref("stg_collections") }}
)
select
    m.tenant_id,
    m.source_id,
    m.client_id,
    c.name as client,
    m.kind,
    m.day,
    m.outcome,
    m.is_bad,
    count(*) filter (where m.is_bad) over (
        partition by m.tenant_id, m.source_id, m.good_days_before order by m.day
    ) as bad_days_in_a_row,
    m.error_kind,
    m.http_status,
    m.attempts,
    m.items,
    m.seconds
from marked as m
left join {{ ref("stg_clients") }} as c
    on c.tenant_id = m.tenant_id and c.client_id = m.client_id
order by m.tenant_id, m.day, m.source_id
