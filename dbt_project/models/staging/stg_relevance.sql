select
    tenant_id,
    day,
    event_id,
    client_id,
    score,
    category,
    confidence,
    role,
    method,
    scorer,
    tokens,
    cost_usd,
    coalesce(score >= {{ var("relevant_from") }}, false) as is_relevant,
    source_mode
from {{ source("lake", "relevance") }}
