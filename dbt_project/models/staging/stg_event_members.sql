select
    tenant_id,
    day,
    item_id,
    event_id,
    status = 'PROCESSED' as is_used,
    layer,
    source_id,
    source_mode
from {{ source("lake", "event_members") }}
