-- The running total of a client never goes below nothing, and ends at the number of memories that stand.
with undone as (
    select u.tenant_id, u.undoes as op_id
    from {{ ref("stg_memory_operations") }} as u
    left join {{ ref("stg_memory_operations") }} as back
        on back.tenant_id = u.tenant_id and back.undoes = u.op_id
    where u.undoes is not null and back.op_id is null
),
last_day as (
    select tenant_id, owner_id, arg_max(alive, day) as alive
    from {{ ref("memory_growth") }}
    group by all
),
standing as (
    select tenant_id, owner_id, count(*) as alive
    from (
        select tenant_id, owner_id, memory_id, arg_max(op, seq) as last_op
        from {{ ref("stg_memory_operations") }} as o
        anti join undone using (tenant_id, op_id)
        where op not in ('reinforce', 'supersede', 'undo')
        group by all
    )
    where last_op not in ('retract', 'forget', 'merge', 'summarise')
    group by all
)
select l.tenant_id, l.owner_id, l.alive, s.alive as standing
from last_day as l
left join standing as s using (tenant_id, owner_id)
where l.alive is distinct from coalesce(s.alive, 0) or l.alive < 0
