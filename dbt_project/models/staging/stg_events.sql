select
    tenant_id,
    event_id,
    story_id,
    story_similarity,
    day,
    title,
    publisher,
    published_at,
    first_collected_at,
    members,
    len(publishers) as publishers,
    is_revised,
    source_mode
from {{ source("lake", "events") }}
