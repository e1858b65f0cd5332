select tenant_id, day from {{ ref("stg_collections") }}
union
select tenant_id, day from {{ ref("stg_events") }}
union
select tenant_id, day from {{ ref("stg_memory_operations") }}
