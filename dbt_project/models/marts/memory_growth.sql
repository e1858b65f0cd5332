with owners as (
    select tenant_id, owner_id, min(day) as first_day
    from {{ ref("int_memory_changes") }}
    group by all
),
changes as (
    select
        tenant_id,
        owner_id,
        day,
        count(*) as operations,
        count(*) filter (where op = 'add') as added,
        count(*) filter (where op = 'revise') as revised,
        count(*) filter (where op in ('retract', 'forget')) as retracted,
        sum(gained) as gained
    from {{ ref("int_memory_changes") }}
    group by all
)
select
    o.tenant_id,
    o.owner_id,
    c.name as client,
    d.day,
    coalesce(ch.operations, 0) as operations,
    coalesce(ch.added, 0) as added,
    coalesce(ch.revised, 0) as revised,
    coalesce(ch.retracted, 0) as retracted,
    cast(
        sum(coalesce(ch.gained, 0)) over (
            partition by o.tenant_id, o.owner_id order by d.day
        ) as bigint
    ) as alive
from owners as o
inner join {{ ref("int_tenant_days") }} as d
    on d.tenant_id = o.tenant_id and d.day >= o.first_day
left join changes as ch
    on ch.tenant_id = o.tenant_id and ch.owner_id = o.owner_id and ch.day = d.day
left join {{ ref("stg_clients") }} as c
    on c.tenant_id = o.tenant_id and c.client_id = o.owner_id
order by o.tenant_id, d.day, o.owner_id
