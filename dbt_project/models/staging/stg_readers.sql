select tenant_id, user_id, handle, frequency, relevance_threshold, is_active
from {{ source("lake", "readers") }}
