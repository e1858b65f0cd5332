select build_id, snapshot, taken_at, clientlore_version
from {{ source("lake", "build") }}
