select
    tenant_id,
    seq,
    op_id,
    owner_id,
    memory_id,
    op,
    undoes,
    kind,
    coalesce(origin_day, cast(recorded_at as date)) as day,
    recorded_at,
    sources
from {{ source("lake", "memory_operations") }}
