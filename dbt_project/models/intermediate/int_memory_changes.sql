with stands as (
    select
        tenant_id,
        owner_id,
        memory_id,
        seq,
        op,
        day,
        op not in ('retract', 'forget') as is_alive
    from {{ ref("stg_memory_operations") }}
)
select
    *,
    cast(is_alive as integer) - cast(
        lag(is_alive, 1, false) over (partition by tenant_id, memory_id order by seq) as integer
    ) as gained
from stands
