select tenant_id, name, mode, status
from {{ source("lake", "tenants") }}
