with recursive undoing as (
    -- Each operation that was undone, and the end of each chain of undoing that begins at it.
    select tenant_id, undoes as op_id, op_id as tip, 1 as length
    from {{ ref("stg_memory_operations") }}
    where undoes is not null
    union all
    select p.tenant_id, p.op_id, u.op_id as tip, p.length + 1 as length
    from undoing as p
    inner join {{ ref("stg_memory_operations") }} as u
        on u.tenant_id = p.tenant_id and u.undoes = p.tip
),
void as (
    -- An operation does not count if what undid it was not undone itself.
    select p.tenant_id, p.op_id
    from undoing as p
    left join {{ ref("stg_memory_operations") }} as u
        on u.tenant_id = p.tenant_id and u.undoes = p.tip
    where u.op_id is null
    group by all
    having bool_or(p.length % 2 = 1)
),
said as (
    select
        o.tenant_id,
        o.owner_id,
        o.memory_id,
        o.seq,
        o.op,
        o.day,
        -- What only adds to a memory, and what is undone, leaves it as it stood.
        case
            when v.op_id is not null or o.op in ('reinforce', 'supersede', 'undo') then null
            else o.op not in ('retract', 'forget', 'merge', 'summarise')
        end as says
    from {{ ref("stg_memory_operations") }} as o
    left join void as v on v.tenant_id = o.tenant_id and v.op_id = o.op_id
),
stands as (
    select
        tenant_id,
        owner_id,
        memory_id,
        seq,
        op,
        day,
        coalesce(
            last_value(says ignore nulls) over (
                partition by tenant_id, memory_id order by seq
                rows between unbounded preceding and current row
            ),
            false
        ) as is_alive
    from said
)
select
    *,
    cast(is_alive as integer) - cast(
        lag(is_alive, 1, false) over (partition by tenant_id, memory_id order by seq) as integer
    ) as gained
from stands
