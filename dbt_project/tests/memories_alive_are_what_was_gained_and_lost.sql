-- The running total of a client never goes below nothing, and ends at the number of memories that stand.
with last_day as (
    select tenant_id, owner_id, arg_max(alive, day) as alive
    from {{ ref("memory_growth") }}
    group by all
),
standing as (
    select tenant_id, owner_id, count(*) as alive
    from (
        select tenant_id, owner_id, memory_id, arg_max(op, seq) as last_op
        from {{ ref("stg_memory_operations") }}
        group by all
    )
    where last_op not in ('retract', 'forget')
    group by all
)
select l.tenant_id, l.owner_id, l.alive, s.alive as standing
from last_day as l
left join standing as s using (tenant_id, owner_id)
where l.alive is distinct from coalesce(s.alive, 0) or l.alive < 0
