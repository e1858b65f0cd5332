select
    tenant_id,
    seq,
    run_id,
    job,
    stage,
    coalesce(day, cast(finished_at as date)) as day,
    state,
    rows,
    seconds,
    finished_at
from {{ source("lake", "run_ledger") }}
