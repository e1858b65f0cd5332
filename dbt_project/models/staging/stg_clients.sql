select tenant_id, client_id, name, industry, is_active
from {{ source("lake", "clients") }}
